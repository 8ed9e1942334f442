"""From a recipe to a model: with weights, or on the meta device, where nothing is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import nn

from merc.components import Backbone, Connector, Encoder, Frozen, Fuser, Head
from merc.consent import require
from merc.errors import MercError, naming
from merc.memory import enough_memory
from merc.model.absent import AbsentModel
from merc.model.backbone import load_network
from merc.model.emotion_model import EmotionModel
from merc.model.heads import Heads
from merc.model.kept_probe import probe_once
from merc.model.media_tokens import MediaTokens
from merc.model.precision import computed_in, computes_bfloat16
from merc.model.reach import context_of
from merc.model.sharding import spread
from merc.model.tuning import check_trainable, tune
from merc.recipe import Recipe
from merc.registry.faults import worker_for


def pick_device(name: str) -> str:
    """``auto`` is the GPU when there is one. Each of a launcher's processes has the GPU of its number on the machine;
    raises MercError for a device that is not there, and where there are more processes than GPUs."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    _check_device(name)
    number = os.environ.get("LOCAL_RANK")
    if name != "cuda" or number is None:
        return name
    if int(number) >= torch.cuda.device_count():
        raise MercError(
            f"process {int(number) + 1} on this machine has no GPU: there are {torch.cuda.device_count()}; start as "
            "many processes as there are GPUs, or set strategy.device=cpu"
        )
    return f"cuda:{number}"


def _check_device(name: str) -> None:
    """Raise MercError for a device that this machine does not have."""
    if name == "mps" and not torch.backends.mps.is_available():
        raise MercError("strategy.device=mps: torch finds no such device here; set strategy.device=cpu, or auto")
    if not name.startswith("cuda"):
        return
    if not torch.cuda.is_available():
        why = "this torch was built without CUDA" if torch.version.cuda is None else "torch finds no GPU and driver"
        raise MercError(f"strategy.device={name}: {why}; set strategy.device=cpu, or auto for whatever there is")
    count = torch.cuda.device_count()
    if int(name.partition(":")[2] or 0) >= count:
        raise MercError(f"strategy.device={name}: there are {count} GPUs, numbered from 0; set strategy.device=cuda:0")


Load = Callable[[EmotionModel], None]
"""Puts what was trained into a model."""


def build_model(recipe: Recipe, device: str, seed: int, load: Load | None = None) -> EmotionModel:
    """The recipe's model with its weights, new parameters drawn from ``seed`` or put there by ``load``."""
    if _needs_none(recipe):
        return AbsentModel()
    _hide_bars()
    backbone = _held_backbone(recipe, device)
    with enough_memory(f"backbone, held in {backbone.dtype} on {device}", _smaller(recipe, device)):
        return _built(recipe, backbone, device, seed, load)


def _built(recipe: Recipe, backbone: Backbone, device: str, seed: int, load: Load | None) -> EmotionModel:
    require(backbone, "the backbone")
    sharded = recipe.strategy.shard == "auto"
    llm = load_network(backbone, "cpu" if sharded else device)
    llm.config.use_cache = False  # type: ignore[union-attr]
    networks = _networks(recipe, seed)
    torch.manual_seed(seed)
    tuned = tune(llm, backbone.tuning)
    media = _media(recipe, _input_width(llm), networks)
    model = EmotionModel(tuned, backbone.tokenizer(), media, _heads(recipe, _width(llm.config)))
    model.backbone = backbone
    model.media.to(device)
    model.heads.to(device)
    if load is not None:
        load(model)
    if sharded:  # last of all: layers that are put aside then take no more weights
        spread(model, device)
    probe_once(model, backbone)
    return model


def _held_backbone(recipe: Recipe, device: str) -> Backbone:
    """The recipe's backbone in the dtype that it is held in on a device: its own, but float32 for bfloat16 on a CPU
    without instructions for it. Raises MercError where there is no backbone."""
    backbone = _backbone(recipe)
    return replace(backbone, dtype=computed_in(backbone.dtype, device))  # type: ignore[arg-type]


def _smaller(recipe: Recipe, device: str) -> str:
    """What to change where a model does not fit."""
    ways = []
    if _backbone(recipe).dtype == "float32" and computes_bfloat16(device):
        ways.append("set backbone.dtype=bfloat16, which halves it")
    if not isinstance(recipe.tuning, Frozen):
        ways.append("give a backbone.tuning that learns fewer weights, since these are held in float32")
    if device != "cpu":
        ways.append("set strategy.device=cpu")
    return ", or ".join([*ways, "give a smaller backbone"])


def check_backbone(recipe: Recipe, weights: bool = True) -> None:
    """See that the recipe's backbone can be loaded: its configuration, tokenizer and, with ``weights``, these are
    there. Raises MercError where they are not, where its tuning lacks something or, with ``weights``, does not fit the
    backbone, where a stage's ``trainable`` names nothing, and where soft prompts fill its context. No weights are read;
    those of a hub model are fetched."""
    if _needs_none(recipe):
        return
    _hide_bars()
    backbone = _backbone(recipe)
    if weights:
        backbone.check()
    backbone.tuning.check(pick_device(recipe.strategy.device))
    _check_opening(recipe)
    if weights:
        model = build_meta(recipe)
        for stage in recipe.stages:
            # Encoders' networks are not part of a model without weights: the stage itself sees to these names.
            names = [name for name in stage.trainable or () if not name.startswith("encoders.")]
            with naming(f"stage {stage.id}"):
                check_trainable(model, names)


def _hide_bars() -> None:
    """Hide transformers' bars of a model's files, which would break into merc's own; downloads keep theirs."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils.logging import disable_progress_bar

    downloads = not are_progress_bars_disabled()
    disable_progress_bar()
    if downloads:
        enable_progress_bars()


def build_meta(recipe: Recipe) -> EmotionModel:
    """The recipe's model on torch's meta device: shapes without weights or memory. It cannot compute."""
    if _needs_none(recipe):
        return AbsentModel()
    _check_opening(recipe)
    backbone = _backbone(recipe)
    with torch.device("meta"):
        llm = backbone.shape()
        tuned = tune(llm, backbone.tuning)
        return EmotionModel(tuned, None, _media(recipe, _input_width(llm)), _heads(recipe, _width(llm.config)))


def _check_opening(recipe: Recipe) -> None:
    """Raise MercError where what stands at the beginning of every prompt leaves no room in the model's context."""
    parts = {name: ref.component for name, ref in recipe.connectors.items() if isinstance(ref.component, Connector)}
    lengths = {name: part.tokens(0) for name, part in parts.items() if part.inputs == "none"}
    context = context_of(_backbone(recipe).config()) if lengths else None
    if context is not None and sum(lengths.values()) >= context:
        stream = max(lengths, key=lambda name: lengths[name])
        others = f" (of {sum(lengths.values())} of all connectors without input)" if len(lengths) > 1 else ""
        raise MercError(
            f"connectors.{stream}: its {lengths[stream]} tokens{others} stand at the beginning of every prompt, and "
            f"the backbone's context of {context} tokens has no room for more; give it fewer"
        )


def _needs_none(recipe: Recipe) -> bool:
    """Whether a recipe has no backbone and needs none, since it only asks a model elsewhere."""
    return recipe.backbone is None and recipe.evaluate is not None and not recipe.evaluate.decoder.asks_model


def _backbone(recipe: Recipe) -> Backbone:
    if recipe.backbone is None:
        raise MercError(f"{recipe.name}: there is no backbone; give the section, as in backbone={{name: smollm2}}")
    assert isinstance(recipe.backbone.component, Backbone)
    return recipe.backbone.component


def _input_width(llm: nn.Module) -> int:
    """How many numbers stand in a place of the input: the width of the layers, unless these are given more."""
    return int(llm.get_input_embeddings().embedding_dim)  # type: ignore[operator]


def _width(config: object) -> int:
    return int(config.get_text_config().hidden_size)  # type: ignore[attr-defined]


def _heads(recipe: Recipe, hidden: int) -> Heads:
    return Heads({n: p.component for n, p in recipe.heads.items() if isinstance(p.component, Head)}, hidden)


def _networks(recipe: Recipe, seed: int) -> dict[str, nn.Module]:
    """The networks of the encoders that learn, with the weights that they begin from."""
    networks = {}
    for name in recipe.learning_encoders:
        encoder = recipe.encoders[name].component
        assert isinstance(encoder, Encoder)
        require(encoder, f"encoder {recipe.encoders[name].name!r}")
        torch.manual_seed(seed)
        networks[name] = worker_for(encoder, encoder.build().float())
    return networks


def _media(recipe: Recipe, hidden: int, networks: Mapping[str, nn.Module] | None = None) -> MediaTokens:
    encoders = {n: p.component for n, p in recipe.encoders.items() if isinstance(p.component, Encoder)}
    specs = {name: encoder.spec() for name, encoder in encoders.items()}
    connectors = {n: p.component for n, p in recipe.connectors.items() if isinstance(p.component, Connector)}
    fusers = {n: p.component for n, p in recipe.fusers.items() if isinstance(p.component, Fuser)}
    return MediaTokens(specs, connectors, fusers, hidden, encoders, networks)
