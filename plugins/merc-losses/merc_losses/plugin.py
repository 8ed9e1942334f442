"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_losses(register):
    register("ccc", "merc_losses.numbers:CCC")
    register("class-balanced", "merc_losses.labels:ClassBalanced")
    register("clipped-policy", "merc_losses.policy:ClippedPolicy")
    register("distillation", "merc_losses.distillation:Distillation")
    register("dpo", "merc_losses.preference:DPO")
    register("focal", "merc_losses.labels:Focal")
    register("info-nce", "merc_losses.contrastive:InfoNCE")
    register("label-smoothing", "merc_losses.labels:LabelSmoothing")
    register("logit-adjusted", "merc_losses.labels:LogitAdjusted")
    register("mse", "merc_losses.numbers:MSE")
    register("ordinal", "merc_losses.numbers:Ordinal")
    register("r-drop", "merc_losses.labels:RDrop")
    register("rationale", "merc_losses.labels:Rationale")
    register("reference-kl", "merc_losses.policy:ReferenceKL")
    register("supervised-contrastive", "merc_losses.contrastive:SupervisedContrastive")
    register("task", "merc_losses.labels:Task")
    register("temporal", "merc_losses.labels:Temporal")
    register("trajectories", "merc_losses.contrastive:Trajectories")


@merc.hookimpl
def register_corpora(register):
    register("preferences", "merc_losses.pairs:Preferences")


@merc.hookimpl
def register_decoders(register):
    register("ranked", "merc_losses.ranked:RankedAnswers")


@merc.hookimpl
def register_prompters(register):
    register("auxiliary", "merc_losses.auxiliary:Auxiliary")
    register("preference", "merc_losses.preference:Preference")


@merc.hookimpl
def register_trainers(register):
    register("grpo", "merc_losses.sampling:GRPO")
    register("online-dpo", "merc_losses.sampling:OnlineDPO")


@merc.hookimpl
def register_rewards(register):
    register("format", "merc_losses.rewards:Format")
    register(
        "judge",
        "merc_losses.judge:LanguageModelJudge",
        needs=["merc_bemerc", "openai"],
        extra="merc-losses[judge]",
    )
    register("label-accuracy", "merc_losses.rewards:LabelAccuracy")
    register("length", "merc_losses.rewards:Length")
