"""A decoder that was fitted before a run was measured: what was fitted is kept with the run."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from merc.components import Decoder
from merc.conversation import Conversation
from merc.errors import MercError
from merc.files import read_json, write_text
from merc.recipe import Recipe, Use
from merc.recipe.values import convert, parameter_name, plain
from merc.registry import get_registry
from merc.session.data import Data

_SHOWN = 1000
FILE = "decoder.json"
"""The file of a run's directory that holds it: ``settings``, what it was fitted with, and ``fitted``, the parameters of
the decoder that it gave."""


def fitted_on(decoder: Decoder, data: Data) -> Sequence[Conversation]:
    """The conversations that a decoder is fitted on; none for one that needs no fitting. Raises MercError where the
    corpus has none, or none of their utterances has a label."""
    split = decoder.fits_on()
    if split is None:
        return ()
    conversations = data.split(split, "evaluate.decoder")
    if not any(u.label is not None for c in conversations for u in c.utterances):
        raise MercError(
            f"evaluate.decoder: {get_registry().name_of(decoder)!r} is fitted to labels of the split {split!r}, of "
            "which no utterance has one; give what would be fitted as its parameters, or label the split"
        )
    return conversations


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """What a fitted decoder depends on beside the weights: how the recipe's evaluation asks."""
    evaluate = recipe.resolved.get("evaluate") or {}
    return {key: evaluate.get(key) for key in ("decoder", "prompter", "demonstrations", "label_history")}


def keep_fitted(path: Path, recipe: Recipe, fitted: Decoder) -> str:
    """Write the parameters in which a fitted decoder differs from the recipe's into a run's directory, and give them as
    a sentence for the report."""
    assert recipe.evaluate is not None
    before = recipe.evaluate.decoder
    changed = {f.name: getattr(fitted, f.name) for f in fields(fitted) if f.init}
    params = {parameter_name(n): plain(v) for n, v in changed.items() if v != getattr(before, n)}
    record = {"settings": settings_of(recipe), "fitted": params}
    write_text(path / FILE, json.dumps(record, indent=1, ensure_ascii=False))
    words = json.dumps(params, ensure_ascii=False)
    words = words if len(words) <= _SHOWN else f"{words[:_SHOWN]}… (all of it in {FILE})"
    return f"evaluate.decoder was fitted on {before.fits_on()}: {words}"


def with_fitted(recipe: Recipe, path: Path, use: Use = "predict") -> Recipe:
    """The recipe of a run with its decoder as it was fitted when the run was made. To evaluate, one that the run keeps
    nothing for is left to be fitted.

    Raises MercError for a decoder that is to be fitted where the run keeps nothing for these settings, and for a file
    that is damaged.
    """
    evaluate = recipe.evaluate
    if evaluate is None or (split := evaluate.decoder.fits_on()) is None:
        return recipe
    name, file = get_registry().name_of(evaluate.decoder), path / FILE
    remedy = "run the recipe anew to fit it, or give what is fitted as its parameters"
    record = read_json(file, remedy) if file.exists() else {}
    if not isinstance(record, Mapping) or record.get("settings") != json.loads(json.dumps(settings_of(recipe))):
        if use == "evaluate":
            return recipe
        raise MercError(
            f"evaluate.decoder: {name!r} is fitted on the {split} split when a run is made, and {path} keeps nothing "
            "that was fitted with these settings of evaluate; 'merc evaluate' with the same evaluate.decoder fits it "
            "and says to which parameters; give these"
        )
    hints = typing.get_type_hints(type(evaluate.decoder), include_extras=True)
    names = {parameter_name(f.name): f.name for f in fields(evaluate.decoder)}
    parameters: dict[str, Any] = {}
    for key, value in dict(record.get("fitted") or {}).items():
        field = names.get(str(key), "")
        parameters[field], mistakes = convert(hints[field], value) if field in hints else (None, [("", "is unknown")])
        if mistakes:
            raise MercError(f"{file} is damaged: {key!r} of the decoder {name!r} {mistakes[0][1]}; {remedy}")
    return replace(recipe, evaluate=replace(evaluate, decoder=replace(evaluate.decoder, **parameters)))
