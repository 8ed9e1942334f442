"""What merc brings itself keeps the same contracts as any plugin."""

from __future__ import annotations

import pytest

import merc.testing
from merc.builtin.connectors import Linear, Mlp
from merc.builtin.fusers import Concat, NoFusion
from merc.builtin.metrics import Classification
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning


class TestLinear(merc.testing.ConnectorContract):
    component = Linear()
    name = "merc/linear"


class TestLinearThatPools(merc.testing.ConnectorContract):
    component = Linear(pool="mean", normalize="train")


class TestMlp(merc.testing.ConnectorContract):
    component = Mlp(layers=3, width=8, normalize="train")
    name = "merc/mlp"


class TestConcat(merc.testing.FuserContract):
    component = Concat()
    name = "merc/concat"


class TestNoFusion(merc.testing.FuserContract):
    component = NoFusion()
    name = "merc/none"


class TestConversationPrompter(merc.testing.PrompterContract):
    component = ConversationPrompter(media=("voice",), cues=("face",))
    name = "merc/conversation"


class TestClassification(merc.testing.MetricContract):
    component = Classification()
    name = "merc/classification"


@pytest.mark.slow
class TestSft(merc.testing.TrainerContract):
    component = SupervisedFineTuning(epochs=2, conversations=1)
    name = "merc/sft"
