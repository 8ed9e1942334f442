"""Small random models for tests: real code paths, no weights to fetch."""

from __future__ import annotations

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from merc.builtin.connectors import Linear, Mlp
from merc.builtin.fusers import Concat
from merc.components import FeatureSpec, Frozen, Missing
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.tuning import tune
from tests.tunings import tuning_of

SPECS = {"face": FeatureSpec(6), "voice": FeatureSpec(4)}
FEATURES = {
    ("face", "u0"): 2,
    ("face", "u1"): 1,
    ("face", "u2"): 3,
    ("voice", "u0"): 1,
    ("voice", "u1"): 2,
    ("voice", "u3"): 1,
}
"""How many tokens of features each utterance has; u2 has no voice, u3 no face, u4 nothing."""


def tiny_llama(dtype: torch.dtype = torch.float32, vocab_size: int = 64, **more: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True, initializer_range=0.2, **more,
    )  # fmt: skip
    return LlamaForCausalLM(config).to(dtype).eval()


def tiny_model(llm: torch.nn.Module | None = None) -> EmotionModel:
    llm = llm or tiny_llama()
    torch.manual_seed(1)
    media = MediaTokens(
        {"face": FeatureSpec(6), "voice": FeatureSpec(4)}, {"face": Linear(), "voice": Linear()}, {}, 32
    )
    generator = torch.Generator().manual_seed(2)
    table = {}
    for stream, dim in (("face", 6), ("voice", 4)):
        for utterance, count in (("u0", 2), ("u1", 1), ("v0", 3)):
            table[stream, utterance] = torch.randn(count, dim, generator=generator).numpy()
    media.source = lambda stream, utterance, draw: table[stream, utterance]
    model = EmotionModel(tune(llm, Frozen()), None, media)
    model.probe()
    return model


def tiny_media(hidden: int = 32) -> MediaTokens:
    """Connectors for face and voice, and a fuser ``both`` of the two with a connector of its own."""
    torch.manual_seed(1)
    connectors = {"face": Linear(normalize="train"), "voice": Mlp(width=5), "both": Linear()}
    media = MediaTokens(SPECS, connectors, {"both": Concat(width=3)}, hidden)
    with torch.no_grad():
        for parameter in media.fusers.parameters():  # what stands for an absent stream begins at zero
            parameter.add_(torch.randn_like(parameter) * 0.1)
    rng = np.random.default_rng(2)
    table = {key: rng.standard_normal((n, SPECS[key[0]].dim)).astype("float32") for key, n in FEATURES.items()}
    media.source = lambda stream, utterance, draw: table.get((stream, utterance), Missing("not there"))
    media.fit(["u0", "u1", "u2"])
    return media


def tuned_model(
    llm: torch.nn.Module | None = None, tuning: str = "lora", targets: str | tuple[str, ...] = "all-linear"
) -> EmotionModel:
    """A model with media whose backbone is tuned; adapters are away from where they begin, so that all learn."""
    llm = tiny_llama() if llm is None else llm
    torch.manual_seed(3)
    tuned = tune(llm, tuning_of(tuning, r=4, alpha=8, targets=targets))
    with torch.no_grad():
        for name, parameter in tuned.llm.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    model = EmotionModel(tuned, None, tiny_media())
    model.eval()
    model.probe()
    return model
