"""Every prompt's logits in the tree are those of transformers' own forward pass of the same model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from merc.builtin.prompters import ConversationPrompter
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.prompting import EncodedPrompt
from tests.omni.checkpoints import SMALL, save
from tests.omni.reference import WORDS, Chat, by_transformers, encoded, model_of

# bfloat16 keeps 8 bits: kernels that add in another order differ by some of the last ones. Logits are up to 5.
NEAR = {"float32": {"rtol": 1e-4, "atol": 1e-5}, "bfloat16": {"rtol": 0.02, "atol": 0.05}}
FAST = ("qwen2-vl", "qwen2.5-omni", "qwen2-audio", "llava-next-video", "smolvlm2")
"""One model of each way to lay media out; the others are slow tests, and so is bfloat16."""


def slowly(*case: str, fast: bool) -> object:
    return pytest.param(*case, marks=() if fast else pytest.mark.slow)


CASES = [slowly(name, dtype, fast=name in FAST and dtype == "float32") for name in SMALL for dtype in NEAR]

Models = Callable[[str, str], tuple[EmotionModel, Path]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    made: dict[tuple[str, str], tuple[EmotionModel, Path]] = {}

    def model(name: str, dtype: str = "float32") -> tuple[EmotionModel, Path]:
        if (name, dtype) not in made:
            folder = save(name, tmp_path_factory.mktemp("model"), dtype)
            made[name, dtype] = (model_of(name, folder, dtype), folder)
        return made[name, dtype]

    return model


def compare(
    model: EmotionModel, folder: Path, name: str, dtype: str, prompts: list[EncodedPrompt], **more: bool
) -> int:
    """Hold the logits of every answer against transformers'; gives how many."""
    count = 0
    for trees, plain in model.trees([prompts], 100_000):
        batch = make_batch(trees, plain)
        with torch.no_grad():
            logits = model.logits(batch)
        paths = [(tree.prompts[index], answer) for tree in trees for index, answer, _ in tree.paths]
        for number, (prompt, answer) in enumerate(paths):
            mine = logits[batch.step_read[batch.step_path == number]]
            expected = by_transformers(name, folder, prompt, answer.tokens, dtype, **more)
            torch.testing.assert_close(mine, expected, **NEAR[dtype], msg=lambda m, p=prompt: f"{p.target}: {m}")
            count += 1
    return count


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_logits_of_every_prompt_are_those_of_transformers(models: Models, name: str, dtype: str) -> None:
    """Pictures, videos and sound of earlier utterances, each utterance a turn of the model's chat template."""
    model, folder = models(name, dtype)
    assert (model.layout, model.note) == ("tree", "")
    prompts = encoded(model, Chat(media=SMALL[name].media))
    assert compare(model, folder, name, dtype, prompts) == len(WORDS) * 3
    shown = {item[0] for prompt in prompts for item in prompt.context if isinstance(item, tuple)}
    assert shown == set(SMALL[name].media)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_so_are_those_of_another_prompter_and_of_prompts_computed_one_by_one(models: Models, name: str) -> None:
    model, folder = models(name, "float32")
    prompts = encoded(model, ConversationPrompter(media=SMALL[name].media))
    assert compare(model, folder, name, "float32", prompts) == len(WORDS) * 3
    model.layout = "separate"
    assert compare(model, folder, name, "float32", prompts) == len(WORDS) * 3
    model.layout = "tree"


@pytest.mark.parametrize("name", [slowly(name, fast=name == "qwen2.5-omni") for name in SMALL])
def test_the_model_writes_what_transformers_writes(models: Models, name: str) -> None:
    """The likeliest tokens one after another, each by a forward pass of the model class from pixels and sound."""
    model, folder = models(name, "float32")
    prompt = encoded(model, Chat(media=SMALL[name].media), "none")[1]
    tokens: list[int] = []
    for _ in range(3):
        logits = by_transformers(name, folder, prompt, (*tokens, 0))[-1]
        tokens.append(int(logits.argmax()))
    ((written,),) = generate(model, [prompt], Sampling(3))
    assert list(written.tokens) == tokens[: len(written.tokens)]


TOGETHER = [slowly(name, dtype, fast=dtype == "float32") for name in ("qwen2.5-omni", "qwen3-omni") for dtype in NEAR]


@pytest.mark.parametrize(("name", "dtype"), TOGETHER)
def test_a_video_with_its_sound_is_that_of_transformers(
    tmp_path: Path, name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time-aligned: pictures and sound by turns (``use_audio_in_video``); the video lasts some chunks."""
    from tests.native import clip
    from tests.omni import reference

    clips = {
        "video": {"u0": clip(0, 4, rate=0.5), "u1": clip(1, 6, 24, 16, rate=4.0), "u3": clip(2, 4, rate=0.2)},
        "audio": {"u0": reference.sound(0, 3.3), "u1": reference.sound(1, 1.1), "u3": reference.sound(2, 5.1)},
    }
    monkeypatch.setattr(reference, "clips_of", lambda name: {"image": {}, **clips})
    reference.rows.cache_clear()
    folder = save(name, tmp_path, dtype)
    model = model_of(name, folder, dtype, audio_in_video=True)
    for prompter in (Chat(media=("video", "audio")), ConversationPrompter(media=("video", "audio"))):
        prompts = encoded(model, prompter)
        shared = [item[0] for item in prompts[0].context if isinstance(item, tuple)]
        assert sum(a != b for a, b in pairwise(shared)) > 1  # by turns
        count = compare(model, folder, name, dtype, prompts, use_audio_in_video=True)
        assert count == len(WORDS) * 3
    reference.rows.cache_clear()


@pytest.mark.parametrize("seconds", [0.25, 0.9, 2.0])
def test_a_sound_by_itself_is_that_of_transformers_however_short(
    tmp_path: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qwen3-Omni's ear pads sounds below a second to the longest beside them, so these stand alone here."""
    from tests.omni import reference

    clips = {"audio": {"u1": reference.sound(1, seconds)}}
    monkeypatch.setattr(reference, "clips_of", lambda name: {"image": {}, "video": {}, **clips})
    reference.rows.cache_clear()
    folder = save("qwen3-omni", tmp_path)
    model = model_of("qwen3-omni", folder)
    assert compare(model, folder, "qwen3-omni", "float32", encoded(model, Chat(media=("audio",)))) == len(WORDS) * 3
    reference.rows.cache_clear()
