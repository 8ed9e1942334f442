"""The metric of emotional conflict against counts made by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_robustness.conflict import Conflict

import merc
import merc.testing

LABELS = merc.LabelSpace(("joy", "anger", "fear"))


def prediction(number: int, label: str | None, truth: str, leads: str | None, **says: str) -> merc.Prediction:
    mark = {"leads": leads, "says": says}
    return merc.Prediction(id=f"u{number}", conversation="c", truth=truth, label=label, truths={"conflict": mark})


EVERY = [
    prediction(0, "joy", "joy", None, video="joy", audio="joy"),
    prediction(1, "joy", "anger", None, video="anger", audio="anger"),
    prediction(2, "joy", "joy", "video", video="joy", audio="anger"),
    prediction(3, "anger", "joy", "video", video="joy", audio="anger"),
    prediction(4, None, "joy", "video", video="joy", audio="anger"),
    prediction(5, "joy", "anger", "audio", video="joy", audio="anger"),
    prediction(6, "fear", "fear", "text", video="joy", audio="joy", text="fear"),
]


class TestConflict(merc.testing.MetricContract):
    component = Conflict()
    name = "conflict"
    labels = LABELS

    def predictions(self) -> list[merc.Prediction]:
        return EVERY


def test_accuracies_and_whom_answers_follow_by_hand() -> None:
    assert Conflict().compute(EVERY, LABELS) == {
        "aligned": 1 / 2, "conflicting": 2 / 5, "video_led": 1 / 3, "audio_led": 0.0, "text_led": 1.0,
        "follows_video": 2 / 5, "follows_audio": 1 / 5, "follows_text": 1 / 5, "follows_none": 1 / 5,
        "utterances": {"aligned": 2, "conflicting": 5, "video_led": 3, "audio_led": 1, "text_led": 1},
    }  # fmt: skip


def test_without_conflicts_there_is_the_accuracy_of_the_aligned_alone() -> None:
    assert Conflict().compute(EVERY[:2], LABELS) == {"aligned": 0.5, "utterances": {"aligned": 2, "conflicting": 0}}


@given(st.lists(st.tuples(st.sampled_from(["joy", "anger", "fear", None]), st.booleans()), min_size=1))
def test_every_answer_to_a_conflict_of_two_follows_one_of_them_or_none(answers: list[tuple[str | None, bool]]) -> None:
    some = [
        prediction(i, label, "joy" if led else "anger", "video" if led else "audio", video="joy", audio="anger")
        for i, (label, led) in enumerate(answers)
    ]
    numbers = Conflict().compute(some, LABELS)
    assert numbers["follows_video"] + numbers["follows_audio"] + numbers["follows_none"] == pytest.approx(1)


@pytest.mark.parametrize(("mark", "words"), [
    ("video", ["u0", "conflict", '"says"', "'video'"]),
    ({"leads": "video"}, ["u0", "says"]),
    ({"leads": "words", "says": {"video": "joy"}}, ["u0", "led by 'words'", "what speaks is video"]),
    ({"lead": "video", "says": {"video": "joy", "audio": "anger"}}, ["u0", '"leads"', "'lead'"]),
    ({"leads": "video", "says": {"video": "happiness"}}, ["u0", "'happiness' for video", "joy, anger, fear"]),
    ({"leads": "audio", "says": {"video": "joy", "audio": "anger"}}, ["led by audio", "'anger'", "label is 'joy'"]),
    ({"leads": None, "says": {"video": "joy", "audio": "anger"}}, ["u0", "express the same", "'anger'"]),
])  # fmt: skip
def test_a_mark_that_cannot_be_counted_names_the_utterance(mark: Any, words: list[str]) -> None:
    one = merc.Prediction(id="u0", conversation="c", truth="joy", truths={"conflict": mark})
    with pytest.raises(merc.MercError) as caught:
        Conflict().check([one], LABELS)
    assert all(word in str(caught.value) for word in words), caught.value


def test_marks_of_conflicts_and_of_agreement_are_fine() -> None:
    Conflict().check(EVERY, LABELS)
