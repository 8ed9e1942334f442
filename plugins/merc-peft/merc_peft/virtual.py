"""Virtual tokens before every prompt: prefix tuning, prompt tuning and p-tuning, by PEFT's own modules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import merc

if TYPE_CHECKING:
    from torch import Tensor, nn

_KEEPS_KEYS = ("attention", "full_attention", "sliding_attention", "chunked_attention")
"""The kinds of layers, as configurations of transformers name them, that keep keys and values."""


@dataclass(frozen=True, kw_only=True)
class VirtualTokens(merc.PeftTuning):
    """What the three have in common: virtual tokens, and a backbone that goes on from keys and values.

    What learns is saved as it is, in ``tuning.safetensors``, so that a run goes on from it; PEFT's own format keeps
    only what comes out of it, and ``merc export`` writes that.
    """

    saved_as: ClassVar[str] = "tuning.safetensors"
    tokens: int = 20
    """How many virtual tokens."""

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"tokens counts from 1, not {self.tokens}")

    @property
    def virtual_tokens(self) -> int:
        """``tokens``."""
        return self.tokens

    def apply(self, llm: nn.Module) -> nn.Module:
        """Put PEFT's encoder of virtual tokens beside the backbone. Raises MercError for a backbone whose layers keep a
        state in place of keys and values, and where no room is left in its context."""
        config = llm.config.get_text_config()
        name = f"backbone.tuning: {type(self).__name__}"
        if getattr(llm, "_is_stateful", False) or not _attends(config):
            raise merc.MercError(
                f"{name} puts virtual tokens before every prompt, which {type(llm).__name__} cannot take: not all of "
                "its layers attend to keys and values; choose lora, or soft prompts: connectors.prompt={name: soft}"
            )
        context = getattr(config, "max_position_embeddings", None)
        if context and self.tokens >= context:
            raise merc.MercError(
                f"backbone.tuning.tokens: {self.tokens} virtual tokens fill the context of {type(llm).__name__}, which "
                f"is {context} tokens; give it fewer"
            )
        return super().apply(llm)

    def keys_and_values(self, llm: Any) -> list[tuple[Tensor, Tensor]]:
        """Of each layer, ``[1, heads, tokens, width]``."""
        encoder = llm.prompt_encoder[llm.active_adapter]
        tokens = llm.prompt_tokens[llm.active_adapter][: self.tokens].to(encoder.embedding.weight.device)
        return self._computed(llm, encoder(tokens[None]))

    @abstractmethod
    def _computed(self, llm: Any, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values from what PEFT's encoder gives ``[1, tokens, numbers]``."""

    def state(self, llm: nn.Module, learns: frozenset[str]) -> Mapping[str, Tensor]:
        """What learns, by its names."""
        return merc.Tuning.state(self, llm, learns)

    def save(self, llm: nn.Module, learns: frozenset[str], folder: Path) -> None:
        """Write it."""
        merc.Tuning.save(self, llm, learns, folder)

    def load(self, llm: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Put it in."""
        merc.Tuning.load(self, llm, state)


def _attends(config: Any) -> bool:
    """Whether every layer keeps keys and values, as far as the configuration says."""
    kinds = getattr(config, "layer_types", None) or getattr(config, "layers_block_type", None) or ()
    return all(kind in _KEEPS_KEYS for kind in kinds)


@dataclass(frozen=True, kw_only=True)
class PrefixTuning(VirtualTokens):
    """Prefix tuning: the keys and values of virtual tokens learn, in every layer."""

    projection: bool = False
    """Whether the keys and values come from a smaller table by a network of two layers."""
    hidden: int | None = None
    """The inner width of that network; null is the width of the keys."""
    start: Literal["random", "zero"] = "random"
    """How the keys and values begin: drawn (``random``), or ``zero``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden is not None and not self.projection:
            raise ValueError("hidden is the width of the projection; set projection=true, or leave it out")
        if self.hidden is not None and self.hidden < 1:
            raise ValueError(f"hidden counts from 1, not {self.hidden}")

    def peft_config(self, llm: Any) -> Any:
        """PEFT's ``PrefixTuningConfig``."""
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=self.tokens,
            prefix_projection=self.projection,
            encoder_hidden_size=self.hidden,
            init_weights="zero" if self.start == "zero" else None,
        )

    def _computed(self, llm: Any, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        config = llm.peft_config[llm.active_adapter]
        shape = (1, self.tokens, 2 * config.num_layers, config.num_attention_heads, -1)
        # [layers and of each keys and values][1, heads, tokens, width], as PEFT's get_prompt has them.
        pairs = encoded.to(llm.get_base_model().dtype).view(shape).permute(2, 0, 3, 1, 4)
        return [(pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)]


@dataclass(frozen=True, kw_only=True)
class PromptTuning(VirtualTokens):
    """Prompt tuning: the embeddings of virtual tokens learn."""

    start: Literal["vocabulary", "random"] = "vocabulary"
    """What the embeddings begin as: those of words drawn from the ``vocabulary``, or ``random`` numbers."""

    def peft_config(self, llm: Any) -> Any:
        """PEFT's ``PromptTuningConfig``."""
        from peft import PromptTuningConfig

        begins = {"vocabulary": "SAMPLE_VOCAB", "random": "RANDOM"}[self.start]
        return PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=self.tokens, prompt_tuning_init=begins)

    def _computed(self, llm: Any, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        return _of_embeddings(llm.get_base_model(), encoded)


@dataclass(frozen=True, kw_only=True)
class PTuning(VirtualTokens):
    """P-tuning: the embeddings of virtual tokens are what a network makes of a table of vectors; both learn."""

    encoder: Literal["mlp", "lstm"] = "mlp"
    """The network: an ``mlp`` of three layers, or an ``lstm``."""
    hidden: int | None = None
    """Its inner width; null is the backbone's."""
    layers: int = 2
    """The layers of an ``lstm``."""
    dropout: float = 0.0
    """The share that is dropped between the layers of an ``lstm`` while training, from 0 to below 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        merc.at_least(1, self, "hidden", "layers")
        merc.below_one(self, "dropout")
        if self.encoder == "mlp" and (self.layers, self.dropout) != (2, 0.0):
            raise ValueError("layers and dropout are those of an lstm; set encoder=lstm, or leave them out")

    def peft_config(self, llm: Any) -> Any:
        """PEFT's ``PromptEncoderConfig``."""
        from peft import PromptEncoderConfig

        return PromptEncoderConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=self.tokens,
            encoder_reparameterization_type=self.encoder.upper(),
            encoder_hidden_size=self.hidden,
            encoder_num_layers=self.layers,
            encoder_dropout=self.dropout,
        )

    def _computed(self, llm: Any, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        return _of_embeddings(llm.get_base_model(), encoded)


def _of_embeddings(base: Any, embeddings: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of embeddings ``[1, tokens, hidden]``. No token sees what comes after it, so they are the same
    whatever that is."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    length = embeddings.shape[1]
    decoder = base.get_decoder()
    decoder(
        inputs_embeds=embeddings.to(base.get_input_embeddings().weight.dtype),
        attention_mask=torch.ones(1, length, dtype=torch.long, device=embeddings.device),
        past_key_values=cache,
        use_cache=True,
    )
    return _pairs(cache)


def _pairs(cache: Any) -> list[tuple[Tensor, Tensor]]:
    pairs: Sequence[tuple[Tensor, Tensor]] = [(layer.keys, layer.values) for layer in cache.layers]
    return list(pairs)
