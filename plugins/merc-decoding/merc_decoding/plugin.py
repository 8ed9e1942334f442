"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_decoders(register):
    register("calibrated", "merc_decoding.calibrated:Calibrated")
    register("ensemble", "merc_decoding.ensemble:Ensemble")
    register("rationale-then-verbalizer", "merc_decoding.rationale:RationaleThenVerbalizer")
    register("self-consistency", "merc_decoding.rationale:SelfConsistency")
