"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_corpora(register):
    register("skits", "merc_skits.corpus:SkitsCorpus", needs=("espeakng_loader",), extra="merc-skits")
