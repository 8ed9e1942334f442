"""The features of conversations for a recipe's prompts, and what is said and recorded of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from merc.components.reasons import say_missing
from merc.conversation import Conversation
from merc.features import FeatureStore, FeatureTable, encode, prepared
from merc.files import cache_folder
from merc.media import Decoding
from merc.recipe import ComponentRef, Recipe
from merc.session.data import encoders_of
from merc.session.journal import Journal
from merc.session.reporter import Reporter


def encode_streams(
    recipe: Recipe, streams: Collection[str], conversations: Sequence[Conversation], reporter: Reporter, device: str
) -> FeatureTable:
    """The features that prompts with these streams need, from the recipe's store or encoded now.

    Raises MercError for a store that cannot be made and for a full disk.
    """
    encoders = prepared(encoders_of(recipe, streams), recipe.learning_encoders)
    return encode_with(recipe, encoders, conversations, reporter, device)


def feature_store(recipe: Recipe) -> FeatureStore:
    """Where features are kept: the recipe's store, else the user's cache. Raises MercError where it cannot be made."""
    return FeatureStore(Path(recipe.features.store) if recipe.features.store else cache_folder("features"))


def device_of(recipe: Recipe) -> str:
    """Where encoders and annotators compute."""
    device = recipe.strategy.device
    if device == "cpu":
        return device
    from merc.model.build import pick_device  # imported only here: they need not use torch at all

    return pick_device(device)


def encode_with(
    recipe: Recipe,
    encoders: Mapping[str, ComponentRef],
    conversations: Sequence[Conversation],
    reporter: Reporter,
    device: str,
) -> FeatureTable:
    """The features of these encoders, or of what stands in their place; raises as ``encode_streams``."""
    store = feature_store(recipe)
    with reporter.task("features") as progress:
        if not encoders:
            return FeatureTable(store, {}, {})
        return encode(
            store,
            encoders,
            conversations,
            recipe.features.seed,
            progress,
            device,
            Decoding.of(recipe),
        )


def note_features(recipe: Recipe, streams: Collection[str], table: FeatureTable, journal: Journal) -> None:
    """Say and record what was encoded and what is missing."""
    needed = encoders_of(recipe, streams)
    unused = [name for name in recipe.encoders if name not in needed]
    if unused:
        journal.say(f"no prompt shows {', '.join(unused)}: not encoded")
    for name in needed:
        missing = [{"utterance": u, "reason": r} for (s, u), r in table.missing.items() if s == name]
        # What has features now, whether this pass computed them or the store had them.
        encoded = sum(stream == name for stream, _ in table.places) - len(missing)
        journal.log({"event": "encode", "stream": name, "encoded": encoded, "missing": missing})
        if missing:
            pairs = [(one["utterance"], one["reason"]) for one in missing]
            journal.say(say_missing(name, encoded + len(missing), pairs))
    for note in table.notes:
        journal.say(note)
