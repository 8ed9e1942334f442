"""Getting DeepSpeed ready: the package, and the accelerator it takes."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import sys
import warnings
from typing import Any

from merc.errors import MercError


def check_installed() -> None:
    """Raise MercError if DeepSpeed is not installed."""
    if importlib.util.find_spec("deepspeed") is None:
        raise MercError("strategy deepspeed needs the package deepspeed; install it with: pip install merc[deepspeed]")


def start_deepspeed(kind: str) -> Any:
    """The package, made to use a kind of device ('cpu', 'cuda'), its connections made. What it says goes to standard
    error. Raises MercError where that fails."""
    # Not the accelerator that DeepSpeed would find by itself: a recipe may ask for the CPU on a machine with GPUs.
    os.environ["DS_ACCELERATOR"] = kind
    with contextlib.redirect_stdout(sys.stderr):
        deepspeed = importlib.import_module("deepspeed")
        logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
        accelerator = importlib.import_module("deepspeed.accelerator")
        if accelerator.get_accelerator().device_name() != kind:  # something imported it before
            module = importlib.import_module(f"deepspeed.accelerator.{kind}_accelerator")
            accelerator.set_accelerator(getattr(module, f"{kind.upper()}_Accelerator")())
    with contextlib.redirect_stdout(io.StringIO()):
        _compile_nothing()
        try:
            deepspeed.init_distributed(accelerator.get_accelerator().communication_backend_name(), verbose=False)
        except (RuntimeError, OSError, ImportError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise MercError(
                f"strategy deepspeed could not start: {first}; see docs/training.md, or set strategy.name=torch"
            ) from error
    # DeepSpeed calls them at every step; which of torch's names it uses is no matter of the user's.
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    return deepspeed


def _compile_nothing() -> None:
    """Keep DeepSpeed from compiling what it sums up activations with on CPUs in inference, and no training calls.

    That takes half a minute, a compiler and ninja; and if a process is killed meanwhile, every later one waits for the
    lock that it left, for ever.
    """
    importlib.import_module("deepspeed.ops").__compatible_ops__["deepspeed_shm_comm"] = False
