"""The contract of losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from merc.builtin.connectors import Linear
from merc.builtin.heads import Regression
from merc.components import Example, FeatureSpec, Head, Loss, LossContext, Prompt, Query, WeightedAnswer
from merc.components.model import NEEDS
from merc.conversation import Conversation
from merc.testing import samples
from merc.testing.contract import ComponentContract, require
from merc.testing.examples.backbone import Example as TinyBackbone
from merc.testing.examples.prompter import Example as PlainPrompter

if TYPE_CHECKING:
    from torch import Tensor

    from merc.model.emotion_model import EmotionModel


class _Rejecting(PlainPrompter):
    """Prompts with a rejected answer: the label before the right one."""

    def prompt(self, query: Query) -> Prompt:
        prompt, labels = super().prompt(query), query.labels.labels
        wrong = labels[labels.index(query.target.label or labels[0]) - 1]
        return replace(prompt, segments=(*prompt.segments[:-1], replace(prompt.answer, rejected=(wrong,))))


class LossContract(ComponentContract):
    """What a loss must keep, tried on a small random model and the sample conversation."""

    kind = "loss"
    component: ClassVar[Loss]
    head: ClassVar[Head] = Regression(outputs={"valence": (-1, 1), "arousal": (-1, 1)})
    """What a loss of heads gets for each head that it names; it learns from ``values``."""
    streams: ClassVar[tuple[str, ...]] = ("face", "voice")
    """The streams that prompts show to a loss that needs media."""

    def conversations(self) -> Sequence[Conversation]:
        """Whose utterances are computed in the one pass."""
        return [samples.conversation()]

    def values(self, number: int) -> Mapping[str, float | tuple[str, ...]]:
        """What is true of utterance ``number`` (from 0) and ``head`` learns."""
        return {"valence": 0.5 - 0.3 * number, "arousal": 0.2 * number}

    def _model(self) -> EmotionModel:
        import numpy as np
        import torch

        from merc.builtin.tunings import Full
        from merc.model.emotion_model import EmotionModel
        from merc.model.media_tokens import MediaTokens
        from merc.model.tuning import tune

        backbone = TinyBackbone(layers=2, width=16)
        streams = self.streams if "media" in self.component.needs else ()
        torch.manual_seed(7)
        media = MediaTokens(
            {stream: FeatureSpec(6) for stream in streams}, {stream: Linear() for stream in streams}, {}, 16
        )
        media.source = lambda stream, utterance, draw: np.random.default_rng(
            [*stream.encode(), *utterance.encode()]
        ).standard_normal((2, 6), dtype="float32")
        model = EmotionModel(tune(backbone.load("cpu"), Full()), backbone.tokenizer(), media)
        model.probe()
        return model

    def _values(self, utterances: int | None = None) -> tuple[EmotionModel, Tensor | None, list[Any]]:
        """The model, the values of its prompts, and the prompts' ids; None for a loss without a pass."""
        import torch

        from merc.model.heads import Heads
        from merc.model.reference import keep_reference
        from merc.training.steps import encode_example

        model, queries = self._model(), []
        for talk in self.conversations():
            valued = (replace(u, values=self.values(i)) for i, u in enumerate(talk.utterances))
            talk = replace(talk, utterances=tuple(valued))
            queries += [Query(conversation=talk, index=i, labels=samples.LABELS) for i in range(len(talk.utterances))]
        own = (WeightedAnswer((5, 6), 0.5), WeightedAnswer((7,), -1.0))
        prompter = _Rejecting(media=tuple(model.media.connectors))
        kinds = {self.component.answers} - {"none"}
        encoded = [
            encode_example(model, Example(q, prompter, own), kinds, samples.LABELS) for q in queries[:utterances]
        ]
        counts = {label: sum(q.target.label == label for q in queries) for label in samples.LABELS.labels}
        answers = [a.tokens for p in encoded for a in p.answers if a.gold]
        torch.manual_seed(7)
        heads = dict.fromkeys(self.component.heads(), self.head)
        model.heads = Heads(heads, 16)
        function = self.component.build(
            LossContext(
                labels=samples.LABELS,
                width=16,
                counts=counts,
                answers=answers,
                heads=heads,
                streams=tuple(model.media.connectors),
                embed=model.embed_texts,
            )
        )
        if function is None:
            return model, None, []
        model.use_losses({"loss": function}, {"loss": self.component.needs | {f"heads.{name}" for name in heads}})
        keep_reference(model)
        (batch,) = model.batches(encoded, 10_000)
        batch = replace(batch, labels=len(samples.LABELS))
        if hasattr(function, "begin"):
            function.begin([batch])  # type: ignore[operator]
        if hasattr(function, "rewrite"):
            (batch,) = function.rewrite(model, [batch], 0)  # type: ignore[operator]
        return model, model.loss_values(batch)[0], [p.target for p in batch.prompts]

    def test_needs_are_known(self) -> None:
        """What it reads of a pass is among what a pass can give."""
        unknown = sorted(set(self.component.needs) - set(NEEDS))
        require(not unknown, f"needs names {unknown}; a pass gives: {', '.join(NEEDS)}")

    def test_gives_one_finite_value_a_prompt_with_a_gradient(self) -> None:
        """The values ``[prompts]`` are finite, and a gradient reaches the model or the loss's own parameters."""
        import torch

        model, values, _ = self._values()
        if values is None:
            require(self.component.penalty() > 0, f"{self.title} gives no module and no penalty, so it does nothing")
            return
        require(bool(torch.isfinite(values).all()), f"{self.title} gives values that are not finite: {values.tolist()}")
        values.sum().backward()  # type: ignore[no-untyped-call]
        reached = [n for n, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())]
        require(reached, f"no gradient of {self.title} reaches a parameter")

    def test_same_seed_gives_the_same_values(self) -> None:
        """Its parameters are drawn from torch's generator alone."""
        one, two = self._values()[1], self._values()[1]
        if one is not None and two is not None:
            require(one.equal(two), f"{self.title} gives other values the second time")
