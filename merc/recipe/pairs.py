"""Settings that are right one by one and do not work together: what is learned, asked for, shown and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from merc.components import Decoder, Fuser, Head, Metric, Prompter, Query, Selector, Trainer
from merc.components.head import GIVES_OF_HEADS
from merc.conversation import LabelSpace
from merc.recipe.asking import Asking, node_at, prompt_of, says
from merc.recipe.corruptions import check_corruptions
from merc.recipe.cues import check_loss_cues, check_read_cues
from merc.recipe.document import Node
from merc.recipe.fit import input_free, is_frozen, names_part
from merc.recipe.heads import heads_of
from merc.recipe.needed import Use
from merc.recipe.problems import Problems, join
from merc.recipe.schema import ComponentRef, Evaluate, Stage
from merc.registry import get_registry
from merc.registry.isolation import isolated


def check_pairs(values: Mapping[str, Any], root: Node, problems: Problems, use: Use = "train") -> None:
    """Report what cannot work together, and note what is without effect.

    Prompters are asked for a prompt of a small made-up conversation; one that makes none of it is left to the run,
    which sees the true ones. The recipe of a trained run cannot be mended in its stages any more, and what they were
    trained with may be gone: there, only what is asked of the model now is looked at.
    """
    stages: Sequence[Stage] = values["stages"]
    evaluate: Evaluate | None = values["evaluate"]
    labels: LabelSpace | None = values["labels"]
    for stage_at, stage in enumerate(stages if use == "train" else ()):
        _check_learning(stage_at, stage, values, root, problems)
        check_loss_cues(stage_at, stage, root, problems)
        for task in stage.tasks:
            asking = Asking.of(join(task.path, "prompter"), task.prompter, labels)
            past = join(task.path, "data.label_history") if task.data.label_history else ""
            _check_shown(asking, task.demonstrations, join(task.path, "demonstrations"), past, root, problems)
            _check_blocks(asking, values, root, problems)
    if use == "train":
        _note_unshown(values, problems)
    if evaluate is None:
        return
    part = evaluate.prompter or (stages[-1].prompter if stages else None)
    if part is None:
        return
    asking = Asking.of("evaluate.prompter", part, labels)
    past = "evaluate.label_history" if evaluate.label_history else ""
    own = says(cast(Prompter, part.component).looks_ahead, 0)
    if ahead := max(own, says(evaluate.decoder.looks_ahead, 0)):
        where = asking.path if ahead == own else "evaluate.decoder"
        what = f"{ahead} following utterance{'s' if ahead > 1 else ''}"
        problems.note(where, node_at(root, where), f"offline: prompts show {what}, so the run answers no "
                      "conversation that goes on")  # fmt: skip
    _check_shown(asking, evaluate.demonstrations, "evaluate.demonstrations", past, root, problems)
    _check_blocks(asking, values, root, problems)
    _check_decoding(asking, evaluate, stages, root, problems, use)
    _check_prompters(asking, evaluate.decoder, root, problems)
    check_read_cues(asking, evaluate.decoder, root, problems)
    none: Sequence[Prompter] = ()
    for one in says(evaluate.decoder.prompters, none):
        ref = ComponentRef(name=get_registry().name_of(one), params={}, component=one)
        _check_blocks(Asking.of("evaluate.decoder", ref, labels), values, root, problems)
    _check_length(asking, evaluate, labels, root, problems)
    _check_metrics(evaluate, values["heads"], root, problems)
    if use != "predict":
        check_corruptions(evaluate, asking, values, root, problems)
    learned = {task.data.split: task.path for stage in stages for task in stage.tasks}
    for split in sorted(learned.keys() & set(evaluate.splits)):
        problems.note("evaluate.splits", node_at(root, "evaluate.splits"),
                      f"{split} is measured, and {learned[split]} learns from it")  # fmt: skip
    if (fits_on := says(evaluate.decoder.fits_on, None)) in evaluate.splits:
        problems.note("evaluate.splits", node_at(root, "evaluate.splits"),
                      f"{fits_on} is measured, and evaluate.decoder is fitted on it")  # fmt: skip


def _check_learning(index: int, stage: Stage, values: Mapping[str, Any], root: Node, problems: Problems) -> None:
    """Report a stage in which nothing that its prompts reach can learn, and note what is named for nothing."""
    path = f"stages.{index}.trainable"
    streams = {stream for task in stage.tasks for stream in _streams(task.prompter)} | set(input_free(values))
    reached = [f"{kind}.{name}" for kind in ("connectors", "fusers") for name in values[kind] if name in streams]
    reached += [] if is_frozen(values) else ["backbone"]
    reached += [f"heads.{name}" for name in heads_of(stage.trainer)]
    patterns = stage.trainable
    encoders = {one for name in streams for one in _inputs_of(values, name)}
    reached += [f"encoders.{name}" for name in sorted(encoders) if patterns is not None]
    if any(patterns is None or any(names_part(pattern, name) for pattern in patterns) for name in reached):
        for name in patterns or ():
            stream = name.partition(".")[2]
            reaches = encoders if name.startswith("encoders.") else streams
            if (
                name.startswith(("connectors.", "fusers.", "encoders."))
                and stream in _names(values)
                and (stream not in reaches)
            ):
                problems.note(path, node_at(root, path), f"{name} learns nothing here: no prompter of the stage shows "
                              f"the stream {stream!r}")  # fmt: skip
        return
    showing = f"its prompts show {', '.join(sorted(streams))}" if streams else "its prompts show words alone"
    learns = f"only {', '.join(patterns)} may learn" if patterns else "the backbone's tuning is frozen"
    problems.add(
        path, node_at(root, path) or node_at(root, f"stages.{index}"),
        f"nothing of stage {stage.id!r} can learn: {learns}, and {showing}; show a stream that has a connector, or let "
        "the backbone learn (backbone.tuning.name=lora)",
    )  # fmt: skip


def _check_shown(
    asking: Asking, selector: ComponentRef | None, shots: str, past: str, root: Node, problems: Problems
) -> None:
    """Report demonstrations and a label history that the prompter does not show."""
    name = asking.part.name
    if isinstance(selector and selector.component, Selector) and not asking.shows(demonstrations=(_shown(asking),)):
        problems.add(shots, node_at(root, shots), f"prompter {name!r} shows no demonstrations; take them out "
                     f"({shots}=null), or choose another prompter")  # fmt: skip
    labels = asking.query.labels.labels
    history = (*(labels[0] for _ in range(asking.query.index)), None)
    if past and not asking.shows(label_history=history):
        problems.add(past, node_at(root, past), f"prompter {name!r} shows no labels of earlier utterances, so "
                     "label_history would change nothing; take it out, or choose another prompter")  # fmt: skip


def _check_blocks(asking: Asking, values: Mapping[str, Any], root: Node, problems: Problems) -> None:
    """Report a prompter that does not say which words are an utterance's, where utterances are read both ways."""
    backbone = values["backbone"].component if values["backbone"] is not None else None
    if getattr(backbone, "attention", "causal") == "causal" or asking.prompt is None:
        return
    if not any(getattr(segment, "utterance", "") for segment in asking.prompt.segments):
        problems.add(asking.path, node_at(root, asking.path), f"backbone.attention is utterance, and prompter "
                     f"{asking.part.name!r} does not say which words belong to an utterance; use conversation, or set "
                     "backbone.attention=causal")  # fmt: skip


def _check_decoding(
    asking: Asking, evaluate: Evaluate, stages: Sequence[Stage], root: Node, problems: Problems, use: Use
) -> None:
    """Report a decoder that does not fit what is asked for, or what was learned."""
    path, decoder = "evaluate.decoder", evaluate.decoder
    node = node_at(root, path) or node_at(root, "evaluate")
    name, decodes = asking.part.name, get_registry().name_of(decoder)
    if decoder.answers == "labels":
        if asking.asks_for_label is False:
            text = f"{decodes} scores labels, and prompter {name!r} asks for a text; set evaluate.decoder="
            problems.add(path, node, text + "{name: generate}, or evaluate.prompter to one that asks for the label")
        return
    if not stages or not asking.asks_for_label:
        return
    complain = problems.add if use == "train" else problems.note
    last = stages[-1]
    if isinstance(last.trainer.component, Trainer) and not last.trainer.component.teaches_writing():
        complain(
            path, node, f"the model is asked to write, and stage {last.id!r} learns to choose among the labels, which "
            f"teaches no answer to write; set stages.{len(stages) - 1}.trainer.losses=[token-nll], or "
            "evaluate.decoder={name: verbalizer}",
        )  # fmt: skip
        return
    learned = prompt_of(last.prompter, asking.query)
    if (
        says(decoder.needs_end, False)
        and learned is not None
        and learned.answer.text is None
        and not learned.answer.end
    ):
        complain(
            path, node,
            f"{decodes} reads an answer that ends after the label, and prompter {last.prompter.name!r} of stage "
            f"{last.id!r} teaches no end (end: false), so the model writes on; set evaluate.decoder={{name: generate, "
            "parser: first-label}, or the prompter's end to true",
        )  # fmt: skip


def _check_prompters(asking: Asking, decoder: Decoder, root: Node, problems: Problems) -> None:
    """Report prompters of a decoder that show what the recipe's own does not, so that it would not be there."""
    own, path = asking.part.component, "evaluate.decoder"
    others: Sequence[Prompter] = ()
    nothing: Sequence[str] = ()
    assert isinstance(own, Prompter)
    for number, prompter in enumerate(says(decoder.prompters, others), start=1):
        kinds: dict[str, tuple[Callable[[], Sequence[str]], Callable[[], Sequence[str]]]] = {
            "stream": (own.streams, prompter.streams),
            "cue": (own.cue_fields, prompter.cue_fields),
        }
        for kind, (known, needed) in kinds.items():
            lacking = sorted(set(says(needed, nothing)) - set(says(known, nothing)))
            if lacking:
                problems.add(
                    path, node_at(root, path), f"prompter {number} of {get_registry().name_of(decoder)!r} shows the "
                    f"{kind} {lacking[0]!r}, which the recipe's own prompter {asking.part.name!r} does not show, so it "
                    f"would not be there; let {asking.path} show it too",
                )  # fmt: skip


def _check_length(
    asking: Asking, evaluate: Evaluate, labels: LabelSpace | None, root: Node, problems: Problems
) -> None:
    """Report that the longest label cannot be written. A word is one token at least; the run counts the true ones."""
    room = says(evaluate.decoder.new_tokens, 0)
    if evaluate.decoder.answers != "none" or not room or labels is None or not asking.asks_for_label:
        return
    longest = max((word for label in labels.labels for word in labels.words_of(label)), key=lambda w: len(w.split()))
    if len(longest.split()) > room:
        path = "evaluate.decoder.max_new_tokens"
        node = node_at(root, path) or node_at(root, "evaluate.decoder")
        problems.add(path, node, f"the label {longest!r} has {len(longest.split())} words, so it is longer than the "
                     f"{room} tokens that may be written")  # fmt: skip


def _check_metrics(evaluate: Evaluate, heads: Mapping[str, ComponentRef], root: Node, problems: Problems) -> None:
    """Report metrics that need what neither the decoder nor a head gives."""
    parts = [cast(Head, part.component) for part in heads.values()]
    values = {f"values.{field}" for head in parts for field in head.fields()}
    gives = evaluate.decoder.gives.union(values, *(head.gives for head in parts))
    for number, (name, part) in enumerate(evaluate.metrics.items()):
        metric = part.component
        if not isinstance(metric, Metric):
            continue
        nothing: Sequence[str] = ()
        lacking = [what for what in says(metric.needs, nothing) if what not in gives]
        path = f"evaluate.metrics.{number}"
        if of_heads := [what for what in lacking if what in GIVES_OF_HEADS or what.startswith("values.")]:
            known = ", ".join(sorted(values)) or "none"
            section = next((GIVES_OF_HEADS[what] for what in of_heads if what in GIVES_OF_HEADS), "")
            remedy = f"add a head that does, heads: {{mine: {section}}}" if section else f"there are: {known}"
            problems.add(path, node_at(root, path) or node_at(root, "evaluate"), f"metric {name!r} reads "
                         f"{' and '.join(of_heads)}, which no head of the recipe gives; {remedy}")  # fmt: skip
        elif lacking:
            decoder = get_registry().name_of(evaluate.decoder)
            problems.add(path, node_at(root, path) or node_at(root, "evaluate"), f"metric {name!r} needs "
                         f"{' and '.join(lacking)}, which decoder {decoder!r} does not give; set evaluate.decoder to "
                         "one that does: {name: verbalizer} gives probabilities, {name: generate} text")  # fmt: skip


def _note_unshown(values: Mapping[str, Any], problems: Problems) -> None:
    """Note connectors, fusers and encoders that no prompt reaches."""
    stages: Sequence[Stage] = values["stages"]
    evaluate: Evaluate | None = values["evaluate"]
    parts = [task.prompter for stage in stages for task in stage.tasks]
    parts += [evaluate.prompter] if evaluate is not None and evaluate.prompter is not None else []
    if not parts:
        return
    streams = {stream for part in parts for stream in _streams(part)}
    for name in (*values["connectors"], *values["fusers"]):
        if name not in streams and name in _names(values):
            kind = "fusers" if name in values["fusers"] else "connectors"
            problems.note(join(kind, name), None, f"no prompter shows the stream {name!r}, so it learns nothing and "
                          f"changes nothing ({kind}.{name}=null takes it out)")  # fmt: skip
    chooses = [task.demonstrations for stage in stages for task in stage.tasks]
    chooses += [evaluate.demonstrations] if evaluate is not None else []
    used = {stream for part in chooses if part is not None for stream in _compared(part)}
    for name, fuser in values["fusers"].items():
        if name in streams:
            used |= set(cast(Fuser, fuser.component).inputs or values["encoders"])
    for name in values["encoders"]:
        if name not in streams | used and name not in values["connectors"]:
            problems.note(join("encoders", name), None, "nothing uses it: no prompter shows its stream, and no fuser "
                          "that is shown or selector takes it")  # fmt: skip


def _inputs_of(values: Mapping[str, Any], stream: str) -> Sequence[str]:
    """The encoders that a stream comes from."""
    fuser: ComponentRef | None = values["fusers"].get(stream)
    if fuser is None:
        return (stream,)
    return cast(Fuser, fuser.component).inputs or tuple(values["encoders"])


def _names(values: Mapping[str, Any]) -> list[str]:
    return [*values["encoders"], *values["fusers"]]


def _streams(part: ComponentRef) -> list[str]:
    try:
        return list(isolated(cast(Prompter, part.component).streams))
    except Exception:  # reported by check_fit
        return []


def _compared(part: ComponentRef) -> Sequence[str]:
    try:
        comparison = isolated(cast(Selector, part.component).comparison)
    except Exception:  # reported by check_demonstrations
        return ()
    return comparison.streams if comparison is not None else ()


def _shown(asking: Asking) -> Query:
    """A demonstration for the sample: the same in another conversation."""
    talk = asking.query.conversation
    utterances = tuple(replace(u, id=f"shown_{u.id}", text=f"{u.text} Yes?") for u in talk.utterances)
    return replace(asking.query, conversation=replace(talk, id="shown", utterances=utterances))
