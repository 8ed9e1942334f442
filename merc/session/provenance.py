"""What a run was made of: versions, code, data, seed, machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from merc.consent import hide
from merc.conversation import SPLITS, Conversation
from merc.errors import MercError, first_names
from merc.files import damaged, read_json, write_text
from merc.prompting import CHAT_DATE
from merc.recipe import Recipe
from merc.registry import get_registry
from merc.session.backbone import backbone_record
from merc.session.read_files import FileHashes
from merc.version import __version__

_PACKAGES = ("torch", "transformers", "peft", "deepspeed", "numpy", "scikit-learn", "av", "decord", "safetensors")
_DATA_VERSION = 2
"""Which fields of conversations ``data_hashes`` covers: from 2 on all but those of media and origins."""
_MAY_CHANGE = ("merc", "python", "platform", "machine", "packages", "plugins", "git")


class Provenance(TypedDict):
    """``provenance.json`` of a run: what a reader needs to know where its numbers came from."""

    merc: str
    """The version of merc."""
    python: str
    """The version of Python."""
    platform: str
    """The operating system, as Python names it."""
    machine: dict[str, Any]
    """``processor``, how many ``cores``, and whether these have instructions for ``bfloat16``."""
    packages: dict[str, str]
    """The versions of the packages that it computes with."""
    plugins: list[dict[str, Any]]
    """``name``, ``distribution`` and ``version`` of each plugin that is installed."""
    git: dict[str, Any] | None
    """The ``commit`` of merc's checkout, and whether files were ``changed``; null for a merc that is installed."""
    seed: int
    """The recipe's seed."""
    recipe: str
    """The recipe's name."""
    backbone: dict[str, Any] | None
    """The backbone's parameters, and what is known of its ``weights``; null where the recipe has none."""
    chat_date: str
    """The date that the backbone's chat template is given for today."""
    data: dict[str, Any]
    """By split: ``conversations``, ``utterances``, a ``sha256`` of what they say, and the ``version`` of that hash: in
    1, which is not recorded, it is of ids, speakers, texts and labels alone."""
    media: NotRequired[dict[str, Any]]
    """By split: a hash of the media's content, spans and regions, where the recipe shows any."""
    cues: NotRequired[dict[str, Any]]
    """The annotators that wrote cues, and a ``sha256`` of these, where the recipe has some."""
    files: NotRequired[dict[str, Any]]
    """By the place of a component in the recipe, the SHA-256 of each other file that it reads: a teacher's predictions,
    what says which weights a run beside it has."""
    init_from: NotRequired[dict[str, Any]]
    """The ``run`` whose weights it started from, and their ``sha256``, where it started from any."""
    started: str
    """When it began, in UTC."""
    command: str
    """The command, with values from the environment hidden."""
    resumed: list[dict[str, Any]]
    """For each time that it was resumed: when, with which command, and what of the above had changed."""
    seconds: NotRequired[float]
    """How long the process worked that finished the run."""


def provenance(
    recipe: Recipe,
    conversations: Sequence[Conversation],
    cues: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    media: Mapping[str, Any] | None = None,
    chat_date: date = CHAT_DATE,
    files: FileHashes | None = None,
) -> Provenance:
    """Everything that a reader needs to know where numbers came from. No value of the environment is recorded.
    ``cues`` says which annotators wrote cues, and holds their hash; ``start`` which run's weights it started from, and
    theirs; ``media`` are the ``media_hashes``; ``chat_date`` is what the backbone's chat template is given for today;
    ``files`` are the ``file_hashes``."""
    from merc.model.precision import computes_bfloat16  # imported only here, with torch

    record: Provenance = {
        "merc": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "bfloat16": computes_bfloat16("cpu"),
        },
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "plugins": [
            {"name": p.name, "distribution": p.distribution, "version": p.version}
            for p in get_registry().plugins()
            if not p.error
        ],
        "git": _git(Path(__file__).parents[1]),
        "seed": recipe.seed,
        "recipe": recipe.name,
        "backbone": backbone_record(recipe),
        "chat_date": chat_date.isoformat(),
        "data": data_hashes(conversations),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(),
        "resumed": [],
    }
    if media:
        record["media"] = dict(media)
    if cues:
        record["cues"] = dict(cues)
    if files:
        record["files"] = {place: dict(own) for place, own in files.items()}
    if start:
        record["init_from"] = dict(start)
    return record


def record_provenance(
    path: Path,
    recipe: Recipe,
    conversations: Sequence[Conversation],
    cues: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    media: Mapping[str, Any] | None = None,
    files: FileHashes | None = None,
) -> None:
    """Write ``provenance.json``, or add to the one of an interrupted run when and with what it goes on.

    Raises MercError if the data, their media, the cues, the weights to start from or ``files`` are not those that the
    run began with, and for a file that is damaged.
    """
    now: dict[str, Any] = {**provenance(recipe, conversations, cues, start, media, files=files)}
    if path.exists():
        before = _read(path)
        changed = _changed(before, {**now, "data": _hashed_as(_block(before, "data"), conversations)}, "data")
        if changed:
            raise MercError(
                f"the data of {path.parent} have changed since the run began: split {', '.join(changed)} has other "
                "conversations, texts, labels, cues or other values; give another --run-dir to start anew, or bring "
                "the data back"
            )
        # A run that an older merc began has no hash of its media.
        changed = _changed(before, now, "media") if "media" in before else []
        if changed:
            raise MercError(
                f"the media of {path.parent} have changed since the run began: split {', '.join(changed)} has files of "
                "other content, spans or regions; give another --run-dir to start anew, or bring the files back"
            )
        if _block(before, "cues").get("sha256") != now.get("cues", {}).get("sha256"):
            raise MercError(
                f"the cues of {path.parent} have changed since the run began: an annotator was asked again meanwhile; "
                "give another --run-dir to start anew with the cues of now"
            )
        # So has one no hash of other files.
        others = _other_files(_block(before, "files"), now.get("files", {})) if "files" in before else []
        if others:
            raise MercError(
                f"files that the run {path.parent} reads have changed since it began: {first_names(others, 3)}; give "
                "another --run-dir to start anew, or bring the files back"
            )
        if start and _block(before, "init_from").get("sha256") != start["sha256"]:
            raise MercError(
                f"the weights that {path.parent} started from have changed since it began: {start['run']} was trained "
                "again; give another --run-dir to start anew with the weights of now"
            )
        about = {key: now[key] for key in ("started", "command")}
        about |= {key: now[key] for key in _MAY_CHANGE if now[key] != before.get(key)}
        if not _block(before, "backbone").get("weights"):  # a run of an earlier merc
            about["backbone"] = now["backbone"]
        resumed = before.get("resumed")
        now = {**before, "resumed": [*(resumed if isinstance(resumed, list) else []), about]}
    write_text(path, json.dumps(now, indent=1))


def record_seconds(path: Path, seconds: float) -> None:
    """Add how long the process worked that finished the run."""
    write_text(path, json.dumps({**_read(path), "seconds": round(seconds, 1)}, indent=1))


def _read(path: Path) -> dict[str, Any]:
    """What the run began with. Raises MercError for a file that cannot say."""
    remedy = (
        "bring it back, or take it away: --resume then goes on without comparing the data of now with those that the "
        "run began with"
    )
    recorded = read_json(path, remedy)
    for key in ("data", "media", "cues", "files", "init_from", "backbone"):
        if not isinstance(recorded.get(key) or {}, dict):
            raise damaged(path, f"{key!r} is no JSON object", remedy)
    if not recorded.get("data"):
        raise damaged(path, "it has no 'data'", remedy)
    return recorded


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], key: str) -> list[str]:
    """The splits whose hashes differ."""
    then, those = _block(before, key), _block(now, key)
    return [split for split in {**then, **those} if then.get(split) != those.get(split)]


def _other_files(before: Mapping[str, Any], now: FileHashes) -> list[str]:
    """The files that components read now and that have another hash than before, each with the place of the component
    that reads it."""
    others = []
    for place, hashes in now.items():
        then = before.get(place)
        known: Mapping[str, Any] = then if isinstance(then, dict) else {}
        others += [f"{file} ({place})" for file in {**known, **hashes} if known.get(file, "") != hashes.get(file, "")]
    return others


def _block(recorded: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    block: Mapping[str, Any] = recorded.get(key) or {}
    return block


def data_hashes(conversations: Sequence[Conversation], version: int = _DATA_VERSION) -> dict[str, Any]:
    """By split: conversations, utterances, and a hash of what they say in order, with its version. Runs of an earlier
    merc have version 1, without a mark."""
    by_split: dict[str, Any] = {}
    for split in (*SPLITS, None):
        chosen = [c for c in conversations if c.split == split]
        if chosen:
            if version == 1:
                content = [[c.id, [[u.id, u.speaker, u.text, u.label] for u in c.utterances]] for c in chosen]
                text, mark = json.dumps(content, ensure_ascii=False), {}
            else:
                text = json.dumps([_content(c) for c in chosen], sort_keys=True, default=_plain)
                mark = {"version": version}
            by_split[split or "none"] = {
                "conversations": len(chosen),
                "utterances": sum(len(c.utterances) for c in chosen),
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                **mark,
            }
    return by_split


def _content(talk: Conversation) -> list[Any]:
    """All that can be learned from a conversation and shown of it, but for media, which have hashes of their own."""
    utterances = [
        [u.id, u.speaker, u.text, u.label, u.valence, u.open_labels, u.values, u.cues, u.extra] for u in talk.utterances
    ]
    return [talk.id, talk.dataset, talk.extra, utterances]


def _plain(value: Any) -> Any:
    """A value that JSON does not know, the same in every process."""
    if isinstance(value, Mapping):
        return dict(value)
    return sorted(map(str, value)) if isinstance(value, Set) else str(value)


def _hashed_as(recorded: Mapping[str, Any], conversations: Sequence[Conversation]) -> dict[str, Any]:
    """The hashes of conversations by the version of those that a run recorded."""
    marked = any(isinstance(one, dict) and "version" in one for one in recorded.values())
    return data_hashes(conversations, _DATA_VERSION if marked else 1)


def _command() -> str:
    return hide(" ".join(["merc", *sys.argv[1:]]))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, Any] | None:
    """The commit of merc's checkout and whether it had changes; ``None`` for an installed merc, also one that lies
    inside somebody's own checkout."""
    try:
        ask = ["git", "-C", str(folder)]
        subprocess.run(
            [*ask, "ls-files", "--error-unmatch", "__init__.py"], capture_output=True, timeout=10, check=True
        )
        top = subprocess.run([*ask, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True)
        changes = subprocess.run(
            [*ask, "status", "--porcelain"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": top.stdout.strip(), "changed": bool(changes.stdout.strip())}
