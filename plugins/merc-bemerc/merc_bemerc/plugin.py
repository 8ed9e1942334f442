"""What merc-bemerc brings to merc."""

from __future__ import annotations

from merc_embedded import EXTRA

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_annotators(register):
    register("qwen2-vl", "merc_bemerc.qwen2_vl:Qwen2VL")
    register("video-description", "merc_bemerc.qwen2_vl:VideoDescription")
    register("openai-compatible", "merc_bemerc.openai_compatible:OpenAICompatible")
    register("observer", "merc_bemerc.observer:Observer", needs=["fer"], extra=EXTRA)
    register("prosody", "merc_bemerc.prosody:Prosody")


@merc.hookimpl
def register_losses(register):
    register("l2", "merc_bemerc.l2:L2")


@merc.hookimpl
def register_prompters(register):
    register("bemerc-behaviour", "merc_bemerc.prompters:BehaviourPrompter")
    register("bemerc-emotion", "merc_bemerc.prompters:EmotionPrompter")
