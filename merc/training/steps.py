"""In what order a stage's prompts are learned: a function of the seed alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from merc.components import TrainJob
from merc.model.emotion_model import EmotionModel
from merc.prompting import EncodedPrompt, Tree, check_depth, is_label_prompt
from merc.training.settings import Settings

Group = list[EncodedPrompt]
"""Prompts that share a beginning: those of one conversation."""


@dataclass(frozen=True)
class Step:
    """One optimizer step: micro-batches (trees, and whether they are plain rows)."""

    micro: list[tuple[list[Tree], bool]]


def encode_epoch(job: TrainJob, settings: Settings, epoch: int) -> list[Group]:
    """The epoch's prompts as tokens, conversations in an order drawn from the seed, the stage and the epoch."""
    groups = []
    for queries in job.queries(epoch):
        group = []
        for query in queries:
            prompt = job.prompter.prompt(query)
            wanted = "labels" if settings.loss == "labels" and is_label_prompt(prompt) else "gold"
            group.append(
                job.model.prompts.encode(
                    prompt,
                    lambda stream, utterance: job.model.media.length(stream, utterance, epoch),
                    job.labels,
                    query.target.label,
                    "labels" if wanted == "labels" else "gold",
                )
            )
        if group:
            groups.append(group)
    check_depth((p for g in groups for p in g), job.model.context)
    random.Random(f"{job.seed}/{job.stage}/{epoch}").shuffle(groups)
    return groups


def epoch_steps(model: EmotionModel, groups: Sequence[Group], settings: Settings) -> list[Step]:
    """The epoch's optimizer steps."""
    if settings.conversations is not None:
        size = settings.conversations
        return [Step(model.trees(groups[i : i + size], settings.batch_tokens)) for i in range(0, len(groups), size)]
    # Filled to a budget of tokens: conversations are taken in order while one forward pass holds them.
    micro: list[tuple[list[Tree], bool]] = []
    waiting: list[Group] = []
    for group in groups:
        if waiting and len(model.trees([*waiting, group], settings.batch_tokens)) > 1:
            micro.extend(model.trees(waiting, settings.batch_tokens))
            waiting = []
        waiting.append(group)
    if waiting:
        micro.extend(model.trees(waiting, settings.batch_tokens))
    return [Step(micro[i : i + settings.accumulate]) for i in range(0, len(micro), settings.accumulate)]
