"""A conversation that goes on: each utterance is answered when it is there, and what came before stays computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from merc.components import Prediction
from merc.conversation import Conversation
from merc.cues import CueTable
from merc.errors import MercError
from merc.features import FeatureTable
from merc.session.arrays import Arrays, annotate_arrays, of_arrays
from merc.session.cues import annotators_of
from merc.session.data import encoders_of
from merc.session.python_inputs import read_given
from merc.session.shared_model import KeptBetween
from merc.session.wiring import Material, Request

if TYPE_CHECKING:
    from merc.session.session import Prepared, Session


class Live:
    """A conversation whose utterances come one by one; ``Session.live`` gives one.

    The keys and values of the prompts are kept, so that an utterance costs its own tokens and the labels', as long as
    the prompter shows all that was said: with a ``history`` of ten utterances the beginning of the prompt changes with
    each one after the tenth, and is computed again. It is used by one thread at a time.
    """

    def __init__(self, session: Session, conversation: str = "live") -> None:
        if history := session.setup.how.label_history:
            raise MercError(
                f"evaluate.label_history is {history!r}, and a conversation that goes on keeps no labels of before; "
                "load the run with evaluate={'label_history': None}"
            )
        if ahead := session.looks_ahead:
            raise MercError(
                f"this run is offline: its prompts show {ahead} utterance{'s' if ahead > 1 else ''} after the one that "
                "is asked about, which are not said yet in a conversation that goes on; use a run whose prompter has "
                "following: 0, or predict the conversation when it is over"
            )
        self.session = session
        self._talk = Conversation(id=conversation, utterances=())
        self._between = KeptBetween()
        self._features: FeatureTable | None = None
        self._arrays: dict[str, Any] = {}

    @property
    def conversation(self) -> Conversation:
        """What was said so far."""
        return self._talk

    def predict(self, utterance: Mapping[str, Any], final: bool = True) -> Prediction:
        """The emotion of the next utterance, with those before it as context.

        Args:
            utterance: ``text``, ``speaker``, ``audio`` and ``video`` (``merc.AudioClip``, ``merc.VideoClip``), as
                ``Session.predict`` takes them, and its ``id``, ``start`` and ``end`` in seconds, if it has them.
            final: Whether it ended. What is not final is forgotten, and the next call is about the same place.

        Raises:
            MercError: It is none, or its prompt is longer than the model's context.
        """
        fields = {name: value for name, value in utterance.items() if name not in ("start", "end")}
        name = fields.setdefault("id", f"{self._talk.id}-{len(self._talk.utterances) + 1}")
        ((checked,),) = read_given(fields, self.session.reader())
        if name not in checked.arrays:
            raise MercError(
                f"{name}: its media are files; in a conversation that goes on they are merc.AudioClip or merc.VideoClip"
            )
        times = {key: utterance[key] for key in ("start", "end") if utterance.get(key) is not None}
        new = replace(checked.conversation.utterances[0], **times)
        if any(one.id == new.id for one in self._talk.utterances):
            raise MercError(f"the id {new.id!r} is that of an utterance before; give each its own")
        talk = replace(self._talk, utterances=(*self._talk.utterances, new))
        prepared, features = self._prepared(talk, checked.arrays)
        request = Request(groups=prepared.groups, title="", unanswered={}, between=self._between)
        (prediction,) = self.session.predictions(prepared, request)
        if prediction.unanswered:
            raise MercError(f"{name}: {prediction.unanswered}; begin a new conversation, or show a shorter `history`")
        if final:
            self._talk = talk
            self._arrays[new.id] = checked.arrays[new.id]
            self._features = self._features.overlaid(features) if self._features else features
        return prediction

    def _prepared(self, talk: Conversation, arrays: Arrays) -> tuple[Prepared, FeatureTable]:
        """The last utterance on its way to the model: its cues and features are made, those before it are there."""
        from merc.session.session import Prepared

        session, new = self.session, talk.utterances[-1]
        streams = session.setup.prompter.streams()
        cues = self._cues(talk, {**self._arrays, **arrays})
        ((*_, query),), examples = session._queries(list(cues.beside([talk])))
        table = session.wiring.features(streams, examples)
        encoders = encoders_of(session.recipe, streams)
        if self._features:
            table = table.overlaid(self._features)
        own = of_arrays(table.store, encoders, [new], arrays, session.wiring)
        return Prepared(material=Material(cues=cues, table=table.overlaid(own)), groups=[[query]]), own

    def _cues(self, talk: Conversation, arrays: Arrays) -> CueTable:
        """The cues that prompts show: annotators are asked about the whole conversation, which they may look at."""
        session = self.session
        annotators = annotators_of(session.recipe, [("", session.setup.prompter)])
        if not annotators:
            return CueTable({})
        return annotate_arrays(annotators, [talk], arrays, session._run.device)
