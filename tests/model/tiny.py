"""A small random model for tests: real code paths, no weights to fetch."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from merc.builtin.connectors import Linear
from merc.components import FeatureSpec
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens


def tiny_llama(dtype: torch.dtype = torch.float32, **more: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
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
    model = EmotionModel(llm, None, media)
    model.settle()
    return model
