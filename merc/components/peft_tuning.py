"""Tunings that PEFT brings."""

from __future__ import annotations

import json
import shutil
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from merc.components.base import at_least, below_one
from merc.components.tuning import Tuning
from merc.consent import hide
from merc.errors import MercError, did_you_mean
from merc.files import move_folder
from merc.pretrained import absent

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class PeftTuning(Tuning):
    """A tuning of PEFT. ``peft_config`` alone is needed; what is learned is held in float32 whatever the backbone's
    dtype, and saved in PEFT's own format, in ``adapter/``.

    Scales of every attention and feed-forward block:

    >>> @dataclass(frozen=True, kw_only=True)
    ... class NormTuning(PeftTuning):
    ...     def peft_config(self, llm):
    ...         from peft import LNTuningConfig
    ...         return LNTuningConfig(task_type="CAUSAL_LM")
    >>> NormTuning().saved_as
    'adapter/adapter_model.safetensors'
    """

    saved_as: ClassVar[str] = "adapter/adapter_model.safetensors"

    @abstractmethod
    def peft_config(self, llm: nn.Module) -> Any:
        """PEFT's configuration of this tuning for a backbone, which may be on the meta device."""

    def apply(self, llm: nn.Module) -> nn.Module:
        """Wrap the backbone. Raises MercError for a target that it does not have, and where PEFT refuses it."""
        from peft import get_peft_model

        config = self.peft_config(llm)
        _check_targets(llm, getattr(config, "target_modules", None))
        meta = next(llm.parameters()).device.type == "meta"
        try:
            with warnings.catch_warnings(), _without_bitsandbytes():
                # peft asks a model by a name that transformers has renamed; nothing that a user could change.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
                tuned: nn.Module = get_peft_model(llm, config, low_cpu_mem_usage=meta)
        except (ValueError, NotImplementedError) as error:
            raise MercError(
                f"backbone.tuning: {type(self).__name__} cannot tune {type(llm).__name__}: {error}"
            ) from None
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        return tuned

    def state(self, llm: nn.Module, learns: frozenset[str]) -> Mapping[str, Tensor]:
        """What was added, by PEFT's names."""
        from peft import get_peft_model_state_dict

        state: Mapping[str, Tensor] = get_peft_model_state_dict(llm)
        return state

    def save(self, llm: nn.Module, learns: frozenset[str], folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors``."""
        save_pretrained(llm, (folder / self.saved_as).parent)

    def read(self, llm: nn.Module, folder: Path) -> Mapping[str, Tensor]:
        """The tensors of ``adapter_model.safetensors``."""
        from safetensors.torch import load_file

        state: dict[str, Tensor] = load_file(folder / self.saved_as)
        return state

    def load(self, llm: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Put a state in by PEFT's names."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(llm, dict(state))

    def merged(self, llm: Any) -> nn.Module | None:
        """What PEFT merges, if it merges what this method adds. Raises MercError for weights that are no numbers."""
        from peft.tuners.tuners_utils import BaseTuner

        if not isinstance(llm.base_model, BaseTuner):
            return None
        try:
            merged: nn.Module = llm.merge_and_unload(safe_merge=True)
        except NotImplementedError:
            return None
        except ValueError as error:
            raise MercError(f"backbone.tuning: {type(self).__name__} cannot be merged: {error}") from None
        return merged

    def reference(self, llm: nn.Module) -> Callable[[], AbstractContextManager[None]] | None:
        """Switch low-rank adapters off, where they have not learned yet."""
        from peft.tuners.lora import LoraLayer

        layers = [module for module in llm.modules() if isinstance(module, LoraLayer)]
        out = [b.weight for layer in layers for b in layer.lora_B.values()]
        # Of ZeRO-3's weights there may be nothing to see here, and DoRA's lengths may have learned.
        fresh = bool(out) and all(weight.numel() and not weight.any() for weight in out)
        fresh = fresh and not any(len(layer.lora_magnitude_vector) for layer in layers)
        return (lambda: _without_adapters(llm)) if fresh else None

    def autocast(self, llm: nn.Module) -> AbstractContextManager[None]:
        """Leave to autocast in which dtype adapters compute.

        PEFT casts what enters an adapter to the adapter's float32, which autocast undoes: doing both takes a fifth of a
        training step with SmolLM2 on a CPU. Activations that are computed again on the way back must come out as they
        did the first time, so the backward pass wants it as well.
        """
        from peft.helpers import disable_input_dtype_casting
        from peft.tuners.tuners_utils import BaseTunerLayer

        layers = (module for module in llm.modules() if isinstance(module, BaseTunerLayer))
        if not all(hasattr(layer, "cast_input_dtype_enabled") for layer in layers):
            return nullcontext()  # a method that casts nothing
        context: AbstractContextManager[None] = disable_input_dtype_casting(llm)
        return context


@dataclass(frozen=True, kw_only=True)
class LowRankTuning(PeftTuning):
    """Low-rank adapters of PEFT beside linear layers. ``options`` gives more of PEFT's."""

    weighs: ClassVar[tuple[str, ...]] = ("alpha",)
    r: int = 16
    """The rank."""
    alpha: int = 32
    """An adapter's output is multiplied by ``alpha / r``."""
    dropout: float = 0.0
    """The share of an adapter's input that is dropped while training, from 0 to below 1."""
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """The names of the linear layers, or ``all-linear`` for all but the last of the model."""

    def __post_init__(self) -> None:
        at_least(1, self, "r", "alpha")
        below_one(self, "dropout")
        if not self.targets:
            raise ValueError("targets names no layer; leave it out for all linear layers, or set tuning.name=frozen")

    def options(self) -> Mapping[str, Any]:
        """Further parameters of PEFT's ``LoraConfig``."""
        return {}

    def peft_config(self, llm: nn.Module) -> Any:
        """PEFT's ``LoraConfig``."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.targets if isinstance(self.targets, str) else list(self.targets),
            task_type="CAUSAL_LM",
            **self.options(),
        )

    def fits(self, trained: Tuning) -> str | None:
        """An adapter that was trained with other values of what ``weighs`` would weigh otherwise."""
        if not isinstance(trained, type(self)):
            return super().fits(trained)
        return self._weighs_otherwise(trained)


@contextmanager
def _without_bitsandbytes() -> Iterator[None]:
    """While it lasts, peft takes bitsandbytes for absent, unless it is imported already: only then can a layer be of
    its kind. To look for such layers peft would import it, and the compiler of torch with it: a second."""
    from peft.import_utils import is_bnb_4bit_available, is_bnb_available

    with absent("bitsandbytes"):
        is_bnb_available.cache_clear()
        is_bnb_4bit_available.cache_clear()
        yield
    is_bnb_available.cache_clear()
    is_bnb_4bit_available.cache_clear()


@contextmanager
def _without_adapters(llm: Any) -> Iterator[None]:
    """Passes of the backbone alone. PEFT lets all adapters learn when it switches them on again."""
    learning = {parameter: parameter.requires_grad for parameter in llm.parameters()}
    try:
        with llm.disable_adapter():
            yield
    finally:
        for parameter, learns in learning.items():
            parameter.requires_grad_(learns)


def _check_targets(llm: nn.Module, targets: str | Sequence[str] | None) -> None:
    """See that every name stands for a layer; PEFT is content with one that does."""
    import torch

    if targets is None or isinstance(targets, str):
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


def save_pretrained(module: Any, target: Path) -> None:
    """Write a model of transformers or PEFT into a folder, whole or not at all."""
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    module.save_pretrained(temporary, safe_serialization=True)
    (temporary / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    for file in temporary.glob("*.json"):
        _hide_place(file)
    move_folder(temporary, target)


def _hide_place(file: Path) -> None:
    """Write where a model came from as the recipe does, where that came from the environment."""
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        return
    hidden = {key: hide(str(content[key])) for key in ("_name_or_path", "base_model_name_or_path") if content.get(key)}
    if any(content[key] != value for key, value in hidden.items()):
        file.write_text(json.dumps({**content, **hidden}, indent=2), encoding="utf-8")
