"""Annotator: a teacher that writes cues, texts that stand beside an utterance."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar

from merc.components.base import Component
from merc.components.encoder import AudioClip, Frames, Missing, VideoClip, Waveform
from merc.components.prompter import Query
from merc.conversation import Utterance


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What an annotator is shown of one utterance: the query, and the media that it asked for where they exist.

    An annotator is shown what was said and by whom, never what is to be recognised: labels, values and open labels
    are taken out of the query's conversation, its label space is empty, and neither cues nor what a corpus keeps in
    ``extra`` (a sentiment, say) is there. Two things it may ask for, of the target alone: the cues that it ``reads``
    stand in ``query.target.cues``, and where it ``sees_label`` the gold label in ``query.target.label``.
    """

    query: Query
    """The utterance within its conversation, without what is to be recognised."""
    video: VideoClip | Missing
    """The frames that ``Annotator.video`` asks for; Missing where it asks for none or there are none."""
    audio: AudioClip | Missing
    """The sound that ``Annotator.audio`` asks for; Missing where it asks for none or there is none."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    """Why there is none of the cues that it ``reads``, by field."""


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What a teacher gave for one utterance: cues, or the reason why there are none. ValueError for both or neither.

    >>> Annotation(cues={"face": "a broad smile"}).cues["face"], Annotation(reason="there is no face").cues
    ('a broad smile', {})
    >>> Annotation()
    Traceback (most recent call last):
    ValueError: an Annotation has cues or a reason, one of the two; this one has neither
    """

    cues: Mapping[str, str] = field(default_factory=dict)
    """A text by field; a field of which nothing can be said is left out."""
    raw: tuple[str, ...] = ()
    """A model's answers as they came, in order, the refused ones among them; they are kept in the cue store."""
    reason: str | None = None
    """Why there are no cues."""
    retry: bool = False
    """Whether the fault may pass (a server that is down), so that the utterance is asked about again next time; without
    it the reason is final."""
    reached: tuple[str, ...] = ()
    """Parameters of the annotator that are limits and stopped this answer (``max_tokens`` of one that was cut off). It
    is final for the same limits alone; other answers do not depend on them, so ``identity`` leaves them out."""

    def __post_init__(self) -> None:
        if bool(self.cues) == (self.reason is not None):
            has = "both" if self.cues else "neither"
            raise ValueError(f"an Annotation has cues or a reason, one of the two; this one has {has}")
        if self.reason is not None and not self.reason.strip():
            raise ValueError("the reason of an Annotation is empty; say why there are no cues")
        if self.retry and self.reason is None:
            raise ValueError("an Annotation with cues is final; retry belongs to a reason")


AnnotateFunction = Callable[[Iterable[Observation]], Iterator[tuple[str, Annotation]]]
"""Takes observations and yields ``(utterance id, Annotation)`` as they are finished, in any order, each taken one once.

Media are decoded as observations are taken, so a function takes no more at once than it works on; it takes them from
one thread, that in which it is iterated. It may be called more than once. It may end without having taken all (its
budget is spent): what it did not take stays unasked, and the user reads how much that is.
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What asking a server about one utterance will cost, as far as that is known before."""

    model: str
    """The model that is asked."""
    tokens_in: int
    """Tokens that are sent."""
    tokens_out: int
    """The most tokens that are answered."""
    at_once: int = 1
    """Requests that are on their way at once."""


@dataclass(frozen=True, kw_only=True)
class Annotator(Component):
    """Writes cues for utterances: ``{"face": "...", "body": "..."}``, each field one of ``fields()``.

    An annotator describes what it saw or measured. Where it saw nothing it gives the reason, and invents no text.

    Its answers are kept in the cue store, and a final one is never asked for again. They are found by all that they
    depend on: the content of the media that it asked for (file and span), the target's words and speaker, the words
    before it where ``history`` is true, ``context``, ``identity``, the class, its registered name and its ``version``.
    Raise ``version`` when the same input gives other cues.

    ``needs_all`` is for an annotator that measures one utterance against others ("louder than this speaker usually
    is"): its function is called once with all utterances of the corpus (of the input, in ``merc predict``), may take
    all of them before it yields the first, and its answers depend on them all.

    Random frames are drawn by the content of the clip alone, so that runs with several seeds share the answers.

    It may read cues that others write (``reads``): those are asked first, what they wrote of the utterance is shown and
    is part of the key, and it waits where they have no final answer yet. It may choose its frames by what it read
    (``video_for``).

    The smallest complete annotator:

    >>> from dataclasses import dataclass
    >>> import merc
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Length(merc.Annotator):
    ...     def fields(self):
    ...         return ("length",)
    ...
    ...     def load(self, device):
    ...         def annotate(observations):
    ...             for one in observations:
    ...                 count = len(one.query.target.text.split())
    ...                 yield one.query.target.id, merc.Annotation(cues={"length": f"{count} words"})
    ...         return annotate
    >>> talk = merc.Conversation(id="c", utterances=(merc.Utterance(id="u", text="Oh, no."),))
    >>> nothing = merc.Missing("not asked for")
    >>> query = merc.Query(conversation=talk, index=0, labels=merc.LabelSpace(()))
    >>> [(u, a.cues) for u, a in Length().load("cpu")([merc.Observation(query=query, video=nothing, audio=nothing)])]
    [('u', {'length': '2 words'})]
    """

    kind: ClassVar[str] = "annotator"
    version: ClassVar[str] = "1"
    """Another one means that the same input gives other cues."""
    history: ClassVar[bool] = False
    """Whether it reads the utterances before the target."""
    needs_all: ClassVar[bool] = False
    """Whether it measures an utterance against all others of its input."""

    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The names of the cues that it writes, known without weights."""

    @abstractmethod
    def load(self, device: str) -> AnnotateFunction:
        """Get ready, and give the function that annotates. Called only if there is something to ask.

        Args:
            device: Where a network of its own computes: "cpu", "cuda".

        Raises:
            MercError: The user has to do something (no key in the environment, no such server).
        """

    def video(self) -> Frames | None:
        """The frames that it wants, if any (``draws`` is 1: it is asked once)."""
        return None

    def audio(self) -> Waveform | None:
        """The sound that it wants, if any."""
        return None

    def reads(self) -> tuple[str, ...]:
        """The cues of the target that it is shown: those of other annotators of the recipe, or of the corpus."""
        return ()

    def cost(self, utterance: Utterance) -> Cost | None:
        """What asking about an utterance will cost; None for one that asks no server, which is the default."""
        return None

    def may_be_divided(self) -> bool:
        """Whether several processes may be asked about parts of a corpus at the same time, as workers are: not where
        something counts over the whole, such as a budget of requests."""
        return not self.needs_all

    def sees_label(self) -> bool:
        """Whether it is shown the target's gold label, as a label-guided description needs. A recipe must say so, by a
        parameter that is false by default; what such an annotator writes, and what is made of that, is named in every
        record, and no prompt may show it."""
        return False

    def video_for(self, query: Query) -> Frames | None:
        """The frames that it wants of this utterance, where they depend on the cues that it reads
        (``Frames.at(peak)``); by default those of ``video``. None where ``video`` gives None, and only there."""
        return self.video()

    def identity(self) -> Mapping[str, Any]:
        """What of itself its answers depend on, as plain values; by default all its parameters.

        Leave out what only says how a teacher is reached (its address, time-outs, concurrency, a budget, where a key is
        found) and limits that most answers do not reach (see ``Annotation.reached``), add what is no parameter (the
        text of the prompt). A key or password never belongs here.
        """
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return {name: str(value) if isinstance(value, PurePath) else value for name, value in values.items()}

    def context(self, query: Query) -> Any:
        """What else an answer about this utterance depends on, as plain values: by default the speakers and words
        before it where ``history`` is true. One that looks an utterance up by its id gives what it found."""
        if not self.history:
            return None
        return [[one.speaker, one.text] for one in query.conversation.utterances[: query.index]]
