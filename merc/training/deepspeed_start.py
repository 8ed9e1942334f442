"""Getting DeepSpeed ready: the package, the accelerator it takes, and the tools that it compiles with."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import shutil
import sys
import sysconfig
import warnings
from pathlib import Path
from typing import Any

from merc.errors import MercError


def check_installed(kind: str) -> None:
    """Raise MercError if DeepSpeed is not installed, or lacks the tools that it needs on a device ('cpu', 'cuda')."""
    if importlib.util.find_spec("deepspeed") is None:
        raise MercError("engine deepspeed needs the package deepspeed; install it with: pip install merc[deepspeed]")
    if kind == "cpu":
        _find_ninja()
        if not any(map(shutil.which, (os.environ.get("CXX") or "c++", "g++"))):
            raise MercError(
                "engine deepspeed compiles a part for CPUs and finds no C++ compiler; install one (on Debian and "
                "Ubuntu: apt install g++), or set engine.name=torch"
            )


def start_deepspeed(kind: str) -> Any:
    """The package, made to use a kind of device, its connections made. What it says goes to standard error.

    On a CPU the first call on a machine compiles for about half a minute. Raises MercError where that fails.
    """
    # Not the accelerator that DeepSpeed would find by itself: a recipe may ask for the CPU on a machine with GPUs.
    os.environ["DS_ACCELERATOR"] = kind
    with contextlib.redirect_stdout(sys.stderr):
        deepspeed = importlib.import_module("deepspeed")
        logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
        accelerator = importlib.import_module("deepspeed.accelerator")
        if accelerator.get_accelerator().device_name() != kind:  # something imported it before
            found = importlib.import_module(f"deepspeed.accelerator.{kind}_accelerator")
            accelerator.set_accelerator(getattr(found, f"{kind.upper()}_Accelerator")())
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            deepspeed.init_distributed(accelerator.get_accelerator().communication_backend_name(), verbose=False)
        except (RuntimeError, OSError, ImportError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise MercError(
                f"engine deepspeed could not start: {first}. On a CPU it compiles a part of itself, which needs ninja "
                "and a C++ compiler; see docs/training.md, or set engine.name=torch"
            ) from error
    # DeepSpeed calls them at every step; which of torch's names it uses is no matter of the user's.
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    return deepspeed


def _find_ninja() -> None:
    """Put ninja on PATH: a program of a virtual environment that is not active is not there."""
    if shutil.which("ninja"):
        return
    folders = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    for folder in folders:
        if shutil.which("ninja", path=str(folder)):
            os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
            return
    raise MercError(
        f"engine deepspeed needs the program ninja, which is neither on PATH nor in {folders[0]}; "
        "install it with: pip install merc[deepspeed]"
    )
