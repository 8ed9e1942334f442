"""What merc-vision brings to merc."""

from __future__ import annotations

import merc

PLUGIN_API = 1


@merc.hookimpl
def register_encoders(register):
    register("densenet", "merc_vision.densenet:DenseNet")
