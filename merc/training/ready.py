"""What ``fit`` has to have before its first step, and whether settings and losses suit the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from merc.components import Loss, TrainContext
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.registry import get_registry
from merc.training.context import StageContext, stage_of
from merc.training.loss_set import LossSet, wanted_answers
from merc.training.rollout import Rollout
from merc.training.settings import Settings
from merc.training.steps import StepSchedule
from merc.training.update import parameter_groups


def check_fit(
    context: TrainContext,
    settings: Settings,
    losses: Sequence[Loss] = (),
    rollout: Rollout | None = None,
    updates: int = 1,
) -> None:
    """See whether ``fit`` could begin with the same arguments: what a trainer's ``check`` is made of.

    Nothing of the model changes, the rollout is not called, and no random number is used up.

    Raises:
        MercError: Settings or losses do not fit the model, or there is nothing to learn.
    """
    stage = stage_of(context)
    with torch.random.fork_rng(devices=[]):
        _, built = made_ready(stage, settings, losses, rollout, updates)
    stage.network.use_losses(built.functions, built.needs)  # their parameters learn too
    try:
        parameter_groups(stage.network, settings, built.penalty)
    finally:
        stage.network.use_losses({}, {})


def made_ready(
    stage: StageContext, settings: Settings, losses: Sequence[Loss], rollout: Rollout | None, updates: int
) -> tuple[StepSchedule, LossSet]:
    """The steps of a stage, and its losses, built. Raises as ``fit`` does."""
    if updates < 1 or (updates > 1 and rollout is None):
        raise ValueError(f"updates counts the steps that learn from one rollout, from 1, not {updates}")
    losses = losses or _default_losses()
    network = stage.network
    _check_precision(network, settings, stage.stage)
    _check_checkpointing(network, settings, stage.stage)
    if settings.soup is not None and stage.evaluate is None:
        raise MercError(
            f"stages.{stage.stage}.trainer.soup: the states of a soup are those of evaluations on dev, and this stage "
            "is not evaluated there; leave soup out"
        )
    schedule = StepSchedule(stage, settings, wanted_answers(losses), rollout, updates)
    # New parameters of losses come from the stage's seed alone.
    torch.manual_seed(stage.seed_of("losses"))
    built = LossSet.build(losses, schedule.loss_context())
    if any("second_path_log_probs" in needs for needs in built.needs.values()) and not _drops(network):
        raise MercError(
            f"stages.{stage.stage}: a loss compares two passes that differ by dropout, and nothing of the model drops "
            "anything, so they would be the same; set backbone.tuning.dropout, say, or leave that loss out"
        )
    return schedule, built


def _default_losses() -> tuple[Loss, ...]:
    loss = get_registry().resolve("loss", "token-nll")()
    assert isinstance(loss, Loss)
    return (loss,)


def _drops(network: EmotionModel) -> bool:
    """Whether some module of a model has dropout: one of torch's, or attention's own."""
    chances = [getattr(m, "p", 0.0) for m in network.modules() if isinstance(m, torch.nn.modules.dropout._DropoutNd)]
    chances += [getattr(m, "attention_dropout", 0.0) for m in network.modules()]
    return any(isinstance(chance, float) and chance > 0 for chance in chances)


def _check_precision(network: EmotionModel, settings: Settings, stage: str) -> None:
    if settings.precision == "float32" and network.base.dtype != torch.float32:
        held = str(network.base.dtype).removeprefix("torch.")
        raise MercError(
            f"stages.{stage}.trainer.precision: float32 can't be computed with a backbone held in {held}; "
            "set backbone.dtype=float32, or precision=model to compute in the backbone's"
        )


def _check_checkpointing(model: EmotionModel, settings: Settings, stage: str) -> None:
    """Raise MercError where activations are to be computed again and keys and values of virtual tokens would be lost,
    which transformers drops then."""
    if settings.activation_checkpointing and model.virtual_tokens:
        raise MercError(
            f"stages.{stage}.trainer.activation_checkpointing: {type(model.tuning).__name__} puts virtual tokens "
            "before every prompt, which layers that are computed again do not see; set "
            "activation_checkpointing=false, or choose another backbone.tuning"
        )
