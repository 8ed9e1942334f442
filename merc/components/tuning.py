"""Tuning: which of a backbone's weights learn, and what is added to it to learn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from merc.components.base import Component
from merc.files import whole_file

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Tuning(Component):
    """How the backbone learns.

    ``apply`` alone is needed. What it leaves with ``requires_grad`` is what may learn: merc keeps these names, and the
    optimizer, checkpoints, parameter counts and saved runs go by them. Learned parameters are held in float32, since
    the small updates of a bfloat16 weight would be rounded away; a trainer's ``precision`` says what is computed in.

    ``saved_as`` is the file or folder that ``save`` writes into a stage's folder. ``weighs`` names the parameters
    without which learned weights mean something else: a run with others starts none (``fits``).

    merc computes with the backbone inside a wrapper (its ``get_base_model()``), over prompts that share what they begin
    with. A tuning that puts virtual tokens before every prompt says how many by ``virtual_tokens``, and gives their
    keys and values; merc lets every token of every prompt see them.

    A tuning that trains the biases alone:

    >>> from dataclasses import dataclass
    >>> import torch
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Biases(Tuning):
    ...     def apply(self, llm):
    ...         for name, parameter in llm.named_parameters():
    ...             parameter.requires_grad_(name.endswith("bias"))
    ...         return llm
    >>> [name for name, p in Biases().apply(torch.nn.Linear(2, 1)).named_parameters() if p.requires_grad]
    ['bias']
    """

    kind: ClassVar[str] = "tuning"
    saved_as: ClassVar[str] = "tuning.safetensors"
    weighs: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def apply(self, llm: nn.Module) -> nn.Module:
        """Make a loaded backbone ready to learn, and give it back, wrapped or not.

        Sets ``requires_grad`` of every parameter. New parameters are drawn from torch's random generator, which merc
        has seeded. It must also work on the meta device, where ``merc params`` counts without weights.

        Args:
            llm: A causal language model of transformers.

        Raises:
            MercError: The backbone does not have what this needs (a layer that is named, say).
        """

    @property
    def virtual_tokens(self) -> int:
        """How many virtual tokens stand before every prompt."""
        return 0

    def keys_and_values(self, llm: nn.Module) -> Sequence[tuple[Tensor, Tensor]]:
        """Of each layer, in order, the keys and values of the virtual tokens, ``[1, heads, tokens, width]`` each, with
        gradients to what they are computed from. Called in every pass where there are virtual tokens."""
        return ()

    def check(self, device: str) -> None:
        """See, before hours of encoding, that what it needs is there: a package, or what a device can do. Raises
        MercError where it is not."""

    def packed(self, llm: nn.Module) -> Mapping[str, float]:
        """Bytes a number of those weights that it holds in fewer than the backbone's dtype has, by their names in
        ``llm``. On the meta device, where nothing is packed, too."""
        return {}

    def merged(self, llm: nn.Module) -> nn.Module | None:
        """The backbone as transformers knows it, with what was learned in its own weights: for ``merc export``, after
        which ``llm`` is not used again. ``None``, the default, where new parameters cannot be merged; a tuning that
        brings none is not asked."""
        return None

    def fits(self, trained: Tuning) -> str | None:
        """Why weights of another run cannot start this one, and what to set; ``None`` if they can. Names and shapes of
        the weights are compared apart from it.

        Args:
            trained: The tuning of the run that learned them.
        """
        if type(self) is type(trained):
            return self._weighs_otherwise(trained)
        return (
            f"it was tuned by {type(trained).__name__}, and this recipe's tuning is {type(self).__name__}; set "
            "backbone.tuning to that of the run"
        )

    def _weighs_otherwise(self, trained: Tuning) -> str | None:
        """The sentence for the first of what ``weighs`` names that another tuning of this kind has otherwise."""
        for name in self.weighs:
            theirs, own = getattr(trained, name), getattr(self, name)
            if theirs != own:
                value = str(theirs).lower()
                return (
                    f"it has {type(self).__name__} with {name} {value}, and this recipe has {str(own).lower()}; its "
                    f"adapter would weigh otherwise, so set backbone.tuning.{name}={value}"
                )
        return None

    def state(self, llm: nn.Module, learns: frozenset[str]) -> Mapping[str, Tensor]:
        """The learned tensors, by the names under which they are saved; tied weights count once.

        Args:
            llm: What ``apply`` gave.
            learns: The names of its parameters that may learn.
        """
        return {name: value for name, value in llm.named_parameters() if name in learns}

    def save(self, llm: nn.Module, learns: frozenset[str], folder: Path) -> None:
        """Write what was learned into a stage's folder, whole or not at all."""
        from safetensors.torch import save_file

        state = {name: value.detach().cpu().contiguous() for name, value in self.state(llm, learns).items()}
        with whole_file(folder / self.saved_as) as temporary:
            save_file(state, temporary)

    def read(self, llm: nn.Module, folder: Path) -> Mapping[str, Tensor]:
        """What ``save`` wrote, on the CPU, by the names that ``state`` gives. ``llm`` is the model that it is for."""
        from safetensors.torch import load_file

        weights: dict[str, Tensor] = load_file(folder / self.saved_as)
        return weights

    def load(self, llm: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Put a state that was read into the model. Names and shapes are checked before."""
        import torch

        own = dict(llm.named_parameters())
        with torch.no_grad():
            for name, value in state.items():
                own[name].copy_(value)

    def reference(self, llm: nn.Module) -> Callable[[], AbstractContextManager[None]] | None:
        """How to compute with the backbone as it is now, once this stage has learned: what gives the context of such
        passes. ``None``, the default, where there is no way but a copy of what learns, which merc keeps then."""
        return None

    def autocast(self, llm: nn.Module) -> AbstractContextManager[None]:
        """What stands around forward and backward passes under torch's autocast, where the tuning casts its inputs
        itself and need not then. It leaves the passes as they are by default."""
        return nullcontext()


@dataclass(frozen=True, kw_only=True)
class Frozen(Tuning):
    """Nothing of the backbone learns: the tuning of a recipe that names none."""

    def apply(self, llm: nn.Module) -> nn.Module:
        """Switch every parameter off."""
        return llm.requires_grad_(False)
