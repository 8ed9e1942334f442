"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_metrics(register):
    register("conflict", "merc_robustness.conflict:Conflict")


@merc.hookimpl
def register_corruptions(register):
    register("noise", "merc_robustness.sound:Noise")
    register("blur", "merc_robustness.pictures:Blur")
    register("darken", "merc_robustness.pictures:Darken")
    register("drop-frames", "merc_robustness.pictures:DropFrames")
    register("drop-words", "merc_robustness.words:DropWords")
    register("mishear", "merc_robustness.words:Mishear")
    register("withhold", "merc_robustness.withheld:Withhold")
