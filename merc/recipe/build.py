"""A resolved tree to a Recipe: every section checked, all mistakes collected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from merc.components import Prompter, RunFolder, Workers
from merc.conversation import LabelSpace
from merc.errors import MercError, closest, did_you_mean
from merc.recipe.conversion import moved
from merc.recipe.cues import check_cues
from merc.recipe.demonstrations import check_demonstrations
from merc.recipe.document import Node
from merc.recipe.fit import check_choices, check_fit, check_strategy
from merc.recipe.heads import check_heads
from merc.recipe.metric_names import listed_name
from merc.recipe.needed import Use, not_needed
from merc.recipe.pairs import check_pairs
from merc.recipe.problems import Problems, join
from merc.recipe.reserved import RESERVED
from merc.recipe.schema import ComponentRef, Evaluate, Features, Recipe, Splitting, Stage, Strategy
from merc.recipe.sections import Sections
from merc.recipe.staging import NAME, Staging
from merc.recipe.values import convert_node, record
from merc.recipe.yaml_text import MAX_DEPTH, MAX_NODES, MAX_TEXT

SECTIONS = (
    "title", "description", "seed", "data_root", "labels", "corpus", "relabel", "split", "backbone", "encoders",
    "connectors", "fusers", "heads", "annotators", "init_from", "stages", "evaluate", "trackers", "workers",
    "strategy", "features",
)  # fmt: skip
"""The sections of a recipe, in the order in which they are written; ``extends`` stands beside them in a file."""

MAX_SEED = 2**32 - 1


class Builder:
    """Builds one recipe. Every method reports what is wrong and goes on.

    ``use`` is what it is built for. The stages of a trained one are over, so the evaluation needs no number that a
    stage chose its best state by.
    """

    def __init__(self, root: Node, problems: Problems, use: Use = "train") -> None:
        self.root, self.use = root, use
        self.problems = problems
        self.sections = Sections(problems, not_needed(root, use))
        self.recorded: dict[str, Any] = {}
        self.staging = Staging(problems, self.sections)

    def build(self, name: str) -> Recipe | None:
        """The recipe, or None when anything was wrong."""
        self.root = self.with_sections_as_meant()
        values: dict[str, Any] = {
            "title": self.plain("title", str, ""),
            "description": self.plain("description", str, ""),
            "seed": self.plain("seed", int, 0),
            "data_root": self.plain("data_root", Path | None, None),
            "init_from": self.plain("init_from", RunFolder | None, None),
            "labels": self.labels(),
            "corpus": self.corpus(),
            "split": self.split(),
        }
        values["relabel"] = self.relabel(values["labels"])
        if values["seed"] is not None and not 0 <= values["seed"] <= MAX_SEED:
            self.problems.add("seed", self.root.get("seed"), f"is from 0 to {MAX_SEED}, not {values['seed']}")
        values["backbone"] = self.backbone()
        for section in ("encoders", "connectors", "fusers", "heads"):
            values[section] = self.named(section, section.removesuffix("s"))
        values["stages"], self.recorded["stages"] = self.staging.stages(self.root.get("stages"))
        values["evaluate"] = self.evaluate(values["stages"])
        values["annotators"] = self.annotators()
        values["trackers"] = self.trackers()
        values |= self.workers()
        values["strategy"] = self.fixed("strategy", Strategy)
        values["features"] = self.features()
        prompters, trainers, selectors = self.staging.prompters, self.staging.trainers, self.staging.selectors
        check_fit(values, prompters, self.root, self.problems)
        check_cues(values["annotators"], prompters, self.root, self.problems)
        check_demonstrations(selectors, values["encoders"], self.root, self.problems)
        self.check_start()
        self.check_past_labels(values["stages"])
        if self.use == "train":
            check_heads(values, trainers, self.root, self.problems)
            check_choices(trainers, self.root, values["evaluate"], self.problems)
            check_strategy(trainers, values["strategy"], self.problems)
        if self.problems.errors:
            return None
        check_pairs(values, self.root, self.problems, self.use)
        if self.problems.errors:
            return None
        resolved = {key: self.recorded[key] for key in SECTIONS if self.recorded.get(key) not in (None, "", {}, [])}
        self.check_size(resolved)
        if self.problems.errors:
            return None
        notes = tuple(self.problems.notes)
        return Recipe(name=name, sources=dict(self.sections.sources), resolved=resolved, notes=notes, **values)

    def with_sections_as_meant(self) -> Node:
        """The recipe with its mistyped sections, which are reported, under the names that they are likely to mean: what
        they hold is checked too, and nothing is said to lack what stands in them."""
        known = (*SECTIONS, "extends")
        sections = {key: node for key, node in self.root.value.items() if key in SECTIONS}
        for key, node in self.root.value.items():
            if key in SECTIONS:
                continue
            elsewhere = moved("recipe", key) or self.deeper(key)
            close = elsewhere or did_you_mean(key, known)
            self.problems.add(key, node, f"a recipe has no {key!r}.{close} Its sections are: {', '.join(SECTIONS)}")
            if not elsewhere and (meant := closest(key, known)) in SECTIONS and isinstance(node.value, dict | list):
                sections.setdefault(meant, node)
        return replace(self.root, value=sections)

    def check_size(self, resolved: dict[str, Any]) -> None:
        """Report a recipe that could not be read again as a run records it: with its references and defaults it may be
        larger than as it is written."""
        nodes, characters, depth = _size(resolved)
        if nodes > MAX_NODES or characters > MAX_TEXT or depth > MAX_DEPTH:
            self.problems.add(
                "the recipe", None, f"has {nodes:,} values, {characters:,} characters and {depth} levels with its "
                f"references and defaults; at most {MAX_NODES:,}, {MAX_TEXT:,} and {MAX_DEPTH} can be recorded",
            )  # fmt: skip

    def check_start(self) -> None:
        """Report a run to start from where nothing is trained. Whether it is there is seen when the recipe is run."""
        node, stages = self.root.get("init_from"), self.root.get("stages")
        if node is not None and node.value is not None and (stages is None or not stages.value):
            text = "is where training starts from, and the recipe has no stages; take it out, or for the numbers of "
            self.problems.add("init_from", node, f"{text}that run use merc evaluate")

    def check_past_labels(self, stages: Sequence[Stage]) -> None:
        """Report a stage that learns with labels of past utterances where nothing says whose the model is shown when it
        is measured, on dev between epochs too. ``null`` says: nobody's."""
        node = self.root.get("evaluate")
        is_stated = node is not None and (node.broken or node.get("label_history") is not None)
        learns = [task.path for stage in stages for task in stage.tasks if task.data.label_history]
        if learns and not is_stated:
            text = f"is missing: {learns[0]} learns with gold labels of past utterances (data.label_history), so say "
            text += "what the model is shown when it is measured: predicted (its own), gold (the corpus's, which a "
            self.problems.add("evaluate.label_history", node, f"{text}user's recordings do not have), or null (none)")

    def deeper(self, key: str) -> str:
        """' Did you mean ...?' with the places below the sections where a key stands that was given at the top."""
        paths = [path for path, _ in self.root.walk() if path.endswith(f".{key}")]
        return f" Did you mean {' or '.join(paths[:3])}?" if paths else ""

    def plain(self, key: str, annotation: Any, default: Any) -> Any:
        """A value that stands at the top of the recipe."""
        node = self.root.get(key)
        if node is None or (node.value is None and default is None):
            self.recorded[key] = default
            if default not in (None, ""):
                self.sections.sources[key] = "default"
            return default
        value, node = convert_node(annotation, node, key, self.problems)
        if not node.broken and (annotation in (Path | None, RunFolder | None) or self.sections.recordable(node, key)):
            self.recorded[key] = record(value, node)
            self.sections.sources[key] = self.sections.where(node)
        elif key == "seed":
            return None
        return value

    def labels(self) -> LabelSpace | None:
        """The label space: a list of labels, or a mapping from each to its word or words."""
        node = self.root.get("labels")
        if node is None or node.value is None:
            return None
        words: dict[str, tuple[str, ...]] = {}
        if not self.sections.recordable(node, "labels"):
            return None
        if isinstance(node.value, dict):
            kind: Any = Mapping[str, str | tuple[str, ...] | None]
            value, node = convert_node(kind, node, "labels", self.problems)
            if node.broken:
                return None
            labels = tuple(value)
            words = {label: (one,) if isinstance(one, str) else one for label, one in value.items() if one is not None}
        else:
            value, node = convert_node(tuple[str, ...], node, "labels", self.problems)
            if node.broken:
                return None
            labels = value
        if any(not label.strip() for label in labels) or any(not w.strip() for ws in words.values() for w in ws):
            self.problems.add("labels", node, "a label, or one of its words, is empty")
            return None
        if empty := next((label for label, those in words.items() if not those), None):
            self.problems.add(join("labels", empty), node.get(empty), "has an empty list of words; leave the list out")
            return None
        if not labels:
            self.problems.add("labels", node, "names no label; leave it out to take the labels of the corpus")
            return None
        try:
            space = LabelSpace(labels, words)
        except MercError as error:
            self.problems.add("labels", node, str(error))
            return None
        self.recorded["labels"] = record(value, node)
        for path in [join("labels", label) for label in labels] if isinstance(node.value, dict) else ["labels"]:
            self.sections.sources[path] = self.sections.where(node.get(path.removeprefix("labels.")) or node)
        return space

    def corpus(self) -> ComponentRef | None:
        """The corpus, which every recipe has."""
        node = self.root.get("corpus")
        if node is None:
            self.problems.add("corpus", None, "is missing; a recipe says where its conversations come from, such as "
                              "corpus: {name: jsonl, path: talks.jsonl}")  # fmt: skip
            return None
        part, self.recorded["corpus"] = self.sections.part("corpus", node, "corpus")
        return part

    def relabel(self, declared: LabelSpace | None) -> dict[str, str | None]:
        """What becomes of labels of the corpus: another label, or none (``null``)."""
        node = self.root.get("relabel")
        if node is None or node.value is None or not self.sections.recordable(node, "relabel"):
            return {}
        value, node = convert_node(Mapping[str, str | None], node, "relabel", self.problems)
        if node.broken:
            return {}
        names = {old.strip(): None if new is None else new.strip() for old, new in value.items()}
        known = declared.labels if declared else ()
        for old, new in names.items():
            if not old or new == "":
                self.problems.add("relabel", node, "a label is empty; null takes the label from its utterances")
            elif declared and new is not None and new not in known:
                text = f"{new!r} is not among the labels of the recipe ({', '.join(known)}).{did_you_mean(new, known)}"
                self.problems.add(join("relabel", old), node.get(old), text)
            self.sections.sources[join("relabel", old)] = self.sections.where(node.get(old) or node)
        self.recorded["relabel"] = record(names, node)
        return names

    def split(self) -> Splitting | None:
        """How conversations are divided, where the corpus does not say or says it otherwise."""
        node = self.root.get("split")
        return None if node is None or node.value is None else self.fixed("split", Splitting)

    def backbone(self) -> ComponentRef | None:
        """The backbone, with the tuning that stands inside it."""
        node = self.root.get("backbone")
        if node is None or node.value is None:
            return None
        part, self.recorded["backbone"] = self.sections.part("backbone", node, "backbone")
        return part

    def named(self, section: str, kind: str) -> dict[str, ComponentRef]:
        """A section of components by the names that the author chose: encoders, connectors, fusers, heads,
        annotators."""
        node = self.root.get(section)
        if node is None or node.value is None or not self.sections.is_mapping(node, section):
            return {}
        parts: dict[str, ComponentRef] = {}
        recorded: dict[str, Any] = {}
        for key, child in node.value.items():
            if not NAME.fullmatch(key) or "." in key:
                self.problems.add(join(section, key), child, "a name here has letters, digits, '-' and '_' only")
            elif key in RESERVED and kind != "annotator":
                text = f"the name {key!r} is one of torch's own for the modules of a model; give it another, such as "
                self.problems.add(join(section, key), child, f"{text}{key}_1, wherever it is used")
            elif child.value is None and not child.broken:
                self.problems.add(join(section, key), child, f"null takes out what is inherited, and no {key!r} is")
            else:
                part, recorded[key] = self.sections.part(kind, child, join(section, key))
                if part is not None:
                    parts[key] = part
        self.recorded[section] = recorded
        return parts

    def annotators(self) -> dict[str, ComponentRef]:
        """The annotators; none for a trained run whose prompts read no cues."""
        node = self.root.get("annotators")
        if self.use != "train" and node is not None and not any(_reads_cues(p) for _, _, p in self.staging.prompters):
            self.recorded["annotators"] = record(node.plain(), node)
            return {}
        return self.named("annotators", "annotator")

    def evaluate(self, stages: Sequence[Stage]) -> Evaluate | None:
        """How the model is measured; the metric is ``classification`` where none is named."""
        node = self.root.get("evaluate")
        if node is None or node.value is None or not self.sections.is_mapping(node, "evaluate"):
            return None
        apart = ("prompter", "metrics", "demonstrations", "corrupt")
        values, recorded = self.sections.section(Evaluate, node, "evaluate", "evaluate", apart)
        prompter = node.get("prompter")
        if prompter is not None and prompter.value is not None:
            part, recorded["prompter"] = self.sections.part("prompter", prompter, "evaluate.prompter")
            if part is not None:
                self.staging.prompters.append(("evaluate.prompter", prompter, part))
            values = None if values is None or part is None else {**values, "prompter": part}
        settings: dict[str, Any] = {"demonstrations": stages[-1].demonstrations if stages else None}
        fine = self.staging.demonstrations(node, "evaluate", settings, recorded)
        values = None if values is None or not fine else {**values, **settings}
        metrics, recorded["metrics"] = self.metrics(node)
        corrupt: dict[str, ComponentRef] = {}
        if (corruptions := node.get("corrupt")) is not None and corruptions.value is not None:
            corrupt, recorded["corrupt"] = self.listed("corruption", "evaluate.corrupt", corruptions, "noise")
        self.recorded["evaluate"] = recorded
        if values is None:
            return None
        evaluate: Evaluate | None = self.sections.make(
            Evaluate, {**values, "metrics": metrics, "corrupt": corrupt}, node, "evaluate"
        )
        return evaluate

    def trackers(self) -> dict[str, ComponentRef]:
        """Where else the numbers of the run are shown: a list of names, or of sections with parameters."""
        node = self.root.get("trackers")
        if node is None or node.value is None:
            return {}
        parts, self.recorded["trackers"] = self.listed("tracker", "trackers", node, "tensorboard")
        return parts

    def workers(self) -> dict[str, ComponentRef]:
        """Where passes over data are done; nothing where the recipe does not say it."""
        node = self.root.get("workers")
        if node is None or node.value is None:
            return {}
        part, self.recorded["workers"] = self.sections.part("workers", node, "workers")
        if part is not None and isinstance(part.component, Workers) and not part.component.here:
            self.problems.notes.append(
                f"workers: a run computes in its own process; merc encode and merc annotate before it use {part.name!r}"
            )
        return {} if part is None else {"workers": part}

    def metrics(self, node: Node) -> tuple[dict[str, ComponentRef], list[Any]]:
        """The metrics: a list of names, or of sections with parameters."""
        path, section = "evaluate.metrics", node.get("metrics")
        if section is None:
            origin = node.origin
            default = Node([Node({"name": Node("classification", origin)}, origin)], origin)
            parts, recorded = self.metrics(Node({"metrics": default}, origin))
            for key in [key for key in self.sections.sources if key.startswith(path)]:
                self.sections.sources[key] = "default of evaluate"
            return parts, recorded
        return self.listed("metric", path, section, "classification")

    def listed(self, kind: str, path: str, section: Node, such: str) -> tuple[dict[str, ComponentRef], list[Any]]:
        """A list of names, or of sections with parameters; ``such`` is a name for messages."""
        if section.broken:
            return {}, []
        if not isinstance(section.value, list):
            self.problems.add(path, section, f"wants a list of {kind}s, such as [{such}]")
            return {}, []
        parts: dict[str, ComponentRef] = {}
        recorded: list[Any] = []
        for index, child in enumerate(section.value):
            if isinstance(child.value, str) and not child.broken:
                child = Node({"name": child}, child.origin)
            part, how = self.sections.part(kind, child, join(path, index), apart=("as",))
            if part is None:
                continue
            name = listed_name(child, part, parts, join(path, index), self.problems, kind)
            if name is None:
                continue
            parts[name] = part
            if name != part.name:
                how = {"name": how["name"], "as": name, **how}
                own = child.get("as")
                source = f"from the parameters of {part.name!r}" if own is None else self.sections.where(own)
                self.sections.sources[join(join(path, index), "as")] = source
            recorded.append(how)
        return parts, recorded

    def fixed(self, key: str, type_: type) -> Any:
        """A section of fixed keys that has defaults for all."""
        node = self.root.get(key)
        node = node if node is None or node.value is not None else None
        values, self.recorded[key] = self.sections.section(type_, node, key, key)
        return self.sections.make(type_, values, node, key)

    def features(self) -> Features | None:
        """Where features are kept; the folder is made absolute."""
        node = self.root.get("features")
        store = node.get("store") if node is not None else None
        if node is not None and store is not None and isinstance(store.value, str):
            # It is a path, though what it becomes is a text.
            _, store = convert_node(Path, store, "features.store", self.problems)
            self.root = self.root.with_children(
                {**self.root.value, "features": node.with_children({**node.value, "store": store})}
            )
        features: Features | None = self.fixed("features", Features)
        return features


def _reads_cues(part: ComponentRef) -> bool:
    """Whether a prompter reads cues; one that fails to say so may."""
    assert isinstance(part.component, Prompter)
    try:
        return bool(part.component.cue_fields())
    except Exception:  # reported where cues are checked
        return True


def _size(value: Any) -> tuple[int, int, int]:
    """How many values a recorded recipe has, how many characters, and how many levels."""
    if not isinstance(value, dict | list):
        return 1, len(value) if isinstance(value, str) else 0, 0
    inside = [_size(one) for one in (value.values() if isinstance(value, dict) else value)]
    nodes, characters, depths = zip(*inside, strict=True) if inside else ((), (), (0,))
    return 1 + sum(nodes), sum(characters), 1 + max(depths)
