"""The tables of a published set: which of them are there, by split, and how many utterances a publication states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import merc


def tables_of(
    root: Path, corpus: str, names: Mapping[str, Sequence[str]], where: str
) -> tuple[dict[str, Path], list[str]]:
    """The table of each split that is in a folder, the first of its names, and notes on splits that are not. A table
    may be given itself, and is then the only one. Raises MercError where none is there."""
    root = merc.user_path(root)
    every = {split: [root / name for name in those] for split, those in names.items()}
    if root.is_file():
        every = {split: [root] for split, those in names.items() if root.name in those}
    paths = {split: next((path for path in those if path.is_file()), None) for split, those in every.items()}
    tables = {split: path for split, path in paths.items() if path is not None}
    if not tables:
        expected = ", ".join(those[0] for those in names.values())
        state = f"{root} holds none of {expected}" if root.is_dir() else f"{root} is not there"
        if root.is_file():
            state = f"{root} is called otherwise than the tables {expected}"
        raise merc.MercError(
            f"{state}; 'root' of the corpus {corpus} should be the folder with these ({where}), or one of them; a "
            f"table of another form is read by the corpus table: run merc corpus look {root}"
        )
    lacking = [split for split in names if split not in tables]
    empty = "these splits are" if len(lacking) > 1 else "this split is"
    note = f"there is no table of {' and of '.join(lacking)}, so {empty} empty"
    return tables, [note] if lacking else []


def stated(talks: Sequence[merc.Conversation], counts: Mapping[str, int], source: str) -> list[merc.ReportedCount]:
    """How many utterances each split that is there has, beside how many a publication states."""
    sizes = {split: sum(len(talk.utterances) for talk in talks if talk.split == split) for split in counts}
    return [
        merc.ReportedCount(what=f"utterances of the {split} split", found=size, reported=counts[split], source=source)
        for split, size in sizes.items()
        if size
    ]
