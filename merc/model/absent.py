"""What stands in the model's place where a recipe has no backbone: its decoder asks a model elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from merc.components import Frozen, Prompt, Query
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.tuning import TunedBackbone
from merc.prompting import EncodedPrompt, Tree

if TYPE_CHECKING:
    from merc.prompting import PromptEncoder


class AbsentModel(EmotionModel):
    """A model without parameters, for which every prompt is empty. Computing with it is an error."""

    def __init__(self) -> None:
        nothing = TunedBackbone(llm=nn.Module(), tuning=Frozen(), added=frozenset(), learns=frozenset())
        super().__init__(nothing, None, MediaTokens({}, {}, {}, 0))

    @property
    def context(self) -> None:
        """Prompts may be of any length."""
        return

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    @cached_property
    def prompts(self) -> PromptEncoder:
        """There are no tokens, and so no notes of how they were made."""
        return _NoPrompts()  # type: ignore[return-value]

    def encode(
        self,
        prompt: Prompt,
        query: Query,
        answers: Literal["gold", "labels", "rejected", "none"] = "gold",
        within: LabelSpace | None = None,
        longest: int | None = None,
        draw: int = 0,
    ) -> EncodedPrompt:
        """A prompt of no tokens."""
        return EncodedPrompt(prompt.target, (), (), query=query)

    def trees(self, groups: Iterable[Sequence[EncodedPrompt]], budget: int) -> list[tuple[list[Tree], bool]]:
        """Nothing can be computed. Raises MercError."""
        raise MercError("the recipe has no backbone, and its decoder asks for one: backbone: {name: ...}")


class _NoPrompts:
    """Where notes of prompts would stand."""

    notes: tuple[Any, ...] = ()
