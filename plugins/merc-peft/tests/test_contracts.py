"""Every tuning keeps the contract of its kind."""

from __future__ import annotations

from typing import Any

from merc_peft.bottleneck import BottleneckAdapter
from merc_peft.ia3 import IA3
from merc_peft.partial import BitFit, LastLayers
from merc_peft.qlora import QLoRA
from merc_peft.virtual import PrefixTuning, PromptTuning, PTuning

import merc.testing
from merc.testing.examples.backbone import Example as TinyBackbone


class TestAdapter(merc.testing.TuningContract):
    component = BottleneckAdapter(width=4)
    name = "adapter"


class TestAdaptersInsideBlocks(merc.testing.TuningContract):
    component = BottleneckAdapter(width=4, activation="gelu", targets=("self_attn", "mlp"))


class TestIA3(merc.testing.TuningContract):
    component = IA3()
    name = "ia3"


class TestIA3OfNamedLayers(merc.testing.TuningContract):
    component = IA3(targets=("q_proj", "up_proj"), feedforward=("up_proj",))


class TestBitFit(merc.testing.TuningContract):
    component = BitFit()
    name = "bitfit"

    def backbone(self) -> Any:
        import torch
        from transformers import Qwen2Config, Qwen2ForCausalLM

        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64,
        )  # fmt: skip
        return Qwen2ForCausalLM(config).eval()


class TestBitFitWithAddedBiases(merc.testing.TuningContract):
    component = BitFit(missing="add")


class TestLastLayers(merc.testing.TuningContract):
    component = LastLayers(layers=1)
    name = "last-layers"


class TestPrefix(merc.testing.TuningContract):
    component = PrefixTuning(tokens=3)
    name = "prefix"


class TestPrefixOfAProjection(merc.testing.TuningContract):
    component = PrefixTuning(tokens=3, projection=True, hidden=5)


class TestPrompt(merc.testing.TuningContract):
    component = PromptTuning(tokens=3)
    name = "prompt"


class TestPTuning(merc.testing.TuningContract):
    component = PTuning(tokens=3)
    name = "p-tuning"


class TestPTuningOfAnLSTM(merc.testing.TuningContract):
    component = PTuning(tokens=3, encoder="lstm", hidden=6)


class TestQLoRA(merc.testing.TuningContract):
    component = QLoRA(r=2)
    name = "qlora"

    def backbone(self) -> Any:
        return TinyBackbone(width=64).load("cpu")


class TestQLoRAWithPlainScales(TestQLoRA):
    component = QLoRA(r=2, double=False, targets=("q_proj",))
