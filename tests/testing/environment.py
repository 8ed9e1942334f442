"""A virtual environment of its own for tests that install things: it sees the packages of this one, and hides none of
its own from it."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path


def make_environment(folder: Path) -> Path:
    """Make it at ``folder``; gives its ``bin``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    # addsitedir, so that what is installed as editable here is found as well.
    lines = [f"import site; site.addsitedir({outer!r})\n" for outer in site.getsitepackages()]
    (packages / "outer.pth").write_text("".join(lines))
    # A pip of its own, or the word `pip` would mean that of this environment, and install there.
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{folder / "bin" / "python"}" -m pip "$@"\n')
    pip.chmod(0o755)
    return folder / "bin"


def environment_of(bin_folder: Path) -> dict[str, str]:
    """The variables of a process in it, as if it had been activated."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MERC_", "PYTEST_", "PYTHON"))}
    return {**kept, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(bin_folder.parent)}


def pip_install(bin_folder: Path, *arguments: str) -> None:
    """``pip install`` into it, offline."""
    python = str(bin_folder / "python")
    command = [python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment_of(bin_folder))
    assert done.returncode == 0, done.stdout + done.stderr
