"""Auxiliary tasks: other questions about an utterance whose answers the corpus knows, to stand beside the main one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import merc

_WORDS = {True: "yes", False: "no"}


@dataclass(frozen=True, kw_only=True)
class Auxiliary(merc.Prompter):
    """The prompts of another prompter, whose answer is something else that is known of the utterance: its sentiment,
    who speaks, whether the emotion changes. Give the other prompter the question, and what else the main task's has, so
    that both share all but the question:

    ``{name: auxiliary, asks: sentiment, prompter: {name: conversation, question: "The sentiment of {speaker} is"}}``

    As a task ``beside`` the main one it costs the question and the answer alone. An utterance of which the answer is
    not known is not learned.
    """

    prompter: merc.Prompter
    """The prompter that makes the prompts."""
    asks: str = "sentiment"
    """What is asked: ``speaker``, who of those who spoke before, by the names that the prompt shows, so that it hides
    who speaks now; ``shift``, whether the emotion is another than that of the utterance before (yes, no);
    ``speaker-shift``, than that of the speaker's own last one; or the name of a text that the corpus has of an
    utterance, such as ``sentiment`` of MELD."""

    def streams(self) -> tuple[str, ...]:
        """Those of ``prompter``."""
        return self.prompter.streams()

    def cue_fields(self) -> tuple[str, ...]:
        """Those of ``prompter``."""
        return self.prompter.cue_fields()

    def has_target(self, query: merc.Query) -> bool:
        """Whether the answer is known."""
        return bool(self._answer(query))

    def prompt(self, query: merc.Query) -> merc.Prompt:
        """The prompt with the other answer, which is empty where it is not known."""
        prompt = self.prompter.prompt(_without_speaker(query) if self.asks == "speaker" else query)
        answer = replace(prompt.answer, text=self._answer(query), rejected=())
        return replace(prompt, segments=(*prompt.segments[:-1], answer))

    def _answer(self, query: merc.Query) -> str:
        """What is to be learned; empty where it is not known."""
        target, before = query.target, query.conversation.utterances[: query.index]
        if self.asks == "speaker":
            return target.speaker if target.speaker and self._names_speakers(query) else ""
        if self.asks in ("shift", "speaker-shift"):
            own = [one for one in before if self.asks == "shift" or (one.speaker and one.speaker == target.speaker)]
            if not own or own[-1].label is None or target.label is None:
                return ""
            return _WORDS[own[-1].label != target.label]
        value = target.true(self.asks)
        if value is not None and not isinstance(value, str):
            raise merc.MercError(
                f"prompter auxiliary: {self.asks!r} of utterance {target.id!r} is {value!r}; asks names a text, or is "
                "speaker, shift or speaker-shift"
            )
        return (value or "").strip()

    def _names_speakers(self, query: merc.Query) -> bool:
        """Whether the prompt calls the target's speaker, and another one who spoke before, by name: not who spoke
        before the history that it shows, and nobody where speakers are roles. A name may also be in what is said, or
        within another word of it, so whom the prompt calls by name is who changes it under another name."""
        before = {one.speaker for one in query.conversation.utterances[: query.index] if one.speaker}
        own = query.target.speaker
        if own not in before or len(before) < 2:
            return False
        hidden = _without_speaker(query)
        words = self._words(hidden)

        def named(who: str) -> bool:
            return who in words and self._words(_renamed(hidden, who)) != words

        return named(own) and any(named(who) for who in before - {own})

    def _words(self, query: merc.Query) -> str:
        return "".join(one.text for one in self.prompter.prompt(query).segments if isinstance(one, merc.Text))


def _without_speaker(query: merc.Query) -> merc.Query:
    talk = query.conversation
    utterances = list(talk.utterances)
    utterances[query.index] = replace(query.target, speaker=None)
    return replace(query, conversation=replace(talk, utterances=tuple(utterances)))


def _renamed(query: merc.Query, speaker: str) -> merc.Query:
    """The query with a speaker under a name that nobody has."""
    talk = query.conversation
    other = max((one.speaker or "" for one in talk.utterances), key=len) + "x"
    utterances = [replace(one, speaker=other) if one.speaker == speaker else one for one in talk.utterances]
    return replace(query, conversation=replace(talk, utterances=tuple(utterances)))
