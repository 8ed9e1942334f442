"""What merc-vision brings to merc."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_encoders(register):
    register("densenet", "merc_vision.densenet:DenseNet")
    register("vit-cls", "merc_vision.vit_cls:ViTCls")
    register("clip", "merc_vision.images:Clip")
    register("mae", "merc_vision.images:Mae")
    register("eva", "merc_vision.images:Eva")
    register("videomae", "merc_vision.videomae:VideoMae")
