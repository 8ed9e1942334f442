"""Models and conversations for losses of heads and of media, and what a step makes of a loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import merc
from merc.builtin.connectors import Linear
from merc.builtin.heads import Regression
from merc.builtin.prompters import ConversationPrompter
from merc.model.emotion_model import EmotionModel
from merc.model.heads import Heads
from merc.model.media_tokens import MediaTokens
from merc.training.settings import Settings
from tests.training.jobs import LABELS, gradients, model_of

AFFECT = Regression(outputs={"valence": (-1, 1), "arousal": (0, 4)})
WHOLE = Settings(batch_conversations=4, batch_tokens=100_000, max_grad_norm=None, schedule="constant")


def with_values(talks: Sequence[merc.Conversation]) -> list[merc.Conversation]:
    """Numbers of every utterance but each second, which lacks arousal, and each fifth, which has none."""
    made, number = [], 0
    for talk in talks:
        own = []
        for said in talk.utterances:
            number += 1
            values = {"valence": ((number * 37) % 20) / 10 - 1, "arousal": (number * 13) % 5}
            if number % 2 == 0:
                del values["arousal"]
            own.append(replace(said, values={} if number % 5 == 0 else values))
        made.append(replace(talk, utterances=tuple(own)))
    return made


def with_head(backbone: Path) -> EmotionModel:
    model = model_of(backbone)
    torch.manual_seed(5)
    model.heads = Heads({"affect": AFFECT}, model.base.config.hidden_size)
    return model


def with_media(backbone: Path, missing: Sequence[str] = ()) -> EmotionModel:
    """A model with two streams, of which some utterances lack the faces."""
    model = model_of(backbone)
    specs = {"face": merc.FeatureSpec(6), "voice": merc.FeatureSpec(6)}
    torch.manual_seed(5)
    media = MediaTokens(specs, dict.fromkeys(specs, Linear()), {}, model.base.config.hidden_size)

    def source(stream: str, utterance: str, draw: int) -> Any:
        if stream == "face" and utterance in missing:
            return merc.Missing("no face")
        seed = [*stream.encode(), *utterance.encode()]
        return np.random.default_rng(seed).standard_normal((2, 6), dtype="float32")

    media.source = source
    model.media = media
    return model


def summary(model: EmotionModel, stream: str, utterance: str) -> Tensor:
    """The mean of an utterance's tokens after its connector, which is a linear map of its features."""
    features = torch.from_numpy(model.media.source(stream, utterance, 0))  # type: ignore[misc, arg-type]
    mask = torch.ones(1, len(features), dtype=torch.bool)
    return model.media.connectors[stream](merc.Stream(features[None], mask)).values[0].mean(0)


def states_alone(model: EmotionModel, talks: Sequence[merc.Conversation]) -> Tensor:
    """The state where each answer begins, of prompts computed one by one through the backbone's own forward."""
    rows = []
    for query in queries_of(talks):
        prompt = ConversationPrompter().prompt(query)
        context = model.prompts.encode(prompt, lambda *_: 0, answers="none").context
        rows.append(model.llm(input_ids=torch.tensor([context]), output_hidden_states=True).hidden_states[-1][0, -1])
    return torch.stack(rows)


def queries_of(talks: Sequence[merc.Conversation]) -> list[merc.Query]:
    return [merc.Query(conversation=t, index=i, labels=LABELS) for t in talks for i in range(len(t.utterances))]


def one_step(
    model: EmotionModel,
    talks: Sequence[merc.Conversation],
    folder: Path,
    losses: Sequence[merc.Loss],
    settings: Settings = WHOLE,
    **more: Any,
) -> tuple[float, dict[str, Tensor], int, list[str]]:
    """The loss of one step of all conversations, its gradients, the number of passes, and what the user was told."""
    settings = replace(settings, batch_conversations=len(talks))
    (taken,), seen, passes = gradients(model, list(talks), folder, settings, losses=losses, **more)
    return seen.losses[0], taken, passes, seen.said


def assert_gradients(model: EmotionModel, plain: Tensor, taken: dict[str, Tensor], atol: float = 1e-5) -> None:
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    found = torch.autograd.grad(plain, [p for _, p in named], allow_unused=True)
    wanted = {name: value for (name, _), value in zip(named, found, strict=True) if value is not None}
    assert any(bool(value.any()) for value in wanted.values())
    for name, value in wanted.items():
        torch.testing.assert_close(taken[name], value, rtol=2e-3, atol=atol, msg=lambda m, name=name: f"{name}: {m}")
