"""Run: a trained run that a plugin brings."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from merc.components.base import Component

RUN_FOLDER = "the folder of a run, or the name of one that a plugin brings"

RunFolder = Annotated[Path, RUN_FOLDER]
"""The type of a parameter that is a trained run: its folder, which is made absolute as every ``Path`` is, or the name
of one that a plugin brings, ``plugin/name``, which stays as it is. ``merc.load`` takes both."""


@dataclass(frozen=True, kw_only=True)
class Run(Component):
    """A trained run under a name: whatever takes the directory of a run takes ``plugin/name`` as well.

    Nobody writes into its folder. What is made with such a run (evaluations, reports) goes to
    ``runs/<plugin>/<name>`` of the current folder.

    The smallest complete run, with its files beside the module:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Talks(Run):
    ...     def folder(self):
    ...         return Path(__file__).with_name("talks")
    >>> Talks().folder().name
    'talks'
    """

    kind: ClassVar[str] = "run"

    @abstractmethod
    def folder(self) -> Path:
        """Where the run lies, as ``merc run`` made it or ``merc.pack_run`` copied it: ``recipe.yaml``, ``labels.json``
        and, of a recipe with stages, ``stages/``.

        Raises:
            MercError: The user has to do something (weights that are not there).
        """
