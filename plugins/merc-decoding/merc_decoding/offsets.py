"""Decoders that add a number to each label's log-probability: the prior taken out, or offsets chosen on dev."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import merc

if TYPE_CHECKING:
    from torch import Tensor

ROUNDS = 10
"""At most so many times each label's offset is tried anew; the search stops where none moves."""
GRID = tuple(step / 10 for step in range(-20, 21))
"""The offsets that are tried for a label, beside 0."""


@dataclass(frozen=True, kw_only=True)
class _Shifted(merc.Decoder):
    """Another decoder's log-probabilities, each label's moved by a number."""

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities"})
    decoder: merc.Decoder = field(default_factory=merc.Verbalizer)
    """The decoder whose probabilities are moved; one that is fitted itself is given its parameters."""

    def __post_init__(self) -> None:
        if "probabilities" not in self.decoder.gives:
            raise ValueError("decoder gives no probabilities to move; name one that scores labels, such as verbalizer")
        if self.decoder.fits_on() is not None:
            raise ValueError("decoder has to be fitted itself; give what is fitted, such as weights, as its parameters")

    def check(self, labels: merc.LabelSpace) -> None:
        """Raise MercError for a number of a label that there is not."""
        for name in ("prior", "shares", "offsets"):
            for label in getattr(self, name, None) or ():
                if label not in labels.labels:
                    raise merc.MercError(
                        f"evaluate.decoder.{name}: there is no label {label!r}; the labels are: "
                        f"{', '.join(labels.labels)}"
                    )

    def prompters(self) -> Sequence[merc.Prompter]:
        """Those of ``decoder``."""
        return self.decoder.prompters()

    def looks_ahead(self) -> int:
        """As far as ``decoder`` looks."""
        return self.decoder.looks_ahead()

    def shifted(self, model: merc.Model, queries: Sequence[merc.Query], by: Mapping[str, float]) -> list[merc.Decoded]:
        """The likeliest labels of queries with each label's log-probability moved; what else the other decoder gives
        of an answer stays."""
        import torch

        answers = self.decoder.decode(model, queries)
        values = log_probs_of(answers, model.labels)
        moved = values + torch.tensor([by.get(label, 0.0) for label in model.labels.labels], dtype=values.dtype)
        shifted = merc.likeliest(queries, moved, model.labels)
        return [
            replace(one, label=new.label, probabilities=new.probabilities)
            for new, one in zip(shifted, answers, strict=True)
        ]


def log_probs_of(answers: Sequence[merc.Decoded], labels: merc.LabelSpace) -> Tensor:
    """Log-probabilities ``[queries, labels]``; minus infinity for a label that a query does not have."""
    import torch

    rows = [[(one.probabilities or {}).get(label, 0.0) for label in labels.labels] for one in answers]
    return torch.tensor(rows, dtype=torch.float64).view(len(answers), len(labels)).log()


@dataclass(frozen=True, kw_only=True)
class PriorAdjusted(_Shifted):
    """Post-hoc logit adjustment: log p(y) - τ log π_y, π_y being the share of the label in the train split (Menon et
    al., 2021, equation 9), so that rare labels are predicted more often."""

    tau: float = 1.0
    """τ: 0 leaves the probabilities as they are, 1 takes the prior out as a whole."""
    prior: Mapping[str, float] | None = None
    """The share of every label; null counts the train split, and keeps the shares with the run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.tau < float("inf"):
            raise ValueError(f"tau is 0 or above, not {self.tau:g}")
        if self.prior is not None and not all(0 < share <= 1 for share in self.prior.values()):
            raise ValueError(f"prior has shares above 0, up to 1, not {dict(self.prior)}")

    def check(self, labels: merc.LabelSpace) -> None:
        """Raise MercError for a share of a label that there is not, and for a label without one."""
        super().check(labels)
        lacking = [label for label in labels.labels if self.prior is not None and label not in self.prior]
        if lacking:
            raise merc.MercError(
                f"evaluate.decoder.prior: there is no share of {', '.join(lacking)}; give one for each label"
            )

    def fits_on(self) -> Literal["train", "dev"] | None:
        """``train``, where no prior is given."""
        return "train" if self.prior is None else None

    def fit(self, model: merc.Model, queries: Sequence[merc.Query]) -> PriorAdjusted:
        """The decoder with the shares of labels among ``queries``; a label that none has counts once."""
        counts = Counter(query.target.label for query in queries if query.target.label is not None)
        if not counts:
            raise merc.MercError("evaluate.decoder: prior-adjusted counts labels of train, which has none; give prior")
        numbers = {label: max(1, counts[label]) for label in model.labels.labels}
        return replace(self, prior={label: n / sum(numbers.values()) for label, n in numbers.items()})

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query that is likeliest beside its prior; plain probabilities until that is known."""
        prior = self.prior or {}
        return self.shifted(model, queries, {label: -self.tau * math.log(share) for label, share in prior.items()})


@dataclass(frozen=True, kw_only=True)
class Offsets(_Shifted):
    """A number for each label that is added to its log-probability, chosen on dev: from 0 on, one label's offset after
    the other is set to the one of -2, -1.9, … 2 under which the number ``by`` is highest (of equals, the one nearest to
    0), until none moves. The report names what was chosen."""

    by: Literal["weighted_f1", "macro_f1", "accuracy"] = "weighted_f1"
    """What is made as high as it gets on dev."""
    shares: Mapping[str, float] | None = None
    """How common each label is taken to be where ``by`` is counted, such as its number in train; a label that is not
    named does not count. Null takes dev as it is, whose labels may be common otherwise than those of other data."""
    offsets: Mapping[str, float] | None = None
    """The number of each label, 0 for one that is not named; null chooses them on dev, and keeps them with the run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shares is not None and not (
            all(0 <= share < float("inf") for share in self.shares.values()) and any(self.shares.values())
        ):
            raise ValueError(f"shares are 0 or above, one of them above, not {dict(self.shares)}")
        if not all(math.isfinite(one) for one in (self.offsets or {}).values()):
            raise ValueError(f"offsets are finite numbers, not {dict(self.offsets or {})}")

    def fits_on(self) -> Literal["train", "dev"] | None:
        """``dev``, where no offsets are given."""
        return "dev" if self.offsets is None else None

    def fit(self, model: merc.Model, queries: Sequence[merc.Query]) -> Offsets:
        """The decoder with the offsets that suit the labelled of ``queries`` best. Raises MercError where there are
        none, or none that counts."""
        labelled = [query for query in queries if query.target.label is not None]
        if self.shares is not None:
            labelled = [query for query in labelled if self.shares.get(str(query.target.label), 0) > 0]
        if not labelled:
            which = "has no labels" if self.shares is None else "has no label with a share"
            raise merc.MercError(f"evaluate.decoder: offsets are chosen on dev, which {which}; give offsets")
        truth = [model.labels.index(str(query.target.label)) for query in labelled]
        chosen = best_offsets(
            log_probs_of(self.decoder.decode(model, labelled), model.labels), truth, self.by, self._weights(labelled)
        )
        return replace(self, offsets=dict(zip(model.labels.labels, chosen, strict=True)))

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query that is likeliest with the offsets; without any until they are chosen."""
        return self.shifted(model, queries, self.offsets or {})

    def _weights(self, labelled: Sequence[merc.Query]) -> list[float] | None:
        """What each query counts: its label's share, divided by how many have that label."""
        if self.shares is None:
            return None
        labels = [str(query.target.label) for query in labelled]
        counts = Counter(labels)
        return [self.shares[label] / counts[label] for label in labels]


def best_offsets(
    log_probs: Tensor, truth: Sequence[int], by: str, weights: Sequence[float] | None = None
) -> list[float]:
    """The offsets of labels under which a number is highest, from log-probabilities ``[queries, labels]``, by
    coordinate ascent: each in turn is set to the one that reaches most beside the others, of equals to the one nearest
    to 0, until none moves. ``weights`` say what each query counts, where not all count alike."""
    from sklearn.metrics import accuracy_score, f1_score

    def value(offsets: Tensor) -> float:
        predicted = (log_probs + offsets).argmax(-1).tolist()
        if by == "accuracy":
            reached = accuracy_score(truth, predicted, sample_weight=weights)
        else:
            reached = f1_score(
                truth, predicted, labels=sorted(set(truth)), average=by.removesuffix("_f1"), sample_weight=weights,
                zero_division=0.0,
            )  # fmt: skip
        return round(float(reached), 12)  # sums of weights in another order are the same number

    offsets = [0.0] * log_probs.shape[1]
    best = value(log_probs.new_tensor(offsets))
    for _ in range(ROUNDS):
        before = list(offsets)
        for label in range(len(offsets)):
            for step in sorted(GRID, key=abs):
                reached = value(log_probs.new_tensor([*offsets[:label], step, *offsets[label + 1 :]]))
                if (reached, -abs(step)) > (best, -abs(offsets[label])):
                    best, offsets[label] = reached, step
        if offsets == before:
            break
    return offsets
