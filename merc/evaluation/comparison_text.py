"""A comparison as cells, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from merc.evaluation.comparison import COLUMNS, Comparison, Entry, Verdict

TESTS = ("Run", "Δ weighted F1 (95 % interval)", "p (bootstrap)", "p (other test)")


def number_heads(found: Comparison) -> list[str]:
    """The heads of the numbers' columns; the number of seeds and the unparsed rate stand only where there are any."""
    return ["Run", *(["Seeds"] if _several(found) else []), *(COLUMNS[c] for c in _columns(found))]


def number_rows(found: Comparison) -> list[tuple[list[str], list[bool]]]:
    """A row an entry: name, seeds, then the numbers in percent; and which of the cells are the best of their column."""
    rows = []
    for entry in found.entries:
        seeds = [str(len(entry.runs))] if _several(found) else []
        cells = [entry.name, *seeds, *(_number(entry, c) for c in _columns(found))]
        best = [False] * (1 + len(seeds)) + [entry.mean(c)[0] == found.best(c) for c in _columns(found)]
        rows.append((cells, best))
    return rows


def test_rows(found: Comparison) -> list[list[str]]:
    """A row for each entry but the first: how it differs from the first in weighted F1, in points."""
    return [[e.name, *_verdict(v)] for e, v in zip(found.entries[1:], found.verdicts, strict=True)]


def caption(found: Comparison) -> str:
    """What the tables count, and how."""
    spread = " Mean ± sample standard deviation over the seeds." if _several(found) else ""
    return (
        f"{found.split} split, {found.n:,} utterances.{spread} Differences are against {found.entries[0].name}; the "
        "interval is a paired bootstrap over utterances."
    )


def markdown(found: Comparison) -> str:
    """Both tables as Markdown."""

    def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
        return [
            "| " + " | ".join(heads) + " |",
            "|" + "|".join(["---"] + ["---:"] * (len(heads) - 1)) + "|",
            *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
        ]

    numbers = [
        [f"**{cell}**" if bold else cell for cell, bold in zip(cells, best, strict=True)]
        for cells, best in number_rows(found)
    ]
    lines = [
        caption(found),
        "",
        *table(number_heads(found), numbers),
        "",
        *table(TESTS, test_rows(found)),
        *(f"\n{note}" for note in found.notes),
    ]
    return "\n".join(lines) + "\n"


def _several(found: Comparison) -> bool:
    return any(len(entry.runs) > 1 for entry in found.entries)


def _columns(found: Comparison) -> list[str]:
    unread = any(value > 0 for entry in found.entries for value in entry.numbers["unparsed_rate"])
    return [column for column in COLUMNS if column != "unparsed_rate" or unread]


def _number(entry: Entry, column: str) -> str:
    mean, deviation = entry.mean(column)
    return f"{100 * mean:.2f}" + ("" if deviation is None else f" ± {100 * deviation:.2f}")


def _verdict(verdict: Verdict) -> list[str]:
    d = verdict.difference
    other = f"{_p(verdict.p)} ({verdict.test})" if verdict.p is not None else f"– ({verdict.why})"
    return [f"{100 * d.value:+.2f} ({100 * d.low:+.2f} to {100 * d.high:+.2f})", _p(d.p), other]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
