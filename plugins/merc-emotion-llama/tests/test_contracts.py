"""Every metric of the plugin keeps the contract of its kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from merc_emotion_llama.multi_label import MultiLabel
from merc_emotion_llama.recognition import Recalls, Recognition
from merc_emotion_llama.sentiment import SentimentF1, SentimentScore
from merc_emotion_llama.wheel_metrics import HitRateMetric, WheelFMetric

import merc.testing


def unsaid(metric, *truths):
    """Check a metric as a run does, with predictions that say nothing yet."""
    labels = merc.LabelSpace(("joy", "anger"))
    name = metric.truths()[0]
    metric.check([merc.Prediction(id="u", conversation="c", truths={name: truth}) for truth in truths], labels)


@pytest.mark.parametrize(
    ("metric", "right", "wrong", "message"),
    [
        (SentimentF1(), 0.5, "mixed", "one of negative, neutral and positive"),
        (SentimentScore(), 2.5, -4.75, "a score from -3 to 3"),
        (Recognition(truth="intention", among=("ask", "tell")), "ask", "beg", "which is none of the labels ask, tell"),
        (Recalls(truth="said"), "joy", "fear", "which is none of the labels joy, anger"),
        (MultiLabel(threshold=0.5), ["joy"], ["nervous"], "has 'nervous', which is none of the labels joy, anger"),
    ],
)
def test_truths_are_checked_before_anything_is_said(metric, right, wrong, message):
    unsaid(metric, right)
    with pytest.raises(merc.MercError, match=message):
        unsaid(metric, right, wrong)


def test_tables_are_read_before_anything_is_said(tmp_path: Path, wheels_folder: Path):
    unsaid(HitRateMetric(wheels=wheels_folder, truth="said"), "happy")
    unsaid(WheelFMetric(wheels=wheels_folder), ["happy"])
    for metric in (HitRateMetric(wheels=tmp_path, truth="said"), WheelFMetric(wheels=tmp_path)):
        with pytest.raises(merc.MercError, match=r"wheel1\.xlsx is not there"):
            unsaid(metric, "happy")


class TestHitRate(merc.testing.MetricContract):
    name = "mer-unibench-hit-rate"
    labels = merc.LabelSpace(("neutral", "joy", "anger"))

    @pytest.fixture(autouse=True)
    def _made(self, wheels_folder: Path) -> None:
        type(self).component = HitRateMetric(wheels=wheels_folder)


class TestWheelF(merc.testing.MetricContract):
    name = "mer-unibench-wheel-f"

    @pytest.fixture(autouse=True)
    def _made(self, wheels_folder: Path) -> None:
        type(self).component = WheelFMetric(wheels=wheels_folder)


class TestSentimentF1(merc.testing.MetricContract):
    name = "mer-unibench-sentiment-f1"
    component = SentimentF1()
    labels = merc.LabelSpace(("negative", "neutral", "positive"))


class TestSentimentScore(merc.testing.MetricContract):
    name = "mosi-sentiment-score"
    component = SentimentScore(factor=3.0)

    def predictions(self):
        said = ["-3", "1.5", "0", None, "2 or 3", "good: 7"]
        every = super().predictions()
        return [replace(p, text=said[i % 6], label=said[-1 - i % 6]) for i, p in enumerate(every)]


class TestMultiLabel(merc.testing.MetricContract):
    name = "multi-label"
    component = MultiLabel()


class TestRecognition(merc.testing.MetricContract):
    name = "mmeverse-recognition"
    component = Recognition()


class TestRecalls(merc.testing.MetricContract):
    name = "dfew-recall"
    component = Recalls()
