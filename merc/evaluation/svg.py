"""Line charts as SVG that takes its colours from the page, so that they follow its light and dark schemes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 440, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 30


@dataclass(frozen=True)
class Series:
    """A line through points ``(x, y)`` in order of x; a ``faint`` one is background. ``dots`` marks each point, and
    without ``joined`` there are only these."""

    name: str
    points: Sequence[tuple[float, float]]
    faint: bool = False
    dots: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Chart:
    """One chart: what it shows, its drawing, and the names of its lines where there are several."""

    title: str
    svg: Markup
    legend: Sequence[str] = ()


def chart(
    title: str,
    lines: Sequence[Series],
    *,
    across: str = "step",
    x_span: tuple[float, float] | None = None,
    y_span: tuple[float, float] | None = None,
) -> Chart:
    """Draw lines over a common axis. ``across`` names what x is; steps have whole numbers below them. The spans are
    found from the points unless they are given. At least one line has a point.

    >>> "<polyline" in chart("Loss", [Series("loss", [(1, 2.0), (2, 1.5)])]).svg
    True
    """
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    left, right = x_span or (min(xs), max(xs))
    y_ticks = _ticks(*(y_span or (min(ys), max(ys))))
    low, high = min(y_ticks), max(y_ticks)

    def x_at(x: float) -> float:
        share = (x - left) / (right - left) if right > left else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y_at(y: float) -> float:
        return round(TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="curve">',
        f"<title>{escape(title)} by {escape(across)}. {escape(_in_words(lines))}.</title>",
    ]
    for tick in y_ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_at(tick)}" y2="{y_at(tick)}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y_at(tick) + 4}" text-anchor="end">{short(tick)}</text>')
    x_ticks = [t for t in _ticks(left, right) if left <= t <= right and (across != "step" or t == int(t))]
    for tick in x_ticks or [left]:
        parts.append(f'<text class="tick" x="{x_at(tick)}" y="{HEIGHT - 8}" text-anchor="middle">{tick:g}</text>')
    number = 0
    for line in lines:
        style = "faint" if line.faint else f"line-{number % 8}"
        number += not line.faint
        drawn = " ".join(f"{x_at(x)},{y_at(y)}" for x, y in line.points)
        if line.joined:
            parts.append(f'<polyline class="{style}" points="{drawn}"/>')
        for x, y in line.points if line.dots or len(line.points) == 1 else ():
            about = f"{escape(line.name)} {short(y)} at {escape(across)} {x:.4g}"
            parts.append(
                f'<circle class="{style}" cx="{x_at(x)}" cy="{y_at(y)}" r="3.5"><title>{about}</title></circle>'
            )
    parts.append("</svg>")
    names = [line.name for line in lines if not line.faint]
    return Chart(title, Markup("".join(parts)), names if len(names) > 1 else [])


def _in_words(lines: Sequence[Series]) -> str:
    return "; ".join(
        f"{line.name}: {short(line.points[0][1])} at first, {short(line.points[-1][1])} at last"
        if line.joined
        else f"{line.name}: {len(line.points)} points"
        for line in lines
        if not line.faint and line.points
    )


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that span low to high, about four of them.

    >>> _ticks(0.13, 1.9), _ticks(5, 5)
    ([0.0, 0.5, 1.0, 1.5, 2.0], [4.0, 4.5, 5.0, 5.5, 6.0])
    """
    if high <= low:
        pad = abs(low) * 0.2 or 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= raw * 0.999)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(i * step, digits) for i in range(start, end + 1)]


def short(value: float) -> str:
    """A short number: four digits that count.

    >>> short(0.63129), short(0.0005), short(12.5), short(0.0)
    ('0.6313', '5e-4', '12.5', '0')
    """
    if value and abs(value) < 0.001:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.4g}"
