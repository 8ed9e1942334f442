"""A clip whose words, speakers and times a file of subtitles holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from merc.errors import MercError
from merc.media import Decoding, probe_media
from merc.recipe.recognise import corpus_at
from merc.registry import get_registry
from merc.session.inputs import Given, Reader, clip_conversation, is_clip, with_known_labels

CORPUS = "subtitles"
"""The corpus that reads them, which a plugin brings."""
_OWN_CLIP = "no film or sound of their name"


def with_subtitles(subtitles: Path, paths: Sequence[Path], reader: Reader) -> list[Given]:
    """The conversation of one clip with the utterances of its subtitles. Raises MercError for anything but one clip,
    and for a file of subtitles that cannot be read."""
    if len(paths) != 1 or not is_clip(paths[0]):
        raise MercError(f"--subtitles {subtitles} is of one clip: give that alone")
    clip = paths[0]
    info = probe_media(clip, Decoding.of(reader.recipe).limits)
    if CORPUS not in get_registry().names("corpus"):
        raise MercError(f"--subtitles are read by the corpus {CORPUS!r}, which is not installed; install merc-corpora")
    talks, notes = with_known_labels(corpus_at(CORPUS, subtitles).load(), reader.setup.labels)
    for note in notes:
        if not note.startswith(_OWN_CLIP):  # the clip is given here
            reader.say(note)
    said = [one for talk in talks for one in talk.utterances]
    late = [one for one in said if info.seconds is not None and (one.start or 0.0) >= info.seconds]
    if late:
        beyond = f"{len(late)} of {len(said)} of the words begin after the end of {clip.name} ({info.seconds:.1f} s)"
        if len(late) == len(said):
            raise MercError(f"{subtitles}: {beyond}; it is of another film, or its times are not those of this one")
        reader.say(
            f"{subtitles}: {beyond}, so nothing is seen or heard with them; is it of another film, or of a longer cut?"
        )
    whole = clip_conversation(clip, clip.stem, None, None).utterances[0]
    utterances = tuple(replace(one, video=whole.video, audio=whole.audio, missing={}) for one in said)
    return [Given(conversation=replace(talks[0], id=clip.stem, utterances=utterances))]
