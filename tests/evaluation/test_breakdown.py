"""Intervals beside the numbers of a report, the caution for few utterances, and tables by speaker and data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.components import Prediction
from merc.conversation import Conversation, Utterance
from merc.evaluation import compute_metrics, write_metrics, write_predictions, write_report
from merc.evaluation.breakdown import breakdowns, spreads
from merc.evaluation.intervals import agreement_intervals, agreement_statistics, label_intervals
from merc.evaluation.values import agreement, values_views

from .conftest import LABELS, Run, classification
from .test_report import page, words


def talks(count: int, speakers: int = 2) -> tuple[list[Conversation], list[Prediction]]:
    """Conversations of two utterances by different speakers, of two data sets; of the first speaker all is right."""
    conversations, predictions = [], []
    for i in range(count):
        utterances = tuple(
            Utterance(id=f"u{j}", text="Oh.", speaker=f"Speaker {(i + j) % speakers}", label="joy") for j in range(2)
        )
        conversations.append(Conversation(id=f"c{i}", split="test", dataset=f"set{i % 2}", utterances=utterances))
        predictions += [
            Prediction(id=u.id, conversation=f"c{i}", split="test", truth="joy", label=label)
            for u in utterances
            for label in ["joy" if u.speaker == "Speaker 0" else "anger"]
        ]
    return conversations, predictions


def written(folder: Path, conversations: list[Conversation], predictions: list[Prediction]) -> str:
    folder.mkdir()
    write_predictions(folder / "predictions.jsonl", predictions)
    write_metrics(folder / "metrics.json", compute_metrics(predictions, LABELS, {"classification": classification()}))
    return write_report(folder, conversations, LABELS).read_text(encoding="utf-8")


def test_every_headline_number_has_the_interval_that_the_predictions_give(tmp_path: Path) -> None:
    conversations, predictions = talks(60)
    predictions = [*predictions[:-20], *(Prediction(**{**vars(p), "label": "neutral"}) for p in predictions[-20:])]
    text = words(written(tmp_path / "run", conversations, predictions))
    low, high = label_intervals(["accuracy"], predictions, LABELS)["accuracy"]
    assert float(low) < 0.42 < float(high)
    assert f"Accuracy 41.7% {100 * float(low):.1f} to {100 * float(high):.1f}" in text
    assert "Unparsed answers 0.0% 0.0 to 0.0" in text
    assert "from 10,000 draws of whole conversations" in text


def test_one_conversation_has_no_interval_and_the_report_says_why(tmp_path: Path) -> None:
    conversations, predictions = talks(1)
    text = words(written(tmp_path / "run", conversations, predictions))
    assert "Accuracy 50.0% –" in text
    assert "A dash is no interval: one conversation, so there is nothing to draw from." in text


@pytest.mark.parametrize(("count", "cautions"), [(49, 1), (50, 0)])
def test_fewer_than_100_utterances_are_a_caution(tmp_path: Path, count: int, cautions: int) -> None:
    text = words(written(tmp_path / "run", *talks(count)))
    assert text.count("Caution. 98 measured utterances of test are fewer than 100") == cautions


def test_speakers_and_data_sets_have_their_own_numbers() -> None:
    conversations, predictions = talks(60)
    by_dataset, by_speaker = breakdowns(predictions, conversations, LABELS)
    assert (by_dataset.by, by_speaker.by, by_speaker.split, by_speaker.left) == ("dataset", "speaker", "test", [])
    first, second = by_speaker.groups
    assert (first.name, first.utterances, first.conversations, first.few) == ("Speaker 0", 60, 60, True)
    assert (first.numbers["accuracy"], first.intervals["accuracy"]) == (1.0, (1.0, 1.0))
    assert (second.numbers["accuracy"], second.filter) == (0.0, {"split": "test", "speaker": "Speaker 1"})
    assert [(group.name, group.numbers["accuracy"]) for group in by_dataset.groups] == [("set0", 0.5), ("set1", 0.5)]


def test_speakers_with_few_utterances_stand_together_and_unknown_ones_are_counted() -> None:
    conversations, predictions = talks(100, speakers=50)
    stranger = Prediction(id="u0", conversation="elsewhere", split="test", truth="joy", label="joy")
    without = Prediction(id="u1", conversation="c0", split="test", label="joy")
    (_, table) = breakdowns([*predictions, stranger, without], conversations, LABELS)
    assert [group.utterances for group in table.groups] == [4] * 20 + [120]
    assert table.groups[-1].name == "30 others together"
    assert table.left == [
        "The 20 with the most utterances of 50 have a row of their own.",
        "Of 1 utterances it is not known; they are in no row.",
    ]


def test_one_speaker_alone_is_no_table() -> None:
    assert [table.by for table in breakdowns(*reversed(talks(4, speakers=1)), LABELS)] == ["dataset"]  # type: ignore[arg-type]


def test_of_very_many_conversations_fewer_draws_are_made() -> None:
    _, predictions = talks(2001)
    assert spreads(predictions, LABELS)["test"].draws == 1000


def test_a_speaker_of_the_table_leads_to_its_utterances(run: Run) -> None:
    html = page(run)
    assert '<a href="#split=test&amp;speaker=Ada">Ada</a>' in html


@pytest.mark.parametrize(
    "pairs", [[(1.0, 2.0), (3.0, 2.5), (0.5, 0.25)], [(2.0, 1.0), (2.0, 3.0), (2.0, 3.0)], [(0.1, 0.1)]]
)
def test_numbers_of_draws_are_those_of_the_pairs(pairs: list[tuple[float, float]]) -> None:
    once = agreement_statistics(pairs, [f"c{i}" for i in range(len(pairs))])
    for name, value in agreement(pairs).items():
        assert once[name](np.ones((1, len(pairs))))[0] == pytest.approx(value, abs=1e-9)
    drawn = np.array([[2.0] + [0.0] * (len(pairs) - 1)])  # the first, twice
    for name, value in agreement([pairs[0]] * 2).items():
        assert once[name](drawn)[0] == pytest.approx(value, abs=1e-9)


def test_numbers_of_heads_have_intervals() -> None:
    predictions = [
        Prediction(id=f"u{i}", conversation=f"c{i // 2}", values={"valence": i + i % 3}, truths={"valence": i})
        for i in range(60)
    ]
    ((number,),) = (view.numbers for view in values_views(predictions))
    for name, value in number.numbers.items():
        low, high = number.intervals[name]
        assert float(low) <= value <= float(high), name
    assert set(agreement_intervals([(1.0, 1.0)], ["c"]).values()) == {
        "one conversation, so there is nothing to draw from"
    }
