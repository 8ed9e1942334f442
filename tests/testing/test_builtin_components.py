"""What merc brings itself keeps the same contracts as any plugin."""

from __future__ import annotations

import pytest

import merc.testing
from merc.builtin.connectors import Linear, Mlp
from merc.builtin.decoders import Generate
from merc.builtin.fusers import Concat, NoFusion
from merc.builtin.heads import MultiLabel, Regression
from merc.builtin.losses import HeadLoss, LabelCE, TokenNLL
from merc.builtin.metrics import Classification
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.selectors import Balanced, Diverse, Fixed, Random, Retrieved
from merc.builtin.sft import SupervisedFineTuning
from merc.builtin.tunings import Full, LoRA
from merc.components import Frozen, Verbalizer


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


class TestTokenNLL(merc.testing.LossContract):
    component = TokenNLL()
    name = "merc/token-nll"


class TestLabelCE(merc.testing.LossContract):
    component = LabelCE(average="tokens", class_weights="balanced")
    name = "merc/label-ce"


class TestHeadLoss(merc.testing.LossContract):
    component = HeadLoss(head="affect")
    name = "merc/head"


class TestRegression(merc.testing.HeadContract):
    component = Regression(outputs={"valence": (-1, 1), "intensity": (0, 5)}, width=6)
    name = "merc/regression"


class TestMultiLabel(merc.testing.HeadContract):
    component = MultiLabel(labels=("joy", "fear", "anger"), field="tags")
    name = "merc/multi-label"


class TestVerbalizer(merc.testing.DecoderContract):
    component = Verbalizer(normalize="tokens")
    name = "merc/verbalizer"


class TestGenerate(merc.testing.DecoderContract):
    component = Generate(parser="first-label", max_new_tokens=4)
    name = "merc/generate"


class TestFrozen(merc.testing.TuningContract):
    component = Frozen()
    name = "merc/frozen"


class TestFull(merc.testing.TuningContract):
    component = Full()
    name = "merc/full"


class TestLoRA(merc.testing.TuningContract):
    component = LoRA(r=2, alpha=4)
    name = "merc/lora"


class TestConversationPrompter(merc.testing.PrompterContract):
    component = ConversationPrompter(media=("voice",), cues=("face",))
    name = "merc/conversation"


class TestClassification(merc.testing.MetricContract):
    component = Classification()
    name = "merc/classification"


@pytest.mark.slow
class TestSft(merc.testing.TrainerContract):
    component = SupervisedFineTuning(epochs=2, batch_conversations=1)
    name = "merc/sft"


class TestFixed(merc.testing.SelectorContract):
    component = Fixed(ids=("talk1_u0", "talk2_u1", "talk3_u3", "talk4_u0"), k=3)
    name = "merc/fixed"


class TestRandom(merc.testing.SelectorContract):
    component = Random(sets=3)
    name = "merc/random"


class TestRandomAnewForEach(merc.testing.SelectorContract):
    component = Random(sets=None, distinct="utterances", order="label")


class TestBalanced(merc.testing.SelectorContract):
    component = Balanced(sets=2)
    name = "merc/balanced"


class TestRetrieved(merc.testing.SelectorContract):
    component = Retrieved(embedder="minilm")
    name = "merc/retrieved"


class TestDiverse(merc.testing.SelectorContract):
    component = Diverse(embedder="minilm", candidates=8, order="nearest-last")
    name = "merc/diverse"


class TestDiverseWithoutAQuery(merc.testing.SelectorContract):
    component = Diverse(embedder="minilm", streams=("face",), rule="max-min", sets=3)
