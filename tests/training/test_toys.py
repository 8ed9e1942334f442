"""A plugin's loss of ten lines, and a plugin's trainer that samples from the model and weighs what it wrote."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import merc.testing
from merc.builtin.tunings import Full
from merc.conversation import Conversation
from tests.training import toys
from tests.training.jobs import context_of, model_of, trained


class TestFocal(merc.testing.LossContract):
    component = toys.Focal()


class TestWritten(merc.testing.LossContract):
    component = toys.Written()


class TestReward(merc.testing.TrainerContract):
    """Also in two processes, and stopped in the middle of an epoch."""

    component = toys.Reward(lr=1e-2, batch_conversations=2)


def lines_of(*names: str) -> int:
    """The lines of code of classes and functions, docstrings and empty lines apart."""
    source = Path(toys.__file__).read_text(encoding="utf-8")
    kept: set[int] = set()
    for node in ast.parse(source).body:
        if getattr(node, "name", "") in names:
            kept |= set(range(node.lineno - len(getattr(node, "decorator_list", [])), (node.end_lineno or 0) + 1))
            for one in ast.walk(node):
                if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                    kept -= set(range(one.lineno, (one.end_lineno or 0) + 1))
    return sum(bool(line.strip()) for number, line in enumerate(source.splitlines(), 1) if number in kept)


def test_they_are_short() -> None:
    assert lines_of("Reward", "_weighed", "Written") <= 50
    forward = next(
        node
        for node in ast.walk(ast.parse(Path(toys.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "forward"
    )
    assert len(forward.body) <= 10


def test_focal_is_learned_from(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    settings = merc.training.Settings(epochs=4, lr=2e-2, batch_conversations=3)
    _, seen = trained(model_of(backbone), talks, tmp_path, settings, losses=(toys.Focal(),))
    assert seen.losses[-1] < 0.9 * seen.losses[0]
    assert list(seen.events("step")[0]["losses"]) == ["Focal"]


def reward_of(context: merc.TrainContext, trainer: toys.Reward) -> float:
    """The mean reward of what the model writes as it is."""
    asked = [one for group in context.examples(0) for one in group]
    texts = context.model.generate(
        [one.query for one in asked], max_new_tokens=trainer.max_new_tokens, count=16, temperature=1.0, seed=99
    )
    rewards = [
        sum(sign in set(one.query.target.label or "") for sign in text.text) / max(1, len(text.text))
        for one, some in zip(asked, texts, strict=True)
        for text in some
    ]
    return sum(rewards) / len(rewards)


def test_what_is_rewarded_is_written_more_often(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    trainer = toys.Reward(epochs=4, lr=1e-2, batch_conversations=3, count=8, schedule="constant")
    context, seen = context_of(model_of(backbone, Full()), talks, tmp_path)
    before = reward_of(context, trainer)
    trainer.train(context)
    assert reward_of(context, trainer) > before + 0.1
    assert len(seen.losses) == 16


def test_the_seed_says_what_is_written(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    losses = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        context, seen = context_of(model_of(backbone), talks[:4], tmp_path / name, seed=seed)
        replace(toys.Reward(), batch_conversations=2).train(context)
        losses.append(seen.losses)
    assert losses[0] == losses[1] and losses[0] != losses[2]


@pytest.mark.parametrize("name", ["Focal", "Written", "Reward"])
def test_they_import_nothing_of_merc_but_merc(name: str) -> None:
    tree = ast.parse(Path(toys.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "collections.abc", "dataclasses", "merc", "torch", "typing"}
    assert hasattr(toys, name)


def test_the_documented_trainer_is_this_one() -> None:
    source = Path(toys.__file__).read_text(encoding="utf-8")
    page = (Path(merc.__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert source[source.index("@dataclass(frozen=True, kw_only=True)\nclass Written") :].rstrip() in page
