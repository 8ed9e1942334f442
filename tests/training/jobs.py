"""Training jobs on a tiny random Llama with a real tokenizer, and what they did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from merc.builtin.connectors import Linear
from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.losses import TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.tunings import LoRA
from merc.components import Example, FeatureSpec, Loss, Prompter, Query, TrainReport, Tuning
from merc.conversation import Conversation, LabelSpace
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.tuning import tune
from merc.prompting import EncodedPrompt
from merc.session.data import labelled, queries
from merc.session.shared_model import SharedModel
from merc.training.context import StageContext
from merc.training.loop import fit
from merc.training.settings import Settings
from merc.training.strategy import ParameterGroup, Strategy, TorchStrategy

LABELS = LabelSpace(("joy", "anger", "sadness"), {"joy": ("joy", "happy"), "anger": ("anger", "hate so much")})


def conversations(file: Path, split: str = "train") -> list[Conversation]:
    return [c for c in JsonlCorpus(path=str(file)).load().conversations if c.split == split]


def model_of(
    backbone: Path, tuning: Tuning | None = None, dtype: str = "float32", seed: int = 3, media: bool = False
) -> EmotionModel:
    """A model whose adapters, if it has some, are not zero."""
    llm = AutoModelForCausalLM.from_pretrained(backbone, dtype=getattr(torch, dtype)).eval()
    torch.manual_seed(seed)
    tuned = tune(llm, tuning or LoRA(r=4, alpha=8))
    for name, parameter in tuned.llm.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    specs, connectors = ({"face": FeatureSpec(6)}, {"face": Linear()}) if media else ({}, {})
    tokens = MediaTokens(specs, connectors, {}, llm.config.hidden_size)
    # The features of an utterance follow from its name.
    tokens.source = lambda stream, utterance, draw: np.random.default_rng([*utterance.encode(), draw]).standard_normal(
        (2, 6), dtype="float32"
    )
    model = EmotionModel(tuned, AutoTokenizer.from_pretrained(backbone), tokens)
    model.probe()
    return model


@dataclass
class Seen:
    """What a job said."""

    log: list[dict[str, Any]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    rewound: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.log if record["event"] == kind]

    @property
    def losses(self) -> list[float]:
        return [record["loss"] for record in self.events("step")]


def context_of(
    model: EmotionModel,
    talks: Sequence[Conversation],
    folder: Path,
    *,
    labels: LabelSpace = LABELS,
    prompter: Prompter | None = None,
    evaluate: Callable[[], Mapping[str, Any]] | None = None,
    strategy: Strategy | None = None,
    seed: int = 0,
    resume: bool = False,
    seen: Seen | None = None,
) -> tuple[StageContext, Seen]:
    seen, strategy = seen or Seen(), strategy or TorchStrategy()
    folder.mkdir(parents=True, exist_ok=True)
    asks = prompter or ConversationPrompter()
    groups = [[Example(query, asks) for query in group] for group in queries(talks, labels, labelled)]
    context = StageContext(
        stage="merc",
        model=SharedModel(model=model, prompter=asks, labels=labels, strategy=strategy),
        network=model,
        labels=labels,
        examples=lambda epoch: groups,
        evaluate=evaluate,
        strategy=strategy,
        folder=folder,
        seed=seed,
        resume=resume,
        log=lambda record: seen.log.append(dict(record)),
        rewind=seen.rewound.append,
        progress=lambda share, line: seen.shares.append(share),
        say=seen.said.append,
    )
    return context, seen


def trained(
    model: EmotionModel,
    talks: Sequence[Conversation],
    folder: Path,
    settings: Settings,
    losses: Sequence[Loss] = (TokenNLL(),),
    **more: Any,
) -> tuple[TrainReport, Seen]:
    context, seen = context_of(model, talks, folder, **more)
    return fit(context, settings, losses), seen


class CutOff(BaseException):
    """What ends a job in the middle of a test."""


def cut_off(
    model: EmotionModel, talks: Sequence[Conversation], folder: Path, settings: Settings, after: int, **more: Any
) -> Seen:
    """Train until a number of steps are logged by this call, and end there as a sudden end does."""
    context, seen = context_of(model, talks, folder, **more)
    steps = 0

    def log(record: Mapping[str, Any]) -> None:
        nonlocal steps
        seen.log.append(dict(record))
        steps += record["event"] == "step"
        if steps == after:
            raise CutOff

    with contextlib.suppress(CutOff):
        fit(replace(context, log=log), settings, (TokenNLL(),))
    assert steps == after
    return seen


class Gradients(TorchStrategy):
    """The strategy, which keeps the gradients that each step ends with and changes no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[dict[str, Tensor]] = []
        self.passes = 0

    def prepare(self, model: EmotionModel, groups: list[ParameterGroup], precision: str) -> None:
        super().prepare(model, groups, precision)
        self.optimizer.register_step_pre_hook(lambda optimizer, given, named: self._keep())

    def backward(self, loss: Tensor, last: bool) -> None:
        self.passes += 1
        super().backward(loss, last)

    def step(self, lr_scale: float, max_norm: float | None) -> float:
        assert self.model is not None
        before = {n: p.detach().clone() for n, p in self.model.named_parameters()}
        norm = super().step(lr_scale, max_norm)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(before[name])
        return norm

    def _keep(self) -> None:
        assert self.model is not None
        named = self.model.named_parameters()
        self.taken.append({n: p.grad.detach().clone() for n, p in named if p.grad is not None})


class Learning(Gradients):
    """Changes weights before the first step, as earlier steps would have."""

    def prepare(self, model: EmotionModel, groups: list[ParameterGroup], precision: str) -> None:
        super().prepare(model, groups, precision)
        learn(model)


def learn(model: EmotionModel) -> None:
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for parameter in model.learning().values():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)


def gradients(
    model: EmotionModel, talks: Sequence[Conversation], folder: Path, settings: Settings, **more: Any
) -> tuple[list[dict[str, Tensor]], Seen, int]:
    """The gradients of each step at the weights as they are, what was logged, and the number of forward passes."""
    strategy = Gradients()
    _, seen = trained(model, talks, folder, settings, strategy=strategy, **more)
    return strategy.taken, seen, strategy.passes


def encoded(model: EmotionModel, talk: Conversation, index: int, answers: str = "gold") -> EncodedPrompt:
    """The tokens of the prompt for one utterance, by the prompter without media."""
    query = Query(conversation=talk, index=index, labels=LABELS)
    prompt = ConversationPrompter().prompt(query)
    return model.prompts.encode(prompt, lambda stream, utterance: 0, LABELS, query.target.label, answers)  # type: ignore[arg-type]


def plain_log_probabilities(
    model: EmotionModel, talk: Conversation, index: int, labels: LabelSpace = LABELS
) -> dict[str, Tensor]:
    """The log-probability of every word of every label, each computed on its own in the plainest way: one row of
    tokens through the model's own forward."""
    prompt = encoded(model, talk, index, "labels")
    found = {}
    for answer in prompt.answers:
        row = torch.tensor([[*prompt.context, *answer.tokens]])
        logits = model.llm(input_ids=row).logits[0].float().log_softmax(-1)[len(prompt.context) - 1 :]
        word = labels.words_of(labels.labels[answer.label])[answer.word]
        found[word] = torch.stack([logits[i, token] for i, token in enumerate(answer.tokens)]).sum()
    return found


def state_of(model: EmotionModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same_state(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(value.equal(two[name]) for name, value in one.items())


def without_labels(talk: Conversation) -> Conversation:
    return replace(talk, utterances=tuple(replace(u, label=None) for u in talk.utterances))
