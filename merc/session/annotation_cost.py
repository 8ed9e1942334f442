"""What asking costs before anybody is asked: requests, tokens and hours, by teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merc.recipe import annotator_of
from merc.session.annotation import Annotated

SECONDS = 3.0
"""Assumed where nobody says it: how long one request takes."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one annotator will cost."""

    annotator: str
    """Its name in the recipe."""
    model: str | None
    """The model that it asks; None where it asks no server, or has nothing to ask."""
    open: int
    """Utterances without a final answer."""
    requests: int
    """Requests to a server, without those for answers that do not fit."""
    tokens_in: int
    """Tokens that are sent."""
    tokens_out: int
    """The most tokens that are answered."""
    hours: float | None
    """Hours that asking takes; None where that is not known, since no server is asked."""


def estimates(annotated: Annotated, seconds: float = SECONDS) -> list[Estimate]:
    """The cost of what is not answered yet, by annotator.

    Args:
        annotated: What is there, as ``merc.annotate(recipe, ask=False)`` gives it.
        seconds: How long one request takes.
    """
    utterances = {u.id: u for talk in annotated.conversations for u in talk.utterances}
    rows = []
    for name, part in annotated.annotators.items():
        waiting = [*annotated.table.unasked.get(name, ()), *annotated.table.to_retry(name)]
        costs = [cost for one in waiting if (cost := annotator_of(part).cost(utterances[one])) is not None]
        rows.append(
            Estimate(
                annotator=name, model=costs[0].model if costs else None, open=len(waiting), requests=len(costs),
                tokens_in=sum(cost.tokens_in for cost in costs), tokens_out=sum(cost.tokens_out for cost in costs),
                hours=sum(seconds / cost.at_once for cost in costs) / 3600 if costs else None,
            )
        )  # fmt: skip
    return rows


def estimates_text(rows: Sequence[Estimate], seconds: float = SECONDS) -> str:
    """Estimates as a table in plain text, and a sentence about them together."""
    names, models = (max(len(text) for text in texts) for texts in (
        ["annotator", *(one.annotator for one in rows)], ["model", *(one.model or "(none)" for one in rows)]
    ))  # fmt: skip
    line = f"{{:{names}}}  {{:{models}}} {{:>8}} {{:>9}} {{:>12}} {{:>12}} {{:>9}}"
    lines = [line.format("annotator", "model", "open", "requests", "tokens in", "tokens out", "hours")]
    for one in rows:
        numbers = [f"{number:,}" for number in (one.open, one.requests, one.tokens_in, one.tokens_out)]
        hours = "–" if one.hours is None else f"{one.hours:.3f}"
        lines.append(line.format(one.annotator, one.model or "(none)", *numbers, hours))
    whole = [sum(getattr(one, name) for one in rows) for name in ("requests", "tokens_in", "tokens_out")]
    lines.append(
        f"together: {whole[0]:,} requests, {whole[1]:,} tokens in, at most {whole[2]:,} out, "
        f"{sum(one.hours or 0.0 for one in rows):.3f} hours where one takes {seconds:g} s and teachers are asked "
        "one after the other. Tokens are estimates; an answer that does not fit is asked for again."
    )
    return "\n".join(lines)
