"""A clone of the repository as it is now, for tests that follow a page in one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import merc

ROOT = Path(merc.__file__).parents[1]


def git(folder: Path, *arguments: str) -> str:
    """What git answers in a folder."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def copy_files(folder: Path) -> None:
    """Copy what git knows or would take, uncommitted files included."""
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def newcomers_environment() -> dict[str, str]:
    """The variables of somebody who has Python and git and nothing of merc."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MERC_", "PYTEST_", "PYTHON", "VIRTUAL_ENV"))}
    tools = [str(Path(sys.executable).parent), str(Path(sys.base_prefix) / "bin"), kept["PATH"]]
    return {**kept, "PATH": os.pathsep.join(tools), "OMP_NUM_THREADS": "1"}
