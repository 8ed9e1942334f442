"""A clip whose words, speakers and times a file of subtitles holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from merc.errors import MercError
from merc.media import Decoding, probe_media
from merc.recipe.recognise import corpus_at
from merc.registry import get_registry
from merc.session.inputs import Given, Reader, is_clip, with_known_labels

CORPUS = "subtitles"
"""The corpus that reads them, which a plugin brings."""


def with_subtitles(subtitles: Path, paths: Sequence[Path], reader: Reader) -> list[Given]:
    """The conversation of one clip with the utterances of its subtitles. Raises MercError for anything but one clip,
    and for a file of subtitles that cannot be read."""
    if len(paths) != 1 or not is_clip(paths[0]):
        raise MercError(f"--subtitles {subtitles} is of one clip: give that alone")
    clip = paths[0]
    probe_media(clip, Decoding.of(reader.recipe).limits)
    if CORPUS not in get_registry().names("corpus"):
        raise MercError(f"--subtitles are read by the corpus {CORPUS!r}, which is not installed; install merc-corpora")
    data = corpus_at(CORPUS, subtitles, [f"media={json.dumps(str(clip.absolute()), ensure_ascii=False)}"]).load()
    talks, notes = with_known_labels(data, reader.setup.labels)
    for note in notes:
        reader.say(note)
    return [Given(conversation=replace(talks[0], id=clip.stem))]
