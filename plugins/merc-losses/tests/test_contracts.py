"""Each loss keeps the contract of losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from merc_losses.contrastive import InfoNCE, SupervisedContrastive, Trajectories
from merc_losses.labels import ClassBalanced, Focal, LabelSmoothing, LogitAdjusted, Rationale, RDrop, Task, Temporal
from merc_losses.numbers import CCC, MSE, Ordinal

import merc
import merc.testing
from merc.builtin.connectors import Linear
from merc.builtin.sft import SupervisedFineTuning
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.testing import samples
from merc.testing.examples.prompter import Example as PlainPrompter


class TestTask(merc.testing.LossContract):
    component = Task()
    name = "task"


class TestFocal(merc.testing.LossContract):
    component = Focal()
    name = "focal"


class TestClassBalanced(merc.testing.LossContract):
    component = ClassBalanced(beta=0.9)
    name = "class-balanced"


class TestLogitAdjusted(merc.testing.LossContract):
    component = LogitAdjusted(tau=0.5)
    name = "logit-adjusted"


class TestLabelSmoothing(merc.testing.LossContract):
    component = LabelSmoothing()
    name = "label-smoothing"


class TestRDrop(merc.testing.LossContract):
    component = RDrop()
    name = "r-drop"


class TestTemporal(merc.testing.LossContract):
    component = Temporal()
    name = "temporal"


class TestInfoNCE(merc.testing.LossContract):
    component = InfoNCE(stream="face")
    name = "info-nce"


class TestInfoNCEOfLabels(merc.testing.LossContract):
    component = InfoNCE(stream="face", anchor="label", normalize=False)


class TestInfoNCEOfCues(merc.testing.LossContract):
    component = InfoNCE(stream="voice", anchor="cue:prosody")


class TestSupervisedContrastive(merc.testing.LossContract):
    component = SupervisedContrastive()
    name = "supervised-contrastive"


class TestTrajectories(merc.testing.LossContract):
    component = Trajectories(streams=("face", "voice"))
    name = "trajectories"

    def conversations(self) -> Sequence[merc.Conversation]:
        talk = samples.conversation()
        shorter = [replace(said, id=f"other_{said.id}") for said in talk.utterances[:3]]
        return [talk, replace(talk, id="other", utterances=tuple(shorter))]


class TestMSE(merc.testing.LossContract):
    component = MSE(head="affect")
    name = "mse"


class TestCCC(merc.testing.LossContract):
    component = CCC(head="affect")
    name = "ccc"


class TestOrdinal(merc.testing.LossContract):
    component = Ordinal(head="affect", levels=(-1.0, 0.0, 1.0))
    name = "ordinal"


class TestRationale(merc.testing.LossContract):
    """The sample prompts all ask for labels; the texts of tests/test_labels.py have a gradient."""

    component = Rationale()
    name = "rationale"

    def test_gives_one_finite_value_a_prompt_with_a_gradient(self) -> None:
        _, values, _ = self._values()
        assert values is not None and not values.any() and values.requires_grad


class TestTheyLearnTogether(merc.testing.TrainerContract):
    """Their sum, on one process and on two, which each compute a part of a step."""

    component = SupervisedFineTuning(
        lr=1e-2,
        batch_conversations=2,
        losses=(
            Focal(),
            Temporal(weight=0.5),
            InfoNCE(stream="face", weight=0.2),
            SupervisedContrastive(weight=0.1),
        ),
    )

    def network(self) -> EmotionModel:
        network = super().network()
        torch.manual_seed(5)
        media = MediaTokens({"face": merc.FeatureSpec(6)}, {"face": Linear()}, {}, 16)
        media.source = lambda stream, utterance, draw: np.random.default_rng([*utterance.encode()]).standard_normal(
            (2, 6), dtype="float32"
        )
        network.media = media
        return network

    def examples(self, epoch: int) -> Sequence[Sequence[merc.Example]]:
        ask = PlainPrompter(media=("face",))
        return [[replace(one, prompter=ask) for one in group] for group in super().examples(epoch)]
