"""The built-in tunings by name, for tests that go through all of them."""

from __future__ import annotations

from typing import Any

import yaml

from merc.builtin.tunings import Full, LoRA
from merc.components import Frozen, Tuning
from merc.registry import get_registry

BY_NAME: dict[str, type[Tuning]] = {"frozen": Frozen, "full": Full, "lora": LoRA}


def tuning_of(name: str, **lora: Any) -> Tuning:
    """The tuning of a name, which may be a plugin's, with parameters after it: ``"bitfit missing=add"``. LoRA alone
    takes the others."""
    name, *given = name.split()
    own = {key: yaml.safe_load(value) for key, value in (one.split("=") for one in given)}
    made = BY_NAME[name] if name in BY_NAME else get_registry().resolve("tuning", name)
    return made(**own, **(lora if name == "lora" else {}))  # type: ignore[return-value]
