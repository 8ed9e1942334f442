"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_commands(register):
    register("live", "merc_live.command:command", help="Say the emotions of people while they speak.")
