"""The backbone ``int8``: a causal language model whose linear layers hold and multiply whole numbers of eight bits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import merc

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS = "int8.safetensors"


@dataclass(frozen=True, kw_only=True)
class Int8(merc.Backbone):
    """A causal language model of transformers as ``merc quantize`` writes it: weights of eight bits and a scale for
    each output of a linear layer; embeddings and norms as they were, computed in float32.

    What enters a linear layer is rounded to eight bits as well, each token by its own largest number, so that a prompt
    gives the same whatever is computed beside it. It predicts on a CPU, in about a third of float32's time where the
    processor multiplies whole numbers (VNNI), and cannot be tuned.
    """

    path: merc.FolderOrName
    """The folder that ``merc quantize`` has made."""

    def __post_init__(self) -> None:
        if not isinstance(self.tuning, merc.Frozen):
            raise ValueError(
                f"whole numbers cannot be tuned by {type(self.tuning).__name__}; tune the model that they are of, and "
                "quantise that run"
            )

    @property
    def _folder(self) -> Path:
        folder = Path(self.path)
        if not (folder / WEIGHTS).is_file():
            raise merc.MercError(f"backbone.path: {folder} holds no {WEIGHTS}; give a folder of merc quantize")
        return folder

    def config(self) -> PretrainedConfig:
        """The configuration of the model that was quantised."""
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self._folder, local_files_only=True)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer beside the weights."""
        from transformers import AutoTokenizer

        with merc.quiet():
            return AutoTokenizer.from_pretrained(self._folder, local_files_only=True)

    def shape(self) -> PreTrainedModel:
        """The model without weights; on torch's meta device where the caller chose it."""
        from transformers import AutoModelForCausalLM

        model: PreTrainedModel = AutoModelForCausalLM.from_config(self.config())
        return model

    def load(self, device: str) -> PreTrainedModel:
        """The model with its weights. Raises MercError for weights that are not those of its configuration."""
        import torch
        from safetensors.torch import load_file

        with torch.device("meta"):
            model = self.shape()
        state = load_file(self._folder / WEIGHTS)
        for name in quantisable(model):
            if f"{name}.scale" in state:
                replace_linear(model, name)
        state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        try:
            absent, unknown = model.load_state_dict(state, strict=False, assign=True)
        except RuntimeError as error:
            raise self._misfit(" ".join(str(error).split())[:200]) from None
        model.tie_weights()
        left = [name for name, one in (*model.named_parameters(), *model.named_buffers()) if one.is_meta]
        _compute_rotation(model)
        left = [name for name in left if name in absent and not name.endswith("inv_freq")]
        if unknown or left:
            raise self._misfit(f"unknown: {unknown[:3]}, absent: {left[:3]}")
        return model.to(device).eval().requires_grad_(False)

    def identity(self) -> dict[str, Any]:
        """What was quantised."""
        return {"path": self.path, "bits": 8}

    def weights(self) -> dict[str, Any]:
        """Size and hash of the weights."""
        file = self._folder / WEIGHTS
        return {WEIGHTS: [file.stat().st_size, merc.hash_file(file)]}

    def _misfit(self, why: str) -> merc.MercError:
        return merc.MercError(f"backbone.path: {self.path}/{WEIGHTS} does not fit its config.json: {why}")


def quantisable(model: nn.Module) -> list[str]:
    """The names of the linear layers of a model, but for the one that gives its logits."""
    import torch

    head = model.get_output_embeddings()  # type: ignore[operator]
    return [name for name, one in model.named_modules() if isinstance(one, torch.nn.Linear) and one is not head]


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight ``[outputs, inputs]`` as int8 and the scale ``[outputs]`` float32 of each row.

    >>> import torch
    >>> whole, scale = quantised(torch.tensor([[1.0, -0.5], [0.0, 0.0]]))
    >>> whole.tolist(), (whole * scale[:, None])[0, 0].item()
    ([[127, -64], [0, 0]], 1.0)
    """
    import torch

    weight = weight.float()
    scale = weight.abs().amax(1).clamp(min=1e-12) / 127
    return (weight / scale[:, None]).round().to(torch.int8), scale


def replace_linear(model: nn.Module, name: str) -> None:
    """Put a layer of eight bits, without weights, in the place of a linear one."""
    parent, _, last = name.rpartition(".")
    linear: Any = model.get_submodule(name)
    setattr(model.get_submodule(parent), last, _layer_class()(linear))


_LAYER: list[Any] = []


def _layer_class() -> Any:
    """The class of layers, which needs torch."""
    if not _LAYER:
        import torch

        class Product(torch.autograd.Function):
            """x Wᵀ. Rounding has no slope, so its gradient is that of the product without it."""

            @staticmethod
            def forward(ctx: Any, rows: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
                ctx.save_for_backward(weight, scale)
                step = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
                whole = torch._int_mm((rows / step).round().to(torch.int8), weight.t())
                return whole.float() * step * scale

            @staticmethod
            def backward(ctx: Any, *grads: Tensor) -> Any:
                weight, scale = ctx.saved_tensors
                return (grads[0] * scale) @ weight.float(), None, None

        class Int8Linear(torch.nn.Module):
            """``y = x Wᵀ + b`` in whole numbers: x by the largest number of each row, W by that of each output."""

            def __init__(self, linear: Any) -> None:
                super().__init__()
                self.in_features, self.out_features = linear.in_features, linear.out_features
                device = linear.weight.device
                self.register_buffer("weight", torch.empty_like(linear.weight, dtype=torch.int8, device=device))
                self.register_buffer("scale", torch.empty(linear.out_features, device=device))
                self.register_buffer("bias", None if linear.bias is None else torch.empty_like(linear.bias))

            def forward(self, x: Tensor) -> Tensor:
                rows = x.reshape(-1, self.in_features).float()
                y = Product.apply(rows, self.weight, self.scale)
                y = y if self.bias is None else y + self.bias
                return y.reshape(*x.shape[:-1], self.out_features).to(x.dtype)

        _LAYER.append(Int8Linear)
    return _LAYER[0]


def _compute_rotation(model: nn.Module) -> None:
    """Numbers that the configuration gives and no file holds: the angles of positions, which the meta device lacks."""
    for parent in model.modules():
        for name, one in list(parent.named_children()):
            if hasattr(one, "inv_freq") and one.inv_freq.is_meta:
                setattr(parent, name, type(one)(config=one.config))


def write_int8(merged: Path, folder: Path) -> dict[str, int]:
    """Write a model of transformers, of which ``merged`` is the folder, in eight bits into a new folder; gives the
    bytes of both's weights."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(merged))
    linear = set(quantisable(model))
    files = sorted(merged.glob("*.safetensors"))
    state = {name: value for file in files for name, value in load_file(file).items()}
    written: dict[str, Tensor] = {}
    for name, value in state.items():
        layer = name.removesuffix(".weight")
        if layer in linear and name.endswith(".weight"):
            written[name], written[f"{layer}.scale"] = quantised(value)
        else:
            written[name] = value
    folder.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in written.items()}, folder / WEIGHTS, {"format": "pt"})
    config = json.loads((merged / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float32"}, indent=1), encoding="utf-8")
    for file in merged.glob("*token*"):
        shutil.copyfile(file, folder / file.name)
    for name in ("chat_template.jinja", "vocab.json", "merges.txt"):
        if (merged / name).is_file():
            shutil.copyfile(merged / name, folder / name)
    return {"before": sum(file.stat().st_size for file in files), "after": (folder / WEIGHTS).stat().st_size}
