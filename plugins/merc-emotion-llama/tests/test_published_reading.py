"""The published reading stands beside merc's own, and answers in Chinese count in every metric."""

import pytest
from merc_emotion_llama.multi_label import MultiLabel
from merc_emotion_llama.recognition import Recalls, Recognition
from merc_emotion_llama.sentiment import SentimentF1, SentimentScore
from merc_emotion_llama.wheel_metrics import HitRateMetric, WheelFMetric

import merc

LABELS = merc.LabelSpace(("joy", "anger"), {"joy": ("joy", "高兴")})
FORMS = ("Joy", "joy.", "not joy", "<think>joy</think><answer>joy</answer>", "高兴", "她很高兴。")


def test_one_label(say):
    rows = say("label", *(("joy", form, None) for form in FORMS))
    found = Recognition().compute(rows, LABELS)
    assert (found["accuracy"], found["accuracy_affectgpt"]) == (1.0, pytest.approx(2 / 6))
    assert found["weighted_f1_affectgpt"] == pytest.approx(2 * 2 / (6 + 2))
    recalls = Recalls().compute(rows, LABELS)
    assert (recalls["war"], recalls["war_affectgpt"], recalls["uar_affectgpt"]) == (
        1.0, pytest.approx(2 / 6), pytest.approx(2 / 6),
    )  # fmt: skip


def test_several_labels(say):
    rows = say(
        "open_labels", (["joy"], "joy.", None), (["anger", "joy"], "Joy; anger", None), (["anger"], "anger", None)
    )
    found = MultiLabel().compute(rows, LABELS)
    assert (found["micro_f1"], found["micro_f1_affectgpt"]) == (1.0, pytest.approx(2 * 3 / (4 + 3)))
    assert (found["sample_jaccard"], found["sample_jaccard_affectgpt"]) == (1.0, pytest.approx(2 / 3))
    # of the two utterances with joy the second alone names it, and of the two with anger both do
    assert found["map_affectgpt"] == pytest.approx((0.5 * 1 + 0.5 * 2 / 3 + 1) / 2)


def test_labels_that_are_never_true_may_be_left_out(say):
    rows = say("open_labels", (["joy"], "joy; anger", None), (["joy"], "joy", None))
    assert MultiLabel().compute(rows, LABELS)["micro_f1"] == pytest.approx(2 * 2 / (2 + 3))
    left = MultiLabel(never_true="left-out").compute(rows, LABELS)
    assert (left["micro_f1"], left["sample_f1"], left["map"]) == (1.0, 1.0, 1.0)


def test_words_on_wheels(say, wheels_folder):
    space = merc.LabelSpace(("happy", "sad"))
    rows = say("label", ("happy", "happy.", None), ("sad", "Sad, 'happy'", None))
    found = HitRateMetric(wheels=wheels_folder).compute(rows, space)
    # of the five wheels one does not know "sad"
    assert (found["hit_rate"], found["hit_rate_affectgpt"]) == (1.0, pytest.approx((4 * 1 / 2 + 0) / 5))
    rows = say("open_labels", (["happy"], "happy.", None), (["sad"], "sad", None))
    found = WheelFMetric(wheels=wheels_folder).compute(rows, space)
    assert (found["wheel_f"], found["wheel_f_affectgpt"]) == (1.0, pytest.approx((4 * 1 / 2 + 0) / 5))


def test_sentiments(say):
    space = merc.LabelSpace(("negative", "neutral", "positive"), {"positive": ("positive", "积极")})
    rows = say(
        "label", ("positive", "Positive", None), ("positive", "她很积极。", None), ("negative", "negative.", None)
    )
    found = SentimentF1(truth="label").compute(rows, space)
    assert found["weighted_f1_neutral_wrong"] == 1.0
    assert found["weighted_f1_affectgpt"] == pytest.approx((2 * 2 * 1 / (2 + 1) + 0) / 3)


@pytest.mark.parametrize("text", ["得分2分。", "分数：２", "<answer>2</answer></s>"])
def test_a_number_among_chinese(say, text):
    found = SentimentScore().compute(say("valence", (2.0, text, None)), merc.LabelSpace(()))
    assert (found["unparsed"], found["mae"]) == (0, 0.0)


def test_scores_outside_the_scale_may_stay(say):
    rows = say("valence", (3.0, "5", None), (-1.0, "-1", None))
    assert (SentimentScore().compute(rows, LABELS)["mae"], SentimentScore(clip=False).compute(rows, LABELS)["mae"]) == (
        0.0, 1.0,
    )  # fmt: skip
    assert SentimentScore(clip=False).compute(rows, LABELS)["acc_7"] == 1.0
