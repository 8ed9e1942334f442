"""Engines: how a step is run. ``TorchStrategy`` is one process; DeepSpeed's stands in its own file."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from merc.errors import MercError
from merc.model.batch import TreeBatch
from merc.model.emotion_model import EmotionModel
from merc.model.precision import uncast
from merc.model.state import load_trained_state, trained_state

ParameterGroup = dict[str, Any]
"""Parameters that learn alike: ``params``, and AdamW's ``lr`` and ``weight_decay``. ``l2`` is the λ of a penalty λ‖W‖²,
whose gradient the strategy adds to that of the loss; left out, there is none."""


class Strategy(ABC):
    """Runs forward and backward passes and optimizer steps of one model, in one process of ``world``.

    ``lockstep`` says that all processes must compute the same parts of the backbone in the same order, since each holds
    only a share of the weights.
    """

    rank = 0
    world = 1
    lockstep = False
    scales_loss = False
    """Whether a step whose gradient is not finite is skipped, to be followed by one with a lower loss scale."""

    @abstractmethod
    def prepare(self, model: EmotionModel, groups: list[ParameterGroup], precision: str) -> None:
        """Take a stage's model and its trainable parameters: groups for AdamW, each with its ``lr``."""

    @abstractmethod
    def loss_values(self, batch: TreeBatch, draw: int) -> Tensor:
        """The model's forward pass and its losses ``[losses, prompts]``, in the order of ``model.losses``."""

    @abstractmethod
    def backward(self, loss: Tensor, last: bool) -> None:
        """Add a loss's gradients; ``last``: it is the last forward pass of this step."""

    @abstractmethod
    def step(self, lr_scale: float, max_norm: float | None) -> float:
        """Clip, step the optimizer with every group's own lr times ``lr_scale``, clear the gradients. Gives the norm
        of the gradient before clipping; with one that is infinite or NaN no weight is changed."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what the optimizer and the model need to go on."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Go on from what ``save`` wrote."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """The trained state, whole, on the CPU. Every process must ask at the same time; it is the first that is
        given the state, the others may get an empty one."""

    @abstractmethod
    def restore(self, state: dict[str, Tensor]) -> None:
        """Put a trained state back into the model."""

    def gathered(self) -> AbstractContextManager[None]:
        """A context in which the first process may read the whole trained state out of the model. Every process must
        enter it at the same time; nothing is computed with the model meanwhile."""
        return nullcontext()

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes."""
        return list(values)

    def collect(self, items: list[Any]) -> list[Any]:
        """The items of all processes, in the order of their rank. Items are what JSON holds: a tuple may come back as a
        list."""
        return items

    def barrier(self) -> None:
        """Wait for the other processes; a single one has none to wait for."""
        return

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0


class TorchStrategy(Strategy):
    """Plain torch in one process."""

    def __init__(self) -> None:
        self.model: EmotionModel | None = None

    def prepare(self, model: EmotionModel, groups: list[ParameterGroup], precision: str) -> None:
        """AdamW over the groups; a gradient scaler for float16."""
        self.model = model
        model.precision = self.precision = precision
        self.groups = groups
        self.optimizer = torch.optim.AdamW([dict(g) for g in groups])
        self.scales_loss = precision == "float16" or (precision == "model" and model.base.dtype == torch.float16)
        self.scaler = torch.amp.GradScaler(model.device.type, enabled=self.scales_loss)
        self.names = {id(p): n for n, p in model.named_parameters()}

    def loss_values(self, batch: TreeBatch, draw: int) -> Tensor:
        """The losses of a forward pass, which runs under autocast if a precision was asked for."""
        assert self.model is not None
        nothing = zero_of_media(self.model)
        return self.model.loss_values(batch.to(self.model.device), draw) + nothing

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add gradients."""
        with uncast(self.model, self.precision):
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, lr_scale: float, max_norm: float | None) -> float:
        """Clip, step, clear."""
        self.scaler.unscale_(self.optimizer)
        for group, settings in zip(self.optimizer.param_groups, self.groups, strict=True):
            group["lr"] = settings["lr"] * lr_scale
        add_penalties(self.groups)
        parameters = [p for g in self.groups for p in g["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, max_norm if max_norm is not None else float("inf")))
        if self.scales_loss or math.isfinite(norm):
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def save(self, folder: Path) -> None:
        """``model.safetensors`` and ``optimizer.safetensors``."""
        assert self.model is not None
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trained_state(self.model), folder / "model.safetensors")
        flat: dict[str, Tensor] = {}
        for parameter, values in self.optimizer.state.items():
            for key, value in values.items():
                flat[f"{self.names[id(parameter)]}//{key}"] = torch.as_tensor(value).detach().cpu().contiguous()
        for key, value in self.scaler.state_dict().items():
            flat[f"//scaler//{key}"] = torch.tensor(float(value), dtype=torch.double)
        save_file(flat, folder / "optimizer.safetensors")

    def load(self, folder: Path) -> None:
        """Read both back; a checkpoint of another strategy is named as such."""
        assert self.model is not None
        if not (folder / "optimizer.safetensors").exists():
            raise MercError(f"{folder} {written_by(folder)}")
        load_trained_state(self.model, load_file(folder / "model.safetensors"))
        flat = load_file(folder / "optimizer.safetensors")
        scaler = {n.removeprefix("//scaler//"): v.item() for n, v in flat.items() if n.startswith("//scaler//")}
        if scaler:  # whole numbers stay whole
            now = self.scaler.state_dict()
            self.scaler.load_state_dict({**now, **{name: type(now[name])(value) for name, value in scaler.items()}})
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                name = self.names[id(parameter)]
                moments = {n.rpartition("//")[2]: v for n, v in flat.items() if n.rpartition("//")[0] == name}
                if moments:
                    self.optimizer.state[parameter] = {
                        k: v if k == "step" else v.to(parameter.device) for k, v in moments.items()
                    }

    def state(self) -> dict[str, Tensor]:
        """The trained state."""
        assert self.model is not None
        return trained_state(self.model)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put it back."""
        assert self.model is not None
        load_trained_state(self.model, state)


def written_by(folder: Path) -> str:
    """What wrote a checkpoint and how to go on from it, for a message to whoever tries with something else."""
    about = folder / "deepspeed.json"
    if not about.exists():
        who, command = "strategy torch", "merc run RECIPE strategy.name=torch --resume"
    else:
        written = json.loads(about.read_text(encoding="utf-8"))
        zero, world = written["zero"], written["world"]
        who = f"strategy deepspeed with ZeRO {zero} in {world} process{'' if world == 1 else 'es'}"
        launch = "merc" if world == 1 else f"torchrun --nproc-per-node {world} -m merc"
        command = f"{launch} run RECIPE strategy.name=deepspeed strategy.zero={zero} --resume"
    return (
        f"was written by {who}, which alone can go on from it. Resume with: {command} "
        "(RECIPE and the other arguments as before), or start again in a new run directory (--run-dir)"
    )


def zero_of_media(model: EmotionModel) -> Tensor:
    """Zero, made of every parameter of connectors, fusers, heads and losses that learns.

    Added to what a pass computes it gives each of them a gradient, of zeros where no slot used it, so that a pass
    without media can be learned from, and processes whose passes differ in media add up the same gradients. Made
    before the pass it comes last on the way back, whichever slots the pass has: gradients are ready in one order.
    """
    learning = [p for modules in model.beside for p in modules.parameters() if p.requires_grad]
    if not learning or not torch.is_grad_enabled():
        return torch.zeros((), device=model.device)
    return torch.stack([p.flatten()[0].float() * 0.0 for p in learning]).sum()


@torch.no_grad()
def add_penalties(groups: Sequence[ParameterGroup]) -> None:
    """Add 2λW, the gradient of each group's penalty, to the gradients."""
    for group in groups:
        if group.get("l2"):
            for parameter in group["params"]:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                parameter.grad.add_(parameter, alpha=2 * group["l2"])
