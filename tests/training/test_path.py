"""How far it is from ``fit`` to a loss: a reader of a training step has few files to open."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import merc
from merc.conversation import Conversation
from merc.training.losses import TokenNLLFunction
from merc.training.settings import Settings
from merc.training.update import Updater
from tests.training.jobs import model_of, trained

PACKAGE = Path(merc.__file__).parent


def profiled(watch: Callable[[FrameType, str], None], run: Callable[[], Any]) -> None:
    sys.setprofile(lambda frame, event, argument: watch(frame, event))
    try:
        run()
    finally:
        sys.setprofile(None)


def own_file(frame: FrameType) -> str | None:
    """The file of merc/ that a frame runs in."""
    path = Path(frame.f_code.co_filename)
    return str(path.relative_to(PACKAGE)) if path.is_relative_to(PACKAGE) else None


def test_from_fit_to_the_loss(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """Of merc/ five files stand on the stack from ``fit`` to the loss: the loop, the step, the strategy, the model and
    the loss."""
    stacks: list[list[str]] = []

    def watch(frame: FrameType, event: str) -> None:
        if event == "call" and frame.f_code is TokenNLLFunction.forward.__code__:
            stack: list[str] = []
            at: FrameType | None = frame
            while at is not None:
                if (file := own_file(at)) is not None:
                    stack.append(file)
                at = None if at.f_code.co_name == "fit" else at.f_back
            stacks.append(stack)

    profiled(watch, lambda: trained(model_of(backbone), talks[:2], tmp_path, Settings(batch_conversations=1)))
    assert len(stacks) >= 2
    for stack in stacks:
        assert stack[0] == "training/losses.py" and stack[-1] == "training/loop.py"
        assert len(set(stack)) <= 5, sorted(set(stack))


def test_files_of_a_whole_step(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """Everything that a further step of ``sft`` runs, trees to tensors, losses, gradients and the update, lies in 18
    files of merc/."""
    files: set[str] = set()
    taken = 0

    def watch(frame: FrameType, event: str) -> None:
        nonlocal taken
        taken += event == "call" and frame.f_code is Updater.take.__code__
        if taken == 2 and event == "call" and (file := own_file(frame)) is not None:
            at: FrameType | None = frame
            while at is not None and at.f_code is not Updater.take.__code__:
                at = at.f_back
            if at is not None:
                files.add(file)

    profiled(watch, lambda: trained(model_of(backbone), talks[:2], tmp_path, Settings(batch_conversations=1)))
    assert taken == 2
    assert len(files) <= 18, "\n".join(sorted(files))


def test_a_step_is_read_in_one_screen() -> None:
    body = inspect.getsource(Updater.take).split('"""')[2].strip().splitlines()
    assert len(body) <= 40
