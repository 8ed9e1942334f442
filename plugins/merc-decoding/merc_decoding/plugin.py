"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_decoders(register):
    register("calibrated", "merc_decoding.calibrated:Calibrated")
    register("dynamic-verbalizer", "merc_decoding.dynamic:DynamicVerbalizer")
    register("ensemble", "merc_decoding.ensemble:Ensemble")
    register("late-fusion", "merc_decoding.late_fusion:LateFusion")
    register("offsets", "merc_decoding.offsets:Offsets")
    register("prior-adjusted", "merc_decoding.offsets:PriorAdjusted")
    register("rationale-then-verbalizer", "merc_decoding.rationale:RationaleThenVerbalizer")
    register("self-consistency", "merc_decoding.rationale:SelfConsistency")


@merc.hookimpl
def register_prompters(register):
    register("beside", "merc_decoding.chances:Beside")
    register("evidence", "merc_decoding.evidence:Evidence")


@merc.hookimpl
def register_annotators(register):
    register("class-chances", "merc_decoding.chances:ClassChances")


@merc.hookimpl
def register_selectors(register):
    register("determinantal", "merc_decoding.selectors:Determinantal")
    register("max-min", "merc_decoding.selectors:MaxMin")
