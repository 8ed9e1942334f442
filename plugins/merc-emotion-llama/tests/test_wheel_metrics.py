"""The metrics on wheels as a recipe has them."""

from dataclasses import replace
from pathlib import Path

import pytest
from merc_emotion_llama.wheel_metrics import HitRateMetric, WheelFMetric

import merc
import merc.testing

LABELS = merc.LabelSpace(("happy", "sad", "angry", "neutral"))


def test_the_hit_rate_stands_beside_its_precision_and_what_was_counted(say, wheels_folder: Path) -> None:
    metric = HitRateMetric(wheels=wheels_folder)
    found = metric.compute(
        say(
            "label",
            ("happy", "Joy; anger; zest", None),
            ("sad", "<think>happy</think>", None),
            ("neutral", "calm", None),
        ),
        LABELS,
    )
    assert (found["hit_rate"], found["samples"], found["excluded"]) == (0.6, 2, 1)
    assert found["labels_per_sample"] == 1.5
    assert (found["unknown"], found["unknown_labels"]) == (1, {"zest": 1})
    assert found["by_wheel"]["wheel5"] == {"hit_rate": 1.0, "hit_precision": 1.0, "samples": 1}
    assert {name: n for name, n in found["answers"].items() if n} == {
        "unparsed": 1, "no_answer_tag": 1, "other_case": 1, "outside": 1,
    }  # fmt: skip


def test_a_sentence_is_searched_for_words_on_the_wheels_alone(say, wheels_folder: Path) -> None:
    rows = say("label", ("happy", "The person is joyful", None))
    assert HitRateMetric(wheels=wheels_folder).compute(rows, LABELS)["labels_per_sample"] == 1.0
    dropped = HitRateMetric(wheels=wheels_folder, sentences="drop").compute(rows, LABELS)
    assert (dropped["hit_rate"], dropped["answers"]["sentence"]) == (0.0, 1)


def test_f_has_the_variant_that_may_be_nan_beside_it(say, wheels_folder: Path) -> None:
    metric = WheelFMetric(wheels=wheels_folder)
    none = metric.compute(say("open_labels", (["happy"], "sad", None)), LABELS)
    assert (none["wheel_f"], none["wheel_f_or_nan"]) == (0.0, None)
    all_right = metric.compute(say("open_labels", (["happy", "sad"], "sad, joyful", None)), LABELS)
    assert all_right["wheel_f"] == all_right["wheel_f_or_nan"] == 1.0


def test_utterances_of_one_name_in_two_conversations_are_two_samples(say, wheels_folder: Path) -> None:
    (one,) = say("label", ("happy", "joy", None))
    both = [one, replace(one, conversation="d", text="sad")]
    assert HitRateMetric(wheels=wheels_folder).compute(both, LABELS)["samples"] == 2


@pytest.mark.parametrize(
    ("metric", "truth", "message"),
    [
        (HitRateMetric, ["happy"], r"utterance 'u0': 'said' is \['happy'\]; one label was expected"),
        (WheelFMetric, 3, "utterance 'u0': 'said' is 3; a list of labels was expected"),
        (WheelFMetric, ["a", 1], r"utterance 'u0': 'said' is \['a', 1\]; a list of labels was expected"),
    ],
)
def test_a_truth_of_another_kind_names_its_utterance(metric, truth, message, say, wheels_folder: Path) -> None:
    with pytest.raises(merc.MercError, match=message):
        metric(wheels=wheels_folder, truth="said").compute(say("said", (truth, "joy", None)), LABELS)


def test_a_folder_without_tables_is_named(say, tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"format\.csv is not there; .*wheel5\.xlsx is not there"):
        HitRateMetric(wheels=tmp_path).compute(say("label", ("happy", "joy", None)), LABELS)
