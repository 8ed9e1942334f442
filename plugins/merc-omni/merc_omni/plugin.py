"""What merc-omni brings to merc."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_backbones(register):
    register("omni", "merc_omni.backbone:Omni")


@merc.hookimpl
def register_encoders(register):
    register("omni-image", "merc_omni.encoders:OmniImage")
    register("omni-video", "merc_omni.encoders:OmniVideo")
    register("omni-audio", "merc_omni.encoders:OmniAudio")


@merc.hookimpl
def register_decoders(register):
    register("openai-compatible", "merc_omni.served:Served")
