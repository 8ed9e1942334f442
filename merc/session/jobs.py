"""What workers do that are not this process: the functions that a ``Work`` names, each made once a worker.

Each is given plain values, loads the recipe and its corpus by itself, and does what the plain pass does, about the
clips of a job alone. What it makes goes to the stores.
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from merc.components import Corpus
from merc.conversation import Conversation
from merc.cues import CueTable, PassOptions, annotate, look
from merc.errors import MercError
from merc.features import encode, prepared
from merc.media import Decoding
from merc.passes import Claims
from merc.recipe import Recipe, annotator_of, load_recipe, needed_for
from merc.session.cues import cue_store, hashes_of
from merc.session.data import load_conversations
from merc.session.encoding import device_of, feature_store
from merc.session.fold_recipes import each_fold
from merc.session.loading import kept_loaded


def begin(values: Mapping[str, Any]) -> None:
    """See that this machine has the folder that results go to.

    Raises:
        MercError: The folder is another one here.
    """
    if not Path(values["mark"]).exists():
        raise MercError(
            f"{platform.node()} does not see {Path(values['mark']).parent}, where results go; workers on other "
            "machines need a shared disk with the same paths: set features.store to a folder there"
        )


def encoding(values: Mapping[str, Any]) -> Callable[[Sequence[str]], dict[str, Any]]:
    """Encodes utterances, by their ids."""
    begin(values)
    recipe = kept_loaded(load_recipe(values["recipe"]))
    store, device = feature_store(recipe), device_of(recipe)
    encoders = prepared(recipe.encoders, recipe.learning_encoders)
    utterances = {u.id: u for c in _corpus(recipe) for u in c.utterances}

    def do(ids: Sequence[str]) -> dict[str, Any]:
        _check_there(ids, utterances)
        talk = Conversation(id="job", utterances=tuple(utterances[one] for one in ids))
        own = copy.copy(store)  # two jobs may be under way, and a pass closes its claims
        own.claims = Claims(store.claims.path)
        table = encode(own, encoders, [talk], recipe.features.seed, device=device, decoding=Decoding.of(recipe))
        return {"encoded": dict(table.encoded)}

    return do


def annotating(values: Mapping[str, Any]) -> Callable[[Sequence[str]], dict[str, Any]]:
    """Asks the annotator ``annotator`` about conversations, by their ids. ``again_refused`` is as ``merc annotate`` has
    it."""
    begin(values)
    recipe, name = kept_loaded(load_recipe(values["recipe"])), values["annotator"]
    store, hashes = cue_store(recipe), hashes_of(recipe)
    corpus = load_conversations(each_fold(recipe)[0]).conversations
    talks = {c.id: c for c in corpus}
    part = recipe.annotators[name]
    read = needed_for(recipe.annotators, annotator_of(part).reads())
    plain = PassOptions(device=device_of(recipe), decoding=Decoding.of(recipe))
    options = replace(plain, again_refused=values["again_refused"])

    def do(ids: Sequence[str]) -> dict[str, Any]:
        _check_there(ids, talks)
        own = [talks[one] for one in ids]
        known = CueTable()
        for other, reads in read.items():
            known = CueTable.joined([known, look(store, {other: reads}, own, corpus, hashes, plain, known)])
        table = annotate(store, {name: part}, own, corpus, hashes, options, known)
        return {"asked": table.asked.get(name, 0), "notes": list(table.notes)}

    return do


def _corpus(recipe: Recipe) -> Sequence[Conversation]:
    corpus = recipe.corpus.component
    assert isinstance(corpus, Corpus)
    return corpus.load().conversations


def _check_there(ids: Sequence[str], there: Mapping[str, object]) -> None:
    if lacking := [one for one in ids if one not in there]:
        raise MercError(
            f"the corpus on {platform.node()} has no {lacking[0]!r}: it is another than where the command was given; "
            "workers on other machines need the same files"
        )
