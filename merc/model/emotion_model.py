"""The model: a language model with media tokens in its input, computed over prompt trees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from merc.components import Backbone, Prompt, Query, SlotTokens
from merc.components.model import Outputs, of_reference
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.model.asked import asked_of
from merc.model.backbone_pass import BackbonePass
from merc.model.batch import TreeBatch, make_batch
from merc.model.heads import Heads
from merc.model.inserted import Inserted
from merc.model.media_tokens import Media, MediaTokens, means_of
from merc.model.past import with_past
from merc.model.precision import autocast
from merc.model.probe import evaluating
from merc.model.reach import context_of, window_of
from merc.model.virtual import check_tuned, new_cache
from merc.prompting import (
    CHAT_DATE,
    BlockItem,
    EncodedPrompt,
    Normalize,
    PromptEncoder,
    Tree,
    build_chains,
    build_trees,
    micro_batches,
    rows_within,
)

if TYPE_CHECKING:
    from transformers import Cache, DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

    from merc.model.tuning import TunedBackbone


class EmotionModel(nn.Module):
    """A backbone, its connectors and fusers, and its heads.

    ``llm`` is a causal language model of transformers, possibly wrapped by its tuning; media tokens enter as
    ``inputs_embeds``, and the LM head is computed only where a loss or a score is needed. ``added`` are the names of
    the parameters that the tuning brought beside the backbone's own. ``layout`` is ``"tree"``, or ``"separate"`` for a
    backbone that cannot take a tree mask (recurrent layers, for one), with the reason in ``note``; the results are the
    same. ``today`` is the date that a chat template is given, and ``backbone`` says how media stand in a prompt; both
    are set before the first prompt. ``rows_disturb`` is whether prompts must be continued one by one, and ``forgets``
    why the backbone cannot go on from keys and values (empty where it can), both where that is known. ``before`` gives
    a context in which the model computes as it did before this stage.

    While a stage trains, ``losses`` are the working parts of its losses, ``needs`` what each reads of a pass, by their
    names and in the same order, and ``precision`` is what it computes in.
    """

    def __init__(
        self,
        backbone: TunedBackbone,
        tokenizer: PreTrainedTokenizerBase | None,
        media: MediaTokens,
        heads: Heads | None = None,
    ) -> None:
        super().__init__()
        self.llm = backbone.llm
        self.media = media
        self.heads = Heads({}, 0) if heads is None else heads
        self.tuning = backbone.tuning
        self.added = frozenset(f"llm.{name}" for name in backbone.added)
        self.losses = nn.ModuleList()
        self.needs: dict[str, frozenset[str]] = {}
        self.precision = "model"
        # What the networks of encoders come with frozen never learns.
        encoders = media.encoders.named_parameters()
        self._stays = frozenset(f"media.encoders.{name}" for name, p in encoders if not p.requires_grad)
        self._learns = frozenset(f"llm.{name}" for name in backbone.learns)
        self._tokenizer = tokenizer
        self.today = CHAT_DATE
        self.backbone: Backbone | None = None
        self.layout: Literal["tree", "separate"] = "tree"
        self.note = ""
        self.passes = BackbonePass(self.base)
        self.rows_disturb: bool | None = None
        self.forgets: str | None = None
        self.before: Callable[[], AbstractContextManager[None]] | None = None
        self.inserted = Inserted(self.base, media)

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

    @property
    def learns(self) -> frozenset[str]:
        """The names of all parameters that may learn: those that the tuning left to learn, and those of connectors,
        encoders, fusers, heads and the stage's losses."""
        return (self._learns | {n for n, _ in self.named_parameters() if not n.startswith("llm.")}) - self._stays

    @property
    def beside(self) -> tuple[nn.Module, ...]:
        """What stands beside the backbone, and need not be used in every pass: media, heads and losses."""
        return self.media, self.heads, self.losses

    def learning(self) -> dict[str, nn.Parameter]:
        """The parameters that ``learns`` names. Of tied weights, which are one tensor, there is one."""
        learns = self.learns
        return {name: parameter for name, parameter in self.named_parameters() if name in learns}

    def parts(self) -> dict[str, list[str]]:
        """The names of the parameters that may learn, as a recipe writes them, by part: ``backbone``,
        ``connectors.<stream>``, ``fusers.<name>``, ``encoders.<name>``, ``heads.<name>``. A part of
        which nothing learns has none."""
        parts: dict[str, list[str]] = {"backbone": []}
        for kind, modules in self.kinds().items():
            parts.update({f"{kind}.{name}": [] for name in modules})
        for name in self.learning():
            if not name.startswith("losses."):
                public = self.public_name(name)
                part = "backbone" if name.startswith("llm.") else ".".join(public.split(".", 2)[:2])
                parts[part].append(public)
        return parts

    def kinds(self) -> dict[str, nn.ModuleDict]:
        """What is built beside the backbone, by the section of the recipe and the name there."""
        media = self.media
        return {
            "connectors": media.connectors,
            "fusers": media.fusers,
            "encoders": media.encoders,
            "heads": self.heads,
        }

    @staticmethod
    def public_name(name: str) -> str:
        """The name of a parameter as a recipe writes it: ``backbone.…``, ``connectors.face.…``."""
        return f"backbone.{name.removeprefix('llm.')}" if name.startswith("llm.") else name.removeprefix("media.")

    @cached_property
    def prompts(self) -> PromptEncoder:
        """What turns prompts into tokens."""
        return PromptEncoder(self.tokenizer, self.today, self.backbone, self.media.opening)

    @property
    def virtual_tokens(self) -> int:
        """How many virtual tokens the tuning puts before every prompt."""
        return self.tuning.virtual_tokens

    def new_cache(self, rows: int = 1) -> DynamicCache:
        """The keys and values that so many rows begin with: those of the tuning's virtual tokens, or none."""
        return new_cache(self.tuning, self.llm, rows)

    @property
    def device(self) -> torch.device:
        """Where the language model is."""
        return next(self.llm.parameters()).device

    @property
    def context(self) -> int | None:
        """The longest path of tokens that the backbone was made for, if its configuration says; virtual tokens take
        their part of it."""
        whole = context_of(self.base.config)
        return None if whole is None else whole - self.virtual_tokens

    @property
    def window(self) -> int | None:
        """How many tokens of a prompt the backbone's attention sees at once, if its layers look through a window or in
        chunks."""
        whole = window_of(self.base.config)
        return None if whole is None else whole - self.virtual_tokens

    def probe(self) -> None:
        """Find out, by computing a few tokens, whether the backbone takes a tree mask and a head of its own."""
        if why_not := self.passes.probe():
            self.layout, self.note = "separate", f"every prompt is computed on its own: {why_not}"
        check_tuned(self.tuning, self.llm, self.base, self.logits, self.layout == "tree")

    def encode(
        self,
        prompt: Prompt,
        query: Query,
        answers: Literal["gold", "labels", "rejected", "none"] = "gold",
        within: LabelSpace | None = None,
        longest: int | None = None,
        draw: int = 0,
    ) -> EncodedPrompt:
        """A prompt that asks a query as tokens, with the answers that may follow it (``PromptEncoder.encode``). Slots
        are as long as the features of ``draw`` make them."""

        def slot(stream: str, utterance: str) -> SlotTokens:
            return self.media.slot(stream, utterance, draw)

        gold = query.target.label
        encoded = self.prompts.encode(prompt, slot, query.labels, gold, answers, within, longest)
        return replace(with_past(encoded, query, self.media.past), query=query)

    def batches(self, prompts: Sequence[EncodedPrompt], budget: int) -> list[TreeBatch]:
        """Prompts that share a beginning, as batches of trees of at most ``budget`` nodes each."""
        return [make_batch(*group) for group in self.trees([prompts], budget)]

    def trees(self, groups: Iterable[Sequence[EncodedPrompt]], budget: int) -> list[tuple[list[Tree], bool]]:
        """Micro-batches (trees, plain) for groups of prompts, each group sharing a beginning."""
        shared: list[Tree] = []
        apart: list[list[Tree]] = []
        window = self.window
        width = self.base.get_input_embeddings().embedding_dim
        for prompts in groups:
            # A tree mask stands in place of the window's, so a path must fit into the window.
            fits = [self.layout == "tree" and (window is None or p.depth <= window) for p in prompts]
            self._check_blocks([p for p, fit in zip(prompts, fits, strict=True) if not fit])
            apart.extend(build_chains(p) for p, fit in zip(prompts, fits, strict=True) if not fit)
            shared.extend(build_trees([p for p, fit in zip(prompts, fits, strict=True) if fit], budget, width))
        plain = [(group, True) for group in rows_within(apart, budget)]
        return [(group, False) for group in micro_batches(shared, budget)] + plain

    def _check_blocks(self, alone: Sequence[EncodedPrompt]) -> None:
        """Raise MercError for prompts to be computed without a tree mask whose utterances are read in both directions,
        which only such a mask can say."""
        for prompt in alone:
            if any(isinstance(item, BlockItem) for item in prompt.context):
                why = (
                    self.note or f"its attention sees a window of {self.window} tokens, and this one has {prompt.depth}"
                )
                raise MercError(
                    f"backbone.attention: utterance needs a mask for each prompt, and the prompt for {prompt.target!r} "
                    f"is computed without one ({why}); set backbone.attention=causal, or choose another backbone"
                )

    def hidden(self, batch: TreeBatch, draw: int = 0, past: Cache | None = None) -> Tensor:
        """Hidden states ``[read, hidden]`` at the places that the batch reads."""
        return self._states(batch, draw, past=past)[0]

    def log_probabilities(self, batch: TreeBatch, draw: int = 0) -> Tensor:
        """Log-probability of each answer path ``[paths]``, float32: the sum over its tokens."""
        return batch.over_paths(batch.token_log_probs(self.logits(batch, draw)))

    def outputs(self, batch: TreeBatch, needs: Collection[str], draw: int = 0) -> Outputs:
        """What a pass gives of what is needed (``merc.components.model.NEEDS``, and ``heads.<name>``), and nothing
        more."""
        media = self.media_of(batch, draw)
        states, logits = self._states(batch, draw, media)
        fields: dict[str, Any] = {}
        if {"path_log_probs", "token_log_probs"} & set(needs):
            fields["token_log_probs"] = batch.token_log_probs(self.passes.logits(states, logits))
        if "path_log_probs" in needs:
            fields["path_log_probs"] = batch.over_paths(fields["token_log_probs"])
        heads = [name for name in self.heads if f"heads.{name}" in needs]
        if "states" in needs or heads:
            at_answers = self._at_answers(batch, states)
            fields["states"] = at_answers if "states" in needs else None
            fields["heads"] = self.heads.outputs(at_answers, heads) if heads else None
        if "media" in needs:
            fields["media"], fields["media_ids"] = means_of(media)
        return Outputs(**fields)

    def reference(self) -> AbstractContextManager[None]:
        """While it lasts, the model computes as it did before this stage. Raises MercError where that is not known."""
        if self.before is None:
            raise MercError(
                "the model as it was before this stage is kept only while a stage trains with a loss that needs "
                "reference_path_log_probs or reference_token_log_probs; add one, or ask while it trains"
            )
        return self.before()

    @torch.no_grad()
    def reference_log_probs(self, batch: TreeBatch, draw: int = 0) -> Tensor:
        """The log-probability of each token ``[steps]`` by the model as it was before this stage, without dropout."""
        with evaluating(self), self.reference():
            return batch.token_log_probs(self.logits(batch, draw))

    def loss_values(self, batch: TreeBatch, draw: int = 0) -> Tensor:
        """The losses ``[losses, prompts]`` of a pass, in the order of ``losses``.

        Raises MercError for a loss that gives another shape, or cuts the gradient off.
        """
        with autocast(self.device.type, self.precision, self):
            needs = frozenset().union(*self.needs.values())
            reference = self.reference_log_probs(batch, draw) if of_reference(needs) else None
            outputs = self.outputs(batch, needs, draw)
            if reference is not None:
                paths = batch.over_paths(reference)
                outputs = outputs._replace(reference_path_log_probs=paths, reference_token_log_probs=reference)
            if "second_path_log_probs" in needs:
                outputs = outputs._replace(second_path_log_probs=self.log_probabilities(batch, draw))
        learns = any(t is not None and t.requires_grad for t in outputs[:3])
        of_losses = []
        for name, function in zip(self.needs, self.losses, strict=True):
            values = function(asked_of(outputs, name, self.needs[name]), batch)
            shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            if shape != (len(batch.prompts),):
                raise MercError(
                    f"loss {name!r} gives {shape} for {len(batch.prompts)} prompts; it must give one value a prompt"
                )
            if learns and torch.is_grad_enabled() and not values.requires_grad:
                raise MercError(f"loss {name!r} gives values without a gradient, so nothing can learn from it")
            of_losses.append(values)
        return torch.stack(of_losses)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """The mean of the input embeddings of each text's tokens ``[texts, hidden]`` float32."""
        rows = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        tokens = torch.tensor([token for row in rows for token in row], device=self.device)
        embedded = self.base.get_input_embeddings()(tokens).float()
        return torch.stack([own.mean(0) for own in embedded.split([len(row) for row in rows])])

    def use_losses(self, functions: Mapping[str, nn.Module], needs: Mapping[str, Collection[str]]) -> None:
        """Take the working parts of a stage's losses, and what each needs of a pass."""
        self.losses = nn.ModuleList(functions.values()).to(self.device)
        self.needs = {name: frozenset(needs[name]) for name in functions}

    @torch.no_grad()
    def likeliest(self, batch: TreeBatch, epoch: int) -> Tensor:
        """The token ``[steps]`` that the model holds likeliest at each step, in the precision that it trains in and
        without dropout. Every process computes all of it, as processes in lockstep must."""
        batch = batch.to(self.device)
        with evaluating(self), autocast(self.device.type, self.precision, self):
            tokens: Tensor = self.logits(batch, epoch).argmax(-1)[batch.step_read]
        return tokens

    def logits(self, batch: TreeBatch, draw: int = 0) -> Tensor:
        """Logits ``[read, vocabulary]`` at the places that the batch reads."""
        return self.passes.logits(*self._states(batch, draw))

    def score(self, batch: TreeBatch, labels: int, normalize: Normalize = "none", draw: int = 0) -> Tensor:
        """Scores ``[prompts, labels]``: a softmax over them gives the probabilities of the labels."""
        return self.score_with_states(batch, labels, normalize, draw)[0]

    def score_with_states(
        self, batch: TreeBatch, labels: int, normalize: Normalize = "none", draw: int = 0, past: Cache | None = None
    ) -> tuple[Tensor, Tensor]:
        """``score``, and the hidden states ``[prompts, hidden]`` at the place where each answer begins."""
        states, logits = self._states(batch, draw, past=past)
        log_probs = batch.over_paths(batch.token_log_probs(self.passes.asked_logits(batch, states, logits)))
        return replace(batch, labels=labels).label_scores(log_probs, normalize), self._at_answers(batch, states)

    @staticmethod
    def _at_answers(batch: TreeBatch, states: Tensor) -> Tensor:
        """The hidden states ``[prompts, hidden]`` at the place where each answer begins."""
        begins = torch.zeros(len(batch.prompts), dtype=torch.long, device=states.device)
        begins[batch.path_prompt] = batch.path_first  # all answers of a prompt begin at one place
        return states[begins]

    def media_of(self, batch: TreeBatch, draw: int = 0) -> dict[Media, Tensor]:
        """The tokens of all media of a batch: those that stand in its slots, and those that layers look at."""
        placed = [(stream, utterance) for stream, utterance, _ in batch.slots]
        return self.media.tokens(list(dict.fromkeys([*placed, *self.inserted.media(batch)])), draw)

    def embed(self, batch: TreeBatch, draw: int = 0, media: Mapping[Media, Tensor] | None = None) -> Tensor:
        """Input embeddings ``[rows, length, hidden]``: words from the backbone, slots from the media, whose tokens may
        be computed already (``media_of``)."""
        words: Tensor = self.base.get_input_embeddings()(batch.tokens)
        if not batch.slots:
            return words
        tokens = self.media(batch.slots, draw, media).to(words.dtype)
        flat = words.reshape(-1, words.shape[-1])
        return flat.index_copy(0, batch.slot_at, tokens[batch.slot_from]).view_as(words)

    def _states(
        self, batch: TreeBatch, draw: int, media: Mapping[Media, Tensor] | None = None, past: Cache | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Hidden states at the places that the batch reads, and their logits where the model must compute them.
        ``past`` are the keys and values of the places that the batch holds, to which those of the others are added."""
        media = self.media_of(batch, draw) if media is None else media
        if past is None and self.virtual_tokens:
            past = self.new_cache(len(batch.tokens))
        with self.inserted.seeing(self.inserted.view(batch, media)):
            embedded = self.embed(batch, draw, media)
            return self.passes(batch, embedded, past, self.virtual_tokens, whole_rows=bool(self.inserted.streams))
