"""The recipe of each fold of a recipe, and the conversations that its runs read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from merc.conversation import Conversation
from merc.errors import MercError
from merc.recipe import Recipe
from merc.session.data import load_conversations, read_corpus
from merc.session.splitting import fold_names


@dataclass(frozen=True)
class Fold:
    """The recipe of a fold, and what is tested in it (the session, say) where that has a name."""

    recipe: Recipe
    name: str


def fold_recipes(recipe: Recipe) -> dict[int, Fold]:
    """The recipe for each of its folds, by number from 1. The corpus is read to know how many there are.

    Raises MercError for a recipe without folds, for one of a single fold, and for more folds than there is to divide.
    """
    split = recipe.split
    if split is None or split.folds is None:
        raise MercError(
            f"{recipe.name}: --folds runs each fold of split.folds, and the recipe has none; write "
            "split: {by: conversation, folds: 5}, or folds: all for one of each speaker, session, ..."
        )
    if split.fold is not None:
        raise MercError(
            f"{recipe.name}: split.fold is {split.fold}, one fold; --folds runs all, so take split.fold out"
        )
    names = fold_names(read_corpus(recipe).conversations, split)
    return {number: Fold(_of_fold(recipe, number), name) for number, name in enumerate(names, 1)}


def each_fold(recipe: Recipe) -> list[Recipe]:
    """The recipe for each of its folds, or itself where it is a single run."""
    if recipe.split is None or recipe.split.folds is None or recipe.split.fold is not None:
        return [recipe]
    return [fold.recipe for fold in fold_recipes(recipe).values()]


def read_by_runs(recipe: Recipe) -> tuple[list[Conversation], list[str]]:
    """The conversations that runs of a recipe read, those of all its folds, each once; and the notes about them."""
    data = [load_conversations(one, trained=True) for one in each_fold(recipe)]
    conversations = {c.id: c for one in data for c in one.conversations}
    return list(conversations.values()), list(dict.fromkeys(note for one in data for note in one.notes))


def _of_fold(recipe: Recipe, number: int) -> Recipe:
    assert recipe.split is not None
    resolved = {**recipe.resolved, "split": {**recipe.resolved["split"], "fold": number}}
    sources = {**recipe.sources, "split.fold": "--folds"}
    return replace(recipe, split=replace(recipe.split, fold=number), resolved=resolved, sources=sources)
