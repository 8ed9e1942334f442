"""The text that a prediction is read from."""

from __future__ import annotations

from merc import Prediction


def answer_text(prediction: Prediction) -> str:
    """What the model wrote, else the label that it was given; empty where there is neither.

    >>> answer_text(Prediction(id="u", conversation="c", label="joy"))
    'joy'
    """
    return prediction.answer if prediction.answer is not None else prediction.label or ""
