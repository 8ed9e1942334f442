"""What a file or folder is by the corpora that are installed, what a corpus holds, and the section that reads it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from merc.builtin.file_kinds import seems
from merc.components.corpus import CorpusData
from merc.conversation import SPLITS, Utterance
from merc.errors import brief, first_names
from merc.recipe.recognise import matches

_LABELS = 40
_NAMED = 5
_BEGINNING = 1 << 20


def unknown(path: Path) -> str:
    """What a file is that no corpus recognises, as far as that is known, and what to do."""
    if path.is_dir():
        return f"{path} is a folder in whose form no installed corpus reads conversations"
    with path.open("rb") as file:
        content = file.read(_BEGINNING)
    if not content.strip():
        return f"{path} is empty"
    what = seems(content)
    return (
        f"{path} {what}" if what else f"{path} is of no form that an installed corpus reads (merc plugins lists them)"
    )


def files_by_kind(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The files of a folder and of those below, but for hidden ones, by what the first corpus that recognises each
    takes it for, or by what they seem to be; and a sentence for each corpus that could not be asked."""
    kinds: dict[str, list[str]] = {}
    faults: dict[str, None] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        recognised, wrong = matches(path)
        faults.update(dict.fromkeys(wrong))
        kind = f"corpus {recognised[0].corpus}" if recognised else _kind_of_other(path)
        kinds.setdefault(kind, []).append(relative.as_posix())
    return dict(sorted(kinds.items(), key=lambda item: (not item[0].startswith("corpus "), item[0]))), list(faults)


def _kind_of_other(path: Path) -> str:
    return f"no corpus reads {path.suffix.lower() or 'names without an ending'}"


def overview(data: CorpusData) -> Iterator[str]:
    """Lines about a corpus: its size, labels by split, labels that look alike, and media that are there."""
    utterances = [utterance for talk in data.conversations for utterance in talk.utterances]
    yield f"{len(utterances):,} utterances in {len(data.conversations):,} conversations"
    yield from _labels(data)
    counts = _counts(data)
    for those in alike(counts):
        spellings = ", ".join(f"{brief(label)!r} ({counts[label]:,})" for label in those)
        yield f"labels that look alike, and count as different ones: {spellings}"
    for modality in ("video", "audio"):
        # The sound of a film is not counted again.
        named = [u for u in utterances if getattr(u, modality) is not None or modality in u.missing.keys() - _film(u)]
        lacking = [u.missing[modality] for u in named if modality in u.missing]
        if named:
            there = f"{modality}: of {len(named):,} of {len(utterances):,} utterances a file is named, and "
            first = f"; the first that is not: {lacking[0]}" if lacking else ""
            yield f"{there}{len(named) - len(lacking):,} of these are there{first}"
    speakers = {u.speaker for u in utterances}
    yield f"speakers: {len(speakers - {None})}" + (", and some utterances without one" if None in speakers else "")


def _film(utterance: Utterance) -> set[str]:
    """What is lacking because a film is."""
    return {"audio"} if utterance.missing.get("video") == utterance.missing.get("audio") else set()


def alike(counts: Mapping[str, int]) -> list[list[str]]:
    """Groups of labels that differ by capitals, space, signs or the width of letters alone, the commonest first.

    >>> alike({"HAPPY": 1, "Happy": 3, "sad": 2, "happy.": 1})
    [['Happy', 'HAPPY', 'happy.']]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=lambda one: (-counts[one], one)):
        plain = unicodedata.normalize("NFKC", label).casefold()
        groups[re.sub(r"[\W_]+", "", plain) or plain].append(label)
    return [those for those in groups.values() if len(those) > 1]


def one_spelling(data: CorpusData) -> dict[str, str]:
    """What ``relabel`` makes of labels that look alike: the commonest spelling."""
    return {label: those[0] for those in alike(_counts(data)) for label in those[1:]}


def _counts(data: CorpusData) -> Counter[str]:
    return Counter(u.label for talk in data.conversations for u in talk.utterances if u.label is not None)


def _labels(data: CorpusData) -> Iterator[str]:
    """A table of how many utterances of each split have each label."""
    counts: dict[str | None, Counter[str | None]] = defaultdict(Counter)
    for talk in data.conversations:
        for utterance in talk.utterances:
            counts[utterance.label][talk.split] += 1
    splits = [split for split in (*SPLITS, None) if any(those[split] for those in counts.values())]
    if not splits:
        return
    if set(counts) == {None}:
        yield "no utterance has a label, which is enough to predict, and not to train"
        return
    rows = [("label", *(split or "no split" for split in splits))]
    order = sorted(counts, key=lambda label: (label is None, -counts[label].total()))
    for label in order[:_LABELS]:
        name = "(no label)" if label is None else brief(label)
        rows.append((name, *(f"{counts[label][split]:,}" for split in splits)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  " + "  ".join(cells).rstrip()
    if len(order) > _LABELS:
        yield f"  and {len(order) - _LABELS:,} more labels"
    if splits == [None]:
        yield "no split is stated: to train, divide it, as in split: {by: conversation, dev: 0.1, test: 0.1}"
    elif None in splits:
        yield "what states no split is counted as test"


def shown(names: Sequence[str]) -> str:
    """The first few of many names, and how many more there are."""
    return first_names([*map(brief, names)], _NAMED)
