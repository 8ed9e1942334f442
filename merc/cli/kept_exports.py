"""What transformers' models export, kept from one process to the next: at its import transformers reads the files of
all of its models for that, twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from merc.errors import MercError
from merc.files import cache_folder, write_text

Exports = dict[frozenset[str], dict[str, set[str]]]
"""The names that each module exports, by the packages that these names need."""

EXPORTS = "transformers.utils.import_utils"
_FUNCTION = "define_import_structure"


def keep_exports(module: ModuleType) -> None:
    """Have transformers' module that looks for exports (``EXPORTS``) take what is kept of the same version. What is not
    kept, or not of transformers' form, it finds out as ever."""
    if callable(look := getattr(module, _FUNCTION, None)):
        setattr(module, _FUNCTION, _once(look))


def _once(look: Callable[..., Any]) -> Callable[..., Any]:
    """transformers' function, which reads no file of the folder ``models`` where its exports are kept."""
    known: Exports = {}

    def exports(module_path: str | Path, prefix: str | None = None) -> Any:
        place = Path(module_path)
        folder = place.parent if place.name == "__init__.py" else place
        if folder.name != "models" or folder.parent.name != "transformers":
            return look(module_path, prefix)
        if not known:
            known.update(_kept(folder) or _keep(folder, look(str(folder))))
        start = "" if prefix is None else f"{prefix}."
        return {
            needed: {start + module: set(names) for module, names in modules.items()}
            for needed, modules in known.items()
        }

    return exports


def _file(folder: Path) -> Path | None:
    """Where the exports of a folder's models are kept; None where they may change without a new version."""
    try:
        number = version("transformers")
        if "dev" in number:
            return None
        what = f"{number} {folder} {folder.stat().st_mtime_ns}"
        return cache_folder("transformers") / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.json"
    except (PackageNotFoundError, OSError, MercError):
        return None


def _kept(folder: Path) -> Exports | None:
    """What is kept; None where nothing is, or it is damaged."""
    file = _file(folder)
    if file is None:
        return None
    try:
        listed = json.loads(file.read_bytes())
        return {
            frozenset(map(str, needed)): {str(module): set(map(str, names)) for module, names in modules.items()}
            for needed, modules in listed
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _keep(folder: Path, exports: Exports) -> Exports:
    """Keep exports, where a file can be written, and return them."""
    file = _file(folder)
    if file is not None:
        with suppress(OSError, MercError, TypeError):  # a cache that cannot be written is none
            listed = [
                (sorted(needed), {module: sorted(names) for module, names in modules.items()})
                for needed, modules in exports.items()
            ]
            write_text(file, json.dumps(listed))
    return exports
