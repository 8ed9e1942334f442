"""A program for ``torchrun``: trains tiny models with a strategy and writes down what came of it.

Its passes differ in media (faces, voices, none), so that processes which share a step use different connectors.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from merc.builtin.connectors import Linear, Mlp
from merc.builtin.losses import TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.components import Batch, FeatureSpec, Loss, LossContext, Outputs
from merc.errors import MercError
from merc.model.batch import TreeBatch, make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.reference import keep_reference
from merc.model.tuning import select_trainable, tune
from merc.prompting import AnswerPath, EncodedPrompt, SeenItem
from merc.recipe import Strategy as EngineChoice
from merc.training.loop import fit
from merc.training.settings import Settings
from merc.training.strategies import make_strategy
from merc.training.strategy import Strategy
from merc.training.update import parameter_groups
from tests.losses import use_loss
from tests.toys.glance import Glance
from tests.training import jobs
from tests.tunings import tuning_of


@dataclass(frozen=True)
class Case:
    """One training. ``parts`` are what learns, as in a stage's ``trainable``; several: one stage behind the other. With
    ``glance`` layers look at faces, which stand in no prompt."""

    name: str
    strategy: str = "deepspeed"
    zero: int = 1
    tuning: str = "lora"
    dtype: str = "float32"
    precision: str = "model"
    l2: float = 0.0
    max_norm: float | None = 0.5
    parts: tuple[str, ...] = ("*",)
    checkpointing: bool = False
    hidden: int = 32
    glance: bool = False
    compares: bool = False
    """Whether it learns to gain on the model as it was before the stage."""


@dataclass(frozen=True, kw_only=True)
class Gain(Loss):
    """-log σ(2 (log p - log p of the model as it was before the stage)) of the right answer."""

    needs = frozenset({"path_log_probs", "reference_path_log_probs"})

    def build(self, context: LossContext) -> nn.Module:
        class Function(nn.Module):
            def forward(_, outputs: Outputs, batch: Batch) -> Tensor:
                gains = outputs.path_log_probs - outputs.reference_path_log_probs
                return -nn.functional.logsigmoid(2 * batch.at_right_answer(gains))

        return Function()


def model_of(case: Case) -> EmotionModel:
    torch.manual_seed(3)
    spread = 0.2 * (32 / case.hidden) ** 0.5
    config = LlamaConfig(
        vocab_size=64, hidden_size=case.hidden, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True, initializer_range=spread,
    )  # fmt: skip
    backbone = LlamaForCausalLM(config).to(getattr(torch, case.dtype))
    tuned = tune(backbone, tuning_of(case.tuning, r=4, alpha=8))
    face = Glance(every=1) if case.glance else Linear()
    media = MediaTokens(
        {"face": FeatureSpec(6), "voice": FeatureSpec(4)}, {"face": face, "voice": Mlp(width=5)}, {}, case.hidden
    )
    table = {(s, u): torch.randn(3, dim).numpy() for s, dim in (("face", 6), ("voice", 4)) for u in ("u0", "u1", "v0")}
    media.source = lambda stream, utterance, draw: table[stream, utterance]
    model = EmotionModel(tuned, None, media)
    with torch.no_grad():
        for name, parameter in media.named_parameters():
            if name.endswith("gate"):
                parameter.fill_(0.5)
    model.probe()
    return model


def batches_of(model: EmotionModel) -> list[TreeBatch]:
    media = [("face", "u0"), ("voice", "u1"), None, ("face", "v0"), ("voice", "v0"), None, ("face", "u1")]
    batches = []
    for number, slot in enumerate(media):
        seen = slot is not None and slot[0] in model.inserted.streams
        shown = [(*slot, i) for i in range(3)] if slot and not seen else []
        head: tuple[Any, ...] = (1, *shown, SeenItem(2 + number, (slot,)) if slot and seen else 2 + number, 3)
        prompts = [
            EncodedPrompt(f"{number}a", head, (AnswerPath((7, 8), 0, 0, True),)),
            EncodedPrompt(f"{number}b", (*head, 5, 9 + number), (AnswerPath((11,), 1, 0, True),)),
        ]
        batches.append(make_batch(*model.trees([prompts], 64)[0]))
    return batches


def train(case: Case, strategy: Strategy, model: EmotionModel, steps: int, first: int = 0) -> list[dict[str, float]]:
    """Steps of three or four passes each, as the training loop shares them out."""
    all_batches = batches_of(model)
    model.train()
    rows = []
    for step in range(first, first + steps):
        batches = all_batches[:3] if step % 2 else all_batches[3:]
        mine = batches[strategy.rank :: strategy.world]
        passes = math.ceil(len(batches) / strategy.world)
        total = 0.0
        for index in range(passes):
            counts = index < len(mine)
            batch = mine[index] if counts else batches[0]
            loss = strategy.loss_values(batch, 0).sum() / 8
            total += float(loss.detach()) if counts else 0.0
            strategy.backward(loss * strategy.world if counts else loss * 0.0, last=index + 1 == passes)
        norm = strategy.step(1 / (step + 1), case.max_norm)
        rows.append({"loss": strategy.sums([total])[0], "norm": norm})
    return rows


def scores(strategy: Strategy, model: EmotionModel) -> list[list[float]]:
    """What an evaluation of the prepared model gives, the passes shared out."""
    model.eval()
    found: list[Any] = []
    batches = batches_of(model)
    with torch.no_grad():
        for index in range(math.ceil(len(batches) / strategy.world)):
            at = index * strategy.world + strategy.rank
            values = model.log_probabilities(batches[at if at < len(batches) else 0])
            if at < len(batches):
                found.append([at, values.tolist()])
    return [values for _, values in sorted(strategy.collect(found))]


def prepare(case: Case, strategy: Strategy, model: EmotionModel, part: str) -> None:
    select_trainable(model, (part,))
    settings = Settings(lr=0.05, connector_lr=0.01, weight_decay=0.1)
    use_loss(model, Gain() if case.compares else TokenNLL(), labels=2)
    if case.compares:
        keep_reference(model)
    strategy.prepare(model, parameter_groups(model, settings, case.l2), case.precision)


def run(case: Case, strategy: Strategy, out: Path) -> None:
    model = model_of(case)
    if case.checkpointing:
        model.base.gradient_checkpointing_enable({"use_reentrant": False, "context_fn": model.inserted.contexts})
    rows = []
    for part in case.parts:
        prepare(case, strategy, model, part)
        rows += train(case, strategy, model, 4)
    state, found = strategy.state(), scores(strategy, model)
    if strategy.first:
        folder = out / case.name
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, folder / "state.safetensors")
        (folder / "found.json").write_text(json.dumps({"rows": rows, "scores": found}))


def resume(case: Case, strategy: Strategy, out: Path) -> None:
    """Four steps; then two, a checkpoint, two that are forgotten, and the checkpoint's two in a new model."""
    model = model_of(case)
    prepare(case, strategy, model, "*")
    train(case, strategy, model, 2)
    folder = out / case.name / "checkpoint"
    if strategy.first:
        folder.mkdir(parents=True)
    strategy.barrier()
    scale = getattr(strategy, "scale", None)
    if scale:
        scale.update(finite=False)
    before_scale = vars(scale).copy() if scale else None
    strategy.save(folder)
    strategy.barrier()
    rows = train(case, strategy, model, 2, first=2)
    before = strategy.state()
    model = model_of(case)
    prepare(case, strategy, model, "*")
    train(case, strategy, model, 1)
    strategy.load(folder)
    after_scale = vars(strategy.scale).copy() if scale else None  # type: ignore[attr-defined]
    again = train(case, strategy, model, 2, first=2)
    after = strategy.state()
    if strategy.first:
        same = before_scale == after_scale and all(torch.equal(before[name], after[name]) for name in before)
        (out / case.name / "resumed.json").write_text(
            json.dumps({"rows": rows, "again": again, "same": same and before.keys() == after.keys()})
        )


def spoil(case: Case, strategy: Strategy, out: Path) -> None:
    """A step whose gradient is no number in the last process alone, between two that are sound."""
    model = model_of(case)
    prepare(case, strategy, model, "*")
    train(case, strategy, model, 1)
    before = strategy.state()
    factor = math.nan if strategy.rank + 1 == strategy.world else 1.0
    strategy.backward(strategy.loss_values(batches_of(model)[0], 0).sum() * factor, last=True)
    norm = strategy.step(1.0, case.max_norm)
    after = strategy.state()
    then = train(case, strategy, model, 1, first=1)
    finite = strategy.collect([math.isfinite(norm)])
    if strategy.first:
        same = before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
        scale = getattr(strategy, "scale", None)
        found = {"finite": finite, "same": same, "then": then, "scale": scale.value if scale else None}
        (out / case.name / "spoiled.json").write_text(json.dumps(found))


def fail(case: Case, strategy: Strategy, out: Path) -> None:
    """A stage in which the last process alone meets features that are no numbers: what each process says."""
    model = jobs.model_of(out / "backbone", media=True)
    value = np.nan if strategy.rank + 1 == strategy.world else 0.5
    model.media.source = lambda stream, utterance, draw: np.full((2, 6), value, "float32")
    context, seen = jobs.context_of(
        model, jobs.conversations(out / "talk.jsonl"), out / "job",
        prompter=ConversationPrompter(media=("face",)), strategy=strategy,
    )  # fmt: skip
    said = ""
    try:
        fit(context, Settings(batch_tokens=256), (TokenNLL(),))
    except MercError as error:
        said = str(error)
    all_said = strategy.collect([said])
    if strategy.first:
        (out / case.name / "said.json").write_text(json.dumps({"said": all_said, "steps": len(seen.log)}))


def refuse(case: Case, strategy: Strategy, out: Path) -> None:
    """A stage that the strategy cannot compute: what each process says."""
    said = ""
    try:
        run(case, strategy, out)
    except MercError as error:
        said = str(error)
    all_said = strategy.collect([said])
    if strategy.first:
        (out / case.name).mkdir(parents=True, exist_ok=True)
        (out / case.name / "said.json").write_text(json.dumps({"said": all_said}))


WHAT = {"run": run, "resume": resume, "spoil": spoil, "fail": fail, "refuse": refuse}


def main() -> None:
    out = Path(sys.argv[1])
    for name, given in json.loads(sys.argv[2]).items():
        what = WHAT[name]
        for fields in given:
            case = Case(**{**fields, "parts": tuple(fields["parts"])})
            print(f"{what.__name__} {case.name}", flush=True)
            choice = EngineChoice(name=case.strategy, device="cpu", zero=case.zero)  # type: ignore[arg-type]
            what(case, make_strategy(choice), out)


def arguments(out: Path, work: dict[str, list[Case]]) -> list[str]:
    """The command line for what is to be done with which cases."""
    return [str(out), json.dumps({what: [asdict(case) for case in cases] for what, cases in work.items()})]


if __name__ == "__main__":
    main()
