"""Free running: answers are learned behind what the model itself says, token by token, not behind the right tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.prompting import EncodedPrompt, Tree, grow
from merc.training.engine import autocast

Micro = Sequence[tuple[list[Tree], bool]]


@torch.no_grad()
def free_running(model: EmotionModel, micro: Micro, draw: int, precision: str) -> list[tuple[list[Tree], bool]]:
    """The micro-batches of a step in which each answer's tokens stand behind those that the model would say, the
    likeliest one each time, without dropout. What is to be predicted stays the answer.

    The model begins with the right tokens in its input. Behind each pass one more token of every answer is what it
    would say, so that as many passes as the longest answer has further tokens are enough, and an answer that it says
    itself is left as it is. Every process computes all of it, for processes in lockstep must.
    """
    was_training = model.training
    model.eval()
    found = [_said(model, trees, plain, draw, precision, _rounds(micro)) for trees, plain in micro]
    model.train(was_training)
    return found


def _rounds(micro: Micro) -> int:
    answers = [answer for trees, _ in micro for tree in trees for prompt in tree.prompts for answer in prompt.answers]
    return max(len(answer.tokens) for answer in answers) - 1


def _said(
    model: EmotionModel, trees: list[Tree], plain: bool, draw: int, precision: str, rounds: int
) -> tuple[list[Tree], bool]:
    for _ in range(rounds):
        batch = make_batch(trees, plain).to(model.device)
        with autocast(model.device.type, precision):
            likeliest = model.logits(batch, draw).argmax(-1)
        tokens: dict[int, list[int]] = {}  # by prompt, each of which has one answer
        prompts = batch.path_prompt[batch.step_path].tolist()
        for prompt, token in zip(prompts, likeliest[batch.step_read].tolist(), strict=True):
            tokens.setdefault(id(batch.prompts[prompt]), []).append(token)
        trees = [grow([_reads(prompt, tokens[id(prompt)][:-1]) for prompt in tree.prompts]) for tree in trees]
    return trees, plain


def _reads(prompt: EncodedPrompt, said: Sequence[int]) -> EncodedPrompt:
    (answer,) = prompt.answers
    return replace(prompt, answers=(replace(answer, said=tuple(said)),))
