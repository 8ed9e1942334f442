"""In what order a stage's prompts are learned: a function of the seed alone."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from merc.components import Example, LossContext
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.prompting import AnswerPath, EncodedPrompt, Tree, check_depth, is_label_prompt
from merc.training.context import StageContext
from merc.training.groups import Group, joined, shots_of
from merc.training.rollout import Rollout, check_alike, rolled_out
from merc.training.settings import Settings


@dataclass(frozen=True)
class Step:
    """One optimizer step: micro-batches (trees, and whether they are plain rows). Where a rollout says what a step
    learns there are ``examples`` in their place until it is due."""

    micro: list[tuple[list[Tree], bool]]
    examples: Sequence[Sequence[Example]] = ()


@dataclass(frozen=True)
class ScheduledStep:
    """A step in its place: ``epoch`` it belongs to (from 0), ``epochs`` done once it is taken, whether it ends its
    epoch, and whether another step goes on learning from the same rollout (``goes_on``)."""

    step: Step
    epoch: int
    epochs: float
    ends_epoch: bool
    goes_on: bool = False


class StepSchedule:
    """All steps of a stage, known in number before the first is taken. ``answers`` are those that its losses read
    (``Loss.answers``); with a rollout its examples are those of ``updates`` steps, one after the other. Raises
    MercError if there is nothing to learn."""

    def __init__(
        self,
        context: StageContext,
        settings: Settings,
        answers: Collection[str],
        rollout: Rollout | None = None,
        updates: int = 1,
    ) -> None:
        self.context, self.settings, self.answers = context, settings, answers
        self.rollout, self.updates = rollout, updates
        if rollout is not None and settings.batch_conversations is None:
            raise MercError(
                f"stages.{context.stage}.trainer.batch_conversations: null fills a step to a budget of tokens, which "
                "are not known before the model has written them; say how many conversations a step has"
            )
        self.first_epoch = self._groups(0)
        if not self.first_epoch:
            raise MercError(f"stages.{context.stage}: there is nothing to learn: no utterance of its data has a label")
        if "pairs" in answers and rollout is None:
            _check_pairs(context, self.first_epoch)

    @cached_property
    def counts(self) -> list[int]:
        """How many steps each epoch has."""
        size = self.settings.batch_conversations
        if size is None:  # how conversations fill a budget of tokens depends on their order
            return [len(self.epoch_steps(epoch)) for epoch in range(self.settings.epochs)]
        return [
            self.updates * math.ceil(sum(bool(examples) for examples in self.context.examples(epoch)) / size)
            for epoch in range(self.settings.epochs)
        ]

    @property
    def total(self) -> int:
        """How many steps the stage has."""
        return sum(self.counts)

    def epochs(self, step: int) -> float:
        """How many epochs are done after a number of steps."""
        for epoch, count in enumerate(self.counts):
            if step <= count:
                return epoch + step / count
            step -= count
        return float(len(self.counts))

    def after(self, done: int) -> Iterator[ScheduledStep]:
        """The steps after the first ``done``, in order."""
        for epoch, count in enumerate(self.counts):
            if done < count:
                for index, step in list(enumerate(self.epoch_steps(epoch)))[max(0, done) :]:
                    goes_on = (index + 1) % self.updates > 0
                    yield ScheduledStep(step, epoch, epoch + (index + 1) / count, index + 1 == count, goes_on)
            done -= count

    def ready(self, scheduled: ScheduledStep, number: int) -> Step:
        """Step ``number`` (from 0) as it is to be learned now: a rollout is asked for it, with the model as it is."""
        if self.rollout is None:
            return scheduled.step
        groups = rolled_out(self.context, self.rollout, scheduled.step.examples, number)
        encoded = encode_groups(self.context, groups, self.answers, scheduled.epoch)
        check_alike(self.context, encoded, number)
        return Step(self.context.network.trees(joined(encoded), self.settings.batch_tokens))

    def loss_context(self) -> LossContext:
        """What a loss may know of the stage: its labels, and the answers of the first epoch."""
        gold = [[a for a in p.answers if a.gold][:1] for group in self.first_epoch for p in group.prompts]
        known = [answer for answers in gold for answer in answers if answer.label >= 0]
        model, labels = self.context.network, self.context.labels
        counts = Counter(labels.labels[answer.label] for answer in known)
        if self.rollout is not None:  # its answers are not known yet
            targets = [example.query.target for group in self.first_epoch for example in group.examples]
            counts = Counter(target.label for target in targets if target.label is not None)
        return LossContext(
            labels=labels,
            width=model.base.get_input_embeddings().embedding_dim,
            counts=counts,
            answers=[answer.tokens for answer in known],
            heads=model.heads.components,
            streams=tuple(model.media.connectors),
            embed=model.embed_texts,
            say=self.context.say,
        )

    def epoch_steps(self, epoch: int) -> list[Step]:
        """The steps of an epoch, from 0, in order."""
        groups, settings = self.first_epoch if epoch == 0 else self._groups(epoch), self.settings
        if self.rollout is None:
            return epoch_steps(self.context.network, groups, settings)
        some = _in_steps(groups, settings.batch_conversations or 1)
        return [Step([], [g.examples for g in step]) for step in some for _ in range(self.updates)]

    def _groups(self, epoch: int) -> list[Group]:
        """What an epoch learns from, conversations in an order drawn from the seed, the stage and the epoch."""
        context, examples = self.context, self.context.examples(epoch)
        if self.rollout is None:
            groups = encode_groups(context, examples, self.answers, epoch)
        else:
            groups = [Group((), shots_of([one.query for one in some]), tuple(some)) for some in examples if some]
        random.Random(f"{context.seed}/{context.stage}/{epoch}").shuffle(groups)
        return groups


def encode_groups(
    context: StageContext, every: Sequence[Sequence[Example]], answers: Collection[str], epoch: int
) -> list[Group]:
    """Examples as tokens, with the ``answers`` that losses read; a group without any is left out."""
    groups = []
    for examples in every:
        prompts = [encode_example(context.network, example, answers, context.labels, epoch) for example in examples]
        if prompts:
            groups.append(Group(tuple(prompts), shots_of([example.query for example in examples])))
    check_depth((p for g in groups for p in g.prompts), context.network.context)
    return groups


def encode_example(
    model: EmotionModel, example: Example, answers: Collection[str], labels: LabelSpace, draw: int = 0
) -> EncodedPrompt:
    """An example as tokens, with the ``answers`` that losses read (``Loss.answers``), labels by their places in
    ``labels``."""
    prompt, query = example.prompt(), example.query

    def encode(which: Literal["gold", "labels", "rejected", "none"]) -> EncodedPrompt:
        return model.encode(prompt, query, which, within=labels, draw=draw)

    if not set(answers) - {"own"}:
        encoded = encode("none")
    else:
        encoded = encode("labels" if "labels" in answers and is_label_prompt(prompt) else "gold")
    paths = encoded.answers
    if "pairs" in answers and prompt.answer.rejected:
        rejected = encode("rejected").answers
        right = {answer.tokens for answer in paths if answer.gold}
        if same := [text for text, path in zip(prompt.answer.rejected, rejected, strict=True) if path.tokens in right]:
            raise MercError(
                f"the prompt for {prompt.target!r} rejects {same[0]!r}, which is its right answer; take it out of "
                "Answer.rejected"
            )
        paths += rejected
    if "own" in answers:
        if not example.answers:
            raise MercError(
                f"the example for {prompt.target!r} brings no answers of its own, which a loss of this stage reads; "
                "give Example.answers, or leave the example out"
            )
        paths += tuple(
            # Several may be the same text: the number keeps them apart.
            AnswerPath(one.tokens, word=number, weight=one.weight, numbers=one.numbers)
            for number, one in enumerate(example.answers)
        )
    return replace(encoded, answers=paths, query=query)


def _check_pairs(context: StageContext, groups: Sequence[Group]) -> None:
    """See that there are rejected answers for a loss that compares them; a message says where some have none."""
    prompts = [prompt for group in groups for prompt in group.prompts]
    without = [prompt.target for prompt in prompts if not any(answer.rejected for answer in prompt.answers)]
    if len(without) == len(prompts):
        raise MercError(
            f"stages.{context.stage}: a loss compares right with rejected answers, and no prompt of the stage has a "
            "rejected one; use a prompter that gives Answer.rejected, or another loss"
        )
    if without:
        context.say(f"{len(without)} of {len(prompts)} prompts have no rejected answer to compare ({without[0]}, ...)")


def epoch_steps(model: EmotionModel, groups: Sequence[Group], settings: Settings) -> list[Step]:
    """The epoch's optimizer steps. Conversations are taken in order; those that show the same demonstrations wait for
    each other, so that a step computes these once."""
    if settings.batch_conversations is not None:
        some = _in_steps(groups, settings.batch_conversations)
        return [Step(model.trees(joined(step), settings.batch_tokens)) for step in some]
    # Filled to a budget of tokens: conversations are taken while one forward pass holds them.
    waiting: dict[tuple[str, ...], list[Group]] = {}
    micro: list[tuple[list[Tree], bool]] = []
    for group in groups:
        same = waiting.setdefault(group.shots, [])
        if same and len(model.trees(joined([*same, group]), settings.batch_tokens)) > 1:
            micro.extend(model.trees(joined(same), settings.batch_tokens))
            same.clear()
        same.append(group)
    for same in waiting.values():
        micro.extend(model.trees(joined(same), settings.batch_tokens))
    return [
        Step(micro[i : i + settings.gradient_accumulation])
        for i in range(0, len(micro), settings.gradient_accumulation)
    ]


def _in_steps(groups: Sequence[Group], size: int) -> list[list[Group]]:
    """Groups in steps of ``size``. What is left at the end, too few for a step of their own, goes together."""
    waiting: dict[tuple[str, ...], list[Group]] = {}
    full = []
    for group in groups:
        same = waiting.setdefault(group.shots, [])
        same.append(group)
        if len(same) == size:
            full.append(waiting.pop(group.shots))
    left = [group for same in waiting.values() for group in same]
    return full + [left[i : i + size] for i in range(0, len(left), size)]
