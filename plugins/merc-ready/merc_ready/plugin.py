"""What merc-ready registers."""

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_runs(register):
    register("meld-text", "merc_ready.runs:MeldText")
    register("meld-face", "merc_ready.runs:MeldFace")
