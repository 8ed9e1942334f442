"""What a backbone can do, kept from one process to the next: to find it out costs ten passes."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Literal

import torch
from pydantic import TypeAdapter, ValidationError

from merc.components import Backbone
from merc.errors import MercError
from merc.files import cache_folder, write_text
from merc.model import attention, backbone_pass, probe
from merc.model.emotion_model import EmotionModel
from merc.model.probe import LMHead
from merc.version import __version__

_PACKAGES = ("torch", "transformers", "peft")


def probe_once(model: EmotionModel, backbone: Backbone) -> None:
    """Find out what a model's backbone can do (``EmotionModel.probe``), unless that is known of the same one: of these
    classes with these parameters, on such a device, with these versions of merc and what it computes by. Raises as
    ``probe`` does."""
    file = _file(model, backbone)
    if file is not None and _take(model, file):
        return
    model.probe()
    if file is not None:
        passes = model.passes
        known = asdict(_Known(passes.lm_head, passes.additive, passes.tree_by_tree, model.layout, model.note))
        with suppress(OSError, MercError):  # a cache that cannot be written is none
            write_text(file, json.dumps(known))


@dataclass(frozen=True)
class _Known:
    lm_head: LMHead
    additive: bool
    tree_by_tree: bool
    layout: Literal["tree", "separate"]
    note: str


def _take(model: EmotionModel, file: Path) -> bool:
    """Take what a file holds; false where it is not there, damaged, or does not hold here."""
    try:
        known = TypeAdapter(_Known).validate_json(file.read_bytes(), strict=True)
    except (OSError, ValidationError):
        return False
    if not model.passes.take_known(known.lm_head, known.additive, known.tree_by_tree):
        return False
    model.layout, model.note = known.layout, known.note
    return True


def _file(model: EmotionModel, backbone: Backbone) -> Path | None:
    """Where it is kept; None where something that it depends on cannot be told."""
    parts = (model.llm, model.base, backbone, backbone.tuning)
    try:
        code = [*(_code(type(part)) for part in parts), *map(_code, (attention, backbone_pass, probe))]
        what = {
            "merc": __version__,
            "packages": {name: _version(name) for name in _PACKAGES},
            "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.version.cuda],
            "device": model.device.type,
            "dtype": str(model.base.dtype),
            "config": model.base.config.to_dict(),
            "components": [repr(backbone), repr(backbone.tuning)],
            "modules": sorted({_code(type(module)) for module in model.llm.modules()}),
            "code": code,
        }
        text = json.dumps(what, sort_keys=True, default=str)
        return cache_folder("backbones") / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
    except (TypeError, OSError, AttributeError, MercError):
        return None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


_CODE: dict[type | ModuleType, str] = {}


def _code(one: type | ModuleType) -> str:
    """A class or a module, and the file that it is written in, as it is now."""
    if one not in _CODE:
        state = Path(inspect.getfile(one)).stat()
        name = one.__name__ if isinstance(one, ModuleType) else f"{one.__module__}.{one.__qualname__}"
        _CODE[one] = f"{name} {state.st_size} {state.st_mtime_ns}"
    return _CODE[one]
