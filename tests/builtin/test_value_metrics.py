"""The metrics ``regression`` and ``label-sets`` against scikit-learn, scipy and the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from merc.builtin.value_metrics import LabelSets, RegressionMetric
from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation.values import agreement
from merc.testing import MetricContract

LABELS = LabelSpace(("joy",))
NAMES = ("joy", "fear", "anger")


def guesses(*rows: tuple[dict[str, Any], dict[str, Any]]) -> list[Prediction]:
    return [Prediction(id=f"u{i}", conversation="c", values=v, truths=t) for i, (v, t) in enumerate(rows)]


numbers = st.floats(-5, 5).map(lambda value: round(value, 3))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=20))
def test_the_numbers_are_those_of_scikit_learn_and_scipy(pairs: list[tuple[float, float]]) -> None:
    found = agreement(pairs)
    said, true = np.array(pairs).T
    assert found["mae"] == pytest.approx(sklearn.mean_absolute_error(true, said))
    assert found["rmse"] == pytest.approx(sklearn.root_mean_squared_error(true, said))
    if np.ptp(said) > 0.01 and np.ptp(true) > 0.01:
        assert found["pearson"] == pytest.approx(scipy.stats.pearsonr(said, true).statistic, abs=1e-6)
        covariance = np.mean((said - said.mean()) * (true - true.mean()))
        ccc = 2 * covariance / (said.var() + true.var() + (said.mean() - true.mean()) ** 2)
        assert found["ccc"] == pytest.approx(ccc, abs=1e-9)


def test_what_is_constant_correlates_with_nothing() -> None:
    assert agreement([(1.0, 0.0), (1.0, 2.0)])["pearson"] == agreement([(1.0, 0.0), (1.0, 2.0)])["ccc"] == 0.0
    assert agreement([(1.0, 1.0)])["ccc"] == 0.0


def test_each_number_is_measured_over_the_utterances_that_have_it() -> None:
    rows = guesses(
        ({"valence": 0.0, "arousal": 1.0, "tags": {}}, {"valence": 0.5}),
        ({"valence": 1.0, "arousal": 1.0}, {"valence": 1.0, "arousal": 0.0}),
        ({"valence": 0.3, "arousal": 0.0}, {}),
    )
    found = RegressionMetric().compute(rows, LABELS)
    assert (found["n"], found["unlabelled"]) == (2, 1)
    assert {k: (v["n"], v["unlabelled"], v["mae"]) for k, v in found["outputs"].items()} == {
        "valence": (2, 1, 0.25), "arousal": (1, 2, 1.0),
    }  # fmt: skip
    assert found["mae"] == 0.625
    assert RegressionMetric(outputs=("arousal",)).compute(rows, LABELS)["mae"] == 1.0


def test_nothing_known_is_no_number() -> None:
    found = RegressionMetric().compute(guesses(({"valence": 0.0}, {})), LABELS)
    assert found == {"n": 0, "unlabelled": 1, "outputs": {"valence": {"n": 0, "unlabelled": 1}}}


def test_a_truth_that_is_no_number_is_named() -> None:
    with pytest.raises(MercError, match="utterance 'u0': valence is 'high'"):
        RegressionMetric().compute(guesses(({"valence": 0.0}, {"valence": "high"})), LABELS)


sets = st.lists(st.sampled_from(NAMES), unique=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(sets, sets), min_size=1, max_size=12))
def test_sets_are_counted_as_scikit_learn_counts_them(rows: list[tuple[list[str], list[str]]]) -> None:
    chances = dict.fromkeys(NAMES, 0.5)
    found = LabelSets(field="tags").compute(
        guesses(*(({"tags": {"labels": s, "probabilities": chances}}, {"tags": t}) for s, t in rows)), LABELS
    )
    truth, said = (np.array([[n in row[side] for n in NAMES] for row in rows]) for side in (1, 0))
    present = truth.any(0)
    each = sklearn.f1_score(truth, said, average=None, zero_division=0.0)
    assert found["micro_f1"] == pytest.approx(sklearn.f1_score(truth, said, average="micro", zero_division=0.0))
    assert found["macro_f1"] == pytest.approx(each[present].mean() if present.any() else 0.0)
    assert found["subset_accuracy"] == pytest.approx(sklearn.accuracy_score(truth, said))
    assert found["hamming_loss"] == pytest.approx(sklearn.hamming_loss(truth, said))
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(truth, said, zero_division=0.0)
    for i, name in enumerate(NAMES):
        own = found["per_label"][name]
        wanted = (precision[i], recall[i], f1[i], support[i])
        assert (own["precision"], own["recall"], own["f1"], own["support"]) == pytest.approx(wanted)


@pytest.mark.parametrize(("values", "truth", "words"), [
    ({"labels": {"labels": [], "probabilities": {"joy": 0.1}}}, ["rage"], "labels has 'rage', .*: joy"),
    ({"labels": 0.5}, ["joy"], "labels was predicted as 0.5, which is no set"),
    ({}, ["joy"], "labels was predicted as None"),
])  # fmt: skip
def test_what_is_no_set_is_named(values: dict[str, Any], truth: list[str], words: str) -> None:
    with pytest.raises(MercError, match=f"utterance 'u0': {words}"):
        LabelSets().compute(guesses((values, {"labels": truth})), LABELS)


class TestRegression(MetricContract):
    component = RegressionMetric()
    name = "regression"


class TestLabelSets(MetricContract):
    component = LabelSets()
    name = "label-sets"

    def predictions(self) -> list[Prediction]:
        said = {"labels": {"labels": ["joy"], "probabilities": {"joy": 0.9, "fear": 0.1}}}
        return guesses((said, {"labels": ["joy"]}), (said, {"labels": ["fear"]}))
