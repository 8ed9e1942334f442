"""Tiny random models of many architectures, through transformers' own code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as t
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

VOCABULARY, HIDDEN, CONTEXT = 64, 32, 40
ENDS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 63}
BASE: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "initializer_range": 0.2,
    **ENDS,
}  # fmt: skip
MANY_HEADS = {k: v for k, v in BASE.items() if k != "num_key_value_heads"}
GPT: dict[str, Any] = {
    "vocab_size": VOCABULARY, "n_embd": HIDDEN, "n_layer": 3, "n_head": 4, "n_positions": CONTEXT,
    "initializer_range": 0.2, **ENDS,
}  # fmt: skip
SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]

# They take a tree mask. With "own" heads (caps or scales behind the output embeddings) and attention that is written
# out in full ("additive" masks) among them.
TREE: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: t.LlamaConfig(**BASE),
    "qwen2": lambda: t.Qwen2Config(**BASE),
    "qwen3": lambda: t.Qwen3Config(**BASE, head_dim=8),
    "gemma2": lambda: t.Gemma2Config(
        **BASE, head_dim=8, query_pre_attn_scalar=8, sliding_window=64, final_logit_softcapping=5.0
    ),
    "gemma3": lambda: t.Gemma3TextConfig(**BASE, head_dim=8, query_pre_attn_scalar=8, sliding_window=64),
    "granite": lambda: t.GraniteConfig(**BASE, logits_scaling=4.0, embedding_multiplier=2.0),
    "phi": lambda: t.PhiConfig(**BASE),
    "gpt_neox": lambda: t.GPTNeoXConfig(**MANY_HEADS),
    "gpt2": lambda: t.GPT2Config(**GPT),
    "gptj": lambda: t.GPTJConfig(**GPT, rotary_dim=4),
    "opt": lambda: t.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, word_embed_proj_dim=HIDDEN, ffn_dim=48, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=CONTEXT, init_std=0.2, **ENDS,
    ),
    "mixtral": lambda: t.MixtralConfig(**BASE, num_local_experts=4),
}  # fmt: skip
OWN_HEAD = {"gemma2", "granite"}
ADDITIVE = {"gemma2", "gptj"}

# They compute every prompt on its own: recurrent layers, convolutions, positions or windows counted along the row.
SEPARATE: dict[str, Callable[[], PreTrainedConfig]] = {
    "mamba": lambda: t.MambaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=3, state_size=4, time_step_rank=4,
        initializer_range=0.2, **ENDS,
    ),
    "jamba": lambda: t.JambaConfig(
        **BASE, use_mamba_kernels=False, attn_layer_period=3, attn_layer_offset=1, num_experts=2, expert_layer_period=2,
        expert_layer_offset=1, mamba_d_state=4, mamba_dt_rank=4,
    ),
    "lfm2": lambda: t.Lfm2Config(**BASE, layer_types=["conv", "full_attention", "conv"]),
    "recurrent_gemma": lambda: t.RecurrentGemmaConfig(
        **{k: v for k, v in MANY_HEADS.items() if k != "max_position_embeddings"}, lru_width=HIDDEN,
        attention_window_size=8,
    ),
    "rwkv": lambda: t.RwkvConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=3, intermediate_size=48, **ENDS
    ),
    "bloom": lambda: t.BloomConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, n_layer=3, n_head=4, initializer_range=0.2, **ENDS
    ),
    "gpt_neo": lambda: t.GPTNeoConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, num_layers=4, attention_types=[[["global", "local"], 2]],
        num_heads=4, window_size=6, max_position_embeddings=CONTEXT, initializer_range=0.2, **ENDS,
    ),
}  # fmt: skip

# They take a tree mask, which stands in place of their own window of 16 tokens: deeper prompts must go alone.
WINDOW = 16
WINDOWED: dict[str, Callable[[], PreTrainedConfig]] = {
    "mistral": lambda: t.MistralConfig(**BASE, sliding_window=WINDOW),
    "qwen2": lambda: t.Qwen2Config(**BASE, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1),
    "ministral": lambda: t.MinistralConfig(**BASE, head_dim=8, sliding_window=WINDOW, layer_types=SLIDING),
    "gemma3": lambda: t.Gemma3TextConfig(
        **BASE, head_dim=8, query_pre_attn_scalar=8, sliding_window=WINDOW, layer_types=SLIDING
    ),
    "llama4": lambda: t.Llama4TextConfig(
        **BASE, head_dim=8, intermediate_size_mlp=48, attention_chunk_size=WINDOW, num_local_experts=2,
        num_experts_per_tok=1,
    ),
}  # fmt: skip

ALL = {**TREE, **SEPARATE, **{f"{name}, window": make for name, make in WINDOWED.items()}}


def build(make: Callable[[], PreTrainedConfig], dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The model, its weights drawn from a fixed seed."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(make(), dtype=dtype).eval()
    if model.config.model_type == "rwkv":  # its own initialisation makes all tokens alike
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model  # type: ignore[no-any-return]
