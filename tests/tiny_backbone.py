"""A small random backbone in a folder, and a corpus and a recipe for it: whole runs without any weights to fetch."""

from __future__ import annotations

import json
import random
from pathlib import Path

_WORDS = {
    "joy": ("wonderful", "great", "happy", "love", "yes"),
    "anger": ("stop", "hate", "never", "furious", "enough"),
    "sadness": ("miss", "lost", "alone", "cry", "gone"),
}
_FILLING = [
    "I",
    "you",
    "we",
    "it",
    "this",
    "that",
    "is",
    "was",
    "so",
    "very",
    "the",
    "a",
    "day",
    "house",
    "friend",
    "again",
    "today",
    "about",
    "with",
]


def save_tiny_backbone(folder: Path, seed: int = 0, hidden: int = 32, layers: int = 2, context: int = 512) -> Path:
    """Write a random Llama and a tokenizer that takes any text, in the layout of transformers; gives the folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [" ".join(words) for words in _WORDS.values()] + [" ".join(_FILLING), *_WORDS, "neutral surprise fear"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([t for text in texts for t in (text, f" {text}")] * 3, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=context, tie_word_embeddings=True,
        initializer_range=0.1, bos_token_id=None, eos_token_id=fast.eos_token_id, pad_token_id=fast.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def save_tiny_corpus(file: Path, train: int = 12, dev: int = 4, test: int = 4, seed: int = 0) -> Path:
    """Write conversations of two to five utterances whose words hint at their labels; gives the file."""
    draw = random.Random(seed)
    lines = []
    for split, count in (("train", train), ("dev", dev), ("test", test)):
        for number in range(count):
            utterances = []
            for index in range(draw.randint(2, 5)):
                label = draw.choice(list(_WORDS))
                words = [draw.choice(_FILLING) for _ in range(draw.randint(1, 4))] + [draw.choice(_WORDS[label])]
                utterances.append(
                    {
                        "id": f"{split}{number}_{index}",
                        "speaker": draw.choice(("Ann", "Bo")),
                        "text": " ".join(words),
                        "label": label,
                    }
                )
            lines.append(json.dumps({"id": f"{split}{number}", "split": split, "utterances": utterances}))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def write_tiny_recipe(folder: Path, tuning: str = "{name: lora, r: 4, alpha: 8}", trainer: str = "epochs: 2") -> Path:
    """Write ``backbone/``, ``talk.jsonl`` and ``tiny.yaml``, which trains the one on the other; gives the recipe."""
    save_tiny_backbone(folder / "backbone")
    save_tiny_corpus(folder / "talk.jsonl")
    recipe = folder / "tiny.yaml"
    recipe.write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\n"
        f"backbone: {{name: hf, path: {folder / 'backbone'}, tuning: {tuning}}}\n"
        "labels: [joy, anger, sadness]\n"
        "stages:\n"
        "  - id: merc\n"
        "    prompter: {name: conversation}\n"
        f"    trainer: {{name: sft, lr: 5e-3, batch_conversations: 3, batch_tokens: 128, warmup_steps: 2, {trainer}}}\n"
        "evaluate: {metrics: [classification]}\n"
        "strategy: {device: cpu, threads: 1, batch_tokens: 256}\n",
        encoding="utf-8",
    )
    return recipe
