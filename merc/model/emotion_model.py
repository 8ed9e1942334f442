"""The model: a language model with media tokens in its input, computed over prompt trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from merc.model.batch import TreeBatch, make_batch
from merc.model.media_tokens import MediaTokens
from merc.model.probe import probe_head, probe_tree
from merc.prompting import (
    EncodedPrompt,
    Normalize,
    PromptEncoder,
    Tree,
    grow,
    grow_apart,
    grow_within,
    label_scores,
    micro_batches,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class EmotionModel(nn.Module):
    """A backbone, its connectors and fusers.

    ``llm`` is a causal language model of transformers, possibly wrapped by peft; media tokens enter as
    ``inputs_embeds``, and the LM head is computed only where a loss or a score is needed. ``full`` says that all of
    the backbone learns. ``layout`` is ``"tree"``, or
    ``"separate"`` for a backbone that cannot take a tree mask (recurrent layers, for one), with the reason in ``note``;
    the results are the same.
    """

    def __init__(
        self, llm: nn.Module, tokenizer: PreTrainedTokenizerBase | None, media: MediaTokens, full: bool = False
    ) -> None:
        super().__init__()
        self.llm = llm
        self.media = media
        self.full = full
        self._tokenizer = tokenizer
        self.layout = "tree"
        self.note = ""
        self._plain_head = True

    @property
    def base(self) -> PreTrainedModel:
        """The causal language model itself, without peft's wrapper."""
        return self.llm.get_base_model() if hasattr(self.llm, "get_base_model") else self.llm  # type: ignore[operator]

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer; a model on the meta device has none."""
        if self._tokenizer is None:
            raise RuntimeError("a model on the meta device has no tokenizer and cannot compute")
        return self._tokenizer

    @cached_property
    def prompts(self) -> PromptEncoder:
        """What turns prompts into tokens."""
        return PromptEncoder(self.tokenizer)

    @property
    def device(self) -> torch.device:
        """Where the language model is."""
        return next(self.llm.parameters()).device

    @property
    def context(self) -> int | None:
        """The longest path of tokens that the backbone was made for, if its configuration says."""
        value = getattr(self.base.config.get_text_config(), "max_position_embeddings", None)
        return int(value) if value else None

    @property
    def window(self) -> int | None:
        """The sliding window of the backbone's attention, if it has one in use."""
        config = self.base.config.get_text_config()
        kinds = getattr(config, "layer_types", None)
        if (kinds and "sliding_attention" not in kinds) or getattr(config, "use_sliding_window", True) is False:
            return None
        value = getattr(config, "sliding_window", None)
        return int(value) if value else None

    def settle(self) -> None:
        """Find out, by computing a few tokens, whether the backbone takes a tree mask and a head of its own."""
        self._plain_head = probe_head(self.base)
        reason = probe_tree(self.base)
        if reason:
            self.layout, self.note = "separate", f"every prompt is computed on its own: {reason}"

    def batches(self, prompts: Sequence[EncodedPrompt], budget: int) -> list[TreeBatch]:
        """Prompts that share a beginning, as batches of trees of at most ``budget`` nodes each."""
        return [make_batch(*group) for group in self.trees([prompts], budget)]

    def trees(self, groups: Iterable[Sequence[EncodedPrompt]], budget: int) -> list[tuple[list[Tree], bool]]:
        """Micro-batches (trees, plain) for groups of prompts, each group sharing a beginning."""
        shared: list[Tree] = []
        apart: list[list[Tree]] = []
        window = self.window
        for prompts in groups:
            if self.layout == "separate" or (window is not None and max(p.depth for p in prompts) > window):
                apart.extend(grow_apart(p) for p in prompts)
            else:
                shared.extend(grow_within(prompts, budget))
        plain = [(group, True) for group in _rows_within(apart, budget)]
        return [(group, False) for group in micro_batches(shared, budget)] + plain

    def hidden(self, batch: TreeBatch, draw: int = 0) -> Tensor:
        """Hidden states ``[read, hidden]`` at the places that the batch reads."""
        return self._states(batch, draw)[0]

    def log_probabilities(self, batch: TreeBatch, draw: int = 0) -> Tensor:
        """Log-probability of each answer path ``[paths]``, float32: the sum over its tokens."""
        logits = self.logits(batch, draw)
        steps = torch.log_softmax(logits.float(), dim=-1)[batch.step_read, batch.step_token]
        return torch.zeros(len(batch.path_length), device=steps.device).index_add(0, batch.step_path, steps)

    def logits(self, batch: TreeBatch, draw: int = 0) -> Tensor:
        """Logits ``[read, vocabulary]`` at the places that the batch reads."""
        hidden, logits = self._states(batch, draw)
        if logits is not None:
            return logits
        head = self.base.get_output_embeddings()
        out: Tensor = head(hidden)
        return out

    def score(self, batch: TreeBatch, labels: int, normalize: Normalize = "none", draw: int = 0) -> Tensor:
        """Scores ``[prompts, labels]``: a softmax over them gives the probabilities of the labels."""
        found = self.log_probabilities(batch, draw)
        return label_scores(
            found, batch.path_length, batch.path_prompt, batch.path_label, (len(batch.prompts), labels), normalize
        )

    def embed(self, batch: TreeBatch, draw: int = 0) -> Tensor:
        """Input embeddings ``[rows, length, hidden]``: words from the backbone, slots from the media."""
        words: Tensor = self.base.get_input_embeddings()(batch.tokens)
        if not batch.slots:
            return words
        media = self.media(batch.slots, draw).to(words.dtype)
        flat = words.reshape(-1, words.shape[-1])
        return flat.index_copy(0, batch.slot_at, media[batch.slot_from]).view_as(words)

    def _states(self, batch: TreeBatch, draw: int) -> tuple[Tensor, Tensor | None]:
        embedded = self.embed(batch, draw)
        inputs: dict[str, Any] = {"inputs_embeds": embedded, "attention_mask": batch.mask(), "use_cache": False}
        if batch.plain:
            inputs["attention_mask"] = inputs["attention_mask"].long()
        else:
            inputs["position_ids"] = batch.positions
        if self._plain_head:
            states = self.base.get_decoder()(**inputs).last_hidden_state
            return states.reshape(-1, states.shape[-1])[batch.read], None
        # A backbone that does more than a matrix product behind its last layer computes its own logits, at every
        # column that any row needs.
        length = batch.tokens.shape[1]
        columns, where = torch.unique(batch.read % length, return_inverse=True)
        out = self.base(**inputs, logits_to_keep=columns, output_hidden_states=True)
        rows = batch.read // length
        return out.hidden_states[-1][rows, batch.read % length], out.logits[rows, where]

    @torch.inference_mode()
    def generate(self, prompts: Sequence[EncodedPrompt], max_new_tokens: int, draw: int = 0) -> list[str]:
        """Greedy continuations of prompts, without the end token. Rows are padded on the left."""
        batches = [make_batch([grow([EncodedPrompt(p.target, p.context, ())])]).to(self.device) for p in prompts]
        rows = [self.embed(b, draw)[0] for b in batches]
        longest = max(len(r) for r in rows)
        embedded = torch.stack([nn.functional.pad(r, (0, 0, longest - len(r), 0)) for r in rows])
        mask = torch.stack([torch.arange(longest, device=self.device) >= longest - len(r) for r in rows]).long()
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.tokenizer.eos_token_id
        out = self.base.generate(
            inputs_embeds=embedded,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=pad,
        )
        return [str(self.tokenizer.decode(ids, skip_special_tokens=True)) for ids in out]


def _rows_within(prompts: Sequence[list[Tree]], budget: int) -> Iterable[list[Tree]]:
    """Unbranched trees as groups whose padded rows stay within the budget, alike lengths together; the answers of one
    prompt stay together, since their scores are compared."""
    group: list[Tree] = []
    longest = 0
    for trees in sorted(prompts, key=lambda trees: max(map(len, trees)), reverse=True):
        longest = longest or max(map(len, trees))
        if group and (len(group) + len(trees)) * longest > budget:
            yield group
            group, longest = [], max(map(len, trees))
        group.extend(trees)
    if group:
        yield group
