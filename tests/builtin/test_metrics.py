"""Metrics of labels: what each number counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc.builtin.metrics import Classification, LastUtterance, MicroF1, Reweighted
from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.testing import MetricContract

SPACE = LabelSpace(("neutral", "joy", "anger", "fear"))


def predict(pairs: list[tuple[str, str | None]]) -> list[Prediction]:
    return [Prediction(id=f"u{i}", conversation="c", truth=t, label=p) for i, (t, p) in enumerate(pairs)]


PAIRS = [
    ("joy", "joy"),
    ("joy", "joy"),
    ("joy", "neutral"),
    ("neutral", "neutral"),
    ("neutral", None),
    ("anger", "fear"),
]


def test_numbers_worked_out_by_hand() -> None:
    numbers = Classification().compute(predict(PAIRS), SPACE)
    joy, neutral = 2 * (1 * 2 / 3) / (1 + 2 / 3), 0.5
    assert numbers["n"] == 6
    assert numbers["accuracy"] == pytest.approx(3 / 6)
    assert numbers["weighted_f1"] == pytest.approx((3 * joy + 2 * neutral) / 6)
    assert numbers["macro_f1"] == pytest.approx((joy + neutral + 0) / 3)
    assert numbers["uar"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert numbers["unparsed_rate"] == pytest.approx(1 / 6)
    assert numbers["per_class"]["joy"] == {
        "precision": 1.0, "recall": pytest.approx(2 / 3), "f1": pytest.approx(joy), "support": 3,
    }  # fmt: skip


def test_means_are_over_the_labels_that_occur_and_say_so() -> None:
    numbers = Classification().compute(predict(PAIRS), SPACE)
    assert numbers["averaged_over"] == ["neutral", "joy", "anger"]
    assert list(numbers["per_class"]) == list(SPACE.labels)
    assert numbers["per_class"]["fear"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_the_confusion_counts_the_unparsed_in_a_column_of_their_own() -> None:
    confusion = Classification().compute(predict(PAIRS), SPACE)["confusion"]
    assert confusion == {
        "labels": ["neutral", "joy", "anger", "fear"],
        "matrix": [[1, 0, 0, 0], [1, 2, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]],
        "unparsed": [1, 0, 0, 0],
    }


def test_an_unparsed_answer_is_wrong_even_where_a_default_would_be_right() -> None:
    numbers = Classification().compute(predict([("neutral", None)] * 4), SPACE)
    assert [numbers[name] for name in ("accuracy", "weighted_f1", "macro_f1", "uar")] == [0, 0, 0, 0]
    assert numbers["unparsed_rate"] == 1


@pytest.mark.parametrize(("truth", "label", "what"), [("joyy", "joy", "truth"), ("joy", "joyy", "predicted label")])
def test_a_label_outside_the_space_is_named(truth: str, label: str, what: str) -> None:
    with pytest.raises(MercError, match=rf"utterance 'u0', {what}: unknown label 'joyy'\. Did you mean 'joy'\?"):
        Classification().compute(predict([(truth, label)]), SPACE)


def test_no_prediction_is_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="no prediction"):
        Classification().compute([], SPACE)


LABEL = st.sampled_from(SPACE.labels)


@given(st.lists(st.tuples(LABEL, st.none() | LABEL), min_size=1, max_size=60))
def test_the_numbers_agree_with_each_other(pairs: list[tuple[str, str | None]]) -> None:
    numbers = Classification().compute(predict(pairs), SPACE)
    per_class, confusion = numbers["per_class"], numbers["confusion"]
    rows = zip(SPACE.labels, confusion["matrix"], confusion["unparsed"], strict=True)
    for label, row, unparsed in rows:
        assert sum(row) + unparsed == per_class[label]["support"]
    assert sum(per_class[label]["support"] for label in SPACE.labels) == numbers["n"] == len(pairs)
    right = sum(confusion["matrix"][i][i] for i in range(len(SPACE)))
    assert numbers["accuracy"] == pytest.approx(right / len(pairs))
    # Recall weighted by support is accuracy: no utterance is lost or counted twice.
    weighted = sum(per_class[label]["recall"] * per_class[label]["support"] for label in SPACE.labels)
    assert weighted / len(pairs) == pytest.approx(numbers["accuracy"])
    assert sum(confusion["unparsed"]) / len(pairs) == pytest.approx(numbers["unparsed_rate"])
    assert all(0 <= numbers[name] <= 1 for name in ("weighted_f1", "macro_f1", "uar"))


@given(st.lists(st.tuples(LABEL, LABEL), min_size=1, max_size=60))
def test_it_agrees_with_scikit_learn_where_every_answer_was_parsed(pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    truth, guess = [t for t, _ in pairs], [p for _, p in pairs]
    numbers = Classification().compute(predict(list(pairs)), SPACE)
    present = sorted(set(truth))
    assert numbers["accuracy"] == pytest.approx(accuracy_score(truth, guess))
    assert numbers["weighted_f1"] == pytest.approx(f1_score(truth, guess, average="weighted", zero_division=0))
    assert numbers["macro_f1"] == pytest.approx(
        f1_score(truth, guess, labels=present, average="macro", zero_division=0)
    )
    assert numbers["uar"] == pytest.approx(recall_score(truth, guess, labels=present, average="macro", zero_division=0))


def of_dialogues(lengths: list[int]) -> list[Prediction]:
    """The predictions of PAIRS, in dialogues of these lengths."""
    last = {sum(lengths[: i + 1]) - 1 for i in range(len(lengths))}
    return [replace(p, truths={"last": i in last}) for i, p in enumerate(predict(PAIRS))]


def test_last_utterances_are_counted_alone() -> None:
    numbers = LastUtterance().compute(of_dialogues([1, 2, 3]), SPACE)
    alone = Classification().compute(predict([PAIRS[0], PAIRS[2], PAIRS[5]]), SPACE)
    assert numbers == {"of": "the last utterance of each dialogue", "unlabelled": 0, **alone}
    assert numbers["n"] == 3 and numbers["accuracy"] == pytest.approx(1 / 3)


def test_last_utterances_without_a_label_are_counted_as_not_measured() -> None:
    every = of_dialogues([1, 2, 3])
    # The last utterance of one dialogue has no label, and two others that are not the last have none either.
    gone = {next(p.id for p in every if p.truths["last"]), *[p.id for p in every if not p.truths["last"]][:2]}
    some = [replace(p, truth=None) if p.id in gone else p for p in every]
    numbers = LastUtterance().compute(some, SPACE)
    assert (numbers["n"], numbers["unlabelled"]) == (2, 1)


def test_no_last_utterance_with_a_label_is_said() -> None:
    some = [p for p in of_dialogues([6]) if not p.truths["last"]]
    nothing = {"of": "the last utterance of each dialogue", "n": 0, "unlabelled": 0}
    assert LastUtterance().compute(some, SPACE) == nothing
    bare = [replace(p, truth=None) for p in of_dialogues([2, 2])]
    assert LastUtterance().compute(bare, SPACE) == {**nothing, "unlabelled": 2}
    assert LastUtterance().choices() == Classification().choices()


def test_micro_f1_without_a_label_counts_what_is_taken_for_the_others() -> None:
    found = MicroF1(exclude=("neutral",)).compute(predict([("neutral", "joy"), ("joy", "joy")]), SPACE)
    assert (found["precision"], found["recall"], found["support"]) == (1 / 2, 1.0, 1)
    assert found["micro_f1"] == pytest.approx(2 / 3)


@given(
    st.lists(st.tuples(st.sampled_from(SPACE.labels), st.sampled_from(SPACE.labels)), min_size=1, max_size=30),
    st.lists(st.sampled_from(SPACE.labels), max_size=3, unique=True),
)
def test_micro_f1_is_that_of_scikit_learn(pairs: list[tuple[str, str]], exclude: list[str]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    truth, said = zip(*pairs, strict=True)
    found = MicroF1(exclude=tuple(exclude)).compute(predict(pairs), SPACE)
    kept = [label for label in SPACE.labels if label not in exclude]
    expected = precision_recall_fscore_support(truth, said, labels=kept, average="micro", zero_division=0.0)
    assert [found[name] for name in ("precision", "recall", "micro_f1")] == pytest.approx(expected[:3])
    if not exclude:
        assert found["micro_f1"] == pytest.approx(sum(t == p for t, p in pairs) / len(pairs))


def test_micro_f1_of_answers_that_cannot_be_parsed() -> None:
    found = MicroF1().compute(predict([("joy", None), ("joy", "joy"), ("neutral", None)]), SPACE)
    assert (found["precision"], found["recall"], found["micro_f1"]) == (1.0, 1 / 3, 0.5)
    assert MicroF1().compute(predict([("joy", None)]), SPACE)["micro_f1"] == 0.0


def test_micro_f1_excludes_only_labels_that_there_are() -> None:
    MicroF1(exclude=("joy",)).check([], SPACE)
    with pytest.raises(MercError, match=r"no label 'neutrall'\. Did you mean 'neutral'"):
        MicroF1(exclude=("neutrall",)).check([], SPACE)
    with pytest.raises(MercError, match="names every label"):
        MicroF1(exclude=SPACE.labels).check([], SPACE)


class TestReweighted(MetricContract):
    component = Reweighted(shares={"joy": 2, "anger": 1})
    name = "reweighted"


def test_reweighted_counts_an_utterance_as_often_as_its_label_would_occur() -> None:
    """Shares of 1 : 3 are those of two neutral utterances beside six of joy, each of which stands three times."""
    pairs: list[tuple[str, str | None]] = [("neutral", "neutral"), ("neutral", "joy"), ("joy", "joy"), ("joy", None)]
    repeated = [*pairs[:2], *pairs[2:] * 3]
    found, expected = (metric.compute(predict(given), SPACE) for metric, given in (
        (Reweighted(shares={"neutral": 0.25, "joy": 0.75}), pairs), (Classification(), repeated)
    ))  # fmt: skip
    for name in ("accuracy", "weighted_f1", "macro_f1"):
        assert found[name] == pytest.approx(expected[name]), name
    assert (found["n"], found["of"]) == (4, "labels in the given shares: neutral, joy")


@given(
    st.lists(st.tuples(st.sampled_from(SPACE.labels), st.sampled_from([*SPACE.labels, None])), min_size=1, max_size=30)
)
def test_reweighted_with_the_shares_that_there_are_is_the_classification(pairs: list[tuple[str, str | None]]) -> None:
    shares = {label: sum(truth == label for truth, _ in pairs) for label in SPACE.labels}
    found, expected = (m.compute(predict(pairs), SPACE) for m in (Reweighted(shares=shares), Classification()))
    for name in Reweighted(shares=shares).choices():
        assert found[name] == pytest.approx(expected[name]), name


def test_reweighted_leaves_out_labels_without_a_share() -> None:
    found = Reweighted(shares={"joy": 1}).compute(predict([("joy", "joy"), ("anger", "joy")]), SPACE)
    assert (found["n"], found["accuracy"], found["weighted_f1"]) == (1, 1.0, 1.0)
    nothing = Reweighted(shares={"fear": 1}).compute(predict(PAIRS), SPACE)
    assert nothing == {"of": "labels in the given shares: ", "n": 0}


def test_reweighted_says_which_shares_it_cannot_take() -> None:
    with pytest.raises(ValueError, match="shares are 0 or above, not"):
        Reweighted(shares={"joy": -1})
    with pytest.raises(ValueError, match="give a label a share above 0"):
        Reweighted(shares={"joy": 0})
    with pytest.raises(MercError, match=r"no label 'joyy'\. Did you mean 'joy'"):
        Reweighted(shares={"joyy": 1}).check([], SPACE)
