"""Counting parameters on the meta device, without weights or memory."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from merc.builtin.connectors import Linear, Mlp
from merc.builtin.fusers import Concat
from merc.components import Encoder, FeatureSpec, Frames, FrozenNetwork
from merc.model.build import build_meta
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.parameters import PartCount, count_networks, count_parameters, shares
from merc.model.tuning import tune
from merc.recipe import Recipe, load_recipe
from tests.model.architectures import TREE, build
from tests.model.tiny import SPECS, tuned_model
from tests.tunings import tuning_of

# LLaMA-2-7B, which is what LlamaConfig is by default.
LAYERS, WIDTH, INNER, WORDS = 32, 4096, 11008, 32000
LLAMA_2_7B = 2 * WORDS * WIDTH + LAYERS * (4 * WIDTH**2 + 3 * WIDTH * INNER + 2 * WIDTH) + WIDTH


def counts(model: EmotionModel) -> dict[str, tuple[int, int]]:
    return {c.part: (c.total, c.trainable) for c in count_parameters(model)}


@pytest.mark.parametrize("tuning", ["frozen", "lora", "full"])
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma3", "mixtral"])
def test_counts_on_the_meta_device_are_those_of_the_model(name: str, tuning: str) -> None:
    real = tuned_model(build(TREE[name]), tuning)
    with torch.device("meta"):
        from transformers import AutoModelForCausalLM

        shape = tune(AutoModelForCausalLM.from_config(TREE[name]()), tuning_of(tuning, r=4, alpha=8))
        connectors = {"face": Linear(normalize="train"), "voice": Mlp(width=5), "both": Linear()}
        media = MediaTokens(SPECS, connectors, {"both": Concat(width=3)}, 32)
    assert {p.device.type for p in (*shape.llm.parameters(), *media.parameters())} == {"meta"}
    assert counts(EmotionModel(shape, None, media)) == counts(real)


def test_parts_by_plain_numbers() -> None:
    found = counts(tuned_model(build(TREE["llama"])))
    attention, inner = 32 * 32 * 2 + 32 * 16 * 2, 3 * 32 * 48
    backbone = 2 * 64 * 32 + 3 * (attention + inner + 2 * 32) + 32
    adapters = 3 * 4 * (2 * (32 + 32) + 2 * (32 + 16) + 3 * (32 + 48))
    assert found == {
        "backbone": (backbone, 0),
        "backbone.adapters": (adapters, adapters),
        "connectors.face": (7 * 32, 7 * 32),
        "connectors.voice": (5 * 5 + 6 * 32, 5 * 5 + 6 * 32),
        "connectors.both": (7 * 32, 7 * 32),
        "fusers.both": (3 * 7 + 3 * 5 + 6, 3 * 7 + 3 * 5 + 6),
    }


def llama_2_7b(folder: Path, **tuning: Any) -> Recipe:
    """A recipe whose backbone is a folder with nothing but LLaMA-2-7B's configuration."""
    LlamaConfig(architectures=["LlamaForCausalLM"]).save_pretrained(folder)
    assert [p.name for p in folder.iterdir()] == ["config.json"]
    config = json.loads((folder / "config.json").read_text())
    assert (config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]) == (WIDTH, LAYERS, WORDS)
    talk = {"id": "d", "split": "train", "utterances": [{"id": "u", "text": "Hi.", "label": "joy"}]}
    (folder / "talk.jsonl").write_text(json.dumps(talk))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        json.dumps(
            {
                "corpus": {"name": "jsonl", "path": "talk.jsonl"},
                "labels": ["joy"],
                "backbone": {"name": "hf", "path": str(folder), "dtype": "bfloat16", "tuning": tuning},
                "stages": [{"id": "merc", "prompter": {"name": "conversation"}, "trainer": {"name": "sft"}}],
            }
        )
    )
    return load_recipe(str(recipe))


def test_a_model_of_seven_billion_is_counted_without_its_memory(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = build_meta(llama_2_7b(tmp_path, name="lora", r=8, alpha=16))
    found = counts(model)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    adapters = LAYERS * 8 * (4 * (WIDTH + WIDTH) + 3 * (WIDTH + INNER))
    assert found == {"backbone": (LLAMA_2_7B, 0), "backbone.adapters": (adapters, adapters)}
    assert LLAMA_2_7B == 6_738_415_616 and adapters == 19_988_480
    assert grown < 1e9  # its weights take 13e9 bytes
    with pytest.raises(RuntimeError, match="a model on the meta device has no tokenizer and cannot compute"):
        _ = model.tokenizer


def test_full_tuning_counts_everything_as_trainable(tmp_path: Path) -> None:
    assert counts(build_meta(llama_2_7b(tmp_path, name="full"))) == {"backbone": (LLAMA_2_7B, LLAMA_2_7B)}


def test_tied_embeddings_are_counted_once(tmp_path: Path) -> None:
    recipe = llama_2_7b(tmp_path, name="full")
    LlamaConfig(tie_word_embeddings=True).save_pretrained(tmp_path)
    assert counts(build_meta(recipe)) == {"backbone": (LLAMA_2_7B - WORDS * WIDTH,) * 2}


class Sees(Encoder):
    modality = "video"

    def __init__(self, network: FrozenNetwork | None, modality: str = "video") -> None:
        object.__setattr__(self, "given", network)
        object.__setattr__(self, "modality", modality)

    def sampling(self) -> Frames:
        return Frames(count=1)

    def spec(self) -> FeatureSpec:
        return FeatureSpec(3)

    def load(self, device: str) -> Any:
        raise AssertionError("nothing is loaded to be counted")

    def network(self) -> FrozenNetwork | None:
        return self.given  # type: ignore[attr-defined]


def test_a_network_that_streams_share_is_counted_once_and_a_share_says_what_it_counts() -> None:
    eye, ear = FrozenNetwork("eye", 600), FrozenNetwork("ear", 200)
    encoders = {"face": Sees(eye), "voice": Sees(ear, "audio"), "words": Sees(None), "scene": Sees(eye)}
    parts, silent = count_networks(encoders)
    assert parts == [PartCount("encoders.face+scene", 600, 0, "video"), PartCount("encoders.voice", 200, 0, "audio")]
    assert silent == ["words"]
    whole = [PartCount("backbone", 1000, 0), PartCount("backbone.adapters", 50, 50), *parts]
    assert [(s.of, s.total, s.trainable) for s in shares(whole)] == [
        ("all parts", 1850, 50),
        ("all but audio encoders", 1650, 50),
        ("all but video encoders", 1250, 50),
        ("all but encoders", 1050, 50),
    ]
    assert shares(whole)[1].percent == pytest.approx(100 * 50 / 1650)
    assert [s.of for s in shares(whole[:2])] == ["all parts"]
    assert [s.of for s in shares(whole[:3])] == ["all parts", "all but encoders"]
