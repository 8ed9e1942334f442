"""Small networks in TensorFlow Lite's format, read with LiteRT (``ai-edge-litert``)."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from merc import MercError
from merc_embedded.weights import Weights

_CHATTER = b"Created TensorFlow Lite XNNPACK delegate"


@dataclass(frozen=True, kw_only=True, eq=False)
class LiteNetwork:
    """A network with one input, a picture. It must not be used from two threads at once."""

    interpreter: Any
    """LiteRT's interpreter."""
    side: int
    """The height and width of the picture that it takes, in pixels."""
    _input: int
    _outputs: tuple[int, ...]

    @staticmethod
    def load(weights: Weights) -> LiteNetwork:
        """Read a network, to compute in one thread. Raises MercError when its weights or LiteRT are not installed."""
        path = weights.path()
        if find_spec("ai_edge_litert") is None:
            raise MercError(
                f"ai-edge-litert, which reads {weights.file}, is not installed; install it with: "
                "pip install ai-edge-litert"
            )
        from ai_edge_litert.interpreter import Interpreter

        with _without_chatter():
            interpreter = Interpreter(str(path), num_threads=1)
            interpreter.allocate_tensors()
        (taken,) = interpreter.get_input_details()
        outputs = tuple(one["index"] for one in interpreter.get_output_details())
        return LiteNetwork(
            interpreter=interpreter, side=int(taken["shape"][1]), _input=taken["index"], _outputs=outputs
        )

    def __call__(self, picture: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """The outputs for a picture ``[side, side, 3]``, in the order of the file."""
        self.interpreter.set_tensor(self._input, picture[None])
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(one)[0] for one in self._outputs]


@contextmanager
def _without_chatter() -> Iterator[None]:
    """LiteRT's library writes a line to the standard error for the first network of a process, and has no setting for
    it. What else is written meanwhile is passed on."""
    sys.stderr.flush()
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
            written.seek(0)
            others = [line for line in written if _CHATTER not in line]
            if others:
                os.write(2, b"".join(others))
