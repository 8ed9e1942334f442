"""Connectors, fusers, heads and encoders' networks as modules of plain tensors, and their ONNX files."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import merc

Inputs = Mapping[str, Tensor]
"""What a module is tried with, by the name of the input, in the order of its arguments."""

_ROWS = 2
_TOKENS = 3


class OfStreams(nn.Module):
    """A connector or a fuser: for each stream its features ``[batch, tokens, dim]`` and which tokens are real ``[batch,
    tokens]`` in; the tokens of what comes out, and which of them are real, out."""

    def __init__(self, module: nn.Module, streams: Sequence[str], alone: bool) -> None:
        super().__init__()
        self.module, self.streams, self.alone = module, tuple(streams), alone

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Values and mask."""
        pairs = zip(tensors[::2], tensors[1::2], strict=True)
        streams = {name: merc.Stream(*pair) for name, pair in zip(self.streams, pairs, strict=True)}
        out = self.module(streams[self.streams[0]] if self.alone else streams)
        return out.values, out.mask


class OfClip(nn.Module):
    """An encoder's network: what it prepares of one clip ``[n, ...]`` in, its features ``[tokens, dim]`` out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, prepared: Tensor) -> Tensor:
        """Features."""
        features: Tensor = self.network([prepared])[0]
        return features


def networks_of(
    session: merc.Session, clip: Path | None = None
) -> tuple[dict[str, tuple[nn.Module, Inputs]], list[str]]:
    """The modules of a run beside its language model, by name, with what each is tried with; and a sentence for each
    that has none.

    Args:
        session: The run.
        clip: A clip with picture and sound, from which encoders prepare what their networks are tried with.
    """
    model: Any = session.load()
    media, networks, notes = model.media, {}, []
    for name, module in media.connectors.items():
        if name in media.opening:
            notes.append(f"connectors.{name} takes no input: its tokens are parameters")
            continue
        networks[f"connector-{name}"] = (OfStreams(module, [name], True), _streams({name: media.shapes[name].dim}))
    for name, module in media.fusers.items():
        if name in media.past:
            notes.append(f"fusers.{name} sees the conversation's past, and is no function of one utterance")
            continue
        dims = {stream: media.shapes[stream].dim for stream in media.inputs[name]}
        networks[f"fuser-{name}"] = (OfStreams(module, list(dims), False), _streams(dims))
    width = model.base.config.get_text_config().hidden_size
    for name, module in model.heads.items():
        networks[f"head-{name}"] = (module, {"states": torch.randn(_ROWS, width)})
    for name, part in session.recipe.encoders.items():
        try:
            networks[f"encoder-{name}"] = _encoder(part.component, clip)
        except merc.MercError as error:
            notes.append(f"encoders.{name}: {error}")
    return {name: (module.eval(), inputs) for name, (module, inputs) in networks.items()}, notes


def write_onnx(module: nn.Module, inputs: Inputs, file: Path, tolerance: float) -> float:
    """Write a module as ONNX and compare what onnxruntime makes of it with torch, for as many rows and tokens as it was
    written with and for others; gives the largest difference, as a share of the largest number.

    Raises:
        MercError: ONNX cannot hold the module, or its numbers are others.
    """
    dynamic = tuple(dict.fromkeys(range(min(2, one.dim())), torch.export.Dim.AUTO) for one in inputs.values())
    if isinstance(module, OfStreams):
        dynamic = (dynamic,)
    with torch.no_grad(), warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module, tuple(inputs.values()), str(file), dynamo=True, dynamic_shapes=dynamic,
                input_names=list(inputs), external_data=False,
            )  # fmt: skip
        except Exception as error:
            raise merc.MercError(f"ONNX cannot hold it: {' '.join(str(error).split())[:160]}") from error
    return max(_difference(module, one, file, tolerance) for one in (inputs, _other_size(inputs)))


def _difference(module: nn.Module, inputs: Inputs, file: Path, tolerance: float) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    try:
        with torch.no_grad():
            expected = module(*inputs.values())
        tensors = session.run(None, {name: one.numpy() for name, one in inputs.items() if name in names})
    except Exception as error:
        raise merc.MercError(f"it serves one size of its input alone: {' '.join(str(error).split())[:160]}") from error
    far = 0.0
    for one, other in zip(expected if isinstance(expected, tuple) else (expected,), tensors, strict=True):
        if one.shape != other.shape:
            raise merc.MercError(f"ONNX gives {list(other.shape)} numbers and torch {list(one.shape)}")
        plain = one.double().numpy()
        largest = float(np.abs(plain).max(initial=1e-6))
        far = max(far, float(np.abs(plain - other.astype("float64")).max(initial=0.0)) / largest)
    if far > tolerance:
        raise merc.MercError(f"ONNX computes other numbers than torch: {far:.1e} of the largest apart")
    return far


def _streams(dims: Mapping[str, int]) -> Inputs:
    """Features of a few utterances, of which the last has fewer tokens."""
    tensors: dict[str, Tensor] = {}
    for name, dim in dims.items():
        tensors[name] = torch.randn(_ROWS, _TOKENS, dim)
        mask = torch.ones(_ROWS, _TOKENS, dtype=torch.bool)
        mask[-1, -1] = False
        tensors[f"{name}_mask"] = mask
    return tensors


def _other_size(inputs: Inputs) -> Inputs:
    """One row more of each, which is the first again."""
    return {name: torch.cat([one, one[:1]]) for name, one in inputs.items()}


def _encoder(component: Any, clip: Path | None) -> tuple[nn.Module, Inputs]:
    """An encoder's network and what it is tried with. Raises MercError where it has none."""
    if type(component).build is merc.Encoder.build:
        raise merc.MercError("it has no network of torch that could be written")
    if clip is None:
        raise merc.MercError("it wants a clip to be tried with: give --clip FILE")
    prepared = component.prepare()([_read(clip, component)])[0]
    if isinstance(prepared, merc.Missing):
        raise merc.MercError(f"it sees nothing in {clip}: {prepared.reason}; give another --clip")
    return OfClip(component.build()), {"prepared": torch.as_tensor(np.asarray(prepared))}


def _read(clip: Path, component: Any) -> Any:
    """A clip as an encoder of its modality gets it, at most ten seconds of it."""
    import av

    sampling = component.sampling()
    try:
        with av.open(str(clip)) as container:
            if component.modality == "video":
                frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][:250]
                chosen = np.linspace(0, len(frames) - 1, num=getattr(sampling, "count", None) or 8).round().astype(int)
                return merc.VideoClip(frames=np.stack([frames[at] for at in chosen]), times=chosen / 25)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=sampling.rate)
            parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
            samples = np.concatenate(parts)[: 10 * sampling.rate].astype("float32")
            return merc.AudioClip(samples=samples, rate=sampling.rate)
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise merc.MercError(f"--clip {clip} cannot be read: {' '.join(str(error).split())[:120]}") from None


@contextlib.contextmanager
def _quiet() -> Any:
    """Without what the exporter says of its progress."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
