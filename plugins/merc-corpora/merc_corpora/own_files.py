"""Files of people's own as a recipe names them: one, several, a folder, or any of these by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import merc
from merc import first_names

SPLITS = ("train", "dev", "test")
Paths = Path | list[Path] | dict[str, Path | list[Path]]
"""A file or folder, a list of them, or a mapping from a split to one or several."""
_NAMED = 5


def check_paths(path: Paths) -> None:
    """Raise ValueError for paths that name nothing, or an unknown split."""
    if not path:
        raise ValueError("path is empty; give a file, a folder, a list of them, or a mapping from a split to them")
    unknown = [split for split in path if split not in SPLITS] if isinstance(path, Mapping) else []
    if unknown:
        raise ValueError(f"path: unknown split {unknown[0]!r}; the splits are: {', '.join(SPLITS)}")


def listed_files(
    path: Paths, suffixes: Sequence[str], what: str, beside: Sequence[str] = ()
) -> tuple[list[tuple[Path, str | None]], list[str]]:
    """Each file that ``path`` names and the split that it is given to, and notes.

    Of a folder those with one of the ``suffixes``, in it and below, sorted; what else is there is named in a note, but
    for files with a suffix of ``beside``. A file that is named itself may have any suffix. Raises MercError for one
    that is not there, and for a folder without ``what`` is wanted.
    """
    groups = path.items() if isinstance(path, Mapping) else [(None, path)]
    files: list[tuple[Path, str | None]] = []
    notes: list[str] = []
    for split, names in groups:
        for name in [names] if isinstance(names, str | Path) else names:
            place = merc.user_path(name)
            if not place.is_dir():
                if not place.is_file():
                    raise merc.MercError(f"{place} is not there{_near(place)}")
                files.append((place, split))
                continue
            every = [one for one in files_below(place) if one.suffix.lower() not in beside]
            some = [one for one in every if one.suffix.lower() in suffixes]
            if not some:
                raise merc.MercError(f"the folder {place} holds no {what} ({' '.join(suffixes)})")
            files += [(one, split) for one in some]
            others = [one.relative_to(place).as_posix() for one in every if one.suffix.lower() not in suffixes]
            if others:
                count = f"{len(others)} of {len(every)} files"
                notes.append(f"{place}: {count} are no {what} by their names, and are not read: {first_names(others)}")
    return files, notes


def files_below(folder: Path) -> list[Path]:
    """The files in a folder and in those below, sorted, but for hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def close_to(name: str, known: Sequence[str]) -> str:
    """' Did you mean ...?' for the known name that is closest, in any capitals; or nothing.

    >>> close_to("emotion", ["Emotion", "Text"]), close_to("xyz", ["Emotion"])
    (" Did you mean 'Emotion'?", '')
    """
    import difflib

    lowered = {one.casefold(): one for one in reversed(known)}
    close = difflib.get_close_matches(name.casefold(), lowered, n=1)
    return f" Did you mean {lowered[close[0]]!r}?" if close else ""


def _near(place: Path) -> str:
    if not place.parent.is_dir():
        return f" (nor is the folder {place.parent})"
    return close_to(place.name, [one.name for one in place.parent.iterdir()]).replace(" Did", ". Did")
