"""What a backbone can do, found out by computing a few tokens rather than by a list of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from merc.model.batch import make_batch
from merc.prompting import AnswerPath, EncodedPrompt, Tree, grow, grow_apart

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.inference_mode()
def probe_head(model: PreTrainedModel) -> bool:
    """Whether the logits are just the output embeddings applied to the last hidden state (some backbones cap or scale
    them behind that)."""
    tokens = torch.tensor([[1, 2, 3]], device=model.device)
    try:
        mine = model.get_output_embeddings()(model.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state)
    except (AttributeError, TypeError, NotImplementedError):
        return False
    return torch.equal(mine, model(input_ids=tokens, use_cache=False).logits)


@torch.inference_mode()
def probe_tree(model: PreTrainedModel) -> str:
    """Why the backbone cannot compute a tree; empty if it can.

    A tree of two branches is computed once as a tree and once apart. They must agree, and they must differ from a
    backbone that ignored the mask.
    """
    prompts = [EncodedPrompt(n, (1, 2, 3, *tail), (AnswerPath((7,)),)) for n, tail in (("a", (4, 5)), ("b", (6, 4, 5)))]
    embed = model.get_input_embeddings()

    def last(trees: list[Tree], plain: bool) -> torch.Tensor:
        batch = make_batch(trees, plain).to(model.device)
        mask = batch.mask().long() if plain else batch.mask()
        more = {} if plain else {"position_ids": batch.positions}
        states = model.get_decoder()(
            inputs_embeds=embed(batch.tokens), attention_mask=mask, use_cache=False, **more
        ).last_hidden_state
        read: torch.Tensor = states.reshape(-1, states.shape[-1])[batch.read].float()
        return read

    training = model.training
    model.eval()
    try:
        apart = last([tree for p in prompts for tree in grow_apart(p)], plain=True)
        try:
            together = last([grow(prompts)], plain=False)
        except Exception as error:  # any failure of a model that was not made for such a mask means the same
            return f"{type(model).__name__} does not take a tree mask ({type(error).__name__})"
    finally:
        model.train(training)
    tolerance = 2e-2 if apart.dtype != torch.float32 or model.dtype != torch.float32 else 1e-4
    scale = apart.abs().max().clamp(min=1e-6)
    if not torch.isfinite(together).all() or ((together - apart).abs().max() / scale) > tolerance:
        return f"{type(model).__name__} does not keep to a tree mask (it mixes tokens along the sequence)"
    return ""
