"""Reading a file or an utterance's files at once, where no pass over many is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from merc.components.encoder import Clip, Frames, Missing, NoMedia, Sampling
from merc.conversation import Utterance
from merc.files import hash_file
from merc.media.decode import Decoded, Want, locate, want_of, without_media
from merc.media.isolation import Decoders
from merc.media.limits import Limits
from merc.media.probe import MediaInfo


def decode_file(
    path: Path, wants: Sequence[Want], seed: int, content: str = "", limits: Limits | None = None
) -> list[Decoded]:
    """What is wanted of a file, in the order of ``wants``. ``content`` is the file's hash, which seeds random draws.

    Frames are decoded once a span, whoever wants them, and sound once a span, whatever the rates.
    """
    return Decoders(limits).decode(path, wants, seed, content)


def probe_media(path: Path, limits: Limits | None = None) -> MediaInfo:
    """Whether a file has pictures and sound and how long it says that it is, without decoding it.

    Args:
        path: The file.
        limits: What looking into it may cost.

    Raises:
        Unreadable: The file cannot be read; it is a MercError, and its text the reason.
    """
    return Decoders(limits).probe(path)


def decode(utterance: Utterance, wants: Mapping[str, Sampling], seed: int, draw: int = 0) -> dict[str, Clip | Missing]:
    """The clips of one utterance, by the names of ``wants``; a file that serves several is decoded once.

    What cannot be had is a Missing with the reason; nothing is raised for a bad file.

    >>> from merc.components import Words
    >>> decode(Utterance(id="u", text="Hi."), {"said": Words(), "seen": Frames(count=1)}, seed=0)
    {'said': TextClip(text='Hi.'), 'seen': Missing(reason='the utterance has no video file')}
    """
    clips: dict[str, Clip | Missing] = {}
    files: dict[Path, dict[str, Want]] = {}
    for name, sampling in wants.items():
        if isinstance(sampling, NoMedia):
            clips[name] = without_media(utterance, sampling)
            continue
        source = locate(utterance, sampling)
        if isinstance(source, Missing):
            clips[name] = source
        else:
            files.setdefault(source, {})[name] = want_of(utterance, sampling, draw)
    for path, wants_of in files.items():
        random = any(isinstance(w.sampling, Frames) and w.sampling.strategy == "random" for w in wants_of.values())
        content = hash_file(path) if random and path.is_file() else ""
        for name, decoded in zip(wants_of, decode_file(path, list(wants_of.values()), seed, content), strict=True):
            clips[name] = decoded.clip
    return {name: clips[name] for name in wants}
