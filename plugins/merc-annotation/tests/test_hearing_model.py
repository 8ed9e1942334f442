"""Models that hear, small and with random weights: what they are shown is what transformers' own processor shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from merc_annotation.hearing_model import RATE, WHERE, AudioToneModel, HearingModel

import merc
import merc.testing
from tests.omni.checkpoints import save

KINDS = ("qwen2-audio", "qwen2.5-omni")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: save(kind, tmp_path_factory.mktemp("models") / kind) for kind in KINDS}


def clip(seconds: float = 1.0) -> merc.AudioClip:
    times = np.arange(round(seconds * RATE)) / RATE
    return merc.AudioClip(samples=np.sin(2 * np.pi * 300 * times).astype(np.float32) / 2, rate=RATE)


def hearing(folder: Path) -> HearingModel:
    return HearingModel(merc.Pretrained(str(folder), WHERE), "float32", "cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_what_transformers_writes_step_by_step(folders: dict[str, Path], kind: str) -> None:
    """Greedy tokens by whole forward passes, prompt and sound as the model's page has them."""
    model = hearing(folders[kind])
    heard = model.features(clip())
    assert isinstance(heard, dict)
    text, cut = model.answer(heard, ["Describe <|im_end|> it."], 6)
    ids = model.ids
    count = 25  # of a second: 100 columns, halved twice
    plain = model.tokenizer("\nDescribe <|im_end|> it.", add_special_tokens=False, split_special_tokens=True).input_ids
    head = [ids["<|im_start|>"], *model._plain("system\nYou are a helpful assistant."), ids["<|im_end|>"]]
    row = [
        *head, *model._plain("\n"), ids["<|im_start|>"], *model._plain("user\n"), ids["<|audio_bos|>"],
        *[ids["<|AUDIO|>"]] * count, ids["<|audio_eos|>"], *plain, ids["<|im_end|>"], *model._plain("\n"),
        ids["<|im_start|>"], *model._plain("assistant\n"),
    ]  # fmt: skip
    assert model.prompt(heard, ["Describe <|im_end|> it."]) == row
    written: list[int] = []
    for _ in range(6):
        whole = torch.tensor([[*row, *written]])
        with torch.inference_mode():
            logits = model.net(input_ids=whole, attention_mask=torch.ones_like(whole), **heard).logits[0, -1]
        written.append(int(logits.argmax()))
        if written[-1] == ids["<|im_end|>"]:
            break
    stop = written.index(ids["<|im_end|>"]) if ids["<|im_end|>"] in written else None
    assert (text, cut) == (model.tokenizer.decode(written[:stop], skip_special_tokens=True).strip(), stop is None)


@pytest.mark.parametrize("kind", KINDS)
def test_it_hears_the_sound(folders: dict[str, Path], kind: str) -> None:
    model = hearing(folders[kind])
    noise = merc.AudioClip(samples=np.random.default_rng(0).standard_normal(RATE).astype(np.float32), rate=RATE)
    logits = []
    for sound in (clip(), clip(), noise):
        heard = model.features(sound)
        assert isinstance(heard, dict)
        ids = torch.tensor([model.prompt(heard, ["Describe it."])])
        with torch.inference_mode():
            logits.append(model.net(input_ids=ids, attention_mask=torch.ones_like(ids), **heard).logits[0, -1])
    torch.testing.assert_close(logits[0], logits[1])
    assert (logits[0] - logits[2]).abs().max() > 1e-3


def test_an_answer_that_does_not_fit_is_asked_for_again_and_kept(folders: dict[str, Path], observe) -> None:
    annotator = AudioToneModel(path=str(folders["qwen2-audio"]), dtype="float32", max_tokens=8, attempts=2)
    ((_, given),) = annotator.load("cpu")(iter([observe("Oh.", sound=clip())]))
    assert given.reason is not None and len(given.raw) == 2 and not given.retry
    ((_, gone),) = annotator.load("cpu")(iter([observe("Oh.")]))
    assert gone.reason == "the file is missing"


def test_sound_that_is_too_long_is_not_cut(folders: dict[str, Path], observe) -> None:
    annotator = AudioToneModel(path=str(folders["qwen2-audio"]), dtype="float32")
    ((_, long),) = annotator.load("cpu")(iter([observe("Oh.", sound=clip(2.5))]))
    assert long.reason == "2.5 s of sound; the model hears 2 s at once"


def test_another_model_is_named(tmp_path: Path) -> None:
    save("qwen2-vl", tmp_path / "vl")
    with pytest.raises(merc.MercError, match=r"is a qwen2_vl; give a Qwen2-Audio .* or take audio-tone-teacher"):
        AudioToneModel(path=str(tmp_path / "vl")).load("cpu")
    with pytest.raises(merc.MercError, match="there is no folder"):
        AudioToneModel(path=str(tmp_path / "gone")).load("cpu")
    with pytest.raises(ValueError, match="attempts counts from 1, not 0"):
        AudioToneModel(path="somebody/model", attempts=0)
