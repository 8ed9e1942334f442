"""The built-in tunings by name, for tests that go through all of them."""

from __future__ import annotations

from typing import Any

from merc.builtin.tunings import Full, LoRA
from merc.components import Frozen, Tuning

BY_NAME: dict[str, type[Tuning]] = {"frozen": Frozen, "full": Full, "lora": LoRA}


def tuning_of(name: str, **lora: Any) -> Tuning:
    """The tuning of a name; LoRA alone takes the parameters."""
    return BY_NAME[name](**(lora if name == "lora" else {}))
