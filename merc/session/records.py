"""A prediction as plain JSON values."""

from __future__ import annotations

from typing import Any

from merc.components import Prediction
from merc.recipe import Evaluate


def as_record(prediction: Prediction, how: Evaluate) -> dict[str, Any]:
    """What ``merc predict`` writes of a prediction: which utterance it is of and what is known of that, its label, what
    the decoder gives, and what was missing. What the model wrote is its ``answer``.

    >>> from merc.recipe import Evaluate
    >>> as_record(Prediction(id="u", conversation="c", text="Yes!", label="joy"), Evaluate())
    {'id': 'u', 'conversation': 'c', 'text': 'Yes!', 'label': 'joy', 'probabilities': {}, 'missing': {}}
    """
    known = {name: getattr(prediction, name) for name in ("speaker", "text", "start", "end")}
    record: dict[str, Any] = {"id": prediction.id, "conversation": prediction.conversation}
    record |= {name: value for name, value in known.items() if value is not None}
    record["label"] = prediction.label
    if "text" in how.decoder.gives:
        record["answer"] = prediction.answer
    if "probabilities" in how.decoder.gives:
        record["probabilities"] = dict(prediction.probabilities or {})
    if prediction.values:
        record["values"] = dict(prediction.values)
    if prediction.details:
        record["details"] = dict(prediction.details)
    if how.label_history:
        record["label_history"] = how.label_history
    if prediction.following:
        record["following"] = prediction.following
    if prediction.unanswered is not None:
        record["unanswered"] = prediction.unanswered
    return {**record, "missing": dict(prediction.missing)}
