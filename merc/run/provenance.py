"""What a run was made of: versions, code, data, seed, machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import merc
from merc.consent import hide_in
from merc.conversation import SPLITS, Conversation
from merc.errors import MercError
from merc.files import write_text
from merc.prompting import CHAT_DATE
from merc.recipe import Recipe
from merc.registry import get_registry
from merc.run.backbone import backbone_record

_PACKAGES = ("torch", "transformers", "peft", "deepspeed", "numpy", "scikit-learn", "av", "decord", "safetensors")
_MAY_CHANGE = ("merc", "python", "platform", "machine", "packages", "plugins", "git")


def provenance(
    recipe: Recipe,
    conversations: Sequence[Conversation],
    cues: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    chat_date: date = CHAT_DATE,
) -> dict[str, Any]:
    """Everything that a reader needs to know where numbers came from. No value of the environment is recorded.
    ``cues`` says which annotators wrote cues, and holds their hash; ``start`` which run's weights it started from, and
    theirs; ``chat_date`` is what the backbone's chat template is given for today."""
    return {
        "merc": merc.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "plugins": [
            {"name": p.name, "distribution": p.distribution, "version": p.version}
            for p in get_registry().plugins()
            if not p.error
        ],
        "git": _git(Path(merc.__file__).parent),
        "seed": recipe.seed,
        "recipe": recipe.name,
        "backbone": backbone_record(recipe),
        "chat_date": chat_date.isoformat(),
        "data": data_hashes(conversations),
        **({"cues": dict(cues)} if cues else {}),
        **({"init_from": dict(start)} if start else {}),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(),
        "resumed": [],
    }


def record_provenance(
    path: Path,
    recipe: Recipe,
    conversations: Sequence[Conversation],
    cues: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
) -> None:
    """Write ``provenance.json``, or add to the one of an interrupted run when and with what it goes on.

    Raises MercError if the data, the cues or the weights to start from are not those that the run began with.
    """
    now = provenance(recipe, conversations, cues, start)
    if path.exists():
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        changed = [s for s in {**before["data"], **now["data"]} if before["data"].get(s) != now["data"].get(s)]
        if changed:
            raise MercError(
                f"the data of {path.parent} have changed since the run began: split {', '.join(changed)} has other "
                "conversations, texts or labels; give another --run-dir to start anew, or bring the data back"
            )
        if before.get("cues", {}).get("sha256") != now.get("cues", {}).get("sha256"):
            raise MercError(
                f"the cues of {path.parent} have changed since the run began: an annotator was asked again meanwhile; "
                "give another --run-dir to start anew with the cues of now"
            )
        if start and before.get("init_from", {}).get("sha256") != start["sha256"]:
            raise MercError(
                f"the weights that {path.parent} started from have changed since it began: {start['run']} was trained "
                "again; give another --run-dir to start anew with the weights of now"
            )
        about = {key: now[key] for key in ("started", "command")}
        about |= {key: now[key] for key in _MAY_CHANGE if now[key] != before[key]}
        if not (before.get("backbone") or {}).get("weights"):  # a run of an earlier merc
            about["backbone"] = now["backbone"]
        now = {**before, "resumed": [*before["resumed"], about]}
    write_text(path, json.dumps(hide_in(now), indent=1))


def record_seconds(path: Path, seconds: float) -> None:
    """Add how long the process worked that finished the run."""
    found = json.loads(path.read_text(encoding="utf-8"))
    write_text(path, json.dumps({**found, "seconds": round(seconds, 1)}, indent=1))


def data_hashes(conversations: Sequence[Conversation]) -> dict[str, Any]:
    """By split: conversations, utterances, and a hash of their ids, texts and labels in order."""
    found: dict[str, Any] = {}
    for split in (*SPLITS, None):
        chosen = [c for c in conversations if c.split == split]
        if chosen:
            content = [[c.id, [[u.id, u.speaker, u.text, u.label] for u in c.utterances]] for c in chosen]
            digest = hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
            count = sum(len(c.utterances) for c in chosen)
            found[split or "none"] = {"conversations": len(chosen), "utterances": count, "sha256": digest}
    return found


def _command() -> str:
    return " ".join(["merc", *sys.argv[1:]])


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
