"""A pass of the backbone over a batch of trees, in the way that it was found to take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from merc.model.attention import tree_by_tree, use_own_attention, use_tree_attention
from merc.model.batch import TreeBatch
from merc.model.probe import (
    LMHead,
    computes_coarsely,
    evaluating,
    find_decoder,
    probe_lm_head,
    probe_tree,
    probing_batch,
    restrict_to,
)
from merc.model.virtual import seen_by_all

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel


class BackbonePass:
    """Computes the hidden states and the logits of a batch.

    ``lm_head`` is how logits are computed from hidden states, ``additive`` whether masks are numbers that are added,
    and ``tree_by_tree`` whether each tree is attended to alone and without padding. ``probe`` finds them out; before it
    every way is the slowest one.
    """

    def __init__(self, base: PreTrainedModel) -> None:
        self.base = base
        self.lm_head: LMHead = "whole"
        self.additive = False
        self.tree_by_tree = False

    def probe(self) -> str:
        """Find out, by computing a few tokens, what the backbone takes: why it takes no tree mask, or the empty
        string."""
        self.lm_head = probe_lm_head(self.base)
        mask = probe_tree(self.base)
        if mask not in ("bool", "additive"):
            return mask
        self.additive = mask == "additive"
        self.tree_by_tree = mask == "bool" and self._takes_trees()
        return ""

    def take_known(self, lm_head: LMHead, additive: bool, tree_by_tree: bool) -> bool:
        """Take what was found out of a backbone like this one, in place of ``probe``; false where it does not hold."""
        if tree_by_tree and not use_tree_attention(self.base):
            return False
        self.lm_head, self.additive, self.tree_by_tree = lm_head, additive, tree_by_tree
        return True

    def _takes_trees(self) -> bool:
        """Whether the backbone attends tree by tree, found out by computing two small trees in a row of three."""
        if not use_tree_attention(self.base):
            return False
        batch = probing_batch(int(self.base.config.get_text_config().vocab_size))
        batch = batch.to(next(self.base.parameters()).device)
        embedded = self.base.get_input_embeddings()(batch.tokens)
        try:
            with torch.inference_mode(), evaluating(self.base):
                whole = self(batch, embedded)[0]
                self.tree_by_tree = True
                apart = self(batch, embedded)[0]
        except Exception:  # any failure of a model that was not made for it means the same
            same = False
        else:
            same = bool((whole - apart).norm() <= (3e-2 if computes_coarsely(self.base) else 1e-4) * whole.norm())
        if not same:
            use_own_attention(self.base)
        return same

    def __call__(
        self, batch: TreeBatch, embedded: Tensor, past: Cache | None = None, ahead: int = 0, whole_rows: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Hidden states ``[read, hidden]`` at the places that the batch reads, and their logits where the backbone must
        compute them itself. ``embedded`` are its inputs ``[rows, length, hidden]``, ``past`` the keys and values that
        it goes on from, ``ahead`` how many virtual tokens stand before every prompt. ``whole_rows`` keeps the batch's
        rows, for modules inside layers that go by them."""
        inputs: dict[str, Any] = {"inputs_embeds": embedded, "use_cache": past is not None, "past_key_values": past}
        read = batch.read
        if not batch.plain or any(tree.positions for tree in batch.trees):
            inputs["position_ids"] = batch.positions + ahead
        if self.tree_by_tree and not batch.plain and past is None and not whole_rows:
            places = batch.places  # in one row, without padding
            inputs["inputs_embeds"] = embedded.flatten(0, 1)[places].unsqueeze(0)
            inputs["position_ids"] = batch.positions.flatten(-2)[..., places].unsqueeze(-2)
            inputs["attention_mask"] = tree_by_tree(batch)
            read = torch.searchsorted(places, read)
        else:
            mask = batch.mask(None if batch.plain or not self.additive else embedded.dtype)
            inputs["attention_mask"] = seen_by_all(mask.long() if batch.plain else mask, ahead)
        decoder = find_decoder(self.base)
        if decoder is None or self.lm_head == "whole":
            out = self.base(**inputs, output_hidden_states=True)
            states, logits = (t.reshape(-1, t.shape[-1])[read] for t in (out.hidden_states[-1], out.logits))
            return states, logits
        if self.lm_head == "plain":
            states = decoder(**inputs).last_hidden_state
            return states.reshape(-1, states.shape[-1])[read], None
        with restrict_to(decoder, read) as last_states:
            logits = self.base(**inputs).logits[0]
        return last_states[0], logits

    def logits(self, states: Tensor, logits: Tensor | None) -> Tensor:
        """Logits ``[read, vocabulary]``: those of a pass, or computed from its states where it gave none."""
        if logits is not None:
            return logits
        out: Tensor = self.base.get_output_embeddings()(states)
        return out

    def asked_logits(self, batch: TreeBatch, states: Tensor, logits: Tensor | None) -> Tensor:
        """The logits ``[read, vocabulary]`` with those of the tokens that answers consist of in float32, whatever the
        backbone computes in: in bfloat16 two labels are often equally likely to the last bit."""
        logits, head = self.logits(states, logits), self.base.get_output_embeddings()
        whole = (logits.shape[-1], states.shape[-1])
        if self.lm_head != "plain" or states.dtype == torch.float32 or type(head) is not nn.Linear:
            return logits
        if head.weight.shape != whole:  # shared out among processes
            return logits
        exact = (states.float()[batch.step_read] * head.weight[batch.step_token].float()).sum(-1)
        exact = exact if head.bias is None else exact + head.bias[batch.step_token].float()
        return logits.float().index_put((batch.step_read, batch.step_token), exact)
