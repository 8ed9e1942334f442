"""Which streams an evaluation's corruptions are of, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from merc.components import Corruption, Encoder, Fuser, Prompter
from merc.components.encoder import Modality
from merc.errors import did_you_mean
from merc.recipe.asking import Asking, node_at, says
from merc.recipe.document import Node
from merc.recipe.problems import Problems
from merc.recipe.schema import ComponentRef, Evaluate


def shown_streams(
    prompter: Prompter, encoders: Mapping[str, ComponentRef], fusers: Mapping[str, ComponentRef]
) -> dict[str, Modality]:
    """The encoders whose features a prompter shows, alone or within a fuser's stream, with the modality of each."""
    nothing: Sequence[str] = ()
    names: set[str] = set()
    for stream in says(prompter.streams, nothing):
        fuser = fusers.get(stream)
        names |= {stream} if fuser is None else set(cast(Fuser, fuser.component).inputs or encoders)
    parts = {name: part.component for name, part in encoders.items() if name in names}
    return {name: one.modality for name, one in parts.items() if isinstance(one, Encoder)}


def streams_of(corruption: Corruption, modality_of: Mapping[str, Modality]) -> dict[str, Modality]:
    """Those of the shown encoders that a corruption is of: those that it names, else all of its modalities."""
    named = corruption.streams or tuple(modality_of)
    return {
        name: modality_of[name] for name in named if name in modality_of and modality_of[name] in corruption.modalities
    }


def check_corruptions(
    evaluate: Evaluate, asking: Asking, values: Mapping[str, Any], root: Node, problems: Problems
) -> None:
    """Report corruptions of what no prompt of the evaluation shows, a sentence each."""
    encoders: Mapping[str, ComponentRef] = values["encoders"]
    modality_of = shown_streams(cast(Prompter, asking.part.component), encoders, values["fusers"])
    for number, (name, part) in enumerate(evaluate.corrupt.items()):
        corruption, path = part.component, f"evaluate.corrupt.{number}"
        if isinstance(corruption, Corruption) and (fault := _fault(corruption, asking, values, modality_of)):
            key = f"{path}.streams" if corruption.streams else path
            problems.add(key, node_at(root, key) or node_at(root, path), f"{name!r} {fault}")


def _fault(
    corruption: Corruption, asking: Asking, values: Mapping[str, Any], modality_of: Mapping[str, Modality]
) -> str | None:
    """What keeps a corruption from changing anything, as the end of a sentence."""
    there = ", ".join(f"{name} ({modality})" for name, modality in modality_of.items()) or "none, words alone"
    modalities = " or ".join(corruption.modalities)
    if corruption.of_words:
        if corruption.streams:
            return "corrupts words wherever they are shown, so it takes no streams; leave them out"
        if "text" not in modality_of.values() and not _shows_words(asking):
            return "corrupts words, and the prompts of the evaluation show none; take it out"
        return None
    for stream in corruption.streams:
        if stream in values["fusers"]:
            inputs = cast(Fuser, values["fusers"][stream].component).inputs or tuple(values["encoders"])
            return f"names {stream!r}, which is a fuser's; name the encoders that it takes: {', '.join(inputs)}"
        if stream not in values["encoders"]:
            close = did_you_mean(stream, modality_of)
            return f"names the stream {stream!r}, which the recipe lacks.{close} Shown are: {there}"
        if stream not in modality_of:
            return f"names the stream {stream!r}, which no prompt of the evaluation shows; shown are: {there}"
        if modality_of[stream] not in corruption.modalities:
            return f"corrupts {modalities}, and the stream {stream!r} is {modality_of[stream]}; shown are: {there}"
    if not streams_of(corruption, modality_of):
        return (
            f"corrupts {modalities}, of which no prompt of the evaluation shows a stream; take it out "
            f"(shown are: {there})"
        )
    return None


def _shows_words(asking: Asking) -> bool:
    """Whether a prompt is another one with other words."""
    talk = asking.query.conversation
    utterances = tuple(replace(u, text=f"{u.text} Yes.") for u in talk.utterances)
    return asking.shows(conversation=replace(talk, utterances=utterances))
