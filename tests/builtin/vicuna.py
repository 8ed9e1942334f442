"""A tiny model laid out as Vicuna and LLaMA-2 are published: ``.bin`` weights and a SentencePiece tokenizer."""

from __future__ import annotations

import io
import json
from pathlib import Path

_WORDS = "Ann Bo said it is wonderful happy great furious stop hate alone lost joy anger sadness you came again"


def save_vicuna(folder: Path, shards: int = 1, safetensors: bool = False) -> Path:
    """Write the model; ``shards`` above 1 makes an index and so many files of weights. Gives the folder."""
    import sentencepiece
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True)
    written = io.BytesIO()
    words = _WORDS.split()
    texts = [" ".join(words[i:] + words[:i]) + ". ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz:?!,'" for i in
             range(len(words))]  # fmt: skip
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, vocab_size=400, model_type="bpe", byte_fallback=True,
        character_coverage=1.0, normalization_rule_name="identity", remove_extra_whitespaces=False, num_threads=1,
        add_dummy_prefix=True, hard_vocab_limit=False, minloglevel=2, pad_id=-1, unk_id=0, bos_id=1, eos_id=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    size = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()).vocab_size()
    token = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    about = {
        "add_bos_token": True, "add_eos_token": False, "bos_token": {**token, "content": "<s>"},
        "clean_up_tokenization_spaces": False, "eos_token": {**token, "content": "</s>"}, "legacy": False,
        "model_max_length": 4096, "pad_token": None, "padding_side": "right", "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer", "unk_token": {**token, "content": "<unk>"},
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=512, initializer_range=0.1, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    if safetensors:
        model.save_pretrained(folder)
        return folder
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(folder)
    # The older files have a buffer too that no model of today reads.
    state = {**model.state_dict(), "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    if shards == 1:
        torch.save(state, folder / "pytorch_model.bin")
        return folder
    names = [f"pytorch_model-{number + 1:05}-of-{shards:05}.bin" for number in range(shards)]
    places = {key: names[number % shards] for number, key in enumerate(state)}
    for name in names:
        torch.save({key: weight for key, weight in state.items() if places[key] == name}, folder / name)
    total = sum(weight.numel() * weight.element_size() for weight in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def in_hub_cache(cache: Path, name: str, commit: str = "a" * 40, **layout: object) -> Path:
    """Write the model as the hub's cache holds a fetched one; gives the folder of its commit."""
    place = cache / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    return save_vicuna(place / "snapshots" / commit, **layout)  # type: ignore[arg-type]
