"""Runs ``merc`` in processes of their own without paying for its imports each time.

``Forks`` starts one process that imports what a run needs and computes nothing; for every command it forks. What runs
is the program as a user's shell starts it: its own process, its own signals, its own exit code. ``kill_at`` ends the
process by SIGKILL just before its n-th change of a file below ``watch``, so that a test can choose the moment;
``fail_at`` makes that change fail for a full disk instead, and the next ones succeed.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a process ended: the exit code (negative: by that signal), what it wrote, and how often it changed a file."""

    code: int
    out: str
    err: str
    changes: int


class Forks:
    """A process that forks ``merc`` on demand, with a folder of plugins on its path."""

    def __init__(self, site: Path, cache: Path, plugins: str = "tiny") -> None:
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
            "MERC_CACHE": str(cache),
            "MERC_PLUGINS": plugins,
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "COLUMNS": "160",
            "NO_COLOR": "1",
        }
        command = [sys.executable, "-m", "tests.integration.forking"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment, text=True, cwd=ROOT
        )

    def __call__(
        self,
        cwd: Path,
        *argv: str,
        kill_at: int = 0,
        fail_at: int = 0,
        watch: Path | None = None,
        meanwhile: Callable[[int], None] = lambda pid: None,
    ) -> Ended:
        """Run ``merc`` with arguments in a folder; ``meanwhile`` is called with its process id once it is started."""
        out, err, count = (cwd / f".forked.{name}" for name in ("out", "err", "count"))
        for file in (out, err, count):
            file.write_text("")
        ask = {"cwd": str(cwd), "argv": argv, "kill_at": kill_at, "fail_at": fail_at, "watch": str(watch or cwd)}
        assert self.process.stdin
        self.process.stdin.write(json.dumps(ask) + "\n")
        self.process.stdin.flush()
        meanwhile(self._answer()["pid"])
        code = self._answer()["code"]
        texts = [file.read_text() for file in (out, err, count)]
        for file in (out, err, count):
            file.unlink()
        return Ended(code, texts[0], texts[1], len(texts[2]))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the process that forks has ended"
        found: dict[str, Any] = json.loads(line)
        return found


def serve() -> None:
    """Fork for every line of standard input; say the process id, then the exit code."""
    import peft  # noqa: F401
    import safetensors.torch  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401

    import merc.cli.main
    import merc.cli.progress
    import merc.cli.run
    import merc.recipe
    import merc.session.pipeline  # noqa: F401

    torch.set_num_threads(1)
    for line in sys.stdin:
        ask = json.loads(line)
        child = os.fork()
        if child == 0:
            _be_merc(ask)
        print(json.dumps({"pid": child}), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


def _be_merc(ask: dict[str, Any]) -> None:
    from merc.cli.main import main

    os.chdir(ask["cwd"])
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(f".forked.{name}", os.O_WRONLY | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["merc", *ask["argv"]]
    _watch(Path(ask["watch"]), ask["kill_at"], ask["fail_at"], os.open(".forked.count", os.O_WRONLY | os.O_APPEND))
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _watch(folder: Path, kill_at: int, fail_at: int, count: int) -> None:
    seen = 0
    folder = folder.absolute()

    def changes(event: str, args: tuple[Any, ...]) -> bool:
        if event == "open":
            writes = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
            return bool(writes) and folder in Path(str(args[0])).absolute().parents
        if event not in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
            return False
        inside = args[-1] not in (-1, None)  # by the descriptor of a folder: shutil.rmtree, of a run's folder
        return inside or folder in Path(os.fsdecode(args[0])).absolute().parents

    def note(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if changes(event, args):
            seen += 1
            os.write(count, b".")
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if seen == fail_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))

    sys.addaudithook(note)


if __name__ == "__main__":
    serve()
