"""metrics.json: by split, what is always there, and metrics of others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from merc.builtin.metrics import Classification
from merc.components import Metric, Prediction
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.evaluation import check_metrics, compute_metrics, known_truths, read_metrics, truths_of, write_metrics
from merc.evaluation.classification import ClassificationNumbers, Confusion, PerClass
from merc.evaluation.metrics import SplitNumbers
from merc.recipe import ComponentRef

SPACE = LabelSpace(("joy", "anger"))
OWN = {"classification": ComponentRef(name="classification", params={}, component=Classification())}


@dataclass(frozen=True, kw_only=True)
class Gives(Metric):
    """A metric that gives what it was told to."""

    what: Any = None

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        return {"seen": len(predictions)} if self.what is None else self.what


@dataclass(frozen=True, kw_only=True)
class Near(Metric):
    """How far labels that are numbers are from two truths other than the label."""

    def truths(self) -> Sequence[str]:
        return ("valence", "votes")

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        return {"error": sum(abs(float(p.label or 0) - p.true("valence")) for p in predictions) / len(predictions)}


NEAR = ComponentRef(name="near", params={}, component=Near())


def part(what: Any = None) -> ComponentRef:
    return ComponentRef(name="gives", params={"what": what}, component=Gives(what=what))


def said(split: str | None, *pairs: tuple[str | None, str | None]) -> list[Prediction]:
    return [Prediction(id=f"u{i}", conversation="c", split=split, truth=t, label=p) for i, (t, p) in enumerate(pairs)]


def test_each_split_has_its_own_numbers() -> None:
    predictions = [*said("dev", ("joy", "joy")), *said("test", ("joy", "anger"), ("anger", "anger"))]
    found = compute_metrics(predictions, SPACE, OWN)
    assert list(found) == ["dev", "test"]
    assert (found["dev"]["n"], found["dev"]["accuracy"]) == (1, 1.0)
    assert (found["test"]["n"], found["test"]["accuracy"]) == (2, 0.5)


def test_it_has_the_keys_that_are_promised() -> None:
    block = compute_metrics(said("test", ("joy", "joy")), SPACE, OWN)["test"]
    assert set(block) == {
        "n", "unlabelled", "unparsed_rate", "accuracy", "weighted_f1", "macro_f1", "uar", "averaged_over",
        "per_class", "confusion",
    }  # fmt: skip
    promised = {*SplitNumbers.__annotations__, *ClassificationNumbers.__annotations__}
    assert set(block) == promised - {"label_history", "following"}
    assert set(block["confusion"]) == {*Confusion.__annotations__}
    assert all(set(one) == {*PerClass.__annotations__} for one in block["per_class"].values())


def test_utterances_without_truth_are_not_counted_but_their_number_is_there() -> None:
    block = compute_metrics(said("test", ("joy", "joy"), (None, "anger"), (None, None)), SPACE, OWN)["test"]
    assert (block["n"], block["unlabelled"], block["accuracy"], block["unparsed_rate"]) == (1, 2, 1.0, 0.0)


def test_a_split_without_any_truth_has_no_further_numbers() -> None:
    assert compute_metrics(said(None, (None, "joy"), (None, None)), SPACE, OWN) == {
        "unsplit": {"n": 0, "unlabelled": 2, "unparsed_rate": 0.5}
    }


def test_other_metrics_stand_under_their_name_in_the_recipe_in_any_order() -> None:
    metrics = {"extra": part(), **OWN}
    block = compute_metrics(said("test", ("joy", None), (None, "joy")), SPACE, metrics)["test"]
    assert block["extra"] == {"seen": 1}
    assert block["accuracy"] == 0.0


def test_the_unparsed_rate_is_there_without_merc_s_own_metric() -> None:
    block = compute_metrics(said("test", ("joy", None), ("joy", "joy")), SPACE, {"extra": part()})["test"]
    assert block == {"n": 2, "unlabelled": 0, "unparsed_rate": 0.5, "extra": {"seen": 2}}


def test_a_metric_is_given_the_predictions_that_have_what_it_compares_with() -> None:
    told = [{"valence": 0.5, "votes": ["joy"]}, {"valence": 0.5}, {}]
    predictions = [
        Prediction(id=f"u{i}", conversation="c", split="test", label="1", truths=truths)
        for i, truths in enumerate(told)
    ]
    assert compute_metrics(predictions, SPACE, {"near": NEAR, **OWN})["test"] == {
        "n": 0, "unlabelled": 3, "unparsed_rate": 0.0, "near": {"n": 1, "unlabelled": 2, "error": 0.5},
    }  # fmt: skip
    assert compute_metrics(predictions[1:], SPACE, {"near": NEAR})["test"]["near"] == {"n": 0, "unlabelled": 2}


def test_predictions_carry_what_the_metrics_ask_for_and_no_more() -> None:
    said = Utterance(id="u", text="Oh!", label="joy", open_labels=("glad",), extra={"votes": ("joy", "joy"), "page": 3})
    assert truths_of({"near": NEAR, **OWN}) == ["valence", "votes"]
    assert known_truths(said, ["valence", "votes", "open_labels"]) == {"votes": ["joy", "joy"], "open_labels": ["glad"]}


@pytest.mark.parametrize("value", [Path("u.wav"), float("nan")])
def test_a_truth_that_json_cannot_hold_is_named(value: Any) -> None:
    with pytest.raises(MercError, match="utterance 'u': 'votes', which a metric compares with, is no plain JSON value"):
        known_truths(Utterance(id="u", text="Oh!", extra={"votes": value}), ["votes"])


@dataclass(frozen=True, kw_only=True)
class Strict(Near):
    """Refuses a valence above 1."""

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        assert all(p.label is None and p.answer is None for p in predictions)
        for p in predictions:
            if p.true("valence") > 1:
                raise MercError(f"utterance {p.id!r}: {p.true('valence')} is above 1")


def test_metrics_see_the_truths_before_anything_is_predicted() -> None:
    def talk(split: Any, *valences: float | None) -> Conversation:
        said = [Utterance(id=f"u{i}", text="Hi.", valence=v, extra={"votes": []}) for i, v in enumerate(valences)]
        return Conversation(id="c", split=split, utterances=tuple(said))

    metrics = {**OWN, "strict": ComponentRef(name="strict", params={}, component=Strict())}
    check_metrics([talk("dev", 0.5, None), talk("test", None)], SPACE, metrics)
    with pytest.raises(MercError, match=r"evaluate\.metrics, strict: utterance 'u1': 2 is above 1"):
        check_metrics([talk("dev", 0.5), talk("test", 0.5, 2)], SPACE, metrics)


def test_a_name_of_merc_s_own_numbers_is_refused() -> None:
    with pytest.raises(MercError, match=r"evaluate\.metrics: the name 'accuracy' is taken"):
        compute_metrics(said("test", ("joy", "joy")), SPACE, {"accuracy": part(), **OWN})


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (0.5, "metric 'extra' gave float for split 'test'; a mapping was expected"),
        ({"x": float("nan")}, "metric 'extra' gave something that is not JSON for split 'test'"),
        ({"x": {1, 2}}, "metric 'extra' gave something that is not JSON for split 'test'"),
    ],
)
def test_a_metric_that_gives_no_json_is_named(what: Any, message: str) -> None:
    with pytest.raises(MercError, match=message):
        compute_metrics(said("test", ("joy", "joy")), SPACE, {"extra": part(what)})


def test_the_file_comes_back_as_it_was(tmp_path: Path) -> None:
    metrics = compute_metrics(said("test", ("joy", "joy"), ("anger", None)), SPACE, OWN)
    write_metrics(tmp_path / "metrics.json", metrics)
    assert read_metrics(tmp_path / "metrics.json") == json.loads(json.dumps(metrics)) == metrics


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[]", "a JSON object was expected, not list"),
        ('{"test": 3}', "test is no JSON object of numbers"),
        ('{"test": {"n": ' + "9" * 5000 + "}}", "a number in it has thousands of digits"),
        ('{"test": {"n": ' + "9" * 4000 + "}}", "test.n is no count"),
        ("[" * 100_000, "its values are nested too deep"),
        ('{"test": {"accuracy": 1e999}}', "test.accuracy is no finite number"),
        ('{"test": {"per_class": {"joy": {"support": "x"}}}}', "test.per_class holds no numbers by label"),
        (
            '{"test": {"confusion": {"labels": ["a"], "matrix": [[1, 2]], "unparsed": [0]}}}',
            "test.confusion is no matrix",
        ),
        ('{"test": {"last": {"of": 3}}}', "test.last.of is no text"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(content)
    with pytest.raises(MercError, match=rf"metrics\.json is damaged: {message}.*take it away"):
        read_metrics(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MercError, match=r"metrics\.json is not there; it is written by `merc run`"):
        read_metrics(tmp_path / "metrics.json")


@pytest.mark.parametrize("kind", ["gold", "predicted"])
def test_numbers_say_whose_labels_of_earlier_utterances_the_model_was_told(kind: str) -> None:
    plain = [Prediction(id="u", conversation="c", split="test", truth="joy", label="joy")]
    told = [replace(p, label_history=kind) for p in plain]
    assert compute_metrics(told, SPACE, OWN)["test"]["label_history"] == kind
    assert "label_history" not in compute_metrics(plain, SPACE, OWN)["test"]
