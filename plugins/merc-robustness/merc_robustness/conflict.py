"""The metric ``conflict``: whom a model believes where modalities express different emotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Conflict(merc.Metric):
    """Accuracy where modalities agree and where they do not, and which of them the answers follow, as CA-MER asks.

    ``field`` is what of an utterance's ``extra`` says what each modality expresses, and which of them the label follows
    where they differ (null: they agree): ``{"leads": "video", "says": {"video": "joy", "audio": "anger"}}``. What they
    express are labels, and the one that leads expresses the utterance's own. Utterances without it are left out, and
    counted.

    It gives ``aligned`` and ``conflicting``, the accuracies on utterances of either kind; ``video_led`` and so on, that
    on conflicts whose label follows this modality; ``follows_video`` and so on, the share of all conflicts in which the
    answer is what this modality says; ``follows_none``, the share in which it is what no modality says, answers that
    could not be parsed among them; and ``utterances``, how many each number is of. Where two modalities say the same,
    an answer follows both.
    """

    field: str = "conflict"

    def truths(self) -> Sequence[str]:
        """The label, and what says which modality expresses what."""
        return ("label", self.field)

    def choices(self) -> Sequence[str]:
        """The accuracies that every split with both kinds of utterances has."""
        return ("aligned", "conflicting")

    def check(self, predictions: Sequence[merc.Prediction], labels: merc.LabelSpace) -> None:
        """Raise MercError for a mark that does not say what each modality expresses and which of them leads, that names
        something other than the labels, or that the utterance's label contradicts."""
        for one in predictions:
            if fault := _fault(one.true(self.field), str(one.truth), labels):
                raise merc.MercError(f"utterance {one.id!r}: {self.field!r} {fault}")

    def compute(self, predictions: Sequence[merc.Prediction], labels: merc.LabelSpace) -> dict[str, Any]:
        """The accuracies, the shares of answers that follow each modality, and the counts."""
        marks = [(one, one.true(self.field)) for one in predictions]
        conflicts = [(one, mark) for one, mark in marks if mark.get("leads") is not None]
        groups = {
            "aligned": [one for one, mark in marks if mark.get("leads") is None],
            "conflicting": [one for one, _ in conflicts],
        }
        for modality in sorted({mark["leads"] for _, mark in conflicts}):
            groups[f"{modality}_led"] = [one for one, mark in conflicts if mark["leads"] == modality]
        numbers: dict[str, Any] = {
            name: sum(one.label == one.truth for one in group) / len(group) for name, group in groups.items() if group
        }
        answers = [(one.label, mark["says"]) for one, mark in conflicts]
        for modality in sorted({modality for _, says in answers for modality in says}):
            follows = [modality in says and says[modality] == label for label, says in answers]
            numbers[f"follows_{modality}"] = sum(follows) / len(answers)
        if answers:
            numbers["follows_none"] = sum(label not in says.values() for label, says in answers) / len(answers)
        return {**numbers, "utterances": {name: len(group) for name, group in groups.items()}}


def _fault(mark: Any, truth: str, labels: merc.LabelSpace) -> str | None:
    """What is wrong with the mark of an utterance whose label is ``truth``; None for nothing."""
    says = mark.get("says") if isinstance(mark, Mapping) else None
    if not isinstance(says, Mapping) or "leads" not in mark or not all(isinstance(one, str) for one in says.values()):
        return (
            "says what each modality expresses and which of them the label follows (null: they agree), such as "
            f'{{"leads": "video", "says": {{"video": "joy", "audio": "anger"}}}}; it is {mark!r}'
        )
    for modality, emotion in says.items():
        if emotion not in labels.labels:
            return f"has {emotion!r} for {modality}; it must be one of the labels: {', '.join(labels.labels)}"
    leads = mark["leads"]
    if leads is None:
        if len(set(says.values())) > 1:
            return f"is led by nobody (null), which means that all express the same, and they do not: {dict(says)}"
        return None
    if leads not in list(says):
        return f"is led by {leads!r}, which says nothing there; what speaks is {', '.join(says)}"
    if says[leads] != truth:
        return f"is led by {leads}, which expresses {says[leads]!r}, and the utterance's label is {truth!r}"
    return None
