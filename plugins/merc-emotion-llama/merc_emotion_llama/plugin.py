"""What merc-emotion-llama brings to merc; nothing heavy is imported here."""

from __future__ import annotations

import merc

PLUGIN_API = 1


@merc.hookimpl
def register_metrics(register):
    pass
