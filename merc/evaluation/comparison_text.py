"""A comparison as cells, as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
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


def label_heads(comparison: Comparison) -> list[str]:
    """The heads of ``label_rows``."""
    return ["Label", "True", *(entry.name for entry in comparison.entries)]


def label_rows(comparison: Comparison) -> list[list[str]]:
    """How often each label is true and how often each entry answers it, over the labelled utterances; over seeds the
    mean. Answers that could not be parsed stand last, where there are any; no row where nothing is labelled."""
    if not comparison.n:
        return []
    first = next(iter(comparison.entries[0].runs.values()))
    keys = [key for key, p in first.items() if p.truth is not None]
    true = Counter(first[key].truth for key in keys)
    answers = [Counter(run[key].label for run in entry.runs.values() for key in keys) for entry in comparison.entries]
    unread = [None] if any(counts[None] for counts in answers) else []

    def mean(entry: Entry, counts: Counter[str | None], label: str | None) -> str:
        return f"{counts[label] / len(entry.runs):,.1f}".removesuffix(".0")

    return [
        [
            "(unparsed)" if label is None else label,
            "" if label is None else f"{true[label]:,}",
            *(mean(entry, counts, label) for entry, counts in zip(comparison.entries, answers, strict=True)),
        ]
        for label in [*comparison.labels, *unread]
    ]


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
    """The tables as Markdown."""

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
        *(["", *table(label_heads(comparison), label_rows(comparison))] if comparison.n else []),
        *(f"\n{note}" for note in comparison.notes),
    ]
    return "\n".join(lines) + "\n"


def latex(comparison: Comparison) -> str:
    """The tables as LaTeX, for the package booktabs; the best of each column is bold."""

    def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
        columns = "l" + "r" * (len(heads) - 1)
        body = [" & ".join(row) + r" \\" for row in rows]
        head = " & ".join(map(_tex, heads)) + r" \\"
        return [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule",
                r"\end{tabular}"]  # fmt: skip

    numbers = [
        [rf"\textbf{{{_tex(cell)}}}" if bold else _tex(cell) for cell, bold in zip(cells, best, strict=True)]
        for cells, best in number_rows(comparison)
    ]
    others = [[_tex(cell) for cell in row] for row in test_rows(comparison)]
    labels = [[_tex(cell) for cell in row] for row in label_rows(comparison)]
    lines = [
        *(f"% {line}" for line in [caption(comparison), *comparison.notes]),
        *table(number_heads(comparison), numbers), "",
        *table(test_heads(comparison), others), "",
        *table(label_heads(comparison), labels),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def as_csv(comparison: Comparison) -> str:
    """Every number of every entry, a line each, as plain numbers from 0 to 1, with how it differs from the first entry
    where that was asked for; then how often each label is answered."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["run", "number", "mean", "deviation", "difference", "low", "high", "p_bootstrap", "test", "p_test"]
    )
    size = len(comparison.measures)
    for place, entry in enumerate(comparison.entries):
        verdicts = {v.measure.name: v for v in comparison.verdicts[(place - 1) * size : place * size]} if place else {}
        for column in _columns(comparison):
            mean, deviation = entry.mean(column)
            row: list[object] = [entry.name, column, mean, "" if deviation is None else deviation]
            if verdict := verdicts.get(column):
                apart = verdict.difference
                row += [apart.value, apart.low, apart.high, apart.p, verdict.test, verdict.p]
            writer.writerow(["" if cell is None else cell for cell in [*row, *[""] * (len(_CSV) - len(row))]])
    heads = label_heads(comparison)
    for cells in label_rows(comparison):
        for head, cell in zip(heads[1:], cells[1:], strict=True):
            writer.writerow([head, f"answers {cells[0]}", cell.replace(",", ""), *[""] * (len(_CSV) - 3)])
    return out.getvalue()


_CSV = ("run", "number", "mean", "deviation", "difference", "low", "high", "p_bootstrap", "test", "p_test")
_TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
    "Δ": r"$\Delta$", "−": "$-$", **{one: rf"\{one}" for one in "&%$#_{}"},
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)


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
    unread = unread or any(measure.name == "unparsed_rate" for measure in comparison.measures)
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
