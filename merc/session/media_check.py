"""Whether what a run trains has any media to learn from, looked at before anything is trained."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from merc.components import Connector, Prompter, Query, Slot
from merc.components.reasons import count_reasons
from merc.errors import MercError
from merc.features import known_missing
from merc.model.build import build_meta
from merc.recipe import Recipe, Stage, Task
from merc.recipe.heads import heads_of
from merc.session.data import encoders_of, inputs_of, used_streams

StagePrompts = Sequence[tuple[str, Prompter, list[list[Query]]]]
"""Each place of a recipe whose prompts are made: its path or name, its prompter, and its queries in groups."""

Missing = Mapping[tuple[str, str], str]
"""Why there are no features, by encoder and utterance."""

Parts = Mapping[str, Sequence[str]]
"""The names of the parameters that may learn, by part of the model."""


@dataclass
class _Shown:
    """What the prompts of a stage show: the utterances by stream, all of them where some encoder has features of none
    that is shown, and the encoders of each stream that have some."""

    utterances: dict[str, dict[str, None]] = field(default_factory=dict)
    there: set[tuple[str, str]] = field(default_factory=set)


def check_files(recipe: Recipe, prompts: StagePrompts) -> None:
    """``check_media`` by what is known before anything is decoded or loaded: what is shown, and files that are not
    there. It keeps hours of encoding from ending in an error that was certain before."""
    talks = {
        id(query.conversation): query.conversation for _, _, groups in prompts for group in groups for query in group
    }
    missing = known_missing(encoders_of(recipe, used_streams(recipe)[0]), talks.values())
    learned = {stream for task in recipe.tasks for stream in _streams(task)}
    streams = {stream for _, prompter, _ in prompts for stream in prompter.streams()}
    groups = {where: some for where, _, some in prompts}
    there = {one for stage in recipe.stages for one in _shown(recipe, stage, groups, missing).there}
    if streams <= learned and all((stream, one) in there for stream in learned for one in inputs_of(recipe, stream)):
        return  # most runs; only the others need to know what parts the model has
    check_media(recipe, build_meta(recipe).parts(), prompts, missing)


def check_media(
    recipe: Recipe, parts: Parts, prompts: StagePrompts, missing: Missing, inherited: Collection[str] = ()
) -> None:
    """Raise MercError for a stream that no utterance of training has, for a connector that only the evaluation would
    use, and for a stage in which nothing that learns has any input. ``parts`` are ``EmotionModel.parts``, and
    ``inherited`` those that another run trained, which need nothing more."""
    groups = {where: some for where, _, some in prompts}
    stages = [_shown(recipe, stage, groups, missing) for stage in recipe.stages]
    for stage, slots in zip(recipe.stages, stages, strict=True):
        _check_stage(recipe, parts, stage, slots, missing)
    users = {stream: where for where, prompter, _ in reversed(prompts) for stream in prompter.streams()}
    for stream, where in users.items() if stages else ():
        if f"connectors.{stream}" in inherited or not parts.get(f"connectors.{stream}") or _takes_none(recipe, stream):
            continue
        shows = [task.path for task in recipe.tasks if stream in _streams(task)]
        if not shows:
            raise MercError(
                f"{where}: it shows {stream!r}, which no stage's prompts show, so that connectors.{stream} would never "
                f"be trained; show {stream!r} in a stage's prompts, or take it out"
            )
        for encoder in inputs_of(recipe, stream):
            if not any((stream, encoder) in slots.there for slots in stages):
                utterances = [one for slots in stages for one in slots.utterances.get(stream, ())]
                raise MercError(
                    f"{_none_of(missing, encoder, utterances)}; mend the media or how they are named, or take "
                    f"{stream!r} out of the prompts of {', '.join(shows)}"
                )


def _none_of(missing: Missing, encoder: str, utterances: Iterable[str]) -> str:
    """That no utterance has features, with the commonest reason, its share and an utterance of which it is true."""
    reasons = {first: missing[encoder, first] for first in utterances if (encoder, first) in missing}
    if not reasons:
        return f"{encoder}: the prompts that are learned from show it of no utterance"
    commonest = count_reasons(reasons.items())[0]
    first = commonest.names[0]
    return (
        f"{encoder}: none of the {len(reasons)} utterances that are learned from has features; the commonest reason "
        f"({len(commonest.names)} of {len(reasons)}), of {first}: {reasons[first]}"
    )


def _check_stage(recipe: Recipe, parts: Parts, stage: Stage, slots: _Shown, missing: Missing) -> None:
    """Raise MercError for a stage of which everything that learns stands on media that are not there."""
    patterns = stage.trainable or ("*",)
    heads = [f"heads.{name}" for name in heads_of(stage.trainer)]
    learns = [
        part
        for part, names in parts.items()
        if names and any(_learns(one, pattern) for one in (part, *names) for pattern in patterns)
        if part in heads or not part.startswith("heads.")
    ]
    if not learns or "backbone" in learns or any(part in heads for part in learns):
        return  # it has words at least; where nothing learns at all, the trainer says so
    streams = [part.partition(".")[2] for part in learns]
    encoders = {part.partition(".")[2] for part in learns if part.startswith("encoders.")}
    if any(_takes_none(recipe, stream) for stream in streams):
        return
    if any(stream in streams or encoder in encoders for stream, encoder in slots.there):
        return
    stream = next((one for one in streams if one in slots.utterances), "")
    why = (
        "; ".join(_none_of(missing, encoder, slots.utterances[stream]) for encoder in inputs_of(recipe, stream)[:1])
        if stream
        else "its prompts show none of their streams"
    )
    raise MercError(
        f"stage {stage.id}: nothing that learns ({', '.join(learns)}) has any input, so it would learn nothing; {why}"
    )


def _learns(name: str, pattern: str) -> bool:
    """Whether a stage's pattern names a part or parameter; encoders learn only where they are named."""
    return fnmatchcase(name, pattern) and (pattern.startswith("encoders.") or not name.startswith("encoders."))


def _shown(recipe: Recipe, stage: Stage, groups: Mapping[str, list[list[Query]]], missing: Missing) -> _Shown:
    """What a stage's prompts show, read until every encoder of every stream was found to have features."""
    slots = _Shown()
    open_ = {(stream, one) for task in stage.tasks for stream in _streams(task) for one in inputs_of(recipe, stream)}
    for task in stage.tasks:
        prompter = task.prompter.component
        assert isinstance(prompter, Prompter)
        for query in (query for group in groups.get(f"{task.path}.prompter", ()) for query in group):
            if not open_:
                return slots
            for segment in prompter.prompt(query).segments:
                if isinstance(segment, Slot):
                    slots.utterances.setdefault(segment.stream, {})[segment.utterance] = None
                    for encoder in inputs_of(recipe, segment.stream):
                        if (encoder, segment.utterance) not in missing:
                            slots.there.add((segment.stream, encoder))
                            open_.discard((segment.stream, encoder))
    return slots


def _takes_none(recipe: Recipe, stream: str) -> bool:
    """Whether a stream has no input, as soft prompts have none, so that nothing of it can be missing."""
    part = recipe.connectors.get(stream)
    return part is not None and isinstance(part.component, Connector) and part.component.inputs == "none"


def _streams(task: Task) -> tuple[str, ...]:
    assert isinstance(task.prompter.component, Prompter)
    return task.prompter.component.streams()
