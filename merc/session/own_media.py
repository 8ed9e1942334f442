"""Who sees or hears utterances for a run, and decoders that read media on their own: these have files alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merc.components import Annotator, Decoder
from merc.errors import MercError, first_names
from merc.recipe import Recipe
from merc.session.corruption import cases_of
from merc.session.cues import annotators_of
from merc.session.data import encoders_of
from merc.session.inputs import media_encoders
from merc.session.wiring import Setup


def media_readers(recipe: Recipe, setup: Setup) -> tuple[str, ...]:
    """The encoders and annotators that see or hear utterances for a run's answers, and what its decoder names."""
    encoders = media_encoders(encoders_of(recipe, setup.prompter.streams()))
    annotators = [
        name
        for name, part in annotators_of(recipe, [("", setup.prompter)]).items()
        if isinstance(part.component, Annotator)
        if part.component.video() is not None or part.component.audio() is not None
    ]
    return (*encoders, *annotators, *setup.how.decoder.reads_media())


def check_arrays(decoder: Decoder, arrays: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise MercError for media without files (by utterance and modality) that a decoder would have to read."""
    in_memory = [name for name, media in arrays.items() if media]
    if in_memory and (readers := decoder.reads_media()):
        raise MercError(
            f"the media of {first_names(in_memory, 3)} are arrays, and evaluate.decoder reads media from files alone "
            f"({first_names(readers, 3)}), so it would decide without them; give files, or load the run with a decoder "
            "that needs none, such as evaluate={'decoder': {'name': 'verbalizer'}}"
        )


def check_corrupted(recipe: Recipe, setup: Setup) -> None:
    """Raise MercError for corruptions of an evaluation that do not reach media which its decoder reads on its own."""
    changed = list(dict.fromkeys(c.name for c in cases_of(recipe, setup.prompter) if not c.by.corruption.of_words))
    if changed and (readers := setup.how.decoder.reads_media()):
        raise MercError(
            f"evaluate.corrupt: {first_names(changed, 3)} would not reach what evaluate.decoder reads on its own "
            f"({first_names(readers, 3)}): these would answer from the clean files, and the drop would look too small; "
            "evaluate each run with evaluate.corrupt by itself, or take these corruptions out"
        )
