"""Mutated corpora: each is a list of conversations or a short MercError, never a traceback."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from merc import Corpus, CorpusData, MercError
from merc.builtin.jsonl import JsonlCorpus, write_jsonl
from merc.builtin.parquet import ParquetCorpus, write_parquet
from merc.errors import shown

Rounds = Callable[[int, int], int]

SECONDS = 5.0
"""No small file takes longer, on a machine that is busy with other things."""
SNIPPETS = [
    b"\x00", b"\xff\xfe", b"\xed\xa0\xbd", b"\\ud83d", b"\xe2\x80\xae", b"\x1b[2J", b"NaN", b"Infinity", b"1e999",
    b"9" * 5000, b"[" * 2000, b'{"a":' * 500, b'"', b"\n", b"\r", b",", b";", b"}", b"\xef\xbb\xbf", b"\\u0000",
    b"A" * 20_000, b"null", b"~nosuchuser/", b"../" * 100, b"\x85\x92", "你好世界".encode("gbk"),
]  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, -1, 10**299, 1.5, "", " ", "Joy", "joy ", "\ud83d", "a\0b", "\x1b]0;x\x07", "\u202eab", "x" * 300,
    "~nosuchuser/a.mp4", "a:b.mp4", "/", [], {}, [None], ["joy", 3], {"face": None}, {"x": {"y": [1, "\udc00"]}},
    [[[[[]]]]], "test", "train", "²", "０",
]  # fmt: skip
KEYS = ["id", "Id", "vidoe", "labels", "utterances", "text", "\ud83d", "", "extra", "x" * 300, "split", "start", "end"]
TALKS: list[dict[str, Any]] = [
    {"dataset": "faces", "labels": ["joy", "anger"]},
    {"id": "d0", "split": "train", "dataset": "faces", "utterances": [
        {"id": "u0", "speaker": "Ana", "text": "Hi – you…", "label": "joy", "video": "a.mp4", "start": 0.5, "end": 2},
        {"text": "No!", "label": "anger", "valence": -0.5, "open_labels": ["at ease"], "cues": {"face": "frowns"}},
    ]},
    {"id": "d1", "split": "test", "utterances": [
        {"text": "", "labels": ["joy"], "missing": {"audio": "mute"}, "region": [0, 0, 0.5, 1], "cut": ["audio"]},
    ]},
]  # fmt: skip
HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"


def in_bytes(content: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, taken out, doubled or put in."""
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(content) + 1), chance.choice([1, 1, 2, 8, 64])
        kind = chance.randrange(5)
        if kind == 0:
            content = content[:at] + bytes(chance.randrange(256) for _ in range(length)) + content[at + length :]
        elif kind == 1:
            content = content[:at] + content[at + length :]
        elif kind == 2:
            content = content[:at] + content[at : at + length] + content[at:]
        elif kind == 3:
            content = content[:at] + chance.choice(SNIPPETS) + content[at:]
        else:
            content = content[:at]
    return content


def in_values(value: Any, chance: random.Random) -> Any:
    """A value somewhere inside replaced, a key renamed, an element doubled or taken out."""
    places = list(_places(value))
    holder, key = chance.choice(places)
    kind = chance.randrange(4)
    if kind == 0 and isinstance(holder, dict):
        holder[chance.choice(KEYS)] = holder.pop(key)
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == 2:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(chance.choice(VALUES))
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield value, key
        yield from _places(one)


def outcome(corpus: Corpus, again: Path) -> CorpusData | None:
    """What a corpus gave, which its own writers and readers keep; ``None`` for a MercError, which is short."""
    started = time.monotonic()
    try:
        data = corpus.load()
        data.label_space()
    except MercError as error:
        lines = str(error).splitlines()
        assert len(lines) <= 7, lines
        assert all(len(line) <= 1500 for line in lines), lines
        assert shown(str(error)) == str(error)
        return None
    finally:
        assert time.monotonic() - started < SECONDS
    assert data.conversations
    write_jsonl(again, data.conversations)
    assert [c.id for c in JsonlCorpus(path=again).load().conversations] == [c.id for c in data.conversations]
    assert all(len(note) < 3000 for note in data.notes)
    return data


def test_mutated_json_lines(tmp_path: Path, rounds: Rounds, fuzz_seed: int) -> None:
    path, good = tmp_path / "talk.jsonl", 0
    for number in range(rounds(150, 20_000)):
        chance = random.Random(f"{fuzz_seed}/jsonl/{number}")
        talks = copy.deepcopy(TALKS)
        for _ in range(chance.randrange(3)):
            talks = in_values(talks, chance) or TALKS
        content = "".join(json.dumps(talk) + "\n" for talk in talks).encode()
        path.write_bytes(in_bytes(content, chance) if chance.random() < 0.6 else content)
        good += outcome(JsonlCorpus(path=path), tmp_path / "again.jsonl") is not None
    assert good  # some mutations change nothing that matters


def test_mutated_parquet(tmp_path: Path, rounds: Rounds, fuzz_seed: int) -> None:
    clean, path, good = tmp_path / "clean.jsonl", tmp_path / "talk.parquet", 0
    clean.write_text("".join(json.dumps(talk) + "\n" for talk in TALKS))
    data = JsonlCorpus(path=clean).load()
    write_parquet(path, data.conversations, {"faces": data.spaces["faces"]})
    whole = path.read_bytes()
    rows = pq.read_table(path).to_pylist(maps_as_pydicts="strict")
    for number in range(rounds(100, 10_000)):
        chance = random.Random(f"{fuzz_seed}/parquet/{number}")
        if chance.random() < 0.5:
            path.write_bytes(in_bytes(whole, chance))
        else:
            changed = copy.deepcopy(rows)
            for _ in range(chance.randint(1, 3)):
                changed = in_values(changed, chance) or copy.deepcopy(rows)
            changed = [row for row in changed if isinstance(row, dict)] or rows
            for row in changed:
                if chance.random() < 0.2:
                    row[chance.choice(["valence", "start"])] = chance.choice([float("nan"), float("inf"), -1.0])
            try:
                pq.write_table(pa.Table.from_pylist(changed), path)
            except (pa.ArrowException, ValueError, OverflowError, TypeError):
                continue  # no table has such values
        good += outcome(ParquetCorpus(path=path), tmp_path / "again.jsonl") is not None
    assert good


def test_mutated_tables_in_melds_form(tmp_path: Path, rounds: Rounds, fuzz_seed: int) -> None:
    meld = pytest.importorskip("merc_corpora.meld")
    rows = [
        f'{n},"Hi, it’s {n}…",Joey,{label},positive,{n // 3},{n % 3},4,7,"00:20:57,256","00:21:00,049"\n'
        for n, label in enumerate(["joy", "anger", "neutral", "fear"])
    ]
    whole = (HEAD + "".join(rows)).encode()
    for name in meld.TABLES.values():
        (tmp_path / name).write_bytes(whole)
    good = 0
    for number in range(rounds(150, 20_000)):
        chance = random.Random(f"{fuzz_seed}/meld/{number}")
        content = whole
        if chance.random() < 0.5:
            lines = [line.split(",") for line in whole.decode().splitlines()]
            line = chance.choice(lines)
            line[chance.randrange(len(line))] = str(chance.choice(VALUES)).encode("utf-8", "replace").decode()
            content = "\n".join(",".join(line) for line in lines).encode(
                chance.choice(["utf-8", "cp1252", "utf-16"]), "replace"
            )
        if chance.random() < 0.6:
            content = in_bytes(content, chance)
        (tmp_path / "train_sent_emo.csv").write_bytes(content)
        good += outcome(meld.MeldCorpus(root=tmp_path), tmp_path / "again.jsonl") is not None
    assert good
