"""The contract that every encoder's answer is held to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from merc.components.encoder import Features, Missing
from merc.errors import MercError
from merc.features.prepared import gives_inputs, wrong_input

if TYPE_CHECKING:
    from merc.features.plan import NamedEncoder


def check(stream: NamedEncoder, utterances: Sequence[str], answer: object) -> list[Features | Missing]:
    """The answer of an encoder to a batch; raises MercError, naming encoder and utterance, where it breaks the
    contract: one array ``[tokens, dim]`` float32 an utterance, as its spec says. Whether they are finite may depend on
    the clip, and is looked at elsewhere."""
    who = f"encoder {stream.part!r} (stream {stream.name!r})"
    if not isinstance(answer, Sequence | np.ndarray) or len(answer) != len(utterances):
        count = len(answer) if hasattr(answer, "__len__") else type(answer).__name__
        raise MercError(f"{who} gave {count} answers for {len(utterances)} clips, beginning with {utterances[0]!r}")
    return [_one(f"{who}, utterance {u!r}", stream, value) for u, value in zip(utterances, answer, strict=True)]


def _one(where: str, stream: NamedEncoder, value: object) -> Features | Missing:
    spec = stream.encoder.spec()
    if isinstance(value, Missing):
        return value
    if gives_inputs(stream.encoder):
        if (problem := wrong_input(value)) is not None:
            raise MercError(f"{where}: {problem}")
        assert isinstance(value, np.ndarray)
        return value
    if not isinstance(value, np.ndarray):
        raise MercError(f"{where}: it gave a {type(value).__name__}; a numpy array or Missing is wanted")
    if value.dtype != np.float32:
        raise MercError(f"{where}: its features are {value.dtype}; float32 is wanted")
    if value.ndim != 2 or value.shape[1] != spec.width:
        raise MercError(f"{where}: its features are of shape {list(value.shape)}; [tokens, {spec.width}] is wanted")
    if not len(value):
        raise MercError(f"{where}: it gave no token; it should give Missing with the reason instead")
    if spec.tokens is not None and len(value) > spec.tokens:
        raise MercError(f"{where}: it gave {len(value)} tokens; its spec says at most {spec.tokens}")
    return value
