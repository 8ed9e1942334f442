"""Ways in which a file of a run comes to be damaged."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ODD: tuple[str, ...] = (
    "null", "true", "[]", "{}", '""', "-1", "1e999", "NaN", '"\\ud800"', '"\\u0000"', "9" * 5000, "[" * 50_000,
    '"' + "x" * 100_000 + '"', '[["a"]]', '{"a": {"b": 1}}', "0.5",
)  # fmt: skip
"""JSON texts that stand where others are expected."""


def truncate(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) + 1)])


def empty(path: Path, draw: random.Random) -> None:
    path.write_bytes(b"")


def flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 1, 8))):
        if content:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def become_a_folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def remove(path: Path, draw: random.Random) -> None:
    path.unlink()


def tear_a_letter(path: Path, draw: random.Random) -> None:
    with path.open("ab") as file:
        file.write('{"event": "note", "text": "é'.encode()[:-1])


def zeros(path: Path, draw: random.Random) -> None:
    """As some file systems leave a file behind a power cut."""
    path.write_bytes(bytes(path.stat().st_size))


def odd_value(path: Path, draw: random.Random) -> None:
    """Another value, of another type, somewhere in a JSON file or a line of one."""
    lines = path.read_text().split("\n") if path.suffix == ".jsonl" else [path.read_text()]
    number = draw.choice([n for n, line in enumerate(lines) if line.strip()])
    value: Any = json.loads(lines[number])
    mark = "@@odd@@"
    places = list(_places(value))
    if not places:
        lines[number] = draw.choice(_ODD)
    else:
        holder, key = draw.choice(places)
        holder[key] = mark
        lines[number] = json.dumps(value).replace(f'"{mark}"', draw.choice(_ODD))
    path.write_text("\n".join(lines))


def _places(value: Any) -> list[tuple[Any, Any]]:
    found = []
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found += [(value, key), *_places(value[key])]
    return found


def odd_yaml(path: Path, draw: random.Random) -> None:
    """Another value in a line of a recipe."""
    lines = path.read_text().split("\n")
    number = draw.choice([n for n, line in enumerate(lines) if ":" in line])
    odd = draw.choice([text for text in _ODD if len(text) < 20_000])
    lines[number] = f"{lines[number].partition(':')[0]}: {odd}"
    path.write_text("\n".join(lines))


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    truncate, truncate, empty, flip, flip, become_a_folder, remove, tear_a_letter, zeros,
)  # fmt: skip


def damage(run: Path, draw: random.Random) -> str:
    """Damage one file of a run; gives what was done to which."""
    file = draw.choice(sorted(path for path in run.rglob("*") if path.is_file()))
    ways = list(DAMAGES)
    if file.suffix in (".json", ".jsonl") and file.stat().st_size:
        ways += [odd_value] * len(ways)
    if file.suffix == ".yaml":
        ways += [odd_yaml] * len(ways)
    way = draw.choice(ways)
    way(file, draw)
    return f"{way.__name__} {file.relative_to(run)}"


def copy(run: Path, target: Path) -> Path:
    """A copy of a run, to damage."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(run, target))
