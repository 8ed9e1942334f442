"""metrics.json: the numbers of a run, by split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from merc.components import Metric, Prediction
from merc.consent import hide_in, require
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.evaluation.label_history import history_sources
from merc.evaluation.shapes import odd_number
from merc.files import damaged, read_json, write_text
from merc.recipe.metric_names import CLASSIFICATION

if TYPE_CHECKING:
    from merc.recipe import ComponentRef

UNSPLIT = "unsplit"
"""Where the numbers of predictions stand that belong to no split."""


class SplitNumbers(TypedDict):
    """What ``metrics.json`` says of a split, whatever the metrics are. The numbers of ``classification`` stand beside
    these; those of every other metric stand under its name in the recipe."""

    n: int
    """The utterances with a truth: those that are counted."""
    unlabelled: int
    """The utterances without one, which no number counts."""
    unparsed_rate: float
    """The share of the counted whose answer could not be parsed; of a split without any truth, the share of all."""
    label_history: NotRequired[Literal["gold", "predicted"]]
    """Where labels came from that the model was shown of earlier utterances, if it was shown any."""
    following: NotRequired[int]
    """How many utterances after its own the model was shown, if any: such numbers are offline."""


def compute_metrics(
    predictions: Sequence[Prediction], labels: LabelSpace, metrics: Mapping[str, ComponentRef]
) -> dict[str, dict[str, Any]]:
    """The numbers of every split that the predictions name, in the order in which the splits appear.

    Each split has the ``SplitNumbers``. A split without any label has no number of a metric that compares with labels.
    A metric that compares with something else has an ``n`` and an ``unlabelled`` beside its numbers, and these alone
    where no utterance of the split has what it asks for.

    Raises MercError for a truth or a prediction outside the label space, and for a metric whose name in the recipe is
    one of the names above or whose result is not JSON.
    """
    return {split: _one_split(split, group, labels, metrics) for split, group in by_split(predictions).items()}


def by_split(predictions: Iterable[Prediction]) -> dict[str, list[Prediction]]:
    """Predictions by their split, in the order in which splits come."""
    splits: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        splits.setdefault(prediction.split or UNSPLIT, []).append(prediction)
    return splits


def check_metrics(
    conversations: Sequence[Conversation], labels: LabelSpace, metrics: Mapping[str, ComponentRef]
) -> None:
    """Let every metric see the truths of each split that it will be asked about, before hours go into predictions.

    Raises MercError with the metric's name in the recipe and what it says.
    """
    names = truths_of(metrics)
    splits: dict[str | None, list[Prediction]] = {}
    for c in conversations:
        splits.setdefault(c.split, []).extend(
            Prediction(
                id=u.id,
                conversation=c.id,
                split=c.split,
                truth=u.label,
                truths=known_truths(u, names, u is c.utterances[-1]),
            )
            for u in c.utterances
        )
    for group in splits.values():
        for name, part in metrics.items():
            assert isinstance(part.component, Metric)
            require(part.component, f"metric {name!r}")
            known = _given(part.component, group)
            if known:
                try:
                    part.component.check(known, labels)
                except MercError as error:
                    raise MercError(f"evaluate.metrics, {name}: {error}") from None


def _given(metric: Metric, predictions: Sequence[Prediction]) -> list[Prediction]:
    """The predictions that have everything that a metric compares with."""
    names = tuple(metric.truths())
    return [p for p in predictions if all(p.true(name) is not None for name in names)]


def truths_of(metrics: Mapping[str, ComponentRef]) -> list[str]:
    """What the metrics compare with, other than the label: what predictions have to carry."""
    components = [part.component for part in metrics.values()]
    names = [name for c in components if isinstance(c, Metric) for name in c.truths()]
    return [name for name in dict.fromkeys(names) if name != "label"]


def known_truths(utterance: Utterance, names: Sequence[str], last: bool = False) -> dict[str, Any]:
    """What an utterance knows of these names, as plain JSON values: what ``Utterance.true`` gives, ``last`` (whether it
    is the last of its conversation, or of the part that is asked about), or its cues.

    >>> utterance = Utterance(id="u", text="Oh!", open_labels=("surprised", "glad"), extra={"sentiment": "positive"})
    >>> known_truths(utterance, ["open_labels", "valence", "sentiment"])
    {'open_labels': ['surprised', 'glad'], 'sentiment': 'positive'}

    Raises MercError for a value that JSON cannot hold.
    """
    truths = {}
    for name in names:
        value = last if name == "last" else utterance.true(name)
        value = utterance.cues.get(name) if value is None else value
        if value is None:
            continue
        try:
            truths[name] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise MercError(
                f"utterance {utterance.id!r}: {name!r}, which a metric compares with, is no plain JSON value: {error}"
            ) from None
    return truths


def further_metrics(numbers: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Of the numbers of a split, or of their means over runs, those of metrics that stand under a name of their own.

    >>> further_metrics({"n": 2, "accuracy": 0.5, "confusion": {"labels": ["joy"]}, "mine": {"kappa": 0.1}})
    {'mine': {'kappa': 0.1}}
    """
    own, means = ("per_class", "confusion"), {"by_seed", "by_fold"}
    return {k: v for k, v in numbers.items() if isinstance(v, Mapping) and k not in own and not means & v.keys()}


def split_order(split: str | None) -> int:
    """Where a split stands in what people read: test first, then dev, then the others."""
    return {"test": 0, "dev": 1}.get(split or UNSPLIT, 2)


def _one_split(
    split: str, predictions: Sequence[Prediction], labels: LabelSpace, metrics: Mapping[str, ComponentRef]
) -> dict[str, Any]:
    counted = [p for p in predictions if p.truth is not None]
    judged = counted or predictions
    numbers: dict[str, Any] = {
        "n": len(counted),
        "unlabelled": len(predictions) - len(counted),
        "unparsed_rate": sum(p.label is None for p in judged) / len(judged),
    }
    if history := history_sources(predictions):
        numbers["label_history"] = history
    if following := max(p.following for p in predictions):
        numbers["following"] = following
    own = next((name for name in metrics if name in CLASSIFICATION), None)
    for name in sorted(metrics, key=lambda name: name != own):  # merc's own first, then as the recipe has them
        component = metrics[name].component
        assert isinstance(component, Metric)
        known = _given(component, predictions)
        results: dict[str, Any] = {}
        if tuple(component.truths()) != ("label",):
            results = {"n": len(known), "unlabelled": len(predictions) - len(known)}
        elif not known:
            continue
        if known:
            require(component, f"metric {name!r}")
            computed = component.compute(known, labels)
            _check_json(name, split, computed)
            results = {
                **results,
                **(hide_in(computed) if metrics[name].from_environment else computed),
            }
        if name == own:
            numbers = {**numbers, **results}
        elif name in numbers:
            raise MercError(
                f"evaluate.metrics: the name {name!r} is taken by a number of merc's own; give the metric another name"
            )
        else:
            numbers[name] = results
    return numbers


def _check_json(name: str, split: str, value: object) -> None:
    if not isinstance(value, dict):
        raise MercError(f"metric {name!r} gave {type(value).__name__} for split {split!r}; a mapping was expected")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MercError(f"metric {name!r} gave something that is not JSON for split {split!r}: {error}") from error


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics.json, whole or not at all."""
    write_text(path, json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_metrics(path: Path) -> dict[str, dict[str, Any]]:
    """Read metrics.json. Raises MercError for a file that is not there or is no JSON object of numbers by split, as
    merc writes them."""
    if not path.exists():
        raise MercError(f"{path} is not there; it is written by `merc run` when the recipe has `evaluate:`")
    remedy = "take it away, and merc run ... --resume works it out again from the predictions"
    numbers = read_json(path, remedy)
    for split, block in numbers.items():
        odd = odd_number(block, split) if isinstance(block, dict) else f"{split} is no JSON object of numbers"
        if odd:
            raise damaged(path, odd, remedy)
        if "past_labels" in block:  # as an older merc called it
            block["label_history"] = block.pop("past_labels")
    return numbers
