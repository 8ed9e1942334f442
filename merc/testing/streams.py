"""Batches of features for the contracts of connectors and fusers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from merc.components import Stream
from merc.testing.contract import require

if TYPE_CHECKING:
    from torch import Tensor, nn


def stream(counts: Sequence[int], dim: int, seed: int = 0, padding: int = 0, rubbish: float = 0.0) -> Stream:
    """Random features ``[len(counts), max(counts) + padding, dim]``; ``rubbish`` stands where the mask is false.

    The features of a row depend on the seed and the row's place alone, not on the padding.
    """
    import torch

    length = max(counts) + padding
    values = torch.full((len(counts), length, dim), rubbish)
    mask = torch.zeros(len(counts), length, dtype=torch.bool)
    for row, count in enumerate(counts):
        generator = torch.Generator().manual_seed(1000 * seed + row)
        values[row, :count] = torch.randn(count, dim, generator=generator)
        mask[row, :count] = True
    return Stream(values, mask)


def row(of: Stream, index: int) -> Stream:
    """One row as a batch of its own."""
    return Stream(of.values[index : index + 1], of.mask[index : index + 1])


def real(of: Stream, index: int) -> Tensor:
    """The real tokens ``[tokens, dim]`` of one row."""
    return of.values[index][of.mask[index]]


def check_stream(title: str, stream: Any, rows: int, dim: int) -> None:
    """That a module gave a Stream of this many rows and this dimension, with a boolean mask of the same shape."""
    import torch

    require(
        isinstance(stream, Stream), f"the module of {title} gives {type(stream).__name__}; it must give a merc.Stream"
    )
    shape = list(stream.values.shape)
    require(
        stream.values.ndim == 3 and shape[0] == rows and shape[2] == dim,
        f"the module of {title} gives values of shape {shape}; they must be [{rows}, tokens, {dim}]",
    )
    require(
        stream.mask.dtype == torch.bool, f"the mask that {title} gives is {stream.mask.dtype}; it must be torch.bool"
    )
    require(
        list(stream.mask.shape) == shape[:2],
        f"the mask that {title} gives has shape {list(stream.mask.shape)}; its values want {shape[:2]}",
    )


def check_finite(title: str, stream: Stream) -> None:
    """That every real token is a number."""
    import torch

    for index in range(len(stream.mask)):
        require(
            torch.isfinite(real(stream, index)).all(),
            f"row {index} that {title} gives holds NaN or infinity, though the row has real tokens",
        )


def check_gradients(title: str, module: nn.Module, stream: Stream) -> None:
    """That every parameter learns, and that a row without tokens gives no NaN to its gradient."""
    import torch

    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not parameters:
        return
    stream.values[stream.mask].square().sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in parameters.items():
        require(parameter.grad is not None, f"parameter {name!r} of {title} gets no gradient: nothing uses it")
        require(
            torch.isfinite(torch.as_tensor(parameter.grad)).all(),
            f"the gradient of parameter {name!r} of {title} holds NaN when one row of the batch lacks the modality; "
            "a softmax over a row that is masked as a whole does that",
        )


def moved(module: nn.Module) -> nn.Module:
    """The module with its parameters moved away from where they begin, so that a closed gate hides nothing."""
    import torch

    torch.manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


def check_meta(title: str, build: Any, method: str = "build") -> None:
    """That ``build`` works on the meta device, with as many parameters as on the CPU."""
    import torch

    try:
        with torch.device("meta"):
            module = build()
    except Exception as error:
        raise AssertionError(
            f"{title}.{method} fails on torch's meta device, which `merc params` uses: {type(error).__name__}: {error}"
        ) from error
    there, here = (sum(p.numel() for p in m.parameters()) for m in (module, build()))
    require(there == here, f"{title} has {there} parameters on the meta device and {here} on the CPU")


def seeded(build: Any) -> nn.Module:
    """The module that ``build`` gives from a fixed seed, in evaluation mode."""
    import torch

    torch.manual_seed(0)
    module: nn.Module = build()
    return module.eval()
