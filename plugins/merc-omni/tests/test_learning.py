"""The towers as encoders and the backbone, by their contracts, and what learns of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from merc_omni.backbone import Omni
from merc_omni.encoders import OmniAudio, OmniImage, OmniVideo

import merc.testing
from merc.errors import MercError
from tests.omni.checkpoints import SMALL, save
from tests.omni.reference import sound

_FOLDER = Path(__file__)


@pytest.fixture(scope="module", autouse=True)
def _folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One checkpoint for all contracts."""
    folder = str(save("qwen2.5-omni", tmp_path_factory.mktemp("omni")))
    TestOmni.component = Omni(path=folder)
    TestVideo.component = OmniVideo(path=folder, frames=4)
    TestImage.component = OmniImage(path=folder, frames=2)
    TestAudio.component = OmniAudio(path=folder)
    TestEarOfADeepStack.component = OmniAudio(path=str(save("qwen3-omni", tmp_path_factory.mktemp("deep"))))
    TestAdapters.component = OmniVideo(path=folder, frames=4, lora=2)


class TestOmni(merc.testing.BackboneContract):
    name = "omni"
    component = Omni(path="/nowhere")


class TestVideo(merc.testing.EncoderContract):
    name = "omni-video"
    component = OmniVideo(path="/nowhere")
    tolerance = 1e-3


class TestImage(merc.testing.EncoderContract):
    name = "omni-image"
    component = OmniImage(path="/nowhere")
    tolerance = 1e-3


class TestAudio(merc.testing.EncoderContract):
    name = "omni-audio"
    component = OmniAudio(path="/nowhere")
    tolerance = 1e-3


class TestEarOfADeepStack(merc.testing.EncoderContract):
    """Sound beside DeepStack: the tokens are wider than what the ear gives."""

    component = OmniAudio(path="/nowhere")
    tolerance = 1e-3

    def test_the_deeper_layers_are_given_nothing(self) -> None:
        (heard,) = self.component.load("cpu")([sound(0, 1.3)])
        assert heard.shape == (13 + 4, 3 * 32) and heard[:, :32].any() and not heard[:, 32:].any()


class TestAdapters(merc.testing.EncoderContract):
    component = OmniVideo(path="/nowhere", lora=2)
    tolerance = 1e-3

    def test_the_adapters_alone_learn(self) -> None:
        network = self.component.build()
        learning = [name for name, p in network.named_parameters() if p.requires_grad]
        assert learning and all("lora_" in name for name in learning)

    def test_layers_that_are_not_there_are_named(self) -> None:
        wrong = OmniVideo(path=self.component.path, lora=2, lora_layers="nothing")  # type: ignore[attr-defined]
        with pytest.raises(MercError, match=r"lora_layers='nothing' names no layer; its linear layers are model\."):
            wrong.build()


def test_a_tower_is_loaded_without_the_language_model_and_the_other_way_round() -> None:
    video: OmniVideo = TestVideo.component
    names = [name for name, _ in video.build().named_parameters()]
    assert names and all(".visual." in name for name in names)
    llm = TestOmni.component.load("cpu")
    assert not [name for name, _ in llm.named_parameters() if "visual" in name or "audio_tower" in name]
    assert video.network().parameters == sum(p.numel() for p in video.build().parameters())


@pytest.mark.parametrize("name", ["qwen2.5-omni", "qwen3-omni"])
def test_the_published_omni_checkpoint_layout_is_read(tmp_path: Path, name: str) -> None:
    """As it is on the hub: the thinker inside, under a name of its own, beside a talker; of Qwen3-Omni each expert by
    itself."""
    import json

    from safetensors.torch import load_file, save_file

    own, folder = save(name, tmp_path / "thinker"), save(name, tmp_path / "published")
    weights = load_file(folder / "model.safetensors")
    assert (name == "qwen3-omni") == ("model.layers.0.mlp.experts.3.gate_proj.weight" in weights)
    save_file(
        {f"thinker.{name}": weight for name, weight in weights.items()} | {"talker.head.weight": torch.zeros(2, 2)},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    inner = json.loads((folder / "config.json").read_text())
    kind = inner["model_type"].removesuffix("_thinker")
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "thinker_config": inner}))
    whole, thinker = Omni(path=str(folder)), Omni(path=str(own))
    whole.check()
    mine, other = whole.load("cpu").state_dict(), thinker.load("cpu").state_dict()
    assert mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)
    clips = TestVideo().clips()
    kept, expected = (OmniVideo(path=str(path), frames=4).load("cpu")(clips)[0] for path in (folder, own))
    np.testing.assert_array_equal(kept, expected)


@pytest.mark.parametrize("name", ["qwen3-vl", "qwen3-omni"])
def test_words_alone_are_those_of_a_deep_stack_without_pictures(tmp_path: Path, name: str) -> None:
    """The language model takes tokens that are wider than it; a word has zeros for the deeper layers."""
    import transformers

    folder = save(name, tmp_path)
    mine = Omni(path=str(folder)).load("cpu")
    whole = getattr(transformers, SMALL[name].kind).from_pretrained(folder).eval()
    ids = torch.tensor([[20, 30, 40, 50]])
    wide = mine.get_input_embeddings()(ids)
    assert wide.shape == (1, 4, 3 * 32) and mine.get_input_embeddings().embedding_dim == 3 * 32
    with torch.no_grad():
        expected = whole(input_ids=ids).logits
        torch.testing.assert_close(mine(inputs_embeds=wide).logits, expected)
        torch.testing.assert_close(mine(input_ids=ids).logits, expected)
        narrow = mine.model.language_model(inputs_embeds=wide[..., :32]).last_hidden_state
        torch.testing.assert_close(mine.lm_head(narrow), expected)
