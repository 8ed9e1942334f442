"""One label and several labels an utterance, against their definitions written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_emotion_llama.multi_label import MultiLabel
from merc_emotion_llama.recognition import Recalls, Recognition

import merc

LABELS = merc.LabelSpace(("joy", "anger", "fear"), {"joy": ("joy", "happy")})


def test_recognition_reads_one_label_and_counts_the_rest(say):
    rows = say(
        "label", ("joy", "happy", None), ("joy", "Joy and anger", None), ("anger", "She shows anger.", None),
        ("anger", "bliss", None), ("anger", None, None), ("fear", None, "fear"),
    )  # fmt: skip
    found = Recognition().compute(rows, LABELS)
    assert found["accuracy"] == pytest.approx(3 / 6)
    f1 = {"joy": 2 * 1 / (2 + 1), "anger": 2 * 1 / (3 + 1), "fear": 1.0}
    assert found["weighted_f1"] == pytest.approx((2 * f1["joy"] + 3 * f1["anger"] + f1["fear"]) / 6)
    assert (found["unparsed"], found["several_labels"], found["answers"]["sentence"]) == (3, 1, 1)


def test_a_label_of_another_kind_may_be_asked_for(say):
    rows = say("intention", ("to ask", "To ask", "joy"), ("to blame", "joy", "joy"))
    found = Recognition(truth="intention", among=("to ask", "to blame")).compute(rows, LABELS)
    assert (found["accuracy"], found["unparsed"]) == (0.5, 1)


def test_uar_is_over_the_labels_that_occur_and_war_is_the_accuracy(say):
    rows = say("label", *[("joy", "joy", None)] * 3, ("joy", "anger", None), ("anger", "fear", None))
    found = Recalls().compute(rows, LABELS)
    assert (found["uar"], found["war"], found["averaged_over"]) == ((3 / 4 + 0) / 2, 3 / 5, ["joy", "anger"])


@pytest.mark.parametrize("metric", [Recognition(), Recalls()])
def test_a_truth_outside_the_labels_names_its_utterance(say, metric):
    with pytest.raises(
        merc.MercError, match="utterance 'u0': 'label' is 'bliss', which is none of the labels joy, anger"
    ):
        metric.compute(say("label", ("bliss", "joy", None)), LABELS)


def test_a_corpus_without_labels_needs_their_names(say):
    with pytest.raises(
        merc.MercError, match="the corpus has no labels of its own; name those that count in the metric's"
    ):
        Recognition(truth="x").compute(say("x", ("a", "a", None)), merc.LabelSpace(()))


TRUTHS = [["joy"], ["joy", "anger"], ["fear"]]


def test_several_labels_by_answers(say):
    rows = say("open_labels", (TRUTHS[0], "happy", None), (TRUTHS[1], "anger; fear", None), (TRUTHS[2], "bliss", None))
    found = MultiLabel().compute(rows, LABELS)
    # of 4 true pairs 2 are said, of 3 said pairs 2 are true
    assert found["micro_f1"] == pytest.approx(2 * 2 / (4 + 3))
    assert found["sample_f1"] == pytest.approx((1 + 2 * 1 / (2 + 2) + 0) / 3)
    assert found["sample_jaccard"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    # average precision of a label that is said or not: joy 1/1 then 2/3; anger 1; fear 0 of 1 said, then 1/3
    assert found["map"] == pytest.approx(((0.5 * 1 + 0.5 * 2 / 3) + 1 + 1 / 3) / 3)
    assert (found["ranked_by"], found["map_over"], found["labels_per_sample"]) == ("answers", 3, 1.0)


def ranked(*chances):
    return [
        merc.Prediction(
            id=f"u{i}",
            conversation="c",
            label=max(row, key=row.get),
            probabilities=row,
            truths={"open_labels": truth},
        )
        for i, (truth, row) in enumerate(zip(TRUTHS, chances, strict=True))
    ]


def test_several_labels_by_probabilities():
    rows = ranked({"joy": 0.9, "anger": 0.1}, {"joy": 0.5, "anger": 0.4}, {"joy": 0.7, "anger": 0.2, "fear": 0.1})
    found = MultiLabel().compute(rows, LABELS)
    # joy is true of the first and the third in its ranking (1 and 2/3), anger and fear of the first
    assert found["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1 + 1) / 3)
    assert found["ranked_by"] == "probabilities"
    assert found["sample_jaccard"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    above = MultiLabel(threshold=0.4).compute(rows, LABELS)
    assert above["sample_jaccard"] == pytest.approx((1 + 1 + 0) / 3)


def test_a_label_that_is_never_true_is_not_in_the_mean(say):
    found = MultiLabel().compute(say("open_labels", (["joy"], "joy", None)), LABELS)
    assert (found["map"], found["map_over"]) == (1.0, 1)
    nothing = MultiLabel().compute(say("open_labels", ([], "joy", None)), LABELS)
    assert (nothing["map"], nothing["map_over"], nothing["micro_f1"]) == (None, 0, 0.0)


@pytest.mark.parametrize(
    ("metric", "truth", "message"),
    [
        (
            MultiLabel(),
            ["bliss"],
            "utterance 'u0': 'open_labels' has 'bliss', which is none of the labels joy, anger, fear",
        ),
        (MultiLabel(among=("joy",)), ["joy"], "metric multi-label: two labels at least are expected, not joy"),
        (
            MultiLabel(threshold=0.5),
            ["joy"],
            r"a threshold needs probabilities; set evaluate\.decoder=\{name: verbalizer\}",
        ),
    ],
)
def test_faults_of_several_labels_are_named(say, metric, truth, message):
    with pytest.raises(merc.MercError, match=message):
        metric.compute(say("open_labels", (truth, "joy", None)), LABELS)


def test_a_threshold_is_a_probability():
    with pytest.raises(ValueError, match="threshold is a probability above 0, not 2"):
        MultiLabel(threshold=2.0)


SETS = st.lists(st.sampled_from(LABELS.labels), max_size=3, unique=True)


@given(st.lists(st.tuples(SETS, SETS), min_size=1, max_size=10), st.randoms())
def test_several_labels_are_bounded_and_do_not_depend_on_the_order(say, rows, random):
    made = say("open_labels", *[(truth, "; ".join(said), None) for truth, said in rows])
    one = MultiLabel().compute(made, LABELS)
    random.shuffle(made)
    two = MultiLabel().compute(made, LABELS)
    assert two["answers"] == one["answers"] and two["map_over"] == one["map_over"]
    for name in ("map", "micro_f1", "sample_f1", "sample_jaccard"):
        assert two[name] == (None if one[name] is None else pytest.approx(one[name]))
    for name in ("map", "micro_f1", "sample_f1", "sample_jaccard"):
        assert one[name] is None or 0 <= one[name] <= 1
    if all(set(truth) == set(said) and truth for truth, said in rows):
        assert (one["map"], one["micro_f1"], one["sample_f1"], one["sample_jaccard"]) == (1, 1, 1, 1)
