"""The contract of prompters."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from merc.components import Prompt, Prompter, Query, Segment, Slot, Text
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.testing import samples
from merc.testing.contract import ComponentContract, require


class PrompterContract(ComponentContract):
    """What a prompter must keep. Override ``conversation`` for one that needs particular cues."""

    kind = "prompter"
    component: ClassVar[Prompter]
    labels: ClassVar[LabelSpace] = samples.LABELS
    """The labels that its queries hold."""

    def conversation(self) -> Conversation:
        """A conversation whose utterances all have labels."""
        return samples.conversation()

    def demonstrations(self) -> tuple[Query, ...]:
        """What stands before the queries; none by default."""
        return ()

    def queries(self, conversation: Conversation | None = None) -> list[Query]:
        """A query for each utterance that the prompter can teach."""
        talk = conversation or self.conversation()
        queries = [
            Query(conversation=talk, index=i, labels=self.labels, demonstrations=self.demonstrations())
            for i in range(len(talk.utterances))
        ]
        return [query for query in queries if self.component.has_target(query)]

    def test_prompts_are_segments_that_end_with_an_answer(self) -> None:
        """A Prompt for the utterance that was asked about, of Text, Slot, Control, Turn, and one Answer at its end."""
        for query in self.queries():
            prompt = self.component.prompt(query)
            require(isinstance(prompt, Prompt), f"prompt() gives {type(prompt).__name__}; it must give merc.Prompt")
            require(
                prompt.target == query.target.id,
                f"the prompt is for {prompt.target!r}, though utterance {query.target.id!r} was asked about; "
                "give target=query.target.id",
            )
            for segment in prompt.segments:
                require(
                    isinstance(segment, Segment),
                    f"a segment is {segment!r}; it must be merc.Text, Slot, Control, Turn or Answer",
                )
            require(
                any(isinstance(s, Text) and s.text.strip() for s in prompt.segments), "the prompt has no word in it"
            )

    def test_same_query_gives_same_prompt(self) -> None:
        """Nothing is random in a prompt."""
        for query in self.queries():
            require(
                self.component.prompt(query) == self.component.prompt(query),
                f"the same query for {query.target.id!r} gives another prompt the second time",
            )

    def test_slots_use_declared_streams_of_known_utterances(self) -> None:
        """``streams`` lists every stream that a slot uses, and slots stand for utterances of the query."""
        for query in self.queries():
            known = {u.id for q in (query, *query.demonstrations) for u in q.conversation.utterances}
            declared = self.component.streams()
            for segment in self.component.prompt(query).segments:
                if isinstance(segment, Slot):
                    require(
                        segment.stream in declared,
                        f"a slot uses the stream {segment.stream!r}, and streams() lists {list(declared)}; list it, "
                        "so that a recipe without it is refused before it runs",
                    )
                    require(
                        not segment.utterance or segment.utterance in known,
                        f"a slot stands for utterance {segment.utterance!r}, which is not in the conversation",
                    )

    def test_cues_in_prompts_are_declared(self) -> None:
        """``cue_fields`` lists every cue that a prompt shows, ``answer_fields`` those that answers are made of."""
        talk, cue_fields = self.conversation(), self.component.cue_fields()
        declared = {*cue_fields, *self.component.answer_fields()}
        bare = replace(
            talk,
            utterances=tuple(
                replace(u, cues={name: text for name, text in u.cues.items() if name in declared})
                for u in talk.utterances
            ),
        )
        for one, two in zip(self.queries(talk), self.queries(bare), strict=True):
            require(
                self.component.prompt(one) == self.component.prompt(two),
                f"the prompt for {one.target.id!r} reads cues, and cue_fields() lists {list(cue_fields)}; list each, "
                "so that a recipe that lacks them is refused before it runs",
            )

    def test_cues_of_answers_are_no_input(self) -> None:
        """What stands before the answer is the same without the cues of the target that ``answer_fields`` lists."""
        talk = self.conversation()
        answers = set(self.component.answer_fields()) - set(self.component.cue_fields())
        bare = replace(
            talk,
            utterances=tuple(
                replace(u, cues={name: text for name, text in u.cues.items() if name not in answers})
                for u in talk.utterances
            ),
        )
        for one in self.queries(talk):
            if one.demonstrations:
                continue  # they are shown with their answers
            require(
                _segments_asked(self.component.prompt(one))
                == _segments_asked(self.component.prompt(replace(one, conversation=bare))),
                f"the prompt for {one.target.id!r} shows cues that answer_fields() lists, {sorted(answers)}; what is "
                "shown stands in cue_fields()",
            )

    def test_labels_are_not_given_away(self) -> None:
        """No label of the conversation reaches the prompt, save as its answer, and no value either."""
        talk = self.conversation()
        first, second = (
            replace(
                talk,
                utterances=tuple(
                    replace(u, label=label, valence=number, values={**dict.fromkeys(_VALUES, number), **_lists(u)})
                    for u in talk.utterances
                ),
            )
            for label, number in ((self.labels.labels[0], 0.25), (self.labels.labels[-1], 0.75))
        )
        for one, two in zip(self.queries(first), self.queries(second), strict=True):
            before, after = (_segments_asked(self.component.prompt(query)) for query in (one, two))
            if before != after:
                raise AssertionError(
                    f"the label of an utterance, or a value, stands in the prompt for {one.target.id!r}: "
                    f"{_first(before, after)}; "
                    "the label history comes from query.label_history, which a recipe switches on"
                )

    def test_what_it_shows_of_later_utterances_is_declared(self) -> None:
        """``looks_ahead`` says how many utterances after the target a prompt shows at most: cut off after these, the
        conversation gives the same prompt."""
        ahead = self.component.looks_ahead()
        for query in self.queries():
            talk = query.conversation
            short = replace(talk, utterances=talk.utterances[: query.index + 1 + ahead])
            require(
                _segments_asked(self.component.prompt(query))
                == _segments_asked(self.component.prompt(replace(query, conversation=short))),
                f"the prompt for {query.target.id!r} shows what is said later than looks_ahead() says ({ahead}); give "
                "how many utterances after the target it shows, so that its numbers are named offline",
            )

    def test_past_labels_end_before_the_target(self) -> None:
        """Where a recipe shows a label history, the prompt shows none of the target or of what follows: neither from
        ``label_history``, which holds none there when merc asks, nor from the conversation."""
        names = self.labels.labels
        for query in self.queries():
            history = tuple(names[i % len(names)] for i in range(query.index))
            later = len(query.conversation.utterances) - query.index
            hidden, leaking = (
                replace(
                    query,
                    label_history=(*history, *(label,) * later),
                    conversation=_relabelled(query.conversation, query.index, gold),
                )
                for label, gold in ((None, names[0]), (names[-1], names[-1]))
            )
            before, after = (
                _segments_asked(self.component.prompt(hidden)),
                _segments_asked(self.component.prompt(leaking)),
            )
            require(
                before == after,
                f"with a label history, the label of the target or of a later utterance stands in the prompt for "
                f"{query.target.id!r}: {_first(before, after)}; show query.label_history[i] where i < query.index",
            )


def _segments_asked(prompt: Prompt) -> tuple[Segment, ...]:
    """What a model sees of a prompt before it answers: the segments, without the answer's own text and
    those that it is preferred to."""
    return (*prompt.segments[:-1], replace(prompt.answer, text=None, rejected=()))


_VALUES = ("valence", "arousal", "dominance", "intensity")
"""Values that utterances are given, to see that no prompt shows them."""


def _lists(utterance: Utterance) -> dict[str, tuple[str, ...]]:
    """The values of an utterance that are several labels at once, which answers may be made of."""
    return {name: value for name, value in utterance.values.items() if isinstance(value, tuple)}


def _relabelled(talk: Conversation, first: int, label: str) -> Conversation:
    """The conversation with another label for the utterances from ``first`` on."""
    changed = tuple(replace(u, label=label) if i >= first else u for i, u in enumerate(talk.utterances))
    return replace(talk, utterances=changed)


def _first(before: tuple[Segment, ...], after: tuple[Segment, ...]) -> str:
    different = [(a, b) for a, b in zip(before, after, strict=False) if a != b]
    return f"{different[0][0]!r} against {different[0][1]!r}" if different else "one prompt is longer than the other"
