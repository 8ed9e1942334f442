"""What merc-farcer brings to merc."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_losses(register):
    register("farcer-nll", "merc_farcer.loss:FarcerNLL")


@merc.hookimpl
def register_prompters(register):
    register("farcer", "merc_farcer.prompter:FarcerPrompter")
