"""What a program does with merc: train a recipe, load a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from merc.errors import MercError
from merc.recipe import Recipe, load_recipe
from merc.registry.faults import naming_component
from merc.session.directory import NO_CORPUS
from merc.session.journal import Journal, Logging
from merc.session.naming import default_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from merc.session.annotation import Annotated
    from merc.session.reporter import Reporter
    from merc.session.session import Session

MAY_CHANGE = ("evaluate", "strategy", "features")
"""The sections of its recipe that a trained run may predict with other values of."""


@dataclass(frozen=True)
class Folds:
    """The runs of several folds."""

    metrics: Mapping[str, Mapping[str, Any]]
    """The numbers of all their test predictions together, by split."""
    over_folds: Mapping[str, Mapping[str, Any]]
    """By split and number, the mean, the deviation and the values by fold."""
    sessions: Mapping[int, Session]
    """The session of each fold, by its number."""


def load(run: str | Path, **overrides: Any) -> Session:
    """A trained run in memory, ready to predict. Plugins that only trained or measured it may be gone, and so may its
    training data, unless its prompts show some of them as demonstrations.

    Args:
        run: The directory that ``merc run`` or ``merc.run`` made, or the name of a run that a plugin brings.
        **overrides: Other values in the sections ``evaluate``, ``strategy`` and ``features`` of its recipe:
            ``strategy={"device": "cuda"}``.

    Raises:
        MercError: There is no trained run, another process works in it, or its backbone is not the one it was
            trained with.
    """
    with naming_component():
        session = open_session(_path("run", run), changes_of(overrides), Journal(Logging()))
        session.check(loads=True)
        session.load()
    return session


@overload
def run(
    recipe: str | Path | Mapping[str, Any] | DictConfig | Recipe,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    folds: Literal[False] = False,
    **overrides: Any,
) -> Session: ...
@overload
def run(
    recipe: str | Path | Mapping[str, Any] | DictConfig | Recipe,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    folds: Literal[True],
    **overrides: Any,
) -> Folds: ...
def run(
    recipe: str | Path | Mapping[str, Any] | DictConfig | Recipe,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    folds: bool = False,
    **overrides: Any,
) -> Session | Folds:
    """Train and evaluate what a recipe says, as ``merc run`` does, and give the run. What is said meanwhile goes to
    Python's logger ``merc``.

    Args:
        recipe: A file, the name of a recipe that comes with merc, a recipe composed in Python, or a loaded one.
        run_dir: Where the run goes; by default ``runs/<recipe>``, followed by the changed values.
        resume: Go on with the run that is there.
        folds: Run each fold of the recipe's ``split``, into ``fold-<n>`` of the run's directory; those that are there
            are gone on with.
        **overrides: Other values in the recipe: ``seed=3``, ``strategy={"device": "cuda"}``.

    Returns:
        The session of the run; its ``metrics`` are the numbers by split. Its model is loaded when it predicts. With
        ``folds`` the numbers of all folds, and a session for each.
    """
    from merc.session.fold_recipes import fold_recipes
    from merc.session.folds import run_folds, write_folds
    from merc.session.pipeline import run_recipe
    from merc.session.session import Session
    from merc.session.trained import trained_run

    changes = changes_of(overrides)
    if isinstance(recipe, Recipe):
        changed = load_recipe(recipe.config, changes) if changes else recipe
        changed = replace(changed, name=recipe.name)
    else:
        changed = load_recipe(recipe, changes)
    target = _path("run_dir", run_dir) if run_dir is not None else default_folder(changed.name, changes)

    def one(recipe: Recipe, folder: Path, resume: bool) -> Mapping[str, Mapping[str, Any]]:
        return run_recipe(recipe, folder, Logging(), resume)

    def session(folder: Path) -> Session:
        return Session(trained_run(folder, [NO_CORPUS]), Journal(Logging()))

    if not folds:
        one(changed, target, resume)
        return session(target)
    recipes = fold_recipes(changed)
    together = write_folds(changed, target, recipes, run_folds(recipes, target, one))
    return Folds(together.metrics, together.over_folds, {n: session(target / f"fold-{n}") for n in recipes})


def annotate(
    recipe: str | Path | Mapping[str, Any] | DictConfig | Recipe,
    *,
    only: Sequence[str] = (),
    every: bool = False,
    ask: bool = True,
    reporter: Reporter | None = None,
    **overrides: Any,
) -> Annotated:
    """Ask a recipe's annotators about its corpus, as ``merc annotate`` does, and give the conversations with the cues.
    What was answered before is not asked again.

    Args:
        recipe: A file, the name of a recipe that comes with merc, a recipe composed in Python, or a loaded one.
        only: The names of annotators to ask; by default those whose cues prompts read, and those that they read.
        every: Whether all annotators are asked about all conversations, whatever prompts read.
        ask: Whether anybody is asked; without it, what the store has.
        reporter: Is told what happens, by ``task(title)`` and ``say(sentence)``; by default Python's logger ``merc``.
        **overrides: Other values in the recipe: ``corpus={"name": "jsonl", "path": "talk.jsonl"}``.

    Raises:
        MercError: There is nobody to ask, an annotator breaks its contract, or its server refuses.
    """
    from merc.session.annotation import annotate_recipe

    changes = changes_of(overrides)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, changes)
    elif changes:
        recipe = load_recipe(recipe.config, changes)
    with naming_component():
        return annotate_recipe(recipe, reporter or Logging(), only=only, every=every, ask=ask)


def open_session(path: Path, changes: list[str], journal: Journal) -> Session:
    """The session of a trained run, with ``key=value`` changes; nothing heavy is loaded yet. What it was trained on is
    read only where its prompts show some of it: else the data may be gone, and so may the plugin that reads them."""
    from merc.session.session import Session
    from merc.session.trained import check_changes, open_run

    check_changes(changes, MAY_CHANGE)
    for change in changes:
        if change.split("=")[0].rpartition(".")[2] in ("segments", "segments_seed"):
            raise MercError("evaluate.segments is of evaluations: a prediction divides no recording; take it out")
    return Session(open_run(path, [*changes, NO_CORPUS]), journal)


def _path(what: str, path: Any) -> Path:
    if not isinstance(path, str | Path):
        raise MercError(f"{what} is {type(path).__name__}; give the path of a run's directory")
    return Path(path)


def changes_of(overrides: Mapping[str, Any]) -> list[str]:
    """Python values as the ``key=value`` of a command line. A mapping changes the keys that it has; one that names a
    component is the whole section, since the parameters of another component mean nothing to it.

    >>> changes_of({"seed": 3, "strategy": {"device": "cpu", "threads": 1}, "labels": ["joy", "anger"]})
    ['seed=3', 'strategy.device="cpu"', 'strategy.threads=1', 'labels=["joy", "anger"]']
    >>> changes_of({"evaluate": {"decoder": {"name": "generate", "parser": "strict"}}})
    ['evaluate.decoder={"name": "generate", "parser": "strict"}']
    """
    return [f"{key}={_text(key, value)}" for key, value in _flat("", overrides)]


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value and ("name" not in value or f"{prefix}{key}" == "strategy"):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def _text(key: str, value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=partial(_plain, key))
    except ValueError as error:
        raise MercError(f"{key}: {error}; give plain values") from None


def _plain(key: str, value: Any) -> Any:
    """What JSON does not know: a path is a text, a mapping of another class a mapping."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise MercError(f"{key}: {type(value).__name__} is no value of a recipe; give plain values")
