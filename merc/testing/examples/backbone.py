"""Example, a backbone: replace the random model with the one that you load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import merc

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

END = "<end>"


@dataclass(frozen=True, kw_only=True)
class Example(merc.Backbone):
    """A small Llama with random weights drawn from ``seed``, ``layers`` layers of ``width`` numbers, that reads bytes.
    It knows nothing: it shows how a model gets into merc, and serves tests."""

    layers: int = 2
    width: int = 64
    seed: int = 0

    def config(self) -> PretrainedConfig:
        """What the model looks like, without its weights."""
        from transformers import LlamaConfig

        return LlamaConfig(
            vocab_size=257,
            hidden_size=self.width,
            intermediate_size=2 * self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=4,
            max_position_embeddings=4096,
            bos_token_id=0,
            eos_token_id=0,
        )

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """A token a byte, and one for the end."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        alphabet = [END, *sorted(pre_tokenizers.ByteLevel.alphabet())]
        tokenizer = Tokenizer(models.BPE(vocab={sign: number for number, sign in enumerate(alphabet)}, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)

    def load(self, device: str) -> PreTrainedModel:
        """The model in ``dtype`` on the device. Yours would read safetensors here."""
        import torch
        from transformers import AutoModelForCausalLM

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = AutoModelForCausalLM.from_config(self.config())
        return model.to(device=device, dtype=getattr(torch, self.dtype)).eval()

    def identity(self) -> dict[str, Any]:
        """What a run's provenance records."""
        return {"layers": self.layers, "width": self.width, "seed": self.seed}

    def weights(self) -> dict[str, Any]:
        """What is another where the model is another. Yours would be a hash of each file: ``merc.hash_file``."""
        return self.identity()
