"""The working part of distillation, and how a teacher's predictions are read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

import merc
from merc_losses.label_functions import OverLabels, spread

if TYPE_CHECKING:
    from merc_losses.distillation import Distillation

HOW = "merc evaluate RUN --split train --name teacher"
WITH_STATES = f"{HOW} evaluate.states=true"


@dataclass(frozen=True)
class Teacher:
    """What a teacher gave, by conversation and utterance."""

    log_probs: Mapping[tuple[str, str], Tensor]
    """Log-probabilities ``[labels]``; minus infinity for a label that the teacher was not asked with."""
    states: Mapping[tuple[str, str], Tensor]
    """Hidden states ``[width]``; empty where the folder has none."""


def read_teacher(folder: Path, labels: merc.LabelSpace, states: bool) -> Teacher:
    """What an evaluation of a teacher wrote. Raises MercError, naming the file and the line, for what is not there or
    does not fit."""
    file = folder / "predictions.jsonl"
    if not file.is_file():
        raise merc.MercError(f"the teacher's folder {folder} has no predictions.jsonl; make it with: {HOW}")
    log_probs: dict[tuple[str, str], Tensor] = {}
    splits: dict[str, list[tuple[str, str]]] = {}
    # Not by splitlines: a text may hold another mark that ends a line in Unicode.
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if not line:
            continue
        where = f"{file}, line {number}"
        try:
            record: Any = json.loads(line)
            key = (str(record["conversation"]), str(record["id"]))
            probabilities = record["probabilities"]
        except (ValueError, KeyError, TypeError):
            raise merc.MercError(f"{where} is no prediction of merc; make the file again with: {HOW}") from None
        log_probs[key] = log_probabilities(where, probabilities, labels)
        splits.setdefault(str(record.get("split")), []).append(key)
    return Teacher(log_probs, read_states(folder, splits) if states else {})


def mean_of(teachers: Sequence[Teacher], folders: Sequence[Path]) -> Teacher:
    """A teacher whose probabilities are the mean of several. Raises MercError for one that gave nothing for an
    utterance of the first, or was asked with other labels."""
    first = teachers[0]
    if len(teachers) == 1:
        return first
    for teacher, folder in zip(teachers, folders, strict=True):
        if absent := [key for key in first.log_probs if key not in teacher.log_probs]:
            raise merc.MercError(
                f"{folder} has no prediction of utterance {absent[0][1]!r} of conversation {absent[0][0]!r}, which "
                f"{folders[0]} has, nor of {len(absent) - 1} more; let all teachers predict the same: {HOW}"
            )
        for key, own in first.log_probs.items():
            if not own.isfinite().equal(teacher.log_probs[key].isfinite()):
                raise merc.MercError(
                    f"{folder} and {folders[0]} have probabilities of other labels for utterance {key[1]!r} of "
                    f"conversation {key[0]!r}; let all teachers predict with the same labels: {HOW}"
                )
    means = {
        key: torch.stack([teacher.log_probs[key].exp() for teacher in teachers]).mean(0).log()
        for key in first.log_probs
    }
    return Teacher(means, first.states)


def log_probabilities(where: str, probabilities: Any, labels: merc.LabelSpace) -> Tensor:
    """A teacher's log-probabilities ``[labels]`` in the order of the student's labels. A dataset with labels of its own
    has some of them alone."""
    if not isinstance(probabilities, Mapping):
        raise merc.MercError(
            f"{where} has no probabilities, as of a run that writes its answers; let the teacher score them with: "
            f"{HOW} 'evaluate.decoder={{name: verbalizer}}'"
        )
    if not set(probabilities) <= set(labels.labels):
        raise merc.MercError(
            f"{where}: the teacher's labels are {', '.join(probabilities)}, and this recipe's are "
            f"{', '.join(labels.labels)}; take a teacher that was asked with the same labels"
        )
    values = [float(value) for value in probabilities.values()]
    if not all(math.isfinite(value) and value >= 0 for value in values) or not 0.99 < sum(values) < 1.01:
        raise merc.MercError(f"{where} has probabilities that are none: {dict(probabilities)}; make the file again")
    row = torch.full((len(labels),), -math.inf)
    row[[labels.index(label) for label in probabilities]] = torch.tensor(values).clamp(min=1e-12).log()
    return row


def read_states(folder: Path, splits: Mapping[str, Sequence[tuple[str, str]]]) -> dict[tuple[str, str], Tensor]:
    """A teacher's states by conversation and utterance: those of a split stand in the order of its predictions."""
    file = folder / "states.safetensors"
    if not file.is_file():
        raise merc.MercError(f"{file} is not there, which states > 0 learns from; make it with: {WITH_STATES}")
    try:
        arrays = load_file(file)
    except (SafetensorError, OSError) as error:
        raise merc.MercError(f"{file} cannot be read ({error}); make it again with: {WITH_STATES}") from None
    states: dict[tuple[str, str], Tensor] = {}
    for split, keys in splits.items():
        rows = arrays.get(split, torch.zeros(0, 0))
        if len(rows) != len(keys):
            raise merc.MercError(
                f"{file} has {len(rows)} states of the {split} split for {len(keys)} predictions; make both "
                f"again with: {WITH_STATES}"
            )
        states.update(zip(keys, rows, strict=True))
    return states


def teacher_of(loss: Distillation, labels: merc.LabelSpace) -> Teacher:
    """The teacher of a loss, or the mean of its teachers. Raises MercError for files that do not fit."""
    folders = [loss.teacher, *loss.others]
    return mean_of([read_teacher(folder, labels, loss.states > 0) for folder in folders], folders)


def check_queries(loss: Distillation, labels: merc.LabelSpace, teacher: Teacher, queries: Iterable[merc.Query]) -> None:
    """Raise MercError for an utterance of which the teacher gave nothing, or not all that its query asks."""
    for query in queries:
        of = f"utterance {query.target.id!r} of conversation {query.conversation.id!r}"
        own = teacher.log_probs.get(key_of(query))
        if own is None:
            raise merc.MercError(
                f"the teacher in {loss.teacher} gave nothing for {of}; let it predict all that the student learns: "
                f"{HOW}"
            )
        lacking = [label for label in query.labels.labels if not own[labels.index(label)].isfinite()]
        if lacking:
            raise merc.MercError(
                f"the teacher in {loss.teacher} has no probability of {', '.join(lacking)} for {of}, which is asked "
                f"with {', '.join(query.labels.labels)}; take a teacher that was asked with the same labels"
            )


class DistillationFunction(OverLabels):
    """A student's label probabilities against a teacher's, and states against states."""

    def __init__(self, context: merc.LossContext, loss: Distillation) -> None:
        super().__init__(context, "distillation")
        self.loss, self.labels = loss, context.labels
        self.teacher = teacher_of(loss, context.labels)
        width = len(next(iter(self.teacher.states.values()), torch.zeros(0)))
        self.map = nn.Linear(context.width, width) if width else None

    def begin(self, batches: Sequence[merc.Batch]) -> None:
        """Raise MercError for an utterance of which the teacher gave nothing, or not all that its query asks."""
        for batch in batches:
            pairs = zip(batch.queries, batch.truth.tolist(), strict=True)
            check_queries(self.loss, self.labels, self.teacher, (query for query, truth in pairs if truth >= 0))

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.path_log_probs is not None
        student, _, labelled = self.over(batch, outputs.path_log_probs)
        source, device = outputs.path_log_probs, student.device
        if not len(labelled):
            return spread(batch, source.new_zeros(0), labelled, source)
        keys = [key_of(batch.queries[place]) for place in labelled.tolist()]
        t = self.loss.temperature
        # Of labels that a prompt was not asked with the teacher's share is left out.
        possible = student.isfinite()
        teacher = torch.stack([self.teacher.log_probs[key] for key in keys]).to(device)
        teacher = (teacher / t).masked_fill(~possible, float("-inf")).log_softmax(-1)
        student = (student / t).log_softmax(-1)
        apart = (teacher - student).masked_fill(~possible, 0.0)
        losses = t**2 * (teacher.exp() * apart).sum(-1)
        if self.map is not None:
            assert outputs.states is not None
            targets = torch.stack([self.teacher.states[key] for key in keys]).to(device)
            mapped = self.map(outputs.states[labelled].float())
            losses = losses + self.loss.states * (mapped - targets).square().mean(-1)
        return spread(batch, losses, labelled, source)


def key_of(query: merc.Query) -> tuple[str, str]:
    """Whom a query asks about."""
    return query.conversation.id, query.target.id
