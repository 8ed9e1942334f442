"""What merc-fusion brings to merc; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_connectors(register):
    register("q-former", "merc_fusion.connectors:QFormer")
    register("resampler", "merc_fusion.connectors:Resampler")
    register("projector-gate", "merc_fusion.connectors:ProjectorGate")
    register("conditioned-prompt", "merc_fusion.connectors:ConditionedPrompt")
    register("multi-scale", "merc_fusion.connectors:MultiScale")
    register("cross-attention", "merc_fusion.inserted:CrossAttention")
    register("gated-cross-attention", "merc_fusion.inserted:GatedCrossAttention")


@merc.hookimpl
def register_fusers(register):
    register("feature-level", "merc_fusion.fusers:FeatureLevel")
    register("cnn", "merc_fusion.fusers:Cnn")
    register("multimodal-lstm", "merc_fusion.fusers:MultimodalLstm")
    register("cross-modal-attention", "merc_fusion.fusers:CrossModalAttention")
    register("time-warp", "merc_fusion.fusers:TimeWarp")
    register("modality-experts", "merc_fusion.fusers:ModalityExperts")
    register("conversation-lstm", "merc_fusion.conversation:ConversationLstm")
    register("modality-graph", "merc_fusion.conversation:ModalityGraph")
    register("state-space", "merc_fusion.conversation:StateSpace")
    register("segment-memory", "merc_fusion.conversation:SegmentMemory")
