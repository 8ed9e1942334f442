"""What merc-trackers registers."""

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_trackers(register):
    register("tensorboard", "merc_trackers.tensorboard:TensorBoard", needs=["tensorboard"])
    register("wandb", "merc_trackers.wandb:Wandb", needs=["wandb"], extra="merc-trackers[wandb]")
    register("trackio", "merc_trackers.trackio:Trackio", needs=["trackio"], extra="merc-trackers[trackio]")
