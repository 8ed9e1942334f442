"""A comparison as cells, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from merc.evaluation.comparison import Comparison, Entry, Verdict
from merc.evaluation.measures import TITLES, Measure


def number_heads(comparison: Comparison) -> list[str]:
    """The heads of the numbers' columns; the number of seeds and the unparsed rate stand only where there are any."""
    return ["Run", *(["Seeds"] if _several(comparison) else []), *(_title(comparison, c) for c in _columns(comparison))]


def number_rows(comparison: Comparison) -> list[tuple[list[str], list[bool]]]:
    """A row an entry: name, seeds, then the numbers in percent; and which of the cells are the best of their column."""
    rows = []
    for entry in comparison.entries:
        seeds = [str(len(entry.runs))] if _several(comparison) else []
        cells = [entry.name, *seeds, *(_number(comparison, entry, c) for c in _columns(comparison))]
        best = [False] * (1 + len(seeds)) + [entry.mean(c)[0] == comparison.best(c) for c in _columns(comparison)]
        rows.append((cells, best))
    return rows


def test_heads(comparison: Comparison) -> tuple[str, ...]:
    """The heads of ``test_rows``; with several numbers each row says which."""
    number = () if _one(comparison) else ("Number",)
    return ("Run", *number, f"Δ {_of_one(comparison)} (95 % interval)", "p (bootstrap)", "p (other test)")


def test_rows(comparison: Comparison) -> list[list[str]]:
    """A row for each entry but the first, and number: how it differs from the first, shares in points."""
    each = [entry for entry in comparison.entries[1:] for _ in comparison.measures]
    number = [[] if _one(comparison) else [verdict.measure.title] for verdict in comparison.verdicts]
    return [[e.name, *n, *_verdict(v)] for e, n, v in zip(each, number, comparison.verdicts, strict=True)]


def caption(comparison: Comparison) -> str:
    """What the tables count, and how."""
    spread = " Mean ± sample standard deviation over the seeds." if _several(comparison) else ""
    other = "".join(
        f" {m.name} is of {count:,} of them."
        for m, count in zip(comparison.measures, comparison.counts, strict=True)
        if count != comparison.n
    )
    return (
        f"{comparison.split} split, {comparison.n:,} utterances.{other}{spread} Differences are against "
        f"{comparison.entries[0].name}; the interval is a paired bootstrap over conversations."
    )


def markdown(comparison: Comparison) -> str:
    """Both tables as Markdown."""

    def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
        return [
            "| " + " | ".join(heads) + " |",
            "|" + "|".join(["---"] + ["---:"] * (len(heads) - 1)) + "|",
            *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
        ]

    numbers = [
        [f"**{cell}**" if bold else cell for cell, bold in zip(cells, best, strict=True)]
        for cells, best in number_rows(comparison)
    ]
    lines = [
        caption(comparison),
        "",
        *table(number_heads(comparison), numbers),
        "",
        *table(test_heads(comparison), test_rows(comparison)),
        *(f"\n{note}" for note in comparison.notes),
    ]
    return "\n".join(lines) + "\n"


def _several(comparison: Comparison) -> bool:
    return any(len(entry.runs) > 1 for entry in comparison.entries)


def _one(comparison: Comparison) -> bool:
    return len(comparison.measures) == 1


def _of_one(comparison: Comparison) -> str:
    """The only number, within a sentence."""
    return (comparison.measures[0].title[:1].lower() + comparison.measures[0].title[1:]) if _one(comparison) else ""


def _columns(comparison: Comparison) -> list[str]:
    own = [column for column in TITLES if column in comparison.entries[0].numbers]
    further = [measure.name for measure in comparison.measures if measure.name not in own]
    unread = any(value > 0 for entry in comparison.entries for value in entry.numbers.get("unparsed_rate", ()))
    return [column for column in own if column != "unparsed_rate" or unread] + further


def _measure(comparison: Comparison, column: str) -> Measure | None:
    return next((measure for measure in comparison.measures if measure.name == column), None)


def _title(comparison: Comparison, column: str) -> str:
    measure = _measure(comparison, column)
    return TITLES[column] if measure is None else measure.title


def _number(comparison: Comparison, entry: Entry, column: str) -> str:
    mean, deviation = entry.mean(column)
    measure = _measure(comparison, column)
    return " ± ".join(_shown(measure, value) for value in (mean, deviation) if value is not None)


def _shown(measure: Measure | None, value: float, sign: str = "") -> str:
    """A share in percent, any other number as it is."""
    in_percent = measure is None or measure.in_percent
    return f"{100 * value:{sign}.2f}" if in_percent else f"{value:{sign}.4g}"


def _verdict(verdict: Verdict) -> list[str]:
    d = verdict.difference
    low, high = (None if bound is None else _shown(verdict.measure, bound, "+") for bound in (d.low, d.high))
    interval = f"({low} to {high})" if low is not None else f"(no interval: {d.why})"
    other = f"{_p(verdict.p)} ({verdict.test})" if verdict.p is not None else f"– ({verdict.why})"
    return [f"{_shown(verdict.measure, d.value, '+')} {interval}", "–" if d.p is None else _p(d.p), other]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
