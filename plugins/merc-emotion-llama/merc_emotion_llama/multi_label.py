"""Several labels an utterance: mAP, F1 and Jaccard (MAFW's compound labels, BOLD)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from merc import LabelSpace, MercError, Metric, Prediction
from merc.answers import Block, Sentences, vocabulary_of_labels
from merc_emotion_llama.answers import answer_of, count_notes, published_answer_of
from merc_emotion_llama.recognition import chosen
from merc_emotion_llama.wheel_metrics import texts


@dataclass(frozen=True, kw_only=True)
class MultiLabel(Metric):
    """``multi-label``: whether each label is named, against a list of those that are true.

    ``map`` is the mean of the labels' average precision over the labels that occur as truth (``map_over`` says how
    many). The labels are ranked by their probabilities where every prediction has some, else by whether the answer
    names them (``ranked_by`` says which): two different numbers. ``micro_f1`` is over all pairs of an utterance and a
    label, ``sample_f1`` and ``sample_jaccard`` are means over the utterances; an utterance for which nothing is true
    and nothing is named counts 0 in these two. The numbers ``…_affectgpt`` are those of answers as MMEVerse's own
    program reads them: items between commas and semicolons, in small letters, ranked by whether they are named.
    """

    truth: str = "open_labels"
    """The name of the list of true labels."""
    among: tuple[str, ...] = ()
    """The labels that count; by default those of the corpus."""
    threshold: float | None = None
    """The least probability of a label that an answer has; null takes the labels that the answer names."""
    block: Block = "answer-or-rest"
    """Which part of an answer is read (``merc.answers``): what stands in <answer>, or the rest without one; <answer>
    alone; all of it."""
    sentences: Sentences = "search"
    """Whether labels are looked for within sentences (``search``) or not (``drop``)."""
    never_true: Literal["counted", "left-out"] = "counted"
    """What becomes of a label that is true of no utterance in the F1s and the Jaccard: ``counted``, so that naming it
    is wrong, or ``left-out``, as MMEVerse's own program has it. ``map`` always leaves it out."""

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is a probability above 0, not {self.threshold:g}")

    def needs(self) -> Sequence[str]:
        """Probabilities, for a threshold."""
        return () if self.threshold is None else ("probabilities",)

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def choices(self) -> Sequence[str]:
        """All four numbers."""
        return ("map", "micro_f1", "sample_f1", "sample_jaccard")

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Compute once for predictions that say nothing: every fault of labels and truths shows."""
        replace(self, threshold=None).compute(predictions, labels)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers. Raises MercError for a truth outside the labels, and for fewer than two labels."""
        import numpy as np

        space = chosen(labels, self.among)
        if len(space) < 2:
            raise MercError(f"metric multi-label: two labels at least are expected, not {', '.join(space.labels)}")
        place = {label: i for i, label in enumerate(space.labels)}
        truth = np.zeros((len(predictions), len(space)), dtype=int)
        for row, p in zip(truth, predictions, strict=True):
            for label in texts(p, self.truth):
                if label not in place:
                    raise MercError(
                        f"utterance {p.id!r}: {self.truth!r} has {label!r}, which is none of the labels "
                        + ", ".join(place)
                    )
                row[place[label]] = 1
        known = vocabulary_of_labels(space)
        read = [answer_of(p, known, self.block, self.sentences) for p in predictions]
        published = [published_answer_of(p, known, ",;") for p in predictions]
        named, named_as_published = (
            np.array([[int(label in one.labels) for label in place] for one in answers])
            for answers in (read, published)
        )
        ranked = all(p.probabilities is not None for p in predictions)
        chances = np.array([[(p.probabilities or {}).get(label, 0.0) for label in place] for p in predictions])
        if self.threshold is not None:
            if not ranked:
                raise MercError(
                    "metric multi-label: a threshold needs probabilities; set evaluate.decoder={name: verbalizer}"
                )
            named = (chances >= self.threshold).astype(int)
        present = truth.any(axis=0)
        return {
            **self._numbers(truth, named, chances if ranked else named, present),
            "map_over": int(present.sum()),
            "ranked_by": "probabilities" if ranked else "answers",
            **self._numbers(truth, named_as_published, named_as_published, present, "_affectgpt"),
            "samples": len(predictions),
            "labels_per_sample": float(named.sum(axis=1).mean()),
            "answers": count_notes(read),
        }

    def _numbers(self, truth: Any, named: Any, scores: Any, present: Any, suffix: str = "") -> dict[str, Any]:
        """The four numbers of labels that are true, named and ranked by scores, each [utterances, labels];
        ``present`` [labels] says which are ever true."""
        import numpy as np
        from sklearn.metrics import average_precision_score

        average = [average_precision_score(truth[:, i], scores[:, i]) for i in np.flatnonzero(present)]
        if self.never_true == "left-out":
            truth, named = truth[:, present], named[:, present]
        both, either = (truth & named).sum(axis=1), (truth | named).sum(axis=1)
        # Where nothing is true and nothing named, what is divided is 0.
        numbers = {
            "map": float(np.mean(average)) if average else None,
            "micro_f1": float(2 * both.sum() / max(1, both.sum() + either.sum())),
            "sample_f1": float(np.mean(2 * both / np.maximum(1, both + either))),
            "sample_jaccard": float(np.mean(both / np.maximum(1, either))),
        }
        return {name + suffix: value for name, value in numbers.items()}
