"""The shapes of public language models, so that a recipe that names one can be counted where no hub is reached.

They are what the ``config.json`` of each says, as far as it makes parameters or positions. Weights are always loaded
with their own configuration.
"""

from __future__ import annotations

from typing import Any

_LLAMA: dict[str, Any] = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False}
_LLAMA_2_7B = _LLAMA | {
    "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
}  # fmt: skip
_LLAMA_3_8B = _LLAMA | {
    "vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
}  # fmt: skip

_QWEN_2_5: dict[str, Any] = {
    "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "vocab_size": 152_064,
    "max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
}  # fmt: skip

PUBLIC: dict[str, dict[str, Any]] = {
    "meta-llama/Llama-2-7b-hf": _LLAMA_2_7B,
    "meta-llama/Llama-2-7b-chat-hf": _LLAMA_2_7B,
    "lmsys/vicuna-7b-v1.5": _LLAMA_2_7B,
    "meta-llama/Meta-Llama-3-8B": _LLAMA_3_8B,
    "meta-llama/Meta-Llama-3-8B-Instruct": _LLAMA_3_8B,
    "Qwen/Qwen2.5-7B-Instruct": _QWEN_2_5 | {
        "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4,
    },
    "Qwen/Qwen2.5-72B-Instruct": _QWEN_2_5 | {
        "hidden_size": 8192, "intermediate_size": 29_568, "num_hidden_layers": 80, "num_attention_heads": 64,
        "num_key_value_heads": 8,
    },
    "microsoft/phi-4": {
        "model_type": "phi3", "architectures": ["Phi3ForCausalLM"], "vocab_size": 100_352, "hidden_size": 5120,
        "intermediate_size": 17_920, "num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 10,
        "max_position_embeddings": 16_384, "tie_word_embeddings": False,
        "bos_token_id": None, "eos_token_id": 100_265, "pad_token_id": 100_349,
    },
}  # fmt: skip
