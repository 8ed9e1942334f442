"""What merc-ray registers."""

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_workers(register):
    register("ray", "merc_ray.workers:Ray", needs=["ray"], extra="merc-ray[ray]")
