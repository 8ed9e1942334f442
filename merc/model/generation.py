"""Answers that the model writes: prompts continued token by token, by transformers' own machinery."""

from __future__ import annotations

import copy
import inspect
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from merc.components.model import Generation
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.inserted import View
from merc.model.probe import find_decoder
from merc.prompting import BlockItem, EncodedPrompt, build_tree

KEPT_MORE = 4
"""So many more texts are written at a time than prompts are computed, where a prompt is computed once for its texts: a
step computes one token of each, and keys and values of a token are less than a tenth of what training keeps of it."""


@dataclass(frozen=True)
class Sampling:
    """How texts are written: as the parameters of ``merc.Model.generate``. Raises MercError for values that cannot
    be."""

    max_new_tokens: int
    count: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "count"):
            if getattr(self, name) < 1:
                raise MercError(f"generate: {name} counts from 1, not {getattr(self, name)}")
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise MercError(f"generate: temperature is 0 (the likeliest tokens) or above, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise MercError(f"generate: top_p is above 0 and at most 1, not {self.top_p}")


@dataclass(frozen=True)
class _Row:
    """One text to write: after which prompt, and which of its texts it is."""

    prompt: EncodedPrompt
    number: int = 0


class _Choice:
    """Chooses each row's next token, and keeps its log-probability.

    Every row draws from numbers of its own, one a token, so a text does not depend on the rows beside it. The number
    falls somewhere among the tokens in the order of the vocabulary: in another, such as by probability, rounding could
    change places.
    """

    def __init__(self, how: Sampling, rows: Sequence[_Row]) -> None:
        self.log_probs: list[Tensor] = []
        self._flatten = TemperatureLogitsWarper(how.temperature) if how.temperature else None
        self._cut = TopPLogitsWarper(how.top_p) if how.top_p < 1 else None
        self._draws = [random.Random(f"{how.seed}/{row.prompt.target}/{row.number}") for row in rows]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores ``[rows, vocabulary]`` whose largest are the tokens that are chosen."""
        chosen = scores.argmax(-1, keepdim=True) if self._flatten is None else self._drawn(input_ids, scores)
        self.log_probs.append(scores.log_softmax(-1).gather(1, chosen)[:, 0])
        return scores if self._flatten is None else torch.full_like(scores, -math.inf).scatter(1, chosen, 0.0)

    def _drawn(self, input_ids: Any, scores: Tensor) -> Tensor:
        """The tokens ``[rows, 1]`` that are drawn."""
        assert self._flatten is not None
        flat: Any = self._flatten(input_ids, scores)
        likely = flat if self._cut is None else self._cut(input_ids, flat)
        places = torch.tensor([[draw.random()] for draw in self._draws], dtype=torch.float64)
        below = likely.softmax(-1, dtype=torch.float64).cumsum(-1)
        last = (likely > -math.inf).long().cumsum(-1).argmax(-1, keepdim=True)  # where rounding leaves a little over
        drawn = torch.searchsorted(below, places.to(below.device) * below[:, -1:], right=True)
        return torch.minimum(drawn, last)


@torch.no_grad()
def generate(
    model: EmotionModel, prompts: Sequence[EncodedPrompt], how: Sampling, rows: int | None = None, draw: int = 0
) -> list[list[Generation]]:
    """Texts after prompts, ``how.count`` for each.

    At most ``rows`` prompts are computed at a time, or all. Rows are padded on the left; a backbone that computes
    prompts on their own may not know padding from words, and gets rows of one length, or one row where rows disturb
    each other. Raises MercError for one that cannot go on from media tokens.
    """
    lengths: dict[int, list[int]] = {}
    for index, prompt in enumerate(prompts):
        lengths.setdefault(len(prompt.context) if model.layout == "separate" else 0, []).append(index)
    by_prompt: list[list[Generation]] = [[] for _ in prompts]
    for indices in lengths.values():
        for index, texts in zip(indices, _texts(model, [prompts[i] for i in indices], how, rows, draw), strict=True):
            by_prompt[index] = texts
    return by_prompt


def _texts(
    model: EmotionModel, prompts: Sequence[EncodedPrompt], how: Sampling, rows: int | None, draw: int
) -> list[list[Generation]]:
    """Texts for prompts that may stand in one batch."""
    count = how.count if how.temperature else 1  # of the likeliest tokens there is one text
    if count == 1:
        return [[text] * how.count for text in _rows(model, [_Row(prompt) for prompt in prompts], how, draw)]
    most = max(1, rows or count * len(prompts))
    if model.layout == "tree":
        at_once = max(1, min(most, KEPT_MORE * most // count))
        chunks = [prompts[i : i + at_once] for i in range(0, len(prompts), at_once)]
        return [texts for some in chunks for texts in _Held.of(model, some, draw).texts(some, how, most)]
    every = [_Row(prompt, number) for prompt in prompts for number in range(count)]
    written = [t for i in range(0, len(every), most) for t in _rows(model, every[i : i + most], how, draw)]
    return [written[i : i + count] for i in range(0, len(written), count)]


def _rows(model: EmotionModel, rows: Sequence[_Row], how: Sampling, draw: int) -> list[Generation]:
    """Texts of rows that may stand in one batch. Recurrent backbones exist whose rows disturb each other while they
    write (RWKV's do): the first such batch is held against one of its rows alone."""
    if len(rows) > 1 and model.layout == "separate" and model.rows_disturb is None:
        together = _together(model, rows, how, draw)
        model.rows_disturb = _together(model, rows[-1:], how, draw)[0].tokens != together[-1].tokens
        if not model.rows_disturb:
            return together
    if model.rows_disturb:
        return [text for row in rows for text in _together(model, [row], how, draw)]
    return _together(model, rows, how, draw)


def _together(model: EmotionModel, rows: Sequence[_Row], how: Sampling, draw: int) -> list[Generation]:
    prompts = [row.prompt for row in rows]
    inputs = _inputs(model, prompts, draw)
    if model.virtual_tokens:
        inputs["past_key_values"] = model.new_cache(len(rows))
    return _write(model, rows, how, inputs, _view(model, prompts, draw))


def _inputs(model: EmotionModel, prompts: Sequence[EncodedPrompt], draw: int, held: bool = False) -> dict[str, Any]:
    """What transformers is given of prompts, padded on the left. ``held``: the keys and values of all but the last
    token are known."""
    longest = max(len(p.context) for p in prompts)
    rows = [make_batch([build_tree([replace(p, answers=())])]).to(model.device) for p in prompts]
    _check_blocks(prompts, held)
    mask = torch.stack([torch.arange(longest, device=model.device) >= longest - b.size for b in rows]).long()
    inputs: dict[str, Any] = {"attention_mask": mask}
    media = (not isinstance(p.context[-1], int) for p in prompts) if held else (b.slots for b in rows)
    if any(media):
        words = [model.embed(b, draw)[0] for b in rows]
        inputs["inputs_embeds"] = torch.stack([nn.functional.pad(w, (0, 0, longest - len(w), 0)) for w in words])
        _check_embeddings(model)
    else:
        padded = [nn.functional.pad(b.tokens[0], (longest - b.size, 0)) for b in rows]
        inputs["input_ids"] = torch.stack(padded)
    axes = max(b.positions.shape[0] if b.positions.ndim == 3 else 1 for b in rows)
    if axes > 1:
        padded = [nn.functional.pad(b.positions, (longest - b.size, 0)).expand(axes, 1, longest) for b in rows]
        inputs["position_ids"] = torch.cat(padded, dim=1)
    return _after_virtual(inputs, model.virtual_tokens)


def _check_blocks(prompts: Sequence[EncodedPrompt], held: bool) -> None:
    """Raise MercError for utterances that are read in both directions and were not computed before with a mask that
    says so, which transformers' own writing has not."""
    for prompt in prompts:
        left = prompt.context[-1:] if held else prompt.context
        if any(isinstance(item, BlockItem) for item in left):
            raise MercError(
                f"backbone.attention: utterance cannot write after the prompt for {prompt.target!r}, "
                + ("which ends within an utterance; let the prompter end with a question" if held else "since the "
                   "backbone does not go on from keys and values; set backbone.attention=causal")
            )  # fmt: skip


def _after_virtual(inputs: dict[str, Any], ahead: int) -> dict[str, Any]:
    """Inputs with places for virtual tokens before all rows, of which only the keys and values are looked at."""
    if not ahead:
        return inputs
    pad = nn.functional.pad
    placed = {"attention_mask": pad(inputs["attention_mask"], (ahead, 0), value=1)}
    if "inputs_embeds" in inputs:
        placed["inputs_embeds"] = pad(inputs["inputs_embeds"], (0, 0, ahead, 0))
    if "input_ids" in inputs:
        placed["input_ids"] = pad(inputs["input_ids"], (ahead, 0))
    if "position_ids" in inputs:
        placed["position_ids"] = pad(inputs["position_ids"] + ahead, (ahead, 0))
    return placed


def _view(model: EmotionModel, prompts: Sequence[EncodedPrompt], draw: int) -> View | None:
    """What layers see of the media of prompts, padded on the left."""
    if not model.inserted.streams:
        return None
    rows = [make_batch([build_tree([replace(p, answers=())])]).to(model.device) for p in prompts]
    return model.inserted.view_of_rows(rows, [model.media.tokens(model.inserted.media(b), draw) for b in rows])


def _each(inputs: dict[str, Any], count: int) -> dict[str, Any]:
    """Inputs with every row so many times."""
    return {n: v.repeat_interleave(count, 1 if n == "position_ids" else 0) for n, v in inputs.items()}


def _check_embeddings(model: EmotionModel) -> None:
    """Raise MercError for a backbone that cannot write after media tokens."""
    if "inputs_embeds" not in inspect.signature(model.base.prepare_inputs_for_generation).parameters:
        raise MercError(
            f"{type(model.base).__name__} cannot write text after media tokens: its part of transformers "
            "generates from words only; use evaluate.decoder={name: verbalizer}, a prompter without media, or "
            "another backbone"
        )


@dataclass(frozen=True)
class _Held:
    """Prompts whose keys and values are computed, but for the last token of each, so that several texts go on from
    them. ``inputs`` are those of transformers, one row per prompt, and ``view`` what layers see of the media."""

    model: EmotionModel
    inputs: dict[str, Any]
    cache: DynamicCache | None
    view: View | None = None

    @classmethod
    def of(cls, model: EmotionModel, prompts: Sequence[EncodedPrompt], draw: int) -> _Held:
        """Compute prompts."""
        inputs, view = _inputs(model, prompts, draw), _view(model, prompts, draw)
        mask, ahead = inputs["attention_mask"][:, :-1], model.virtual_tokens
        cache = model.new_cache(len(prompts)) if ahead else DynamicCache(config=model.base.config)
        if mask.shape[1] == ahead:
            return cls(model, inputs, cache if ahead else None, view)
        begins = {n: v[:, ahead:-1] if n == "inputs_embeds" else v[..., ahead:-1] for n, v in inputs.items()}
        begins["attention_mask"] = mask
        begins.setdefault("position_ids", (mask.cumsum(-1) - 1).clamp(min=0)[:, ahead:])
        decoder = find_decoder(model.base) or model.base
        with model.inserted.seeing(view and view.written(0)):
            decoder(**begins, past_key_values=cache, use_cache=True)
        return cls(model, inputs, cache, view)

    def texts(self, prompts: Sequence[EncodedPrompt], how: Sampling, most: int) -> list[list[Generation]]:
        """The texts of each prompt, where ``most`` prompts may be computed at a time."""
        by_prompt: list[list[Generation]] = [[] for _ in prompts]
        count = how.count if how.temperature else 1
        at_once = max(1, KEPT_MORE * most // len(prompts))
        held = self.inputs["attention_mask"].shape[1] - 1 - self.model.virtual_tokens
        for first in range(0, count, at_once):
            numbers = range(first, min(first + at_once, count))
            inputs = _each(self.inputs, len(numbers))
            if self.cache is not None:
                inputs["past_key_values"] = copied(self.cache)
                inputs["past_key_values"].batch_repeat_interleave(len(numbers))
            rows = [_Row(prompt, number) for prompt in prompts for number in numbers]
            written = _write(self.model, rows, how, inputs, self.view, 0 if self.cache is None else held)
            for index, own in enumerate(by_prompt):
                own += written[index * len(numbers) : (index + 1) * len(numbers)]
        return by_prompt


@torch.no_grad()
def go_on(
    model: EmotionModel, prompt: EncodedPrompt, cache: DynamicCache, how: Sampling, most: int, draw: int = 0
) -> list[Generation]:
    """Texts after one prompt whose keys and values are in ``cache``, but for its last token; ``most`` prompts may be
    computed at a time."""
    held = len(prompt.context) > 1
    inputs = _inputs(model, [prompt], draw, held)
    view = _view(model, [prompt], draw)
    (texts,) = _Held(model, inputs, cache if held or model.virtual_tokens else None, view).texts([prompt], how, most)
    return texts if how.temperature else texts * how.count


def copied(cache: DynamicCache) -> DynamicCache:
    """A cache that goes on apart from another. They share what they hold, which no pass writes into."""
    fork = copy.copy(cache)
    fork.layers = [copy.copy(layer) for layer in cache.layers]
    return fork


def _write(
    model: EmotionModel,
    rows: Sequence[_Row],
    how: Sampling,
    inputs: dict[str, Any],
    view: View | None,
    held: int = 0,
) -> list[Generation]:
    """Let transformers go on from inputs, one row per text. The keys and values of the first ``held`` places are
    known."""
    ends = _ends(model)
    choice = _Choice(how, rows)
    with model.inserted.seeing(view and view.written(held)):
        out: Tensor = model.base.generate(
            **inputs,
            logits_processor=LogitsProcessorList([choice]),
            max_new_tokens=how.max_new_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            use_cache=True,
            eos_token_id=ends or None,
            pad_token_id=ends[0] if ends else 0,
        )
    if "input_ids" in inputs:
        out = out[:, inputs["input_ids"].shape[1] :]
    log_probs = torch.stack(choice.log_probs, 1)[:, : out.shape[1]].tolist()
    generations = []
    for tokens, chances in zip(out.tolist(), log_probs, strict=True):
        end = next((place for place, token in enumerate(tokens) if token in ends), None)
        size = len(tokens) if end is None else end + 1
        text = str(model.tokenizer.decode(torch.tensor(tokens[:size]), skip_special_tokens=True))
        generations.append(Generation(text, tuple(tokens[:size]), tuple(chances[:size]), end is not None))
    return generations


def _ends(model: EmotionModel) -> list[int]:
    """The tokens at which an answer ends: the tokenizer's, which answers are taught with, and the backbone's."""
    own = model.base.generation_config.eos_token_id
    ends = [model.tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])]
    return list(dict.fromkeys(int(e) for e in ends if e is not None))
