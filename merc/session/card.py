"""The model card of a run, written from the run's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from merc import __version__
from merc.components import Annotator, Prompter
from merc.consent import hide
from merc.conversation import SPLITS, LabelSpace
from merc.evaluation import read_metrics, read_predictions
from merc.evaluation.intervals import FEW, label_intervals
from merc.evaluation.label_history import sentences, shown_beside
from merc.evaluation.measures import TITLES
from merc.evaluation.significance import RESAMPLES
from merc.files import read_json, read_text
from merc.recipe import Recipe
from merc.recipe.yaml_text import write_yaml
from merc.session.directory import NO_CORPUS, RunDirectory
from merc.session.places import nowhere

INTERVALS = "intervals.json"
"""The file of a packed run with the intervals of its numbers, since its predictions stay behind."""

NUMBERS = ("weighted_f1", "accuracy", "macro_f1", "uar")
_WEAK = 0.4
_PACKAGES = ("torch", "transformers", "peft")

Intervals = Mapping[str, Mapping[str, Sequence[float]]]
"""By split and number, the lower and the upper end."""


@dataclass(frozen=True, kw_only=True)
class CardText:
    """What a card says that is not in the run's files."""

    base: str
    """The model that was tuned: its name on the model hub, or the package that its weights come from."""
    usage: str
    """How it is used, in Markdown."""
    library: str = "merc"
    """The library that loads the files beside the card, as the hub calls it."""
    licence: str | None = None
    """The licence of the weights as the hub writes it, such as ``apache-2.0``."""
    notes: Sequence[str] = ()
    """Paragraphs on what lies beside the card."""


def model_card(run: Path | str, text: CardText) -> str:
    """The model card of a run in Markdown, with the head that the model hub reads: what it is, its data, its numbers
    with intervals, its limits, how it was made, and how it is used.

    Args:
        run: The directory of a trained run, or the name of one that a plugin brings.
        text: What the run's files do not say.

    Returns:
        The text of a README.md, which names no path of this machine.

    Raises:
        MercError: There is no such run, or a file of it is damaged.
    """
    directory = RunDirectory.find(Path(run))
    trained = directory.trained([NO_CORPUS])
    metrics = read_metrics(directory.metrics) if directory.metrics.is_file() else {}
    card = _Card(
        recipe=yaml.safe_load(read_text(directory.recipe_file)),
        cues=_cues(trained),
        what_prompts_show=() if metrics else _what_prompts_show(trained),  # metrics say it themselves
        labels=directory.read_labels(),
        record=read_json(directory.provenance) if directory.provenance.is_file() else {},
        metrics=metrics,
        intervals=intervals_of(directory),
        text=text,
        chosen=bool(trained.stages) and _was_chosen(directory, trained.stages[-1].id),
    )
    return hide(nowhere(card.whole()))


def intervals_of(directory: RunDirectory) -> Intervals:
    """The 95 % intervals of a run's numbers, from its predictions by drawing whole conversations, or as its packed copy
    keeps them; nothing where there is neither."""
    if not directory.predictions.is_file():
        file = directory.path / INTERVALS
        return read_json(file) if file.is_file() else {}
    labels, predictions = directory.read_labels(), read_predictions(directory.predictions)
    intervals: dict[str, dict[str, Sequence[float]]] = {}
    for split in SPLITS:
        own = [one for one in predictions if one.split == split and one.truth is not None]
        for number, ends in label_intervals(NUMBERS, own, labels).items() if own else ():
            if not isinstance(ends, str):
                intervals.setdefault(split, {})[number] = list(ends)
    return intervals


def _was_chosen(directory: RunDirectory, stage: str) -> bool:
    """Whether a stage left the state that was best on dev, and not its last one."""
    done = directory.stage(stage) / "done.json"
    return done.is_file() and read_json(done).get("best") is not None


def _cues(recipe: Recipe) -> dict[str, str]:
    """Where each cue comes from that the prompts of a trained run show, which are all that a decoder reads."""
    part = recipe.last_prompter
    if part is None:
        return {}
    annotators = [(one.name, cast(Annotator, one.component)) for one in recipe.annotators.values()]
    writers = {field: f"of the annotator `{name}`" for name, one in annotators for field in one.fields()}
    cues = dict.fromkeys(cast(Prompter, part.component).cue_fields())
    return {cue: writers.get(cue, "that comes with the conversation") for cue in cues}


def _what_prompts_show(recipe: Recipe) -> list[str]:
    """What the prompts of a trained run show beside the conversation so far, in sentences."""
    if (how := recipe.evaluate) is None or (part := recipe.last_prompter) is None:
        return []
    following = how.looks_ahead(cast(Prompter, part.component))
    return [f"{words[0].upper()}{words[1:]}. {why}" for words, why in shown_beside(how.label_history, following)]


@dataclass(frozen=True, kw_only=True)
class _Card:
    recipe: Mapping[str, Any]
    cues: Mapping[str, str]
    what_prompts_show: Sequence[str]
    labels: LabelSpace
    record: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    intervals: Intervals
    text: CardText
    chosen: bool

    def whole(self) -> str:
        """The head and all sections."""
        title = self.recipe.get("title") or self.record.get("recipe") or "A run of merc"
        parts = [f"---\n{write_yaml(self._head(title))}---", f"# {title}"]
        if description := " ".join(str(self.recipe.get("description") or "").split()):
            parts.append(description)
        parts += [
            f"It answers for each utterance of a conversation with one of {len(self.labels)} labels: "
            f"{', '.join(self.labels.labels)}. It sees {self._sees()}.",
            *self.text.notes,
            "## Use",
            self.text.usage,
        ]
        if self.metrics:
            parts += ["## Numbers", *self._numbers()]
        parts += ["## Data", self._data(), "## Limits", *self._limits(), "## Licence", self._licence()]
        parts += ["## How it was made", self._made()]
        return "\n\n".join(parts) + "\n"

    def _head(self, title: str) -> dict[str, Any]:
        head: dict[str, Any] = {"base_model": self.text.base, "library_name": self.text.library}
        if self.text.licence is not None:
            head["license"] = self.text.licence
        head |= {"pipeline_tag": "text-classification", "tags": ["emotion-recognition", "merc"]}
        corpus = self._corpus()
        results = [
            {
                "task": {"type": "text-classification", "name": "Emotion recognition in conversation"},
                "dataset": {"type": corpus, "name": corpus, "split": split},
                "metrics": [
                    {"type": name, "value": round(float(numbers[name]), 4), "name": TITLES[name]}
                    for name in NUMBERS
                    if isinstance(numbers.get(name), float)
                ],
            }
            for split, numbers in self.metrics.items()
        ]
        return {**head, "model-index": [{"name": title, "results": results}]} if results else head

    def _corpus(self) -> str:
        return str((self.recipe.get("corpus") or {}).get("name", "unknown"))

    def _sees(self) -> str:
        inputs = [f"`{name}`" for name in self.recipe.get("encoders") or {}]
        inputs += [f"`{cue}` (a cue {source})" for cue, source in self.cues.items()]
        return f"the words and {', '.join(inputs)}" if inputs else "the words alone"

    def _numbers(self) -> list[str]:
        """A table of each split's numbers, what the model was shown beside the conversation so far, and a table of the
        labels of the last split."""
        titles = " | ".join(TITLES[name] for name in NUMBERS)
        rows = [f"| split | n | {titles} |", "|---" * (len(NUMBERS) + 2) + "|"]
        for split, numbers in self.metrics.items():
            cells = [self._cell(split, name, numbers.get(name)) for name in NUMBERS]
            rows.append(f"| {split} | {numbers.get('n', '')} | " + " | ".join(cells) + " |")
        parts = ["\n".join(rows), *sentences(self.metrics)]
        if self.intervals:
            parts.append(
                f"In brackets 95 % intervals: {RESAMPLES:,} draws of whole conversations with replacement. They say "
                "how far the number may lie off by the choice of conversations, and nothing of other data or seeds."
            )
        split, numbers = list(self.metrics.items())[-1]
        by_label = numbers.get("per_class") or {}
        table = ["| label | F1 | precision | recall | n |", "|---|---|---|---|---|"]
        for label, own in by_label.items():
            cells = [f"{100 * own[name]:.1f}" for name in ("f1", "precision", "recall")]
            table.append(f"| {label} | {' | '.join(cells)} | {own['support']} |")
        return [*parts, f"By label, on {split}:", "\n".join(table)] if by_label else parts

    def _cell(self, split: str, name: str, value: Any) -> str:
        if not isinstance(value, float):
            return ""
        spread = (self.intervals.get(split) or {}).get(name)
        ends = f" [{100 * spread[0]:.1f}, {100 * spread[1]:.1f}]" if spread else ""
        return f"{100 * value:.1f}{ends}"

    def _data(self) -> str:
        counts = [
            f"{split}: {own['conversations']:,} conversations, {own['utterances']:,} utterances"
            for split, own in (self.record.get("data") or {}).items()
        ]
        learned = self.metrics and self.chosen
        measured = "; test was measured once, at the end" if "test" in self.metrics else ""
        chosen = f" What is learned was chosen on dev{measured}." if learned else ""
        return f"Corpus `{self._corpus()}`. {'; '.join(counts) or 'Its size was not recorded'}.{chosen}"

    def _limits(self) -> list[str]:
        limits = [
            "- Labels are what annotators took somebody to feel, from outside; they are not what that person felt.",
            "- It always gives one of its labels, also where none fits, and for languages, ages, cultures and "
            "situations that its data do not hold; nothing was measured there.",
            "- It is not to be used to judge people: not at work, in schools, for insurance, credit, policing, "
            "borders, health or advertising; nor on people who did not agree to it.",
        ]
        if self.metrics:
            split, numbers = list(self.metrics.items())[-1]
            weak = [
                f"{label} ({100 * own['f1']:.1f})"
                for label, own in (numbers.get("per_class") or {}).items()
                if own["support"] and own["f1"] < _WEAK
            ]
            if weak:
                limits.append(
                    f"- F1 on {split} is below {100 * _WEAK:.0f} for {', '.join(weak)}: do not rely on these."
                )
            if 0 < int(numbers.get("n") or 0) < FEW:
                limits.append(f"- {split} has {numbers['n']} utterances: its numbers are rough.")
        else:
            limits += ["- No numbers of its own are kept with it.", *(f"- {one}" for one in self.what_prompts_show)]
        return ["\n".join(limits)]

    def _licence(self) -> str:
        named = f"`{self.text.licence}`. " if self.text.licence else ""
        return f"{named}The licences of the base model and of the data that it was trained on apply as well."

    def _made(self) -> str:
        tuning = (self.recipe.get("backbone") or {}).get("tuning") or {"name": "frozen"}
        packages = self.record.get("packages") or {}
        versions = ", ".join(f"{name} {packages[name]}" for name in _PACKAGES if name in packages)
        rows = {
            "base": f"`{self.text.base}`",
            "tuning": f"`{json.dumps(tuning)}`",
            "seed": self.recipe.get("seed", 0),
            "command": f"`{self.record['command']}`" if "command" in self.record else "not recorded",
            "with": f"merc {self.record.get('merc', __version__)}" + (f", {versions}" if versions else ""),
            "on": str(self.record.get("started", ""))[:10],
            "seconds": f"{self.record['seconds']:,.0f}" if "seconds" in self.record else "",
        }
        cells = {name: str(value).replace("|", "\\|") for name, value in rows.items() if value != ""}
        lines = [f"| {name} | {cell} |" for name, cell in cells.items()]
        return "\n".join(["| | |", "|---|---|", *lines, "", "`recipe.yaml` of the run holds every value."])
