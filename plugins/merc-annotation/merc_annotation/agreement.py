"""How far raters agree: rates, Cohen's and Fleiss' kappa, Krippendorff's alpha, ICC, Spearman, with intervals."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Scale = Literal["nominal", "ordinal", "interval"]
Ratings = Sequence[Mapping[str, Any]]
"""One mapping an item: the rating by rater; a rater that did not rate an item is left out there."""
Matrix = npt.NDArray[np.float64]

RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of agreement."""

    name: str
    """What it is."""
    value: float
    """The number; NaN where it is not defined."""
    low: float
    """The lower end of the 95 % interval; NaN where there is none."""
    high: float
    """The upper end."""
    items: int
    """How many items it is of."""
    raters: int
    """How many raters it is of."""
    why: str = ""
    """Why there is no number, where there is none."""

    @property
    def words(self) -> str:
        """What the number means, in plain words."""
        if math.isnan(self.value):
            return f"not defined: {self.why or 'there is too little to compare'}"
        bands = _BANDS["icc" if self.name.startswith("ICC") else "rate" if "rate" in self.name else "kappa"]
        word = next(word for edge, word in bands if self.value < edge)
        return f"{word} agreement"


_BANDS: Mapping[str, Sequence[tuple[float, str]]] = {
    # Landis and Koch, 1977
    "kappa": ((0.0, "less than chance"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"),
              (math.inf, "almost perfect")),
    # Koo and Li, 2016
    "icc": ((0.5, "poor"), (0.75, "moderate"), (0.9, "good"), (math.inf, "excellent")),
    "rate": ((0.5, "low"), (0.8, "medium"), (math.inf, "high")),
}  # fmt: skip


def agreement_rate(items: Ratings) -> float:
    """The share of pairs of ratings of one item that are the same, over all items; NaN where no item has two.

    >>> agreement_rate([{"a": 1, "b": 1, "c": 2}])
    0.3333333333333333
    """
    pairs = [(one, two) for item in items for one, two in itertools.combinations(item.values(), 2)]
    return sum(one == two for one, two in pairs) / len(pairs) if pairs else math.nan


def cohen_kappa(items: Ratings, first: str, second: str) -> float:
    """Cohen's kappa of two raters over the items that both rated (Cohen, 1960); NaN where chance would agree always.

    >>> pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    >>> round(cohen_kappa([{"a": one, "b": two} for one, two in pairs], "a", "b"), 3)
    0.4
    """
    both = [(item[first], item[second]) for item in items if first in item and second in item]
    if not both:
        return math.nan
    same = sum(one == two for one, two in both) / len(both)
    ones, twos = (Counter(pair[at] for pair in both) for at in (0, 1))
    chance = sum(ones[label] * twos[label] for label in ones) / len(both) ** 2
    return (same - chance) / (1 - chance) if chance < 1 else math.nan


def fleiss_kappa(items: Ratings) -> float:
    """Fleiss' kappa (1971) over the items that the usual number of raters rated; NaN where it is not defined.

    The raters need not be the same for each item, but as many: items with another number are left out.
    """
    sizes = Counter(len(item) for item in items if len(item) > 1)
    if not sizes:
        return math.nan
    count = max(sizes, key=lambda size: (sizes[size], size))
    whole = [Counter(item.values()) for item in items if len(item) == count]
    same = float(np.mean([(sum(n * n for n in counts.values()) - count) / (count * (count - 1)) for counts in whole]))
    together = sum(whole, Counter[Any]())
    chance = sum((n / (count * len(whole))) ** 2 for n in together.values())
    return (same - chance) / (1 - chance) if chance < 1 else math.nan


def krippendorff_alpha(items: Ratings, scale: Scale = "nominal", order: Sequence[Any] = ()) -> float:
    """Krippendorff's alpha, for any number of raters and with ratings missing (Krippendorff, 2011); NaN where it is not
    defined: no item has two ratings, or all ratings are the same.

    Args:
        items: The ratings.
        scale: ``nominal`` compares for equality, ``ordinal`` by ranks, ``interval`` by squared differences.
        order: The values of an ordinal scale from low to high; by default they are numbers.
    """
    paired = [list(item.values()) for item in items if len(item) > 1]
    values = list(order) or sorted({value for item in paired for value in item})
    if len(values) < 2:
        return math.nan
    place = {value: at for at, value in enumerate(values)}
    coincidences = np.zeros((len(values), len(values)))
    for item in paired:
        counts = np.bincount([place[value] for value in item], minlength=len(values)).astype(float)
        coincidences += (np.outer(counts, counts) - np.diag(counts)) / (len(item) - 1)
    totals = coincidences.sum(axis=0)
    distance = _distances(values, totals, scale)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    apart = float((expected * distance).sum())
    return 1 - float((coincidences * distance).sum()) / apart if apart > 0 else math.nan


def _distances(values: Sequence[Any], totals: Matrix, scale: Scale) -> Matrix:
    if scale == "nominal":
        return 1.0 - np.eye(len(values))
    if scale == "interval":
        numbers = np.array(values, float)
        return np.asarray((numbers[:, None] - numbers[None]) ** 2)
    ends = np.cumsum(totals)
    middles = ends - totals / 2
    return np.asarray((middles[:, None] - middles[None]) ** 2)


def icc(items: Ratings, kind: Literal["2,1", "3,k"]) -> float:
    """The intraclass correlation of ratings in numbers, over the items that all raters rated (Shrout and Fleiss, 1979):
    ``2,1`` is of one rater, where raters are a sample of many, and counts how they differ in level; ``3,k`` of the mean
    of these raters, and does not. NaN below two items or two raters, and where nothing varies."""
    table = complete(items)
    if table.shape[0] < 2 or table.shape[1] < 2:
        return math.nan
    count, raters = table.shape
    grand = table.mean()
    between_items = raters * float(((table.mean(axis=1) - grand) ** 2).sum()) / (count - 1)
    between_raters = count * float(((table.mean(axis=0) - grand) ** 2).sum()) / (raters - 1)
    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + grand
    error = float((left**2).sum()) / ((count - 1) * (raters - 1))
    if kind == "3,k":
        return (between_items - error) / between_items if between_items > 1e-12 else math.nan
    below = between_items + (raters - 1) * error + raters * (between_raters - error) / count
    return (between_items - error) / below if abs(below) > 1e-12 else math.nan


def spearman(items: Ratings, first: str, second: str) -> float:
    """Spearman's rank correlation of two raters over the items that both rated; NaN where a rater always says the same,
    or fewer than three items are shared."""
    from scipy.stats import rankdata

    both = np.array([(item[first], item[second]) for item in items if first in item and second in item], float)
    if len(both) < 3:
        return math.nan
    ranks = [rankdata(both[:, at]) for at in (0, 1)]
    if any(np.ptp(one) == 0 for one in ranks):
        return math.nan
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def complete(items: Ratings) -> Matrix:
    """The items that all raters rated, ``[items, raters]``."""
    raters = raters_of(items)
    whole = [[float(item[name]) for name in raters] for item in items if len(item) == len(raters)]
    return np.array(whole).reshape(len(whole), len(raters))


def raters_of(items: Ratings) -> list[str]:
    """The raters, in the order in which they first rated."""
    return list(dict.fromkeys(name for item in items for name in item))


def interval(items: Ratings, measure: Callable[[Ratings], float], seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a measure, from resampled items (percentile bootstrap); NaN where half of the samples and
    more give no number."""
    if not items:
        return math.nan, math.nan
    draw = np.random.default_rng(seed)
    values = []
    for _ in range(RESAMPLES):
        value = measure([items[at] for at in draw.integers(len(items), size=len(items))])
        if not math.isnan(value):
            values.append(value)
    if len(values) < RESAMPLES / 2:
        return math.nan, math.nan
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def measures_of(items: Ratings, scale: Scale, order: Sequence[Any] = (), seed: int = 0) -> list[Measure]:
    """All measures that suit a scale: of labels rates, kappas and alpha; of numbers ICC and Spearman too. Items that
    nobody rated twice count for nothing; where two raters rated no item together, that pair says so.

    Raises ValueError for a rating that is no number where the scale needs one.
    """
    items = [item for item in items if item]
    raters = raters_of(items)
    if scale != "nominal" and not order:
        wrong = next((v for item in items for v in item.values() if not isinstance(v, int | float)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is no number, and an {scale} scale needs numbers")
    numbers = items if not order else [{name: order.index(v) for name, v in item.items()} for item in items]
    measures: list[Measure] = []

    def add(name: str, among: Ratings, measure: Callable[[Ratings], float], count: int, why: str = "") -> None:
        value = measure(among)
        low, high = (math.nan, math.nan) if math.isnan(value) else interval(among, measure, seed)
        of = sum(len(item) > 1 for item in among)
        measures.append(Measure(name=name, value=value, low=low, high=high, items=of, raters=count, why=why))

    add("agreement rate", items, agreement_rate, len(raters))
    for one, two in itertools.combinations(raters, 2):
        pair = [{name: item[name] for name in (one, two)} for item in items if one in item and two in item]
        why = f"{one} and {two} rated no item together" if not pair else "both say one and the same throughout"
        add(f"Cohen's kappa, {one} and {two}", pair, lambda a, o=one, t=two: cohen_kappa(a, o, t), 2, why)
        if scale != "nominal":
            ranked = [{name: item[name] for name in (one, two)} for item in numbers if one in item and two in item]
            add(f"Spearman, {one} and {two}", ranked, lambda a, o=one, t=two: spearman(a, o, t), 2, why)
    if len(raters) > 2:
        add("Fleiss' kappa", items, fleiss_kappa, len(raters))
    add(f"Krippendorff's alpha ({scale})", items, lambda a: krippendorff_alpha(a, scale, order), len(raters))
    if scale != "nominal":
        shared = [item for item in numbers if len(item) == len(raters)]
        why = "the raters have fewer than two items in common" if len(shared) < 2 else "nothing varies"
        add("ICC(2,1)", shared, lambda a: icc(a, "2,1"), len(raters), why)
        add("ICC(3,k)", shared, lambda a: icc(a, "3,k"), len(raters), why)
    return measures
