"""Each check of the contract of prompters fails for a component that breaks it, and says why."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import merc
import merc.testing
from merc.testing.examples import prompter
from tests.testing.broken import frozen, said


def broken_prompter(change: Callable[[merc.Query, Any], Any], streams: tuple[str, ...] = ()) -> Any:
    @frozen
    class Broken(prompter.Example):
        def prompt(self, query: merc.Query) -> Any:
            return change(query, super().prompt(query))

    return Broken(media=streams)


COUNT = itertools.count()


def past(query: merc.Query, end: int | None) -> str:
    return " ".join(map(str, (query.label_history or ())[:end]))


def gold(query: merc.Query) -> str:
    """Reads the labels from the conversation, where a recipe tells any."""
    return str(query.target.label) if query.label_history is not None else "-"


def test_past_labels_before_the_target_may_be_shown() -> None:
    honest = broken_prompter(
        lambda query, own: replace(own, segments=(merc.Text(f"[{past(query, query.index)}]"), *own.segments))
    )
    case = type("Case", (merc.testing.PrompterContract,), {"component": honest})()
    case.test_past_labels_end_before_the_target()


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (
            lambda query, own: "Hello",
            "test_prompts_are_segments_that_end_with_an_answer",
            "prompt() gives str; it must give merc.Prompt",
        ),
        (
            lambda query, own: replace(own, target="u99"),
            "test_prompts_are_segments_that_end_with_an_answer",
            "the prompt is for 'u99', though utterance 'talk_u0' was asked about; give target=query.target.id",
        ),
        (
            lambda query, own: replace(own, segments=("words", *own.segments)),
            "test_prompts_are_segments_that_end_with_an_answer",
            "a segment is 'words'; it must be merc.Text, Slot, Control, Turn or Answer",
        ),
        (
            lambda query, own: replace(own, segments=own.segments[-1:]),
            "test_prompts_are_segments_that_end_with_an_answer",
            "the prompt has no word in it",
        ),
        (
            lambda query, own: replace(own, segments=(merc.Text(str(next(COUNT))), *own.segments)),
            "test_same_query_gives_same_prompt",
            "the same query for 'talk_u0' gives another prompt the second time",
        ),
        (
            lambda query, own: replace(own, segments=(merc.Slot("video", "talk_u0"), *own.segments)),
            "test_slots_use_declared_streams_of_known_utterances",
            "a slot uses the stream 'video', and streams() lists []; list it, so that a recipe without it is refused "
            "before it runs",
        ),
        (
            lambda query, own: replace(own, segments=(merc.Text(f"({query.target.label})"), *own.segments)),
            "test_labels_are_not_given_away",
            "the label of an utterance, or a value, stands in the prompt for 'talk_u0': Text(text='(neutral)') against "
            "Text(text='(anger)'); the label history comes from query.label_history, which a recipe switches on",
        ),
        (
            lambda query, own: replace(own, segments=(merc.Text(f"({query.target.true('arousal')})"), *own.segments)),
            "test_labels_are_not_given_away",
            "the label of an utterance, or a value, stands in the prompt for 'talk_u0': Text(text='(0.25)') against "
            "Text(text='(0.75)'); the label history comes from query.label_history, which a recipe switches on",
        ),
        (
            lambda query, own: replace(own, segments=(merc.Text(query.target.cues.get("face", "-")), *own.segments)),
            "test_cues_in_prompts_are_declared",
            "the prompt for 'talk_u0' reads cues, and cue_fields() lists []; list each, so that a recipe that lacks "
            "them is refused before it runs",
        ),
        (
            lambda query, own: replace(own, segments=(merc.Text(f"[{past(query, query.index + 1)}]"), *own.segments)),
            "test_past_labels_end_before_the_target",
            "with a label history, the label of the target or of a later utterance stands in the prompt for 'talk_u0': "
            "Text(text='[None]') against Text(text='[anger]'); show query.label_history[i] where i < query.index",
        ),
        (
            lambda query, own: replace(own, segments=(merc.Text(past(query, None)), *own.segments)),
            "test_past_labels_end_before_the_target",
            "with a label history, the label of the target or of a later utterance stands in the prompt for 'talk_u0': "
            "Text(text='None None None None') against Text(text='anger anger anger anger'); show "
            "query.label_history[i] where i < query.index",
        ),
        (
            lambda query, own: replace(own, segments=(merc.Text(gold(query)), *own.segments)),
            "test_past_labels_end_before_the_target",
            "with a label history, the label of the target or of a later utterance stands in the prompt for 'talk_u0': "
            "Text(text='neutral') against Text(text='anger'); show query.label_history[i] where i < query.index",
        ),
        (
            lambda query, own: replace(
                own, segments=(*own.segments[:-1], merc.Answer(prefix=f" not {query.target.label},"))
            ),
            "test_labels_are_not_given_away",
            "the label of an utterance, or a value, stands in the prompt for 'talk_u0': Answer(text=None, prefix=' not "
            "neutral,', end=True, rejected=()) against Answer(text=None, prefix=' not anger,', end=True, "
            "rejected=()); the label history comes from "
            "query.label_history, which a recipe switches on",
        ),
    ],
)
def test_prompter_that_breaks_its_contract(change: Callable[[Any, Any], Any], check: str, message: str) -> None:
    assert said(merc.testing.PrompterContract, broken_prompter(change), check) == message


def test_slot_of_an_utterance_that_is_not_there() -> None:
    broken = broken_prompter(
        lambda query, own: replace(own, segments=(merc.Slot("video", "u99"), *own.segments)), streams=("video",)
    )
    message = said(merc.testing.PrompterContract, broken, "test_slots_use_declared_streams_of_known_utterances")
    assert message == "a slot stands for utterance 'u99', which is not in the conversation"


@frozen
class Describing(prompter.Example):
    """Learns to write a cue, and shows it in its question where it is told to."""

    shown: bool = False

    def answer_fields(self) -> tuple[str, ...]:
        return ("face",)

    def prompt(self, query: merc.Query) -> merc.Prompt:
        face = query.target.cues.get("face", "")
        own = super().prompt(query).segments[:-1]
        asked = (merc.Text(face or "-"),) if self.shown else ()
        return merc.Prompt((*own, *asked, merc.Answer(text=face)), query.target.id)


def test_a_cue_that_answers_are_made_of_is_no_input() -> None:
    case = type("Case", (merc.testing.PrompterContract,), {"component": Describing()})()
    case.test_cues_in_prompts_are_declared()
    case.test_cues_of_answers_are_no_input()
    message = said(merc.testing.PrompterContract, Describing(shown=True), "test_cues_of_answers_are_no_input")
    assert "shows cues that answer_fields() lists, ['face']; what is shown stands in cue_fields()" in message
