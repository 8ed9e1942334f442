"""The reward by emotion wheels: its contract, and numbers counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from merc_emotion_llama.rewards import WheelHit

import merc
import merc.testing


def query(label: str | None, open_labels: tuple[str, ...] = ()) -> merc.Query:
    target = merc.Utterance(id="u", text="Oh!", label=label, open_labels=open_labels)
    talk = merc.Conversation(id="c", utterances=(target,))
    return merc.Query(conversation=talk, index=0, labels=merc.LabelSpace(("happy", "sad", "angry", "odd")))


def scores(reward: WheelHit, asked: merc.Query, *texts: str) -> list[float]:
    return list(reward.scores(asked, [merc.Generation(text, (1,), (-1.0,), True) for text in texts]))


def test_clusters_in_common(wheels_folder: Path) -> None:
    reward = WheelHit(wheels=wheels_folder)
    texts = ("<think>sad?</think><answer>happy</answer>", "joyful", "", "sad", "happy, sad")
    assert scores(reward, query("happy"), *texts) == pytest.approx([1.0, 1.0, 0.0, 0.0, (4 * 2 / 3 + 1) / 5])
    assert scores(reward, query("sad"), "angry") == pytest.approx([2 / 4])  # two of the four wheels that have sad


def test_several_truths(wheels_folder: Path) -> None:
    reward = WheelHit(wheels=wheels_folder, truth="open_labels")
    found = scores(reward, query(None, ("happy", "sad")), "happy, sad", "happy")
    assert found == pytest.approx([1.0, (4 * 2 / 3 + 1) / 5])


def test_a_truth_that_no_wheel_knows(wheels_folder: Path) -> None:
    with pytest.raises(merc.MercError, match=r"wheel-hit.*label of utterance 'u' \(odd\)"):
        scores(WheelHit(wheels=wheels_folder), query("odd"), "happy")
    with pytest.raises(merc.MercError, match=r"wheel-hit.*label of utterance 'u' \(odd\)"):
        WheelHit(wheels=wheels_folder).check(query("odd").labels, [query("happy"), query("odd")])


class TestWheelHit(merc.testing.RewardContract):
    name = "wheel-hit"

    @pytest.fixture(autouse=True)
    def _component(self, wheels_folder: Path) -> None:
        type(self).component = WheelHit(wheels=wheels_folder)

    def queries(self) -> list[merc.Query]:
        return [query("happy"), query("sad")]
