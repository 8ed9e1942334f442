"""Completion in a shell: commands, options, and the names of recipes, components and kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def completed(line: str) -> list[str]:
    words = line.split(" ")
    environment = {
        **os.environ, "_MERC_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("merc"))],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("merc doc", {"doctor"}),
        ("merc swe", {"sweep"}),
        ("merc run --res", {"--resume"}),
        ("merc run quickstart-", {"quickstart-text"}),
        ("merc validate farcer/skits-th", {"farcer/skits-three-layer"}),
        ("merc plugins show verb", {"verbalizer"}),
        ("merc plugins new mine --kind tr", {"trainer", "transcriber", "tracker"}),
    ],
)  # fmt: skip
def test_a_shell_completes(line: str, expected: set[str]) -> None:
    assert set(completed(line)) == expected
