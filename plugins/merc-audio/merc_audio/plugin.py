"""What merc-audio brings to merc."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_encoders(register):
    register("opensmile", "merc_audio.smile:OpenSmile", needs=("opensmile",), extra="merc-audio")
    register("whisper", "merc_audio.whisper:Whisper")
    register("hubert", "merc_audio.hubert:Hubert")
