"""Every connector and fuser of the plugin keeps the contract of its kind."""

from __future__ import annotations

from merc_fusion.connectors import ConditionedPrompt, MultiScale, ProjectorGate, QFormer, Resampler
from merc_fusion.conversation import ConversationLstm, ModalityGraph, SegmentMemory, StateSpace
from merc_fusion.fusers import Cnn, CrossModalAttention, FeatureLevel, ModalityExperts, MultimodalLstm, TimeWarp
from merc_fusion.inserted import CrossAttention, GatedCrossAttention

import merc.testing


class TestQFormer(merc.testing.ConnectorContract):
    component = QFormer(queries=5, width=24, heads=4, layers=3)
    name = "q-former"


class TestResampler(merc.testing.ConnectorContract):
    component = Resampler(queries=5, layers=2, heads=4)
    name = "resampler"


class TestProjectorGate(merc.testing.ConnectorContract):
    component = ProjectorGate()
    name = "projector-gate"


class TestProjectorGateOfFeatures(merc.testing.ConnectorContract):
    component = ProjectorGate(gate="features", projectors=2)


class TestConditionedPrompt(merc.testing.ConnectorContract):
    component = ConditionedPrompt()
    name = "conditioned-prompt"


class TestMultiScale(merc.testing.ConnectorContract):
    component = MultiScale()
    name = "multi-scale"


class TestCrossAttention(merc.testing.ConnectorContract):
    component = CrossAttention(heads=2, head_width=4)
    name = "cross-attention"


class TestGatedCrossAttention(merc.testing.ConnectorContract):
    component = GatedCrossAttention(every=2, heads=2, head_width=4)
    name = "gated-cross-attention"


class TestLatentsThatLayersLookAt(merc.testing.ConnectorContract):
    component = GatedCrossAttention(every=3, heads=2, head_width=4, look="all", latents=3)


class TestFeatureLevel(merc.testing.FuserContract):
    component = FeatureLevel(width=6, out=5)
    name = "feature-level"


class TestBilinear(merc.testing.FuserContract):
    component = FeatureLevel(width=6, out=5, operator="bilinear")


class TestTensor(merc.testing.FuserContract):
    component = FeatureLevel(width=6, out=5, operator="tensor")


class TestCnn(merc.testing.FuserContract):
    component = Cnn(channels=2, width=6, out=5)
    name = "cnn"


class TestMultimodalLstm(merc.testing.FuserContract):
    component = MultimodalLstm(tokens_=3, width=5)
    name = "multimodal-lstm"


class TestMultimodalLstmWithAttention(merc.testing.FuserContract):
    component = MultimodalLstm(tokens_=3, width=3, weights="attention", operator="tensor")


class TestCrossModalAttention(merc.testing.FuserContract):
    component = CrossModalAttention(tokens_=3, width=8, out=5, heads=2)
    name = "cross-modal-attention"


class TestCrossModalAttentionOverTokens(merc.testing.FuserContract):
    component = CrossModalAttention(tokens_=3, width=8, out=5, heads=2, over="tokens")


class TestTimeWarp(merc.testing.FuserContract):
    component = TimeWarp(tokens_=3, width=6, out=5)
    name = "time-warp"


class TestModalityExperts(merc.testing.FuserContract):
    component = ModalityExperts(width=6, out=5, top=1)
    name = "modality-experts"


class TestConversationLstm(merc.testing.FuserContract):
    component = ConversationLstm(width=5)
    name = "conversation-lstm"


class TestModalityGraph(merc.testing.FuserContract):
    component = ModalityGraph(width=6, out=5, window=2)
    name = "modality-graph"


class TestStateSpace(merc.testing.FuserContract):
    component = StateSpace(width=6, states=3)
    name = "state-space"


class TestSegmentMemory(merc.testing.FuserContract):
    component = SegmentMemory(width=8, heads=2, segment=2, slots=3)
    name = "segment-memory"
