"""What a training step keeps of each token for its backward pass, of one layer of the papers' language models.

    python bench/memory.py

A layer of the true shape, its weights zero, computes some tokens on the CPU, and the storages that autograd keeps are
counted, weights and mask left out. It is what the READMEs of the papers' recipes estimate memory by.
"""

from __future__ import annotations

import torch
from peft import LoraConfig, inject_adapter_in_model
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

TOKENS = 128
QKV = ("q_proj", "k_proj", "v_proj")
ALL = (*QKV, "o_proj", "gate_proj", "up_proj", "down_proj")
LLAMA_3, LLAMA_2 = (4096, 14336, 32, 8), (4096, 11008, 32, 32)
ROWS = {
    "farcer/meld: LLaMA-3-8B, frozen": (LLAMA_3, None),
    "farcer/meld-fine-tuned: LLaMA-3-8B, LoRA": (LLAMA_3, LoraConfig(r=8, lora_dropout=0.1, target_modules=[*QKV])),
    "bemerc/iemocap: Vicuna-7B, LoRA": (LLAMA_2, LoraConfig(r=8, lora_dropout=0.0, target_modules=[*ALL])),
    "emotion-llama-v2/paper: LLaMA-2-7B, LoRA": (
        LLAMA_2, LoraConfig(r=64, lora_dropout=0.05, target_modules=["q_proj", "v_proj"]),
    ),
}  # fmt: skip


def kept(shape: tuple[int, int, int, int], lora: LoraConfig | None) -> float:
    """Bytes a token that one layer keeps, in bfloat16 with adapters in float32 under autocast."""
    hidden, inner, heads, keys = shape
    config = LlamaConfig(
        hidden_size=hidden, intermediate_size=inner, num_attention_heads=heads, num_key_value_heads=keys,
        num_hidden_layers=1, vocab_size=32,
    )  # fmt: skip
    config._attn_implementation = "sdpa"
    with torch.device("meta"):
        layer = LlamaDecoderLayer(config, 0)
    layer = layer.to_empty(device="cpu").to(torch.bfloat16)
    if lora is not None:
        layer = inject_adapter_in_model(lora, layer)
    for name, parameter in layer.named_parameters():
        parameter.data.zero_()
        parameter.requires_grad_("lora_" in name)
        if "lora_" in name:
            parameter.data = parameter.data.float()
    states = torch.zeros(1, TOKENS, hidden, dtype=torch.bfloat16, requires_grad=True)  # as what a connector gives
    turns = LlamaRotaryEmbedding(config)(states, torch.arange(TOKENS)[None])
    mask = torch.zeros(1, 1, TOKENS, TOKENS, dtype=torch.bfloat16)
    own = {t.untyped_storage().data_ptr() for t in (*layer.parameters(), mask, *turns)}
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tensor.numel() >= TOKENS:
            storages[storage.data_ptr()] = storage
        return tensor

    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        layer(states, attention_mask=mask, position_embeddings=turns)
    copies = {p.numel() * 2 for n, p in layer.named_parameters() if "lora_" in n}  # adapters, cast for autocast
    return sum(s.nbytes() for s in storages.values() if s.nbytes() not in copies) / TOKENS


if __name__ == "__main__":
    for name, (shape, lora) in ROWS.items():
        found, layers, hidden = kept(shape, lora), 32, shape[0]
        plain = layers * found
        checkpointed = layers * hidden * 2 + found
        print(
            f"{name}: {found / 1e3:.0f} kB a token and layer; a thousand tokens keep {plain / 1e6:.2f} GB, with "
            f"activation checkpointing {checkpointed / 1e6:.2f} GB"
        )
