"""The contract of decoders."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, ClassVar

from merc.components import Decoder, Query
from merc.components.decoder import GIVES
from merc.conversation import LabelSpace
from merc.testing import samples
from merc.testing.contract import ComponentContract, require
from merc.testing.examples.backbone import Example as TinyBackbone
from merc.testing.examples.prompter import Example as PlainPrompter

if TYPE_CHECKING:
    from merc.components import Prediction
    from merc.evaluation.projection import StatesById
    from merc.model.emotion_model import EmotionModel

_SOME = LabelSpace(samples.LABELS.labels[1:])
"""Labels of a data set that has some of a run's alone."""


class DecoderContract(ComponentContract):
    """What a decoder must keep, tried on a small random model and the sample conversation."""

    kind = "decoder"
    component: ClassVar[Decoder]

    def _model(self) -> EmotionModel:
        from merc.components import Frozen
        from merc.model.emotion_model import EmotionModel
        from merc.model.media_tokens import MediaTokens
        from merc.model.tuning import tune

        backbone = TinyBackbone(layers=2, width=16)
        model = EmotionModel(tune(backbone.load("cpu"), Frozen()), backbone.tokenizer(), MediaTokens({}, {}, {}, 16))
        model.probe()
        return model

    def test_what_it_is_fitted_to_can_be_kept(self) -> None:
        """``fit`` gives a decoder of its own kind, the same each time, whose parameters are plain values that come back
        from JSON, and which has nothing to fit any more."""
        import json

        from merc.recipe.values import convert, plain
        from merc.session.predicting import Predictor

        split = self.component.fits_on()
        require(split in (None, "train", "dev"), f"fits_on() gives {split!r}; it is 'train', 'dev' or None")
        if split is None:
            return
        from merc.recipe import Evaluate

        talk = samples.conversation()
        queries = [Query(conversation=talk, index=i, labels=samples.LABELS) for i in range(4)]
        how = Evaluate(decoder=self.component)
        predictor = Predictor(self._model(), PlainPrompter(), samples.LABELS, how, 4096)
        fitted, again = (predictor.fitted([queries], lambda share, text: None) for _ in range(2))
        require(fitted == again, f"{self.title} is fitted to something else the second time")
        require(fitted.fits_on() is None, f"{self.title} is fitted and says that it is still to be: {fitted}")
        hints = typing.get_type_hints(type(fitted), include_extras=True)
        changed = [f.name for f in fields(fitted) if getattr(fitted, f.name) != getattr(self.component, f.name)]
        back = {}
        for name in changed:
            value, faults = convert(hints[name], json.loads(json.dumps(plain(getattr(fitted, name)))))
            require(not faults, f"what {self.title} was fitted to is not kept: {name} {faults}")
            back[name] = value
        require(
            replace(self.component, **back) == fitted, f"what {self.title} was fitted to is another when read again"
        )

    def _predicted(
        self, chosen: Sequence[int] = (0, 1, 2, 3), labels: LabelSpace = samples.LABELS, budget: int = 4096
    ) -> tuple[list[Prediction], StatesById]:
        """Predictions for these utterances of the sample, and their states."""
        from merc.recipe import Evaluate
        from merc.session.predicting import Predictor

        talk = samples.conversation()
        states: StatesById = {}
        queries = [Query(conversation=talk, index=i, labels=labels) for i in chosen]
        how = Evaluate(decoder=self.component)
        predictor = Predictor(self._model(), PlainPrompter(), samples.LABELS, how, budget)
        predictor.states = states
        return predictor.predict([queries]), states

    def test_gives_is_known(self) -> None:
        """What it says that it gives is among what a decoder can give; states and probabilities are of labels."""
        unknown = sorted(set(self.component.gives) - set(GIVES))
        require(not unknown, f"gives names {unknown}; a decoder gives: {', '.join(GIVES)}")
        require(
            self.component.answers in ("labels", "none"), f"answers is labels or none, not {self.component.answers!r}"
        )

    def test_answers_every_query_with_what_it_gives(self) -> None:
        """One answer for each query, in order, with a label of the query's own or None, and with all that ``gives``
        names."""
        answers, states = self._predicted()
        ids = [u.id for u in samples.conversation().utterances]
        require([p.id for p in answers] == ids, f"{self.title} answers {[p.id for p in answers]} for {ids}")
        if "states" in self.component.gives:
            require(list(states) == ids, f"{self.title} gives states of {list(states)} for {ids}")

    def test_keeps_to_the_labels_of_a_query(self) -> None:
        """A query with some of the run's labels gets one of these, and probabilities of these alone."""
        for one in self._predicted(labels=_SOME)[0]:
            require(one.label in (None, *_SOME.labels), f"{one.label!r} is none of {', '.join(_SOME.labels)}")

    def test_same_queries_give_the_same_answers(self) -> None:
        """Asked again, it answers the same."""
        require(self._predicted()[0] == self._predicted()[0], f"{self.title} gives other answers the second time")

    def test_answers_do_not_depend_on_the_company(self) -> None:
        """An utterance alone, and in small batches, gets the label that it gets among others."""
        labels = {p.id: p.label for p in self._predicted()[0]}
        alone = {p.id: p.label for i in range(4) for p in self._predicted([i])[0]}
        small = {p.id: p.label for p in self._predicted(budget=48)[0]}
        require(
            labels == alone,
            f"{self.title} gives other labels to utterances that are asked alone: {alone}, not {labels}",
        )
        require(labels == small, f"{self.title} gives other labels with small batches: {small}, not {labels}")
