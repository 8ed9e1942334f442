"""What it costs that encoders learn: their features are computed in every step."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import torch

from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.precision import autocast
from merc.prompting.runs import BlockItem, SeenItem
from merc.training.context import StageContext
from merc.training.groups import Group


def note_encoders(context: StageContext, groups: Iterable[Group]) -> None:
    """Say for each encoder whose features are computed in every step how many these are in an epoch, whose prompts are
    ``groups``, and about how long they take, as measured on some of them."""
    media = context.network.media
    for name in media.encoders:
        streams = {s for s in media.connectors if name in media.inputs.get(s, (s,))}
        utterances_of = [_shown(group, streams) for group in groups]
        count = sum(map(len, utterances_of))
        some = [utterance for utterances in utterances_of for utterance in utterances][
            : media.encoder_parts[name].batch
        ]
        took = f", about {count * _seconds(context.network, name, some):.3g} s" if some else ""
        context.say(
            f"features of encoder {name} are computed in every step and not stored: {count} utterances an epoch{took}"
        )


def _shown(group: Group, streams: set[str]) -> list[str]:
    """The utterances whose slots of these streams are in the prompts of a group, those without a place included."""
    utterances: dict[str, None] = {}
    every = (item for prompt in group.prompts for item in prompt.context)
    for item in (item.item if isinstance(item, BlockItem) else item for item in every):
        for part in (item.item, *item.media) if isinstance(item, SeenItem) else (item,):
            if not isinstance(part, int) and part[0] in streams:
                utterances[part[1]] = None
    return list(utterances)


def _seconds(model: EmotionModel, name: str, utterances: Sequence[str]) -> float:
    """How long an encoder takes for an utterance, on the way back too where it learns. No gradient is kept."""
    learning = [p for p in model.media.encoders[name].parameters() if p.requires_grad]
    seconds = 0.0
    for _ in range(2):  # the first warms up
        began = time.monotonic()
        with torch.set_grad_enabled(bool(learning)), autocast(model.device.type, model.precision, model):
            features = [f for f in model.media.compute(name, utterances) if f is not None]
        if not features:
            return 0.0
        total = torch.stack([f.float().sum() for f in features]).sum()
        if learning and not total.requires_grad:
            raise MercError(
                f"encoders.{name}: the network of build() gives features without a gradient, so it learns nothing"
            )
        if learning:
            torch.autograd.grad(total, learning, allow_unused=True)
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        seconds = time.monotonic() - began
    return seconds / len(features)
