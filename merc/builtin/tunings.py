"""Tunings that merc brings: ``full`` and ``lora``. ``frozen`` is the default of the contract itself."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from merc.components import Tuning
from merc.consent import hide
from merc.errors import MercError, did_you_mean
from merc.files import move_folder

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Full(Tuning):
    """All of the backbone learns, held in float32. Saved as a model of transformers, in ``backbone/``."""

    saved_as: ClassVar[str] = "backbone"

    def apply(self, llm: nn.Module) -> nn.Module:
        """Switch every parameter on."""
        return llm.float().requires_grad_(True)

    def save(self, llm: nn.Module, learns: frozenset[str], folder: Path) -> None:
        """Write the model as transformers does."""
        _save_pretrained(llm, folder / self.saved_as)

    def read(self, llm: Any, folder: Path) -> Mapping[str, Tensor]:
        """Through transformers' own loading, which knows how it named and split what it saved."""
        import torch

        saved = type(llm).from_pretrained(folder / self.saved_as, dtype=torch.float32, use_safetensors=True)
        return dict(saved.named_parameters())


@dataclass(frozen=True, kw_only=True)
class LoRA(Tuning):
    """Low-rank adapters of peft beside linear layers, held in float32 whatever the backbone's dtype. They are saved in
    peft's own format, in ``adapter/``.

    ``r`` is the rank, and ``alpha / r`` what an adapter's output is multiplied by. ``dropout`` (0 to below 1) is of the
    adapter's input. ``targets`` are the names of the linear layers, or ``all-linear`` for all but the last of the
    model.

    >>> LoRA(r=0)
    Traceback (most recent call last):
    ValueError: r counts from 1, not 0
    """

    saved_as: ClassVar[str] = "adapter/adapter_model.safetensors"
    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"

    def __post_init__(self) -> None:
        for name, value in (("r", self.r), ("alpha", self.alpha)):
            if value < 1:
                raise ValueError(f"{name} counts from 1, not {value}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is from 0 to below 1, not {self.dropout}")
        if not self.targets:
            raise ValueError("targets names no layer; leave it out for all linear layers, or set tuning.name=frozen")

    def apply(self, llm: nn.Module) -> nn.Module:
        """Put the adapters in. Raises MercError for a target that is no layer of the backbone."""
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.targets if isinstance(self.targets, str) else list(self.targets),
            task_type="CAUSAL_LM",
        )
        meta = next(llm.parameters()).device.type == "meta"
        _check_targets(llm, self.targets)
        try:
            with warnings.catch_warnings():
                # peft asks a model by a name that transformers has renamed; nothing that a user could change.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
                tuned: nn.Module = get_peft_model(llm, config, low_cpu_mem_usage=meta)
        except ValueError as error:
            raise MercError(f"backbone.tuning.targets: {error}") from None
        return tuned

    def fits(self, trained: Tuning) -> str | None:
        """An adapter that was trained with another ``alpha`` would weigh otherwise."""
        if isinstance(trained, LoRA) and trained.alpha != self.alpha:
            return (
                f"it has LoRA with alpha {trained.alpha}, and this recipe has {self.alpha}; its adapter would weigh "
                f"otherwise, so set backbone.tuning.alpha={trained.alpha}"
            )
        return super().fits(trained)

    def state(self, llm: nn.Module, learns: frozenset[str]) -> Mapping[str, Tensor]:
        """The adapters, by peft's names."""
        from peft import get_peft_model_state_dict

        found: Mapping[str, Tensor] = get_peft_model_state_dict(llm)
        return found

    def save(self, llm: nn.Module, learns: frozenset[str], folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors``."""
        _save_pretrained(llm, (folder / self.saved_as).parent)

    def read(self, llm: nn.Module, folder: Path) -> Mapping[str, Tensor]:
        """The adapters of ``adapter_model.safetensors``."""
        from safetensors.torch import load_file

        found: dict[str, Tensor] = load_file(folder / self.saved_as)
        return found

    def load(self, llm: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Put adapters in by peft's names."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(llm, dict(state))

    def reference(self, llm: nn.Module) -> Callable[[], AbstractContextManager[None]] | None:
        """Switch the adapters off, where they have not learned yet."""
        from peft.tuners.lora import LoraLayer

        out = [b.weight for m in llm.modules() if isinstance(m, LoraLayer) for b in m.lora_B.values()]
        # Of ZeRO-3's weights there may be nothing to see here.
        fresh = all(weight.numel() and not weight.any() for weight in out)
        return (lambda: _without_adapters(llm)) if fresh else None

    def autocast(self, llm: nn.Module) -> AbstractContextManager[None]:
        """Leave to autocast in which dtype adapters compute.

        peft casts what enters an adapter to the adapter's float32, which autocast undoes: doing both takes a fifth of a
        training step with SmolLM2 on a CPU. Activations that are computed again on the way back must come out as they
        did the first time, so the backward pass wants it as well.
        """
        from peft.helpers import disable_input_dtype_casting

        found: AbstractContextManager[None] = disable_input_dtype_casting(llm)
        return found


@contextmanager
def _without_adapters(llm: Any) -> Iterator[None]:
    """Passes of the backbone alone. peft lets all adapters learn when it switches them on again."""
    learning = {parameter: parameter.requires_grad for parameter in llm.parameters()}
    try:
        with llm.disable_adapter():
            yield
    finally:
        for parameter, learns in learning.items():
            parameter.requires_grad_(learns)


def _check_targets(llm: nn.Module, targets: str | Sequence[str]) -> None:
    """See that every name stands for a layer; peft is content with one that does."""
    import torch

    if isinstance(targets, str):
        return
    linear = [name for name, module in llm.named_modules() if isinstance(module, torch.nn.Linear)]
    modules = [name for name, _ in llm.named_modules()]
    last = list(dict.fromkeys(name.rpartition(".")[2] for name in linear))
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in modules):
            raise MercError(
                f"backbone.tuning.targets: {type(llm).__name__} has no layer {target!r}.{did_you_mean(target, last)} "
                f"Its linear layers are: {', '.join(last)}; all-linear stands for all but the last of the model"
            )


def _save_pretrained(module: Any, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    module.save_pretrained(temporary, safe_serialization=True)
    (temporary / "README.md").unlink(missing_ok=True)  # peft's empty model card
    for file in temporary.glob("*.json"):
        _hide_place(file)
    move_folder(temporary, target)


def _hide_place(file: Path) -> None:
    """Write where a model came from as the recipe does, where that came from the environment."""
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        return
    hidden = {key: hide(str(found[key])) for key in ("_name_or_path", "base_model_name_or_path") if found.get(key)}
    if any(found[key] != value for key, value in hidden.items()):
        file.write_text(json.dumps({**found, **hidden}, indent=2), encoding="utf-8")
