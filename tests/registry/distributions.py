"""Real distributions: built as wheels and installed by pip into a folder that stands on the path."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "{version}"

[project.entry-points.merc]
{plugin} = "{module}"
"""

_BUILD = """
import os, sys
from hatchling.build import build_wheel
wheels, *folders = sys.argv[1:]
for folder in folders:
    os.chdir(folder)
    build_wheel(wheels)
"""

GOOD_ENCODER = """\
from dataclasses import dataclass
import merc, numpy as np


@dataclass(frozen=True, kw_only=True)
class Loudness(merc.Encoder):
    \"\"\"Loudness a ``window`` of seconds.\"\"\"

    modality = "audio"
    window: float = 0.5

    def sampling(self):
        return merc.Waveform(rate=16_000)

    def spec(self):
        return merc.FeatureSpec(dim=1)

    def load(self, device):
        size = int(self.window * 16_000)
        def loudness(clip):
            parts = [clip.samples[i : i + size] for i in range(0, len(clip.samples), size)]
            return np.array([[np.sqrt(np.mean(part**2))] for part in parts], "float32")
        return lambda clips: [loudness(clip) for clip in clips]
"""


@dataclass
class Distribution:
    """A small plugin: its name is ``plugin``, its distribution ``merc-<plugin>`` and its package ``merc_<plugin>``."""

    plugin: str
    plugin_py: str
    files: Mapping[str, str] = field(default_factory=dict)
    version: str = "0.1"
    distribution: str = ""
    entry: str = ""

    def write(self, folder: Path) -> Path:
        """Write its sources; gives the project's folder."""
        distribution = self.distribution or f"merc-{self.plugin}"
        package = distribution.replace("-", "_")
        project = folder / distribution
        (project / package).mkdir(parents=True)
        (project / "pyproject.toml").write_text(
            _PYPROJECT.format(
                distribution=distribution,
                version=self.version,
                plugin=self.plugin,
                module=self.entry or f"{package}.plugin",
            )
        )
        files = {"__init__.py": "", "plugin.py": self.plugin_py, **self.files}
        for name, text in files.items():
            (project / package / name).parent.mkdir(parents=True, exist_ok=True)
            (project / package / name).write_text(text)
        return project


def install(distributions: list[Distribution], folder: Path) -> Path:
    """Build every distribution as a wheel and ``pip install --target`` them all; gives the folder for the path."""
    wheels, site = folder / "wheels", folder / "site"
    wheels.mkdir()
    projects = [str(one.write(folder / "source")) for one in distributions]
    subprocess.run([sys.executable, "-c", _BUILD, str(wheels), *projects], check=True, capture_output=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--target",
        str(site),
    ]
    subprocess.run([*pip, *map(str, sorted(wheels.glob("*.whl")))], check=True, capture_output=True)
    return site
