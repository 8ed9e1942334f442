"""The strategy ``deepspeed``: one or several processes that share a step, with ZeRO 0 to 3."""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from merc.errors import MercError
from merc.files import write_text
from merc.model.batch import TreeBatch
from merc.model.build import pick_device
from merc.model.emotion_model import EmotionModel
from merc.model.precision import uncast
from merc.model.state import load_trained_state, trained_state
from merc.training.deepspeed_start import check_installed, start_deepspeed
from merc.training.loss_scale import LossScale
from merc.training.processes import Processes
from merc.training.strategy import ParameterGroup, Strategy, written_by, zero_of_media


class DeepSpeedStrategy(Strategy):
    """DeepSpeed in as many processes as a launcher started (one without a launcher).

    ``zero`` says what the processes share out among them: nothing (0), the optimizer's state (1), gradients too (2),
    the weights too (3). What is learned is held in float32 and nothing is cast that the recipe does not say: forward
    passes run under torch's autocast, as those of the strategy ``torch`` do, and for float16 the loss is scaled here.

    A checkpoint is ``model.safetensors`` (the trained state, whole), ``optimizer-<rank>.safetensors`` (each process's
    share of AdamW's state) and ``deepspeed.json``, which says what it may be read with. There is no pickle in it.

    Raises MercError if DeepSpeed is absent, or where there are more processes than devices.
    """

    def __init__(self, zero: int, device: str = "auto") -> None:
        self.device = pick_device(device)
        kind = torch.device(self.device).type
        if kind not in ("cpu", "cuda"):
            raise MercError(f"strategy deepspeed computes on cpu and cuda, not on {kind}; set strategy.device=cpu")
        if kind == "cuda" and device != "auto" and ":" in device and os.environ.get("WORLD_SIZE", "1") != "1":
            raise MercError(f"strategy.device={device} puts all processes on one GPU; set strategy.device=cuda")
        check_installed()
        self.zero = zero
        self.lockstep = zero == 3
        self.processes = Processes(self.device)
        self.rank, self.world = self.processes.rank, self.processes.world
        self.model: EmotionModel | None = None
        self._ds: Any = None

    def prepare(self, model: EmotionModel, groups: list[ParameterGroup], precision: str) -> None:
        """AdamW over the groups, in the hands of DeepSpeed; what an earlier stage left with it is taken back."""
        deepspeed = start_deepspeed(torch.device(self.device).type)
        self._let_go()
        self.model, self.groups, self.precision = model, groups, precision
        model.precision = precision
        self.scales_loss = precision == "float16" or (precision == "model" and model.base.dtype == torch.float16)
        self.scale = LossScale() if self.scales_loss else None
        learning = [p for g in groups for p in g["params"]]
        if any(p.dtype != torch.float32 for p in learning):
            raise RuntimeError("what learns is to be held in float32")
        adam = torch.optim.AdamW([{k: v for k, v in g.items() if k != "l2"} for g in groups])
        config = self._config(sum(p.numel() for p in learning))
        with contextlib.redirect_stdout(sys.stderr):
            self._ds = deepspeed.initialize(model=_Pass(model, self.lockstep), optimizer=adam, config=config)[0]
        if self.zero == 3:
            self._unhook_media()

    def _config(self, learning: int) -> dict[str, Any]:
        return {
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": 1,
            "gradient_clipping": 0.0,
            "steps_per_print": 2**31,
            "zero_allow_untested_optimizer": True,
            "zero_optimization": {
                "stage": self.zero,
                # No memory is set aside for gradients that there are not.
                "reduce_bucket_size": min(learning, 200_000_000),
            },
        }

    def loss_values(self, batch: TreeBatch, draw: int) -> Tensor:
        """The losses of a forward pass, which runs under autocast if a precision was asked for."""
        values: Tensor = self._ds(batch.to(self.device), draw)
        return values

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add gradients; DeepSpeed averages them over the processes after the last pass of a step."""
        if last and self.zero < 3:
            # The average of what all processes add alike is what each adds. ZeRO-3 has no whole weights here.
            for group in self.groups:
                if group.get("l2"):
                    loss = loss + group["l2"] * torch.stack([p.square().sum() for p in group["params"]]).sum()
        if self.scale is not None:
            if self.zero:
                self._ds.optimizer.override_loss_scale(self.scale.value)
            else:
                loss = loss * self.scale.value
        self._ds.set_gradient_accumulation_boundary(last)
        with uncast(self.model, self.precision):
            self._ds.backward(loss)

    def step(self, lr_scale: float, max_norm: float | None) -> float:
        """Clip, step, clear."""
        for group, settings in zip(self._ds.optimizer.param_groups, self.groups, strict=True):
            group["lr"] = settings["lr"] * lr_scale
        norm = self._step_shared(max_norm) if self.zero else self._step_alike(max_norm)
        if self.scale is not None:
            self.scale.update(math.isfinite(norm))
        self._hold_media()
        return norm

    def _step_alike(self, max_norm: float | None) -> float:
        """Without ZeRO every process holds all gradients."""
        learning = [p for g in self.groups for p in g["params"]]
        if self.scale is not None:
            for parameter in learning:
                if parameter.grad is not None:
                    parameter.grad.div_(self.scale.value)
        norm = float(nn.utils.clip_grad_norm_(learning, max_norm if max_norm is not None else math.inf))
        if math.isfinite(norm):
            self._ds.step()
        else:
            self._ds.zero_grad()
        return norm

    def _step_shared(self, max_norm: float | None) -> float:
        optimizer = self._ds.optimizer
        if self.zero == 3:
            self._add_penalties()
        optimizer.clip_grad = max_norm if max_norm is not None else 0.0
        self._ds.step()
        return math.inf if optimizer.overflow else float(optimizer._global_grad_norm)

    def _add_penalties(self) -> None:
        """The penalties' gradients, on this process's share of the weights."""
        from deepspeed.utils import safe_get_local_fp32_param, safe_get_local_grad, safe_set_local_grad

        for group in self.groups:
            if group.get("l2"):
                factor = 2 * group["l2"] * (self.scale.value if self.scale is not None else 1.0)
                for parameter in group["params"]:
                    share = safe_get_local_fp32_param(parameter).view(-1)
                    gradient = safe_get_local_grad(parameter).view(-1)
                    # Shares are of one size: what lies past the parameter's end in the last of them is no number.
                    size = max(0, min(len(share), parameter.ds_numel - self.rank * len(share)))
                    penalty = torch.zeros_like(share)
                    penalty[:size] = factor * share[:size]
                    safe_set_local_grad(parameter, gradient + penalty)

    def save(self, folder: Path) -> None:
        """``model.safetensors``, ``optimizer-<rank>.safetensors`` and ``deepspeed.json``."""
        state = self.state()
        if self.first:
            save_file(state, folder / "model.safetensors")
            scale = vars(self.scale) if self.scale is not None else None
            write_text(folder / "deepspeed.json", json.dumps({**self._layout(), "scale": scale}))
        if self.first or self.zero:
            save_file(self._moments(), folder / f"optimizer-{self.rank:04d}.safetensors")

    def load(self, folder: Path) -> None:
        """Read them back. Raises MercError for a checkpoint of another strategy, world size or ZeRO stage."""
        saved = self._check(folder)
        self.restore(load_file(folder / "model.safetensors"))
        flat = load_file(folder / f"optimizer-{self.rank if self.zero else 0:04d}.safetensors")
        for index, share in enumerate(self._shares()):
            state = {n.partition("//")[2]: v for n, v in flat.items() if n.startswith(f"{index}//")}
            if state:
                self._ds.basic_optimizer.state[share] = {
                    k: v if k == "step" else v.to(share.device) for k, v in state.items()
                }
        if self.scale is not None and saved["scale"]:
            self.scale = LossScale(**saved["scale"])

    def _layout(self) -> dict[str, Any]:
        return {"zero": self.zero, "world": self.world, "shares": [s.numel() for s in self._shares()][:64]}

    def _check(self, folder: Path) -> dict[str, Any]:
        path = folder / "deepspeed.json"
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if (saved.get("zero"), saved.get("world")) != (self.zero, self.world):
            raise MercError(f"{folder} {written_by(folder)}")
        if self.first and saved["shares"] != self._layout()["shares"]:
            raise MercError(
                f"{folder} does not fit the recipe's model: other parts learn. Resume with the recipe that the run was "
                "started with, or start again in a new run directory (--run-dir)"
            )
        return saved

    def _shares(self) -> list[Tensor]:
        """What this process's AdamW steps: parameters without ZeRO, flat shares of them with it."""
        if self.zero == 0:
            return [p for g in self.groups for p in g["params"]]
        name = "fp32_partitioned_groups_flat" if self.zero == 3 else "single_partition_of_fp32_groups"
        return list(getattr(self._ds.optimizer, name))

    def _moments(self) -> dict[str, Tensor]:
        state = self._ds.basic_optimizer.state
        return {
            f"{index}//{key}": torch.as_tensor(value).detach().cpu().contiguous()
            for index, share in enumerate(self._shares())
            for key, value in state.get(share, {}).items()
        }

    def state(self) -> dict[str, Tensor]:
        """The trained state, in the first process."""
        assert self.model is not None
        with self.gathered():
            return trained_state(self.model) if self.first else {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put it back, in every process."""
        assert self.model is not None
        if self.zero < 3:
            load_trained_state(self.model, state)
        else:
            own = self.model.state_dict(keep_vars=True)
            for name, value in state.items():
                with self._whole(own[name], write=True), torch.no_grad():
                    own[name].copy_(value)
        if self.zero:
            self._ds.optimizer.refresh_fp32_params()
        self._hold_media()

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """Under ZeRO-3 the first process holds the trained weights, on the CPU, while the context lasts; no device has
        to hold them all."""
        if self.zero < 3 or self._ds is None:
            yield
            return
        assert self.model is not None
        held: dict[nn.Parameter, Tensor] = {}
        for parameter in self.model.learning().values():
            with self._whole(parameter):
                if self.first:
                    held[parameter] = parameter.detach().cpu().clone()
        share = {parameter: parameter.data for parameter in held}
        for parameter, value in held.items():
            parameter.data = value
        try:
            yield
        finally:
            for parameter, value in share.items():
                parameter.data = value
            self._hold_media()

    def _whole(self, parameter: Tensor, write: bool = False) -> contextlib.AbstractContextManager[None]:
        """A context in which ZeRO-3's parameter is whole; ``write``: what the first process writes is kept."""
        if not hasattr(parameter, "ds_id"):  # a buffer
            return contextlib.nullcontext()
        zero = importlib.import_module("deepspeed").zero
        gathered: contextlib.AbstractContextManager[None] = zero.GatheredParameters(
            [parameter], modifier_rank=0 if write else None
        )
        return gathered

    def _unhook_media(self) -> None:
        """Keep ZeRO-3 from fetching connectors, fusers, heads and losses when they are used: a process whose pass has
        no media would not take part. They are whole in every process in place of that."""
        assert self.model is not None
        beside = [one for part in self.model.beside for one in part.modules()]
        hooks = [h for m in beside for h in (m._forward_hooks, m._forward_pre_hooks)]
        offload = self._ds.optimizer.parameter_offload
        for handle in (*offload.forward_hooks, *offload.backward_hooks):
            if any(handle.hooks_dict_ref() is known for known in hooks):
                handle.remove()
        self._hold_media()

    def _hold_media(self) -> None:
        """Under ZeRO-3, make connectors, fusers, heads and losses whole again after what has shared them out."""
        if self.zero == 3 and self.model is not None:
            from deepspeed.runtime.zero.partition_parameters import ZeroParamStatus

            away: list[Any] = [
                p
                for part in self.model.beside
                for p in part.parameters()
                if getattr(p, "ds_status", None) is ZeroParamStatus.NOT_AVAILABLE
            ]
            if away:
                away[0].all_gather(param_list=away)

    def _let_go(self) -> None:
        """Take the model back from DeepSpeed's hooks, so that a next stage can hand it over anew."""
        if self._ds is None:
            return
        self._ds.module_forward_pre_hook.remove()
        self._ds.module_forward_post_hook.remove()
        self._ds.destroy()
        for module in self._ds.module.modules():
            # They hold on to the optimizer of the stage before.
            module.__dict__.pop("pre_bwd_fn", None)
            module.__dict__.pop("post_bwd_fn", None)
        if self.zero == 3:
            importlib.import_module("deepspeed.runtime.zero.parameter_offload").FWD_MODULE_STACK.clear()
        for parameter in self._ds.module.parameters():
            parameter.grad = None
        self._ds = None

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes."""
        return self.processes.sums(values)

    def collect(self, items: list[Any]) -> list[Any]:
        """The items of all processes, in the order of their rank."""
        return self.processes.collect(items)

    def barrier(self) -> None:
        """Wait for the other processes."""
        self.processes.barrier()


class _Pass(nn.Module):
    """What DeepSpeed takes for the model: its forward pass and its losses."""

    def __init__(self, model: EmotionModel, lockstep: bool) -> None:
        super().__init__()
        self.model, self.lockstep = model, lockstep

    def forward(self, batch: TreeBatch, draw: int) -> Tensor:
        nothing = zero_of_media(self.model)
        if not self.lockstep:
            return self.model.loss_values(batch, draw) + nothing
        # On its way back a pass with media goes down to the embeddings, and the weights that it meets are fetched
        # from all processes. A pass without any must go as far, or the processes wait for each other for ever.
        words = self.model.base.get_input_embeddings()
        handle = words.register_forward_hook(lambda module, inputs, output: _reached(output, nothing))
        try:
            return self.model.loss_values(batch, draw)
        finally:
            handle.remove()


class _Reached(torch.autograd.Function):
    """Words as they are, and on the way back zero for ``nothing``: its gradient would be that of all words summed up,
    times zero, which in float16 is no number."""

    @staticmethod
    def forward(ctx: Any, words: Tensor, nothing: Tensor) -> Tensor:
        return words.view_as(words)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        return gradients[0], torch.zeros((), device=gradients[0].device)


def _reached(words: Tensor, nothing: Tensor) -> Tensor:
    output: Tensor = _Reached.apply(words, nothing)  # type: ignore[no-untyped-call]
    return output
