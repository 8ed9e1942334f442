"""Preferences: equation 32 written out, TRL's own DPO on the same pairs, and pairs that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from merc_losses.preference import DPO, Preference
from torch import Tensor
from torch.nn.functional import logsigmoid

import merc
import merc.testing
from merc.builtin.prompters import ConversationPrompter
from merc.components import Example
from merc.model.emotion_model import EmotionModel
from merc.training.loop import fit
from merc.training.settings import Settings
from tests.training.jobs import LABELS, Learning, context_of, learn, model_of, plain_log_probabilities
from tests.training.loss_steps import assert_gradients, queries_of

PAIRS = [
    ("We won the game today.", " I am so happy!", " I am cold."),
    ("You lost my house.", " I hate this, enough.", " That is wonderful, my friend."),
    ("The day was long.", " yes", " I miss it so very much"),
]


class TestDPO(merc.testing.LossContract):
    component = DPO()
    name = "dpo"


class TestSimPO(merc.testing.LossContract):
    component = DPO(reference=False, normalize="tokens", margin=0.5, beta=2.0)


class TestPreference(merc.testing.PrompterContract):
    component = Preference(prompter=ConversationPrompter(media=("audio",)), pairs="labels")
    name = "preference"


def step(
    model: EmotionModel, groups: Sequence[Sequence[Example]], loss: merc.Loss, folder: Path
) -> tuple[float, dict[str, Tensor]]:
    context, seen = context_of(model, [], folder, strategy=(strategy := Learning()))
    settings = Settings(batch_conversations=len(groups), max_grad_norm=None)
    fit(replace(context, examples=lambda epoch: groups), settings, (loss,))
    return seen.losses[0], strategy.taken[0]


@pytest.mark.parametrize(
    "loss",
    [
        DPO(beta=0.5),
        DPO(beta=0.5, normalize="tokens"),
        DPO(beta=2.0, reference=False, normalize="tokens", margin=0.3),
    ],
    ids=["dpo", "length-normalised", "simpo"],
)
def test_equation_32(loss: DPO, backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    ask = Preference(prompter=ConversationPrompter(), pairs="labels")
    groups = [[Example(query, ask) for query in queries_of([talk])] for talk in talks[:2]]
    value, taken = step(model_of(backbone), groups, loss, tmp_path)
    before, now = model_of(backbone), model_of(backbone)
    learn(now)
    losses = []
    for query in queries_of(talks[:2]):
        encoded = now.prompts.encode(ConversationPrompter().prompt(query), lambda *_: 0, LABELS, "joy", "labels")
        length = {LABELS.words_of(LABELS.labels[a.label])[a.word]: len(a.tokens) for a in encoded.answers}
        mine, theirs = (plain_log_probabilities(m, query.conversation, query.index) for m in (now, before))
        gain = {}
        for label in LABELS.labels:
            word = LABELS.words_of(label)[0]
            gain[label] = mine[word] - (theirs[word].detach() if loss.reference else 0.0)
            gain[label] = gain[label] / length[word] if loss.normalize == "tokens" else gain[label]
        right = gain.pop(str(query.target.label))
        each = [-logsigmoid(loss.beta * (right - wrong) - loss.margin) for wrong in gain.values()]
        losses.append(torch.stack(each).mean())
    plain = torch.stack(losses).mean()
    assert value == pytest.approx(float(plain.detach()), rel=1e-4)
    assert_gradients(now, plain, taken)


@dataclass(frozen=True, kw_only=True)
class Plain(merc.Prompter):
    """The words of the utterance, and nothing else."""

    def prompt(self, query: merc.Query) -> merc.Prompt:
        return merc.Prompt((merc.Text(query.target.text), merc.Answer()), query.target.id)


def paired(**extra: Any) -> merc.Conversation:
    target = merc.Utterance(id="u0", text="Oh!", extra=extra, origin="talk.jsonl, line 3")
    return merc.Conversation(id="c", utterances=(target,))


def test_the_loss_is_that_of_trl_on_the_same_pairs(backbone: Path, tmp_path: Path) -> None:
    """One batch of plain texts, with the policy away from its reference."""
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from merc.builtin.tunings import Full

    groups = []
    for number, (words, chosen, rejected) in enumerate(PAIRS):
        extra = {"chosen": chosen, "rejected": rejected}
        target = merc.Utterance(id=f"u{number}", text=words, extra=extra)
        talk = merc.Conversation(id=f"c{number}", utterances=(target,))
        ask = Preference(prompter=Plain())
        groups.append([Example(merc.Query(conversation=talk, index=0, labels=LABELS), ask)])
    value, _ = step(model_of(backbone, Full()), groups, DPO(beta=0.1), tmp_path)
    policy = model_of(backbone, Full())
    learn(policy)
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    rows = [{"prompt": p, "chosen": c, "rejected": r} for p, c, r in PAIRS]
    settings = trl.DPOConfig(
        output_dir=str(tmp_path / "trl"), per_device_train_batch_size=len(PAIRS), beta=0.1, use_cpu=True, bf16=False,
        report_to=[], gradient_checkpointing=False,
    )  # fmt: skip
    trainer = trl.DPOTrainer(
        model=policy.llm, ref_model=AutoModelForCausalLM.from_pretrained(backbone, dtype=torch.float32), args=settings,
        train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer,
    )  # fmt: skip
    batch = next(iter(trainer.get_train_dataloader()))
    with torch.no_grad():
        theirs = float(trainer.compute_loss(trainer.model.eval(), batch))
    assert theirs != pytest.approx(0.6931, abs=1e-3)
    assert value == pytest.approx(theirs, abs=1e-4)


def test_pairs_of_a_corpus() -> None:
    ask = Preference(prompter=ConversationPrompter())
    query = merc.Query(conversation=paired(chosen=" a smile", rejected=["a frown", "rage"]), index=0, labels=LABELS)
    assert ask.has_target(query)
    assert ask.prompt(query).answer == merc.Answer("a smile", rejected=("a frown", "rage"))
    without = merc.Query(conversation=paired(), index=0, labels=LABELS)
    assert not ask.has_target(without)
    assert ask.prompt(without) == ConversationPrompter().prompt(without)


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ({"chosen": "a smile", "rejected": " a smile "}, r"chosen and rejected are the same \('a smile'\)"),
        ({"chosen": " ", "rejected": "a frown"}, "chosen is empty"),
        ({"chosen": "a smile", "rejected": ["a frown", ""]}, "rejected is empty"),
        ({"chosen": "a smile"}, "rejected is missing"),
        ({"rejected": "a frown"}, "chosen is missing"),
        ({"chosen": 3, "rejected": "a frown"}, "chosen is 3; a text is wanted"),
        ({"chosen": ["a", "b"], "rejected": "c"}, "chosen is a list"),
    ],
)
def test_pairs_that_cannot_be(extra: dict[str, Any], what: str) -> None:
    query = merc.Query(conversation=paired(**extra), index=0, labels=LABELS)
    with pytest.raises(merc.MercError, match=rf"talk\.jsonl, line 3: preference pair of utterance 'u0': {what}"):
        Preference(prompter=ConversationPrompter()).prompt(query)


def test_parameters_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="beta is above 0"):
        DPO(beta=0.0)
