"""Which media files a run's numbers come from: a hash of their content, beside that of the texts and labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from merc.components import Encoder, Frames, Missing, Waveform
from merc.conversation import SPLITS, Conversation
from merc.media.decode import locate, want_of
from merc.recipe import Recipe
from merc.session.cues import hashes_of
from merc.session.data import encoders_of
from merc.session.reporter import Reporter


def media_hashes(
    recipe: Recipe, streams: Collection[str], conversations: Sequence[Conversation], reporter: Reporter
) -> dict[str, Any]:
    """By split: ``files``, how many media files the encoders of these streams read; ``absent``, how many of them cannot
    be read; and ``sha256``, of each file's content and of the span and region that each utterance has of it.

    It is the content that counts, so that a copy of the data is the same data. Hashes of files are remembered by size
    and times, in the file that encoding remembers them in: a file is read once for both, and where nothing changed a
    run costs a look at each file's size and times. Empty where no encoder reads media.
    """
    parts = [part.component for part in encoders_of(recipe, streams).values()]
    samplings = [part.sampling() for part in parts if isinstance(part, Encoder)]
    kinds = list({type(s): s for s in samplings if isinstance(s, Frames | Waveform)}.values())
    if not kinds:
        return {}
    used: dict[str, list[tuple[str, Path, list[Any]]]] = {}
    for split in (*SPLITS, None):
        for utterance in (u for c in conversations if c.split == split for u in c.utterances):
            for sampling in kinds:
                path = locate(utterance, sampling)
                if not isinstance(path, Missing):
                    want = want_of(utterance, sampling)
                    span = [type(sampling).__name__, want.start, want.end, want.region]
                    used.setdefault(split or "none", []).append((utterance.id, path, span))
    hashes = hashes_of(recipe)
    paths = dict.fromkeys(path for those in used.values() for _, path, _ in those)
    with reporter.task("media files") as progress:
        contents = hashes.of_all(paths, recipe.features.workers, progress)
        hashes.write()
        progress(1.0, f"{len(paths)}")

    def known(path: Path) -> str | None:
        content = contents[path]
        return None if isinstance(content, Missing) else content

    record = {}
    for name_of_split, those in used.items():
        named = [[name, known(path), span] for name, path, span in those]
        files = {path for _, path, _ in those}
        record[name_of_split] = {
            "files": len(files),
            "absent": sum(known(path) is None for path in files),
            "sha256": hashlib.sha256(json.dumps(named).encode()).hexdigest(),
        }
    return record
