"""Answers that the model writes: prompts continued token by token, by transformers' own machinery."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.prompting import EncodedPrompt, build_tree


@torch.no_grad()
def generate(model: EmotionModel, prompts: Sequence[EncodedPrompt], max_new_tokens: int, draw: int = 0) -> list[str]:
    """Greedy continuations of prompts, without the end token.

    Rows are padded on the left; a backbone that computes prompts on their own may not know padding from words, and
    gets rows of one length, or one row where rows disturb each other. Raises MercError for one that cannot go on
    from media tokens.
    """
    groups: dict[int, list[int]] = {}
    for index, prompt in enumerate(prompts):
        groups.setdefault(len(prompt.context) if model.layout == "separate" else 0, []).append(index)
    found = [""] * len(prompts)
    for indices in groups.values():
        texts = _rows(model, [prompts[i] for i in indices], max_new_tokens, draw)
        for index, text in zip(indices, texts, strict=True):
            found[index] = text
    return found


def _rows(model: EmotionModel, prompts: Sequence[EncodedPrompt], max_new_tokens: int, draw: int) -> list[str]:
    """Texts for prompts that may stand in one batch. Recurrent backbones exist whose rows disturb each other while
    they write (RWKV's do): the first such batch is held against one of its rows alone."""
    if len(prompts) > 1 and model.layout == "separate" and model.rows_disturb is None:
        together = _rows_together(model, prompts, max_new_tokens, draw)
        model.rows_disturb = _rows_together(model, prompts[-1:], max_new_tokens, draw) != together[-1:]
        if not model.rows_disturb:
            return together
    if model.rows_disturb:
        return [text for p in prompts for text in _rows_together(model, [p], max_new_tokens, draw)]
    return _rows_together(model, prompts, max_new_tokens, draw)


def _rows_together(model: EmotionModel, prompts: Sequence[EncodedPrompt], max_new_tokens: int, draw: int) -> list[str]:
    out = _continue(model, prompts, max_new_tokens, draw)
    return [str(model.tokenizer.decode(ids, skip_special_tokens=True)) for ids in out]


def _continue(model: EmotionModel, prompts: Sequence[EncodedPrompt], max_new_tokens: int, draw: int) -> Tensor:
    """New tokens ``[prompts, at most max_new_tokens]``."""
    longest = max(len(p.context) for p in prompts)
    rows = [make_batch([build_tree([replace(p, answers=())])]).to(model.device) for p in prompts]
    mask = torch.stack([torch.arange(longest, device=model.device) >= longest - b.size for b in rows]).long()
    inputs: dict[str, Tensor] = {"attention_mask": mask}
    if any(b.slots for b in rows):
        words = [model.embed(b, draw)[0] for b in rows]
        inputs["inputs_embeds"] = torch.stack([nn.functional.pad(w, (0, 0, longest - len(w), 0)) for w in words])
        if "inputs_embeds" not in inspect.signature(model.base.prepare_inputs_for_generation).parameters:
            raise MercError(
                f"{type(model.base).__name__} cannot write text after media tokens: its part of transformers "
                "generates from words only; use evaluate.decoder={name: verbalizer}, a prompter without media, or "
                "another backbone"
            )
    else:
        padded = [nn.functional.pad(b.tokens[0], (longest - b.size, 0)) for b in rows]
        inputs["input_ids"] = torch.stack(padded)
    axes = max(b.positions.shape[0] if b.positions.ndim == 3 else 1 for b in rows)
    if axes > 1:
        padded = [nn.functional.pad(b.positions, (longest - b.size, 0)).expand(axes, 1, longest) for b in rows]
        inputs["position_ids"] = torch.cat(padded, dim=1)
    ends = _ends(model)
    out: Tensor = model.base.generate(
        **inputs,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        use_cache=True,
        eos_token_id=ends or None,
        pad_token_id=ends[0] if ends else 0,
    )
    return out[:, longest:] if "input_ids" in inputs else out


def _ends(model: EmotionModel) -> list[int]:
    """The tokens at which an answer ends: the tokenizer's, which answers are taught with, and the backbone's."""
    own = model.base.generation_config.eos_token_id
    ends = [model.tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])]
    return list(dict.fromkeys(int(e) for e in ends if e is not None))
