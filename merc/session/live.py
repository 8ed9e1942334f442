"""A conversation that goes on: each utterance is answered when it is there, and what came before stays computed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from merc.components import Annotator, Prediction
from merc.conversation import Conversation
from merc.cues import CueTable
from merc.errors import MercError
from merc.features import FeatureTable
from merc.registry.faults import naming_component
from merc.session.arrays import Arrays, annotate_arrays, of_arrays
from merc.session.cues import annotators_of
from merc.session.data import encoders_of
from merc.session.own_media import check_arrays
from merc.session.python_inputs import read_given
from merc.session.shared_model import KeptBetween
from merc.session.wiring import Material, Request

if TYPE_CHECKING:
    from merc.session.session import Prepared, Session


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answered:
    """An utterance that was answered: the conversation up to it, and what was made of it alone."""

    talk: Conversation
    features: FeatureTable
    cues: CueTable


class Live:
    """A conversation whose utterances come one by one; ``Session.live`` gives one.

    The keys and values of the prompts are kept, so that an utterance costs its own tokens and the labels', as long as
    the prompter shows all that is kept: a prompter with a ``history`` of ten begins elsewhere with each utterance after
    the tenth, so its prompts are computed anew. ``history`` here keeps a conversation of any length fast, since what is
    kept begins elsewhere only where half of it is forgotten, which is also done where a prompt would be longer than the
    model's context. It is used by one thread at a time.

    ``seconds`` says how long the parts of the last prediction took: ``features`` (with cues) and ``scoring``, and
    ``context`` how many utterances before it were kept for it.
    """

    def __init__(self, session: Session, conversation: str = "live", history: int | None = None) -> None:
        if history is not None and history < 1:
            raise MercError(f"history counts utterances from 1, not {history}")
        check_live(session)
        self.session, self.history = session, history
        self.seconds: Mapping[str, float] = {}
        self.context = 0
        self._talk = Conversation(id=conversation, utterances=())
        self._count = 0
        self._between = KeptBetween()
        self._features: FeatureTable | None = None
        self._cues = CueTable()
        self._last: _Answered | None = None
        self._tried: str | None = None

    @property
    def conversation(self) -> Conversation:
        """What was said so far and is kept: what a prompt about the next utterance may show before it."""
        return self._talk

    def predict(self, utterance: Mapping[str, Any], final: bool = True) -> Prediction:
        """The emotion of the next utterance, with those before it as context.

        Args:
            utterance: ``text``, ``speaker``, ``audio`` and ``video`` (``merc.AudioClip``, ``merc.VideoClip``), as
                ``Session.predict`` takes them, and its ``id``, ``start`` and ``end`` in seconds, if it has them.
            final: Whether it ended. What is not final is forgotten, unless ``keep`` follows, and the next call is about
                the same place.

        Raises:
            MercError: It is none, or its prompt is longer than the model's context.
        """
        with naming_component():
            while (prediction := self._tried_once(utterance)).unanswered:
                if self.history is None or not self._talk.utterances:
                    raise MercError(
                        f"{prediction.id}: {prediction.unanswered}; begin a new conversation, or keep less of this one "
                        "by `history`"
                    )
                self._forget((len(self._talk.utterances) + 1) // 2)
            if final:
                self.keep()
        return prediction

    def _tried_once(self, utterance: Mapping[str, Any]) -> Prediction:
        started = time.perf_counter()
        talk, arrays = self._with(utterance)
        prepared, self._last = self._prepared(talk, arrays)
        ready = time.perf_counter()
        # What was tried at this place may have the same name and other media.
        self._between.changed = frozenset([self._tried] if self._tried is not None else [])
        self._tried = prepared.groups[0][0].target.id
        request = Request(groups=prepared.groups, title="", unanswered={}, between=self._between)
        (prediction,) = self.session.predictions(prepared, request)
        self.seconds = {"features": ready - started, "scoring": time.perf_counter() - ready}
        self.context = len(talk.utterances) - 1
        return prediction

    def keep(self) -> None:
        """Take the utterance of the last prediction, which was not ``final``, for ended as it is, and compute nothing
        again. Raises MercError where there is none."""
        if self._last is None:
            raise MercError("there is no utterance to keep; predict one with final=False before")
        last, self._last, self._tried = self._last, None, None
        self._talk, self._count = last.talk, self._count + 1
        self._features = self._features.overlaid(last.features) if self._features else last.features
        self._cues = CueTable.joined([self._cues, last.cues])
        if self.history is not None and len(self._talk.utterances) > self.history:
            self._forget(max(self.history // 2, 1))

    def _forget(self, count: int) -> None:
        """Go on as if the first utterances had never been said."""
        self._talk = replace(self._talk, utterances=self._talk.utterances[count:])
        kept_ids = {one.id for one in self._talk.utterances}
        if self._features is not None:
            self._features = self._features.of(kept_ids)
        answers = {at: answer for at, answer in self._cues.answers.items() if at[1] in kept_ids}
        self._cues = replace(self._cues, answers=answers)

    def _with(self, utterance: Mapping[str, Any]) -> tuple[Conversation, Arrays]:
        """The conversation with the utterance at its end, and its media. Raises MercError for what is no utterance."""
        fields = {name: value for name, value in utterance.items() if name not in ("start", "end")}
        name = fields.setdefault("id", f"{self._talk.id}-{self._count + 1}")
        ((checked,),) = read_given(fields, self.session.reader())
        if name not in checked.arrays:
            raise MercError(
                f"{name}: its media are files; in a conversation that goes on they are merc.AudioClip or merc.VideoClip"
            )
        check_arrays(self.session.setup.how.decoder, checked.arrays)
        times = {key: utterance[key] for key in ("start", "end") if utterance.get(key) is not None}
        new = replace(checked.conversation.utterances[0], **times)
        if any(one.id == new.id for one in self._talk.utterances):
            raise MercError(f"the id {new.id!r} is that of an utterance before; give each its own")
        return replace(self._talk, utterances=(*self._talk.utterances, new)), checked.arrays

    def _prepared(self, talk: Conversation, arrays: Arrays) -> tuple[Prepared, _Answered]:
        """The last utterance on its way to the model: its cues and features are made, those before it are there."""
        from merc.session.session import Prepared

        session, new = self.session, talk.utterances[-1]
        streams = session.setup.prompter.streams()
        own_cues = self._annotated(talk, arrays)
        cues = CueTable.joined([self._cues, own_cues])
        ((*_, query),), examples = session.queries(list(cues.beside([talk])))
        table = session.wiring.features(streams, examples)
        encoders = encoders_of(session.recipe, streams)
        if self._features:
            table = table.overlaid(self._features)
        own = of_arrays(table.store, encoders, [new], arrays, session.wiring)
        prepared = Prepared(material=Material(cues=cues, table=table.overlaid(own)), groups=[[query]])
        return prepared, _Answered(talk=talk, features=own, cues=own_cues)

    def _annotated(self, talk: Conversation, arrays: Arrays) -> CueTable:
        """The cues of the last utterance that prompts show: annotators may look at what was said before it."""
        session = self.session
        annotators = annotators_of(session.recipe, [("", session.setup.prompter)])
        if not annotators:
            return CueTable()
        return annotate_arrays(annotators, [talk], arrays, session.device, only={talk.utterances[-1].id})


def check_live(session: Session) -> None:
    """Raise MercError for a run that cannot answer an utterance before the next one is said."""
    setup = session.setup
    if history := setup.how.label_history:
        raise MercError(
            f"evaluate.label_history is {history!r}, and a conversation that goes on keeps no labels of before; "
            "load the run with evaluate={'label_history': None}"
        )
    for name, part in annotators_of(session.recipe, [("", setup.prompter)]).items():
        if isinstance(part.component, Annotator) and part.component.needs_all:
            raise MercError(
                f"annotators.{name} ({part.name!r}) compares an utterance with all others, those after it too, so this "
                "run cannot answer while a conversation goes on"
            )
    if ahead := session.looks_ahead:
        raise MercError(
            f"this run is offline: its prompts show {ahead} utterance{'s' if ahead > 1 else ''} after the one that "
            "is asked about, which are not said yet in a conversation that goes on; use a run whose prompter has "
            "following: 0, or predict the conversation when it is over"
        )
