"""Sentiment metrics against their definitions written out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_emotion_llama.sentiment import SentimentF1, SentimentScore

import merc

LABELS = merc.LabelSpace(("negative", "neutral", "positive"))


def weighted_f1(truth, said):
    """The mean of the F1 of each true class, weighted by how often it is true."""
    total = 0.0
    for one in set(truth):
        both = sum(t == s == one for t, s in zip(truth, said, strict=True))
        total += truth.count(one) * 2 * both / (truth.count(one) + said.count(one))
    return total / len(truth)


def test_neutral_answers_are_wrong_in_one_variant_and_negative_in_the_other(say):
    rows = say(
        "valence",
        (0.6, "positive", None), (1.0, "It is neutral.", None), (-0.2, "Neutral", None), (-1.0, "negative", None),
        (0.0, "positive", None), (0.4, "who knows", None), (-0.4, "positive or negative", None),
    )  # fmt: skip
    found = SentimentF1().compute(rows, LABELS)
    truth = ["p", "p", "n", "n", "p", "n"]
    assert found["weighted_f1_neutral_wrong"] == pytest.approx(weighted_f1(truth, ["p", "0", "0", "n", "x", "x"]))
    assert found["weighted_f1_neutral_negative"] == pytest.approx(weighted_f1(truth, ["p", "n", "n", "n", "x", "x"]))
    assert found["weighted_f1_neutral_wrong"] < found["weighted_f1_neutral_negative"]
    assert {name: n for name, n in found.items() if isinstance(n, int)} == {
        "samples": 6, "excluded_neutral": 1, "neutral_answers": 2, "unparsed": 2,
    }  # fmt: skip


def test_a_model_that_always_says_neutral_gets_nothing(say):
    rows = say("valence", (1.0, "neutral", None), (-1.0, "neutral", None), (-0.5, "Neutral.", None))
    found = SentimentF1().compute(rows, LABELS)
    assert (found["weighted_f1_neutral_wrong"], found["weighted_f1_affectgpt"]) == (0.0, 0.0)
    assert found["weighted_f1_neutral_negative"] == pytest.approx(2 / 3 * 2 * 2 / (2 + 3))


def test_a_sentiment_may_be_a_text_with_its_word_in_it(say):
    rows = say(
        "sentiment", ("weakly negative", None, "negative"), ("Positive", None, "positive"), ("neutral", None, None)
    )
    found = SentimentF1(truth="sentiment").compute(rows, LABELS)
    assert (found["weighted_f1_neutral_wrong"], found["samples"], found["excluded_neutral"]) == (1.0, 2, 1)


def test_where_every_truth_is_neutral_there_is_no_number(say):
    found = SentimentF1().compute(say("valence", (0.0, "positive", None)), LABELS)
    assert (found["weighted_f1_neutral_wrong"], found["samples"]) == (None, 0)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("mixed", "utterance 'u0': 'said' is 'mixed'; one of negative, neutral and positive was expected"),
        ([1], r"utterance 'u0': 'said' is \[1\]; a number was expected"),
    ],
)
def test_a_truth_that_is_no_sentiment_names_its_utterance(say, truth, message):
    with pytest.raises(merc.MercError, match=message):
        SentimentF1(truth="said").compute(say("said", (truth, "positive", None)), LABELS)


def test_the_numbers_of_mosi(say):
    truth = [3.0, 1.4, 0.0, -0.4, -2.6, 0.6]
    said = ["2.6", "The score is 0.4.", "-1", "0", "<think>7</think><answer>\u22122</answer>", "no idea"]
    found = SentimentScore().compute(say("valence", *[(t, s, None) for t, s in zip(truth, said, strict=True)]), LABELS)
    guess = [2.6, 0.4, -1.0, 0.0, -2.0]
    # rounded: 3 1 0 0 -3 1 against 3 0 -1 0 -2 and nothing
    assert found["acc_7"] == pytest.approx(2 / 6)
    # below 0: F F F T T F against F F T F T and nothing
    assert found["acc_2_non_negative"] == pytest.approx(3 / 6)
    assert found["f1_2_non_negative"] == pytest.approx(weighted_f1(list("FFFTTF"), list("FFTFTx")))
    # without the 0: positive or not: T T F F T against T T F F and nothing
    assert found["acc_2_without_neutral"] == pytest.approx(4 / 5)
    assert found["f1_2_without_neutral"] == pytest.approx(weighted_f1(list("TTFFT"), list("TTFFx")))
    assert found["mae"] == pytest.approx(sum(abs(t - g) for t, g in zip(truth, guess, strict=False)) / 5)
    assert found["correlation"] == pytest.approx(np.corrcoef(truth[:5], guess)[0, 1])
    assert (found["samples"], found["samples_without_neutral"], found["unparsed"]) == (6, 5, 1)


def test_what_lies_outside_the_scale_is_brought_to_it_and_counted(say):
    found = SentimentScore().compute(say("valence", (3.0, "9", None), (-3.0, "-3.2", None)), LABELS)
    assert (found["acc_7"], found["mae"], found["outside_scale"]) == (1.0, 0.0, 2)


@pytest.mark.parametrize("text", ["2 or 3", "no number", "", "v2.1.3", "<think>3"])
def test_an_answer_without_exactly_one_number_is_unparsed(say, text):
    found = SentimentScore().compute(say("valence", (2.0, text, None)), LABELS)
    assert (found["unparsed"], found["acc_7"], found["mae"], found["correlation"]) == (1, 0.0, None, None)


def test_labels_that_are_numbers_are_scores_and_may_be_averaged():
    p = merc.Prediction(
        id="u", conversation="c", truths={"valence": 0.5}, label="1", probabilities={"-1": 0.25, "1": 0.75}
    )  # fmt: skip
    assert SentimentScore().compute([p], LABELS)["mae"] == 0.5
    assert SentimentScore(expected=True).compute([p], LABELS)["mae"] == 0.0
    assert SentimentScore(factor=3.0).compute([p], LABELS)["mae"] == 0.5


def test_an_expected_score_needs_labels_that_are_numbers():
    p = merc.Prediction(id="u", conversation="c", truths={"valence": 0.5}, label="good", probabilities={"good": 1.0})
    with pytest.raises(merc.MercError, match="expected: true needs labels that are numbers"):
        SentimentScore(expected=True).compute([p], LABELS)


def test_a_truth_outside_the_scale_names_its_utterance(say):
    with pytest.raises(merc.MercError, match="utterance 'u0': 'valence' times factor 3 is 6; a score from -3 to 3"):
        SentimentScore(factor=3.0).compute(say("valence", (2.0, "1", None)), LABELS)
    with pytest.raises(ValueError, match="factor is above 0, not -1"):
        SentimentScore(factor=-1.0)


SCORES = st.floats(-3, 3).map(lambda x: round(x, 1))


@given(st.lists(st.tuples(SCORES, st.none() | SCORES), min_size=1, max_size=15), st.randoms())
def test_scores_are_bounded_and_do_not_depend_on_the_order(say, rows, random):
    made = say("valence", *[(t, None, None if s is None else str(s)) for t, s in rows])
    one = SentimentScore().compute(made, LABELS)
    random.shuffle(made)
    two = SentimentScore().compute(made, LABELS)
    for name, value in one.items():
        assert (value is None) == (two[name] is None)
        if value is not None:
            assert math.isclose(value, two[name], abs_tol=1e-9)
    for name in ("acc_7", "acc_2_non_negative", "f1_2_non_negative"):
        assert 0 <= one[name] <= 1
    assert one["acc_2_non_negative"] <= 1 - one["unparsed"] / one["samples"] + 1e-12
