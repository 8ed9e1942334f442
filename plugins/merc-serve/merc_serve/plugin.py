"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_commands(register):
    register("serve", "merc_serve.command:command", help="Serve a trained run as a web page and an HTTP API.")
