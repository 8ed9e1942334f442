"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc


@merc.hookimpl
def register_corpora(register):
    register("meld", "merc_corpora.meld:MeldCorpus")
    register("iemocap", "merc_corpora.iemocap:IemocapCorpus")
    register("skits", "merc_corpora.skits:SkitsCorpus", needs=("espeakng_loader",), extra="merc-corpora")
