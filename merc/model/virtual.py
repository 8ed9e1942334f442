"""Virtual tokens that a tuning puts before every prompt: keys and values that all tokens see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from merc.components import Tuning
from merc.errors import MercError
from merc.model.batch import TreeBatch, make_batch
from merc.model.probe import evaluating, may_differ, probing_tokens
from merc.prompting import AnswerPath, EncodedPrompt, build_chains, build_tree


def new_cache(tuning: Tuning, llm: nn.Module, rows: int = 1) -> DynamicCache:
    """The keys and values that so many rows begin with: those of the virtual tokens, or none."""
    if not tuning.virtual_tokens:
        return DynamicCache()
    pairs = tuning.keys_and_values(llm)
    return DynamicCache([(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)) for keys, values in pairs])


def seen_by_all(mask: Tensor, ahead: int) -> Tensor:
    """A mask ``[..., places]`` with places before its own that everybody sees: ones, or zeros where it is added to
    scores."""
    if not ahead:
        return mask
    return nn.functional.pad(mask, (ahead, 0), value=float(not mask.is_floating_point()))


@torch.no_grad()
def check_tuned(tuning: Tuning, llm: Any, base: Any, logits: Callable[[TreeBatch], Tensor], tree: bool) -> None:
    """Hold merc's passes, which compute the backbone inside a wrapper, against those of the wrapper itself.

    Raises MercError where a few tokens give something else, or virtual tokens cannot be computed.
    """
    if llm is base:
        return
    name = f"backbone.tuning: {type(tuning).__name__}"
    context = probing_tokens(int(base.config.get_text_config().vocab_size))
    prompt = EncodedPrompt("", context, (AnswerPath((context[3],)),))
    plain = make_batch(build_chains(prompt), plain=True)
    batches = [plain, make_batch([build_tree([prompt])])] if tree else [plain]
    try:
        with evaluating(llm):
            expected = llm(input_ids=torch.tensor([context], device=base.device)).logits[:, -1].float()
            computed = [logits(batch.to(base.device)).float() for batch in batches]
    except Exception as error:  # any failure of a model that was not made for it means the same
        if not tuning.virtual_tokens:
            return
        raise MercError(
            f"{name} puts virtual tokens before every prompt, and {type(base).__name__} does not go on from keys and "
            f"values ({type(error).__name__}); choose a tuning without virtual tokens, such as lora, or soft prompts: "
            "connectors.prompt={name: soft}"
        ) from None
    apart = max(float((one - expected).norm() / expected.norm()) for one in computed)
    if apart <= may_differ(base):
        return
    why = (
        f"{type(base).__name__} computes otherwise from keys and values than at once; choose a tuning without virtual "
        "tokens, such as lora, or soft prompts: connectors.prompt={name: soft}"
        if tuning.virtual_tokens
        else "what it wraps the backbone in computes otherwise than the backbone inside, which merc calls; let it give "
        "virtual tokens by virtual_tokens and keys_and_values(), or change the backbone's own modules"
    )
    raise MercError(
        f"{name} puts virtual tokens before every prompt, and {why}" if tuning.virtual_tokens else f"{name}: {why}"
    )
