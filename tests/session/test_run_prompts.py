"""What a run will ask is looked at before anything of it is computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from merc.builtin.prompters import ConversationPrompter
from merc.components import Verbalizer
from merc.errors import MercError
from merc.recipe import load_recipe
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from merc.session.stages import Stages
from tests.tiny_backbone import write_tiny_recipe


@dataclass(frozen=True, kw_only=True)
class Asks(Verbalizer):
    """Has a prompter of its own."""

    question: str

    def prompters(self):
        return [ConversationPrompter(question=self.question)]


def test_a_prompter_of_the_decoder_is_looked_at_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stages, "run", None)
    recipe = load_recipe(write_tiny_recipe(tmp_path))
    assert recipe.evaluate is not None
    how = replace(recipe.evaluate, decoder=Asks(question="so " * 600))
    with pytest.raises(MercError, match=r"^evaluate\.decoder, split dev, its prompter 0: \d+ prompts are longer than"):
        run_recipe(replace(recipe, evaluate=how), tmp_path / "run", Silent())
