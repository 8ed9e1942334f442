"""What merc-sweep registers."""

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_commands(register):
    register("sweep", "merc_sweep.command:command", help="Run a recipe with many values, by grid or at random.")
