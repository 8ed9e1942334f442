"""Mutated recipes: each is read or refused with a sentence, at once, and what a run records is read again."""

from __future__ import annotations

import copy
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from merc.recipe.find import shipped_folder

WORKER = Path(__file__).with_name("recipe_worker.py")
CPU_SECONDS = 3.0
"""Of one recipe, read twice; on an idle machine none takes half a second."""
WALL_SECONDS = 60.0
"""After which a worker hangs, on a machine that does other things too."""

SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 10**30, 0.5, 1e-300, "", " ", "a", "???", "null", "no", "2020-01-01", "1e3",
    "x" * 300, "x" * 20_000, "~nosuchuser/x", "~", "/", ".", "..", "/dev/zero", "a/" * 200, "é", "日本",
    "\U0001f600", "\u2028", "\x85", "${seed}", "${data_root}", "${env:HOME}", "${env:NOT_ALLOWED}",
    "${${seed}}", "${", "${}", "\\${x}", "$", "${corpus}", "${stages.0}", "${stages.9999999999}",
    "${title}${title}", "${oc.env:HOME}", "${evaluate}", "merc/jsonl", "frozen", "lora", "%s%n", "{}", "{0}",
    "-", "--help", "\\", "'", '"', "#", "a: b", "*", "**/*", "[", "cuda:999999", [], {}, ["a", "a"],
    {"name": "a"}, {"name": ["a"]}, {"a": {"b": {"c": 1}}}, [[[[]]]], [None], {"": 1},
]  # fmt: skip
TEXTS = [
    "!!bool maybe", "!!int x", "!!float x", "!!timestamp x", "!!binary x", "!!set {a}", "!!omap [a: 1]", "!!str 1",
    "! 1", "!!python/object/apply:os.system [ls]", "!!python/name:os.system x", "!mine x", "!!map [a]", "!!seq a",
    "!!null x",
    "0x" + "f" * 5000, "9" * 5000, "0b_", "0x_", "1:30", "1:30.5", "0o7", ".inf", "-.inf", ".nan", "1e999", "=", "<<",
    "&a [*a]", "&a {x: *a}", "*missing", "? [a]\n: b", "'\\0'", '"\\0"', '"\\ud800"', '"\\e[31m"',
    "[" * 60 + "]" * 60,
    "[" * 5000, "{a: " * 2000 + "}" * 2000, "- " * 3000, "|\n  a\n b", "@", "`", "%YAML 9", "---", "...", "\t",
    "\ufeff",
    "2001-99-99", "{<<: {a: 1}}", "[" + "a, " * 12_000 + "a]", "'${x}'", "'" + "${" * 3000 + "'",
]  # fmt: skip


class Worker:
    """The process that reads recipes, started again after it hung or died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.Queue[str | None] = queue.Queue()

    def ask(self, file: Path, overrides: list[str]) -> dict[str, Any]:
        """How a recipe ends; ``fault`` for a hang or a death."""
        process = self.process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps({"file": str(file), "overrides": overrides}) + "\n")
        process.stdin.flush()
        try:
            line = self.lines.get(timeout=WALL_SECONDS)
        except queue.Empty:
            self.stop()
            return {"end": "fault", "what": "it hangs", "seconds": WALL_SECONDS}
        if line is None:
            code = process.wait()
            self.stop()
            return {"end": "fault", "what": f"the process died with {code}", "seconds": 0.0}
        ended: dict[str, Any] = json.loads(line)
        return ended

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _start(self) -> subprocess.Popen[str]:
        variables = {**os.environ, "MERC_ALLOW": "env:HOME", "OMP_NUM_THREADS": "1"}
        self.process = process = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables
        )
        self.lines = lines = queue.Queue()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        assert lines.get(timeout=300) == "ready\n"
        return process


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.stop()


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [one for key, value in items for one in ((*path, key), *places(value, (*path, key)))]


def mutated_tree(tree: Any, draw: random.Random) -> Any:
    """A recipe with a few values exchanged, taken out, copied elsewhere or put deeper."""
    tree = copy.deepcopy(tree)
    for _ in range(draw.randint(1, 3)):
        every = places(tree)
        if not every:
            break
        path = draw.choice(every)
        above = tree
        for step in path[:-1]:
            above = above[step]
        key = path[-1]
        match draw.randrange(7):
            case 0 | 1:
                above[key] = copy.deepcopy(draw.choice(SCALARS))
            case 2:
                del above[key]
            case 3:
                other = tree
                for step in draw.choice(every):
                    if isinstance(other, dict | list) and (isinstance(other, list) or step in other):
                        try:
                            other = other[step]
                        except (IndexError, TypeError):
                            break
                above[key] = copy.deepcopy(other)
            case 4:
                for _ in range(draw.choice((1, 3, 60))):
                    above[key] = draw.choice((lambda one: [one], lambda one: {"name": one}))(above[key])
            case 5 if isinstance(above, dict):
                name = draw.choice(
                    [str(key) + "x", str(key)[1:], "name", "k" * 300, "a.b", "é", "${x}", "", "<<", "no"]
                )
                above[name] = above.pop(key)
            case _ if isinstance(above, dict):
                above[draw.choice(("extends", "name", "data_root", "seed", "x"))] = copy.deepcopy(draw.choice(SCALARS))
    return tree


def mutated_text(text: str, draw: random.Random) -> bytes:
    """A recipe's text with a value replaced by YAML of any kind, or some bytes changed."""
    lines = text.split("\n")
    for _ in range(draw.randint(0, 2)):
        number = draw.randrange(len(lines))
        head, colon, _ = lines[number].partition(": ")
        odd = draw.choice(TEXTS)
        lines[number] = f"{head}: {odd}" if colon and draw.random() < 0.8 else lines[number] + odd
    if draw.random() < 0.2:
        lines.insert(draw.randrange(len(lines)), draw.choice(lines))
    content = bytearray("\n".join(lines).encode("utf-8", "surrogatepass"))
    for _ in range(draw.choice((0, 0, 1, 4, 30))):
        place = draw.randrange(len(content) + 1)
        match draw.randrange(4):
            case 0:
                content[place:place] = bytes([draw.randrange(256)])
            case 1:
                del content[place : place + draw.randint(1, 20)]
            case 2:
                content[place : place + 1] = draw.choice(
                    (b"{", b"}", b"[", b"]", b"&", b"*", b"!", b":", b"\n", b" ", b"\0")
                )
            case 3:
                start = draw.randrange(len(content) + 1)
                content[place:place] = content[start : start + draw.randint(1, 200)]
    return bytes(content)


def overrides_of(tree: Any, draw: random.Random) -> list[str]:
    """``key=value`` texts, odd in their keys or their values."""
    made = ["data_root=."] if draw.random() < 0.9 else []
    for _ in range(draw.choice((0, 0, 0, 1, 2))):
        every = places(tree) or [("seed",)]
        key = ".".join(map(str, draw.choice(every)))
        key = draw.choice((key, key, key, key + ".x", key + ".0", ".".join(["a"] * 100), "", "x.99", "é", key + "²"))
        odd = (
            draw.choice(TEXTS) if draw.random() < 0.5 else yaml.safe_dump(draw.choice(SCALARS), default_flow_style=True)
        )
        made.append(f"{key}={odd}".strip().removesuffix("\n...").replace("\0", "0"))
    return made


def test_every_mutated_recipe_is_read_or_refused_at_once(
    worker: Worker, rounds: Callable[[int, int], int], fuzz_seed: int, tmp_path: Path
) -> None:
    folder = shipped_folder()
    assert folder is not None
    copied = Path(shutil.copytree(folder, tmp_path / "recipes"))
    files = sorted(copied.rglob("*.yaml"))
    ends: Counter[str] = Counter()
    faults: list[str] = []
    slowest = 0.0
    for number in range(rounds(150, 10_000)):
        draw = random.Random(f"{fuzz_seed}/{number}")
        source = draw.choice(files)
        text = source.read_text(encoding="utf-8")
        tree = yaml.safe_load(text)
        if draw.random() < 0.6:
            content = yaml.safe_dump(mutated_tree(tree, draw), sort_keys=False, allow_unicode=True).encode()
            content = mutated_text(content.decode(), draw) if draw.random() < 0.3 else content
        else:
            content = mutated_text(text, draw)
        file = source.with_name("mutated.yaml")
        file.write_bytes(content)
        overrides = overrides_of(tree, draw)
        ended = worker.ask(file, overrides)
        if ended["seconds"] > CPU_SECONDS:  # what is imported once is no part of a recipe's time
            ended = worker.ask(file, overrides)
        slowest = max(slowest, ended["seconds"])
        if ended["seconds"] > CPU_SECONDS:
            ended = {"end": "fault", "what": f"it took {ended['seconds']:.1f} s"}
        ends[ended["end"]] += 1
        if ended["end"] == "fault":
            kept = tmp_path / f"fault-{number}.yaml"
            kept.write_bytes(content)
            faults.append(f"{kept} ({source.relative_to(copied)}) {overrides}: {ended['what']}")
    print(f"recipes: {dict(ends)}, the slowest took {slowest:.2f} s")
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:10])
    assert ends["ok"] and ends["refused"]
