"""A process that makes clips: it reads a job a line from its input, and answers a line each.

The speech library keeps one state a process and must not be used from two threads; a process of its own also keeps
its faults, if it has any, away from the program.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import merc
from merc_skits.clip import make_clip
from merc_skits.script import Line, Speaker


def main() -> None:
    """Make clips until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    for job in sys.stdin:
        try:
            answer = _make(json.loads(job))
        except Exception as error:
            answer = {"error": str(error) or type(error).__name__, "user": isinstance(error, merc.MercError)}
        print(json.dumps(answer), file=answers, flush=True)


def _make(job: dict[str, Any]) -> dict[str, Any]:
    line = Line(**{**job["line"], "speaker": Speaker(**job["line"]["speaker"])})
    with merc.whole_file(Path(job["path"])) as temporary:
        make_clip(line, temporary)
    return {"done": line.id}


if __name__ == "__main__":
    main()
