"""Training curves from a run's log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc.evaluation.svg import Chart, Series, chart

MOST_POINTS = 400

_DEV_FIRST = ("weighted_f1", "accuracy", "macro_f1", "uar")


@dataclass(frozen=True)
class StageCurves:
    """The charts of a stage, a line on how long it took, and how many values were no finite numbers."""

    stage: str
    charts: Sequence[Chart]
    summary: str
    not_finite: int


def stage_curves(log: Sequence[Mapping[str, Any]]) -> list[StageCurves]:
    """Charts for every stage of a log, in the order of the stages: loss, what losses measure (a KL), what rewards say
    of the texts that the model wrote (reward by name, length, entropy), learning rate and dev metrics.

    A step that the log has twice (a run that was interrupted and resumed) counts as it was the last time.
    """
    stages = list(dict.fromkeys(str(r["stage"]) for r in log if r.get("event") in ("step", "dev") and "stage" in r))
    return [_one_stage(stage, [r for r in log if str(r.get("stage")) == stage]) for stage in stages]


def _one_stage(stage: str, records: Sequence[Mapping[str, Any]]) -> StageCurves:
    steps = [r for r in records if r.get("event") == "step"]
    devs = [r for r in records if r.get("event") == "dev"]
    charts: list[Chart] = []
    lost = 0
    loss, bad = _points(steps, lambda r: r.get("loss"))
    lost += bad
    if loss:
        smooth = _running_mean(loss)
        lines = [Series("each step", _thin(loss), faint=True), Series("running mean", _thin(smooth))]
        charts.append(chart("Training loss", lines if len(loss) > 20 else [Series("each step", loss)]))
    for name in _loss_names(steps):
        lines = _line(steps, lambda r, name=name: r["losses"].get(name) if _several(r) else None)
        charts += _chart(f"Loss {name}, times its weight", lines)
    charts += _measured(steps)
    charts += _rewarded([r for r in records if r.get("event") == "rollout"])
    rate, bad = _points(steps, lambda r: r.get("lr"))
    lost += bad
    if rate:
        charts.append(chart("Learning rate", [Series("learning rate", _thin(rate))]))
    lines = []
    for name in _dev_names(devs):
        points, bad = _points(devs, lambda r, name=name: _scalars(r).get(name))
        lost += bad
        lines.append(Series(name.replace("_", " ").replace("f1", "F1").replace("uar", "UAR"), points, dots=True))
    if lines:
        charts.append(chart("Dev split", lines))
    return StageCurves(stage, charts, _summary(steps, records), lost)


def _measured(steps: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """What losses measure beside what they make smaller, a chart each."""
    names = dict.fromkeys(
        (loss, name) for r in steps for loss, measures in _group(r, "measures").items() for name in measures
    )
    charts: list[Chart] = []
    for loss, name in names:
        lines = _line(steps, lambda r, loss=loss, name=name: _group(r, "measures").get(loss, {}).get(name))
        charts += _chart(f"{loss}: {name}", lines)
    return charts


def _rewarded(rollouts: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The rewards of rollouts in one chart, and each other number of theirs in one."""
    lines = _line(rollouts, lambda r: r.get("reward"), "all")
    for name in dict.fromkeys(name for r in rollouts for name in _group(r, "rewards")):
        lines += _line(rollouts, lambda r, name=name: _group(r, "rewards").get(name), name)
    charts = _chart("Reward of what was written", lines)
    for name, title in _OF_ROLLOUTS.items():
        charts += _chart(title, _line(rollouts, lambda r, name=name: r.get(name), "each rollout"))
    return charts


_OF_ROLLOUTS = {
    "alike": "Groups whose answers are all rewarded alike",
    "length": "Tokens of what was written",
    "ended": "Texts that the model ended itself",
    "entropy": "Entropy of a token that was written",
}


def _line(records: Sequence[Mapping[str, Any]], value: Any, name: str = "each step") -> list[Series]:
    """A line of the values that records have; none where they have none."""
    points, _ = _points(records, value)
    return [Series(name, _thin(points))] if points else []


def _chart(title: str, lines: Sequence[Series]) -> list[Chart]:
    """A chart of lines; none without any."""
    return [chart(title, lines)] if lines else []


def _group(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    group = record.get(name)
    return group if isinstance(group, Mapping) else {}


def _several(record: Mapping[str, Any]) -> bool:
    losses = record.get("losses")
    return isinstance(losses, Mapping) and len(losses) > 1


def _loss_names(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The losses of a stage that has several; of one alone the training loss says all."""
    return [str(name) for name in dict.fromkeys(name for r in steps if _several(r) for name in r["losses"])]


def _summary(steps: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> str:
    done = [r for r in records if r.get("event") == "stage"]
    count = done[-1].get("steps") if done else max((int(r.get("step", 0)) for r in steps), default=0)
    facts = [f"{count:,} steps" if isinstance(count, int) else ""]
    if done and isinstance(done[-1].get("seconds"), int | float):
        facts.append(duration(done[-1]["seconds"]))
    elif not done:
        facts.append("the log has no end of this stage")
    speeds = sorted(
        float(r["utterances_per_second"]) for r in steps if isinstance(r.get("utterances_per_second"), int | float)
    )
    if speeds:
        facts.append(f"{speeds[len(speeds) // 2]:.3g} utterances a second (median)")
    return ", ".join(part for part in facts if part)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(7.25), duration(252), duration(7300)
    ('7.2 s', '4 min 12 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _scalars(record: Mapping[str, Any]) -> Mapping[str, Any]:
    metrics = record.get("metrics")
    if not isinstance(metrics, Mapping):
        return {}
    inner = metrics.get("dev")  # by split, as in metrics.json, or the dev split's own
    return inner if isinstance(inner, Mapping) else metrics


def _dev_names(devs: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(
        name
        for record in devs
        for name, value in _scalars(record).items()
        if isinstance(value, int | float) and name not in ("n", "unlabelled", "unparsed_rate")
    )
    chosen = [name for name in _DEV_FIRST if name in names]
    return chosen or list(names)[:4]


def _points(records: Sequence[Mapping[str, Any]], value: Any) -> tuple[list[tuple[float, float]], int]:
    points: dict[float, float] = {}
    bad = 0
    for record in records:
        step, number = record.get("step"), value(record)
        if not isinstance(step, int | float) or number is None:
            continue
        if isinstance(number, int | float) and math.isfinite(number):
            points[step] = float(number)
        else:
            bad += 1
    return sorted(points.items()), bad


def _running_mean(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    window = max(3, len(points) // 20)
    out: list[tuple[float, float]] = []
    for i, (step, _) in enumerate(points):
        near = points[max(0, i - window + 1) : i + 1]
        out.append((step, sum(v for _, v in near) / len(near)))
    return out


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) <= MOST_POINTS:
        return list(points)
    every = len(points) / MOST_POINTS
    thinned = [points[int(i * every)] for i in range(MOST_POINTS)]
    return thinned if thinned[-1] == points[-1] else [*thinned, points[-1]]
