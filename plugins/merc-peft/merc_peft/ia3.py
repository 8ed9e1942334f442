"""IA3: gates on what attention and feed-forward layers compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class IA3(merc.PeftTuning):
    """Gates that multiply keys, values and the inner numbers of feed-forward layers: one number learns for each, from 1
    on."""

    targets: tuple[str, ...] = ()
    """The linear layers whose outputs are multiplied; by default those that PEFT knows for the backbone's
    architecture."""
    feedforward: tuple[str, ...] = ()
    """Those of them whose inputs are multiplied instead; by default those that PEFT knows for the architecture."""

    def __post_init__(self) -> None:
        strange = [name for name in self.feedforward if name not in self.targets]
        if strange:
            raise ValueError(f"feedforward names {strange[0]!r}, which is not among targets; name it in both")

    def peft_config(self, llm: nn.Module) -> Any:
        """PEFT's ``IA3Config``. Raises MercError for an architecture that PEFT does not know, if no target is named."""
        from peft import IA3Config
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as FEEDFORWARD
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as KNOWN

        kind = getattr(llm.config, "model_type", "")
        if not self.targets and kind not in KNOWN:
            raise merc.MercError(
                f"backbone.tuning.targets: PEFT does not know which layers of {type(llm).__name__} IA3 multiplies; "
                "name them, and those with multiplied inputs by feedforward: {name: ia3, targets: [k_proj, v_proj, "
                "down_proj], feedforward: [down_proj]}"
            )
        feedforward = self.feedforward or [name for name in FEEDFORWARD.get(kind, ()) if name in self.targets]
        named = {"target_modules": list(self.targets), "feedforward_modules": list(feedforward)}
        return IA3Config(task_type="CAUSAL_LM", **(named if self.targets else {}))
