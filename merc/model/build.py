"""From a recipe to a model: with weights, or on the meta device, where nothing is loaded."""

from __future__ import annotations

import torch

from merc.components import Backbone, Connector, Encoder, Fuser
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.tuning import apply_tuning
from merc.recipe import Recipe

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(name: str) -> str:
    """``auto`` is the GPU when there is one."""
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def build_model(recipe: Recipe, device: str, seed: int) -> EmotionModel:
    """The recipe's model with its weights, new parameters drawn from ``seed``."""
    backbone = _backbone(recipe)
    llm = backbone.load(device)
    llm.config.use_cache = False
    torch.manual_seed(seed)
    tuned = apply_tuning(llm, recipe.tuning)
    model = EmotionModel(tuned, backbone.tokenizer(), _media(recipe, _width(llm.config)), recipe.tuning.name == "full")
    model.media.to(device)
    model.settle()
    return model


def build_meta(recipe: Recipe) -> EmotionModel:
    """The recipe's model on torch's meta device: shapes without weights or memory. It cannot compute."""
    from transformers import AutoModelForCausalLM

    backbone = _backbone(recipe)
    config = backbone.config()
    with torch.device("meta"):
        llm = AutoModelForCausalLM.from_config(config, dtype=DTYPES[backbone.dtype])
        tuned = apply_tuning(llm, recipe.tuning)
        media = _media(recipe, _width(config))
    return EmotionModel(tuned, None, media, recipe.tuning.name == "full")


def _backbone(recipe: Recipe) -> Backbone:
    if recipe.backbone is None:
        raise MercError(f"{recipe.name}: there is no backbone; give the section, as in backbone={{name: smollm2}}")
    assert isinstance(recipe.backbone.component, Backbone)
    return recipe.backbone.component


def _width(config: object) -> int:
    return int(config.get_text_config().hidden_size)  # type: ignore[attr-defined]


def _media(recipe: Recipe, hidden: int) -> MediaTokens:
    specs = {n: p.component.spec() for n, p in recipe.encoders.items() if isinstance(p.component, Encoder)}
    connectors = {n: p.component for n, p in recipe.connectors.items() if isinstance(p.component, Connector)}
    fusers = {n: p.component for n, p in recipe.fusers.items() if isinstance(p.component, Fuser)}
    return MediaTokens(specs, connectors, fusers, hidden)
