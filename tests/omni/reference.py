"""A conversation with pictures, videos and sound, its prompts in merc, and transformers' own forward pass of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from merc_omni.backbone import Omni
from merc_omni.encoders import OmniAudio, OmniImage, OmniVideo
from torch import Tensor

import merc
from merc.builtin.connectors import Identity
from merc.components import Frozen
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.tuning import tune
from merc.prompting import EncodedPrompt
from tests.native import clip
from tests.omni.checkpoints import SMALL

LABELS = LabelSpace(("joy", "anger"), {"joy": ("joy", "happy")})
WORDS = ("Look!", "Not <|vision_start|> again.", "No picture here.", "And now?")
TALK = Conversation(
    id="talk",
    utterances=tuple(
        Utterance(id=f"u{i}", speaker="AB"[i % 2], text=text, label=("joy", "anger")[i % 2])
        for i, text in enumerate(WORDS)
    ),
)
ENCODERS = {"image": OmniImage, "video": OmniVideo, "audio": OmniAudio}


def sound(seed: int, seconds: float) -> merc.AudioClip:
    draw = np.random.default_rng(seed)
    times = np.arange(int(16_000 * seconds)) / 16_000
    samples = 0.3 * np.sin(2 * np.pi * 220 * (seed + 1) * times) + 0.02 * draw.standard_normal(len(times))
    return merc.AudioClip(samples=samples.astype("float32"), rate=16_000)


def clips_of(name: str) -> dict[str, dict[str, Any]]:
    """Of every medium the utterances that have it; the third has no video, so that some prompts end without. Models
    whose class takes videos of one length alone in one pass get such; and Qwen3-Omni sounds of a second at least, since
    its class pads shorter ones to the longest that is beside them, of which their last token depends."""
    lengths = (4, 4, 4) if "llava" in name else (4, 6, 3)
    least = 1.0 if name == "qwen3-omni" else 0.0
    videos = [clip(0, lengths[0]), clip(1, lengths[1], 24, 16, rate=1.3), clip(2, lengths[2], rate=5.0)]
    return {
        "image": {"u0": clip(3, frames=2, height=20, width=28), "u2": clip(4, frames=1, height=40, width=24)},
        "video": dict(zip(("u0", "u1", "u3"), videos, strict=True)),
        "audio": {"u0": sound(0, least + 0.9), "u1": sound(1, least + 0.37), "u3": sound(2, 1.6)},
    }


@dataclass(frozen=True, kw_only=True)
class Chat(merc.Prompter):
    """Each utterance a turn of the model's own chat template, its media before its words."""

    media: tuple[str, ...]

    def prompt(self, query: merc.Query) -> merc.Prompt:
        segments: list[Any] = []
        for utterance in query.conversation.utterances[: query.index + 1]:
            slots = [merc.Slot(stream, utterance.id) for stream in self.media]
            segments += [merc.Turn("user"), *slots, merc.Text(utterance.text)]
        return merc.Prompt((*segments, merc.Turn("assistant"), merc.Answer(prefix="")), query.target.id)

    def streams(self) -> tuple[str, ...]:
        return self.media


def model_of(name: str, folder: Path, dtype: str = "float32", **more: Any) -> EmotionModel:
    """The backbone without its towers, and the features that the towers gave, each under the name of its medium."""
    backbone = Omni(path=str(folder), dtype=dtype, **more)
    towers = {medium: ENCODERS[medium](path=str(folder), dtype=dtype) for medium in SMALL[name].media}
    specs = {medium: tower.spec() for medium, tower in towers.items()}
    media = MediaTokens(specs, dict.fromkeys(towers, Identity()), {}, backbone.family.width, towers)
    clips = clips_of(name)
    features = {
        (medium, utterance): one
        for medium, tower in towers.items()
        for utterance, one in zip(clips[medium], tower.load("cpu")(list(clips[medium].values())), strict=True)
    }
    media.source = lambda stream, utterance, draw: features.get((stream, utterance), merc.Missing("not there"))
    model = EmotionModel(tune(backbone.load("cpu"), Frozen()), backbone.tokenizer(), media)
    model.backbone = backbone
    model.eval()
    model.probe()
    return model


def encoded(model: EmotionModel, prompter: merc.Prompter, answers: Any = "labels") -> list[EncodedPrompt]:
    queries = [merc.Query(conversation=TALK, index=i, labels=LABELS) for i in range(len(WORDS))]
    return [model.encode(prompter.prompt(query), query, answers) for query in queries]


@cache
def whole(name: str, folder: Path, dtype: str) -> Any:
    """The model class as it is, read from the same folder."""
    import transformers

    kind = getattr(transformers, SMALL[name].kind)
    return kind.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()


@cache
def rows(name: str, folder: Path, medium: str, utterance: str) -> np.ndarray:
    """What the tower is given."""
    return ENCODERS[medium](path=str(folder)).prepare()([clips_of(name)[medium][utterance]])[0]


def by_transformers(
    name: str, folder: Path, prompt: EncodedPrompt, answer: Sequence[int], dtype: str = "float32", **more: Any
) -> Tensor:
    """The logits that predict an answer's tokens, by the model class from pixels and sound."""
    small, model = SMALL[name], whole(name, folder, dtype)
    pads = {medium: small.ids[text] for medium, text in small.placeholders.items()}
    items = (*prompt.context, *answer[:-1])
    ids = torch.tensor([[pads[item[0]] if isinstance(item, tuple) else item for item in items]])
    shown = dict.fromkeys((item[0], item[1]) for item in prompt.context if isinstance(item, tuple))
    made = [(medium, torch.from_numpy(rows(name, folder, medium, utterance))) for medium, utterance in shown]
    given = _INPUTS[name](model, made, ids, pads)
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False, **given, **more).logits
    return logits[0, len(prompt.context) - 1 :]  # type: ignore[no-any-return]


Made = Sequence[tuple[str, Tensor]]
"""The media of a prompt in their order, as their towers take them."""


def _of(made: Made, medium: str) -> list[Tensor]:
    return [one for own, one in made if own == medium]


def _qwen(model: Any, made: Made, ids: Tensor, pads: dict[str, int]) -> dict[str, Any]:
    """Patches and grids, as the processors of the Qwen models hand them to the model."""
    given: dict[str, Any] = {}
    seconds = []
    for medium, suffix, grid_name in (("image", "", "image_grid_thw"), ("video", "_videos", "video_grid_thw")):
        patches, grids = [], []
        for one in _of(made, medium):
            axes = 3 if medium == "image" else 4
            values, where = one[:, :-axes], one[:, -axes:]
            patches.append(values)
            if medium == "video":
                grids.append([int(n) + 1 for n in where[:, :3].amax(0)])
                seconds.append(float(where[0, 3]))
            else:
                grids += [[1, *(int(n) + 1 for n in where[where[:, 0] == k, 1:].amax(0))] for k in where[:, 0].unique()]
        if patches:
            given["pixel_values" + suffix] = torch.cat(patches)
            given[grid_name] = torch.tensor(grids) * torch.tensor([1, 2, 2])
    if model.config.model_type.endswith("thinker"):
        given |= {"attention_mask": torch.ones_like(ids), "video_second_per_grid": torch.tensor(seconds)}
        return given | _spectrograms(_of(made, "audio"))
    given["mm_token_type_ids"] = (ids == pads["image"]).int() + 2 * (ids == pads["video"]).int()
    if model.config.model_type == "qwen2_5_vl" and seconds:
        given["second_per_grid_ts"] = seconds
    return given


def _spectrograms(sounds: Sequence[Tensor]) -> dict[str, Any]:
    """Spectrograms side by side, padded, with their mask."""
    if not sounds:
        return {}
    padded = torch.nn.utils.rnn.pad_sequence(list(sounds), batch_first=True)
    mask = torch.arange(padded.shape[1]) < torch.tensor([len(one) for one in sounds])[:, None]
    return {"input_features": padded.transpose(1, 2), "feature_attention_mask": mask.long()}


def _qwen2_audio(model: Any, made: Made, ids: Tensor, pads: dict[str, int]) -> dict[str, Any]:
    sounds = _of(made, "audio")
    if not sounds:
        return {}
    columns = torch.stack(sounds)
    return {
        "input_features": columns[:, :, :-1].transpose(1, 2), "feature_attention_mask": columns[:, :, -1].long(),
        "attention_mask": torch.ones_like(ids),
    }  # fmt: skip


def _voxtral(model: Any, made: Made, ids: Tensor, pads: dict[str, int]) -> dict[str, Any]:
    windows = [window.T for one in _of(made, "audio") for window in one.split(200)]
    return {"input_features": torch.stack(windows)} if windows else {}


def _pictures(one: Tensor, beside: int) -> Tensor:
    """``[pictures, 3, 16, 16]``."""
    return one[:, : one.shape[1] - beside].reshape(len(one), 3, 16, 16)


def _llava(model: Any, made: Made, ids: Tensor, pads: dict[str, int]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if videos := _of(made, "video"):
        given["pixel_values_videos"] = torch.stack([_pictures(one, 0) for one in videos])
    pictures = [one[one[:, -3] == n] for one in _of(made, "image") for n in one[:, -3].unique()]
    if pictures:
        longest = max(map(len, pictures))
        parts = [_pictures(one, 3) for one in pictures]
        given["pixel_values"] = torch.stack(
            [torch.cat([part, part.new_zeros(longest - len(part), *part.shape[1:])]) for part in parts]
        )
        given["image_sizes"] = torch.stack([one[0, -2:] for one in pictures]).long()
    return given


def _video_llava(model: Any, made: Made, ids: Tensor, pads: dict[str, int]) -> dict[str, Any]:
    given = {"pixel_values": [_pictures(one, 0) for one in _of(made, "image")],
             "pixel_values_videos": [_pictures(one, 0) for one in _of(made, "video")]}  # fmt: skip
    join = {"pixel_values": torch.cat, "pixel_values_videos": torch.stack}
    return {name: join[name](parts) for name, parts in given.items() if parts}


def _smolvlm(model: Any, made: Made, ids: Tensor, pads: dict[str, int]) -> dict[str, Any]:
    if not made:
        return {}
    return {"pixel_values": torch.cat([_pictures(one, 3 if medium == "image" else 2) for medium, one in made])[None]}


def _internvl(model: Any, made: Made, ids: Tensor, pads: dict[str, int]) -> dict[str, Any]:
    return {"pixel_values": torch.cat([_pictures(one, 1) for _, one in made])} if made else {}


_INPUTS = {
    "qwen2-vl": _qwen, "qwen2.5-vl": _qwen, "qwen3-vl": _qwen, "qwen2.5-omni": _qwen,
    "qwen3-omni": _qwen, "qwen2-audio": _qwen2_audio, "voxtral": _voxtral,
    "llava-next-video": _llava, "llava-onevision": _llava,
    "llava-next": _llava, "video-llava": _video_llava, "smolvlm2": _smolvlm, "internvl": _internvl,
}  # fmt: skip
