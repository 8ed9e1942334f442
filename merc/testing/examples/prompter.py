"""Example, a prompter: replace its words with yours."""

from __future__ import annotations

from dataclasses import dataclass

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Prompter):
    """The conversation up to the target, one line per utterance, then ``question``. ``media`` are the streams whose
    tokens stand before the words of each utterance."""

    question: str = "The emotion of the last line is"
    media: tuple[str, ...] = ()

    def streams(self) -> tuple[str, ...]:
        """The streams that its slots use."""
        return self.media

    def prompt(self, query: merc.Query) -> merc.Prompt:
        """What all prompts of a conversation share stands first, so that it is computed once."""
        segments: list[merc.Text | merc.Slot | merc.Turn | merc.Answer] = []
        segments.append(merc.Text(f"The emotions are: {', '.join(query.labels.labels)}.\n"))
        for utterance in query.conversation.utterances[: query.index + 1]:
            segments += [merc.Slot(stream, utterance.id) for stream in self.media]
            segments.append(merc.Text(f"{utterance.speaker or 'Someone'}: {utterance.text}\n"))
        segments += [merc.Text(self.question), merc.Answer()]
        return merc.Prompt(tuple(segments), target=query.target.id)
