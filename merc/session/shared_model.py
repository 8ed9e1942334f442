"""A model as decoders ask it: prompts put together, and the work shared among the processes of a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from merc.components import Generation, Prompt, Prompter, Query, Scores
from merc.conversation import LabelSpace
from merc.errors import MercError, first_names
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.generation import KEPT_MORE, Sampling, generate
from merc.model.prefix_cache import KeptPrefix, first_of, shared_length
from merc.prompting import BlockItem, EncodedPrompt, check_depth, is_label_prompt
from merc.session.reporter import Progress
from merc.training.groups import Group, joined, shots_of
from merc.training.strategy import Strategy


@dataclass
class KeptBetween:
    """Keys and values that are kept from one prediction to the next of a conversation that goes on. ``changed`` are
    utterances whose media are not those of the prediction before."""

    prefix: KeptPrefix | None = None
    changed: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class SharedModel:
    """What a decoder is given (``merc.Model``). ``answers`` says what hangs after the prompts of queries, and
    ``batch_tokens`` how many tokens are computed at a time; ``keeps_states`` is whether scores come with states.

    Without a ``strategy`` this process does all of the work.
    """

    model: EmotionModel
    prompter: Prompter
    labels: LabelSpace
    answers: Literal["labels", "none"] = "labels"
    batch_tokens: int = 4096
    strategy: Strategy | None = None
    keeps_states: bool = False
    progress: Progress = lambda share, text: None
    encoded: Mapping[int, EncodedPrompt] = field(default_factory=dict)
    """The prompts of queries that are encoded already, by the identity (``id``) of the query."""
    head_rows: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    """What the heads gave of queries of ``encoded`` that were scored by their own prompts."""
    between: KeptBetween | None = None
    """What is kept from one prediction to the next."""

    def prompt(self, query: Query) -> Prompt:
        """The prompt that asks a query."""
        return self.prompter.prompt(query)

    def encode(
        self, query: Query, prompt: Prompt | None = None, answers: Literal["labels", "none"] | None = None
    ) -> EncodedPrompt:
        """A query's prompt, or another one for it, as tokens, with the answers that hang after it. Raises MercError
        where labels are to be scored and the prompt asks for a text."""
        prompt = prompt or self.prompter.prompt(query)
        answers = answers or self.answers
        if answers == "labels" and not is_label_prompt(prompt):
            raise MercError(
                "evaluate: the prompter asks for a text, not for a label, so labels can't be scored; "
                "set evaluate.decoder={name: generate}, or evaluate.prompter to one that asks for the label"
            )
        return self.model.encode(prompt, query, answers, self.labels, self.model.context)

    # Not in inference mode: weights that ZeRO-3 fetched in it could not be trained with afterwards.
    @torch.no_grad()
    def score(
        self,
        queries: Sequence[Query],
        normalize: Literal["none", "tokens"] = "none",
        prompts: Sequence[Prompt] | None = None,
    ) -> Scores:
        """Scores of the labels, in every process those of all queries."""
        if self.between is not None and queries:
            rows = self._score_on(self.between, queries, normalize, prompts)
        else:
            rows = self._score_anew(queries, normalize, prompts)
        if prompts is None:
            rows_of = ((id(query), rows[at][2]) for at, query in enumerate(queries))
            self.head_rows.update((known, row) for known, row in rows_of if known in self.encoded)
        return self.scores(queries, [(rows[at][0], rows[at][1]) for at in range(len(queries))])

    def _score_anew(
        self, queries: Sequence[Query], normalize: Literal["none", "tokens"], prompts: Sequence[Prompt] | None
    ) -> dict[int, list[Any]]:
        """Of each query, by its place: scores, state, and what the heads give."""
        groups, place = self._groups(queries, prompts, "labels")
        micro = self.model.trees(groups, self.batch_tokens)

        def compute(trees: Any) -> list[Any]:
            batch = make_batch(*trees).to(self.model.device)
            scores, states = self.model.score_with_states(batch, len(self.labels), normalize)
            rows: Any = states.float().cpu().numpy() if self.keeps_states else [None] * len(scores)
            if self.keeps_states and self.strategy and self.strategy.world > 1:
                rows = rows.tolist()  # as it can be sent
            places = [place[id(prompt)] for prompt in batch.prompts]
            return list(zip(places, scores.double().tolist(), rows, self.model.heads.rows(states), strict=True))

        return {at: row for at, *row in self._shared(micro, compute, self.strategy, len(micro), _nodes(micro))}

    def _score_on(
        self,
        between: KeptBetween,
        queries: Sequence[Query],
        normalize: Literal["none", "tokens"],
        prompts: Sequence[Prompt] | None,
    ) -> dict[int, list[Any]]:
        """The same from the keys and values of the prediction before."""
        encoded = self.encoded_prompts(queries, prompts, "labels")
        if not (same := shared_length([prompt.context for prompt in encoded])):
            return self._score_anew(queries, normalize, prompts)  # an ensemble whose prompts begin otherwise
        begin = first_of(encoded[0], same)
        if between.prefix is None:
            between.prefix = KeptPrefix.of(self.model, begin)
        else:
            if between.changed:
                between.prefix.drop_media(between.changed)
            between.prefix.extend(begin)
        between.changed = frozenset()
        rows = self.rows_after(between.prefix, encoded, normalize)
        return {
            at: [scores, _as_numbers(state), self.model.heads.rows(state.unsqueeze(0))[0]]
            for at, (scores, state) in enumerate(rows)
        }

    def rows_after(
        self, prefix: KeptPrefix, encoded: Sequence[EncodedPrompt], normalize: Literal["none", "tokens"]
    ) -> list[tuple[list[float], torch.Tensor]]:
        """The scores and the state ``[hidden]`` of each prompt, in their order, from the keys and values of a
        beginning."""
        scored = prefix.score(encoded, len(self.labels), normalize, self.batch_tokens)
        rows = {id(prompt): (scores.double().tolist(), state) for prompt, scores, state in scored}
        return [rows[id(prompt)] for prompt in encoded]

    def scores(self, queries: Sequence[Query], rows: Sequence[tuple[list[float], Any]]) -> Scores:
        """Scores of queries from a row and a state of each. Raises MercError for those that give no probabilities."""
        values = torch.tensor([row for row, _ in rows], dtype=torch.float64).view(len(rows), len(self.labels))
        _check_finite([query.target.id for query in queries], values, self._computed_in)
        if not self.keeps_states or not rows:
            return Scores(values)
        import numpy as np

        return Scores(values, np.asarray([state for _, state in rows], np.float32))

    @torch.no_grad()
    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        count: int = 1,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        prompts: Sequence[Prompt] | None = None,
    ) -> list[list[Generation]]:
        """What the model writes, in every process all of it."""
        how = Sampling(max_new_tokens, count, temperature, top_p, seed)
        groups, place = self._groups(queries, prompts, "none", max_new_tokens)
        # Texts differ in length, so processes in lockstep can't each write their own: each writes them all.
        shared = self.strategy if self.strategy and not self.strategy.lockstep else None
        by_length = sorted((p for g in groups for p in g), key=lambda p: len(p.context), reverse=True)
        rows = self.rows(by_length[0], how) if by_length else 1
        size = max(1, min(rows, KEPT_MORE * rows // count))
        chunks = [by_length[i : i + size] for i in range(0, len(by_length), size)]

        def compute(chunk: Sequence[EncodedPrompt]) -> list[tuple[int, list[Any]]]:
            if any(isinstance(item, BlockItem) for prompt in chunk for item in prompt.context):
                # Only a pass of merc's own reads utterances in both directions: texts go on from its keys and values.
                prefixes = [
                    (KeptPrefix.of(self.model, first_of(prompt, len(prompt.context) - 1)), prompt) for prompt in chunk
                ]
                written = [prefix.generate(prompt, how, rows) for prefix, prompt in prefixes]
            else:
                written = generate(self.model, chunk, how, rows)
            return [(place[id(prompt)], texts) for prompt, texts in zip(chunk, written, strict=True)]

        sizes = [sum(len(prompt.context) + max_new_tokens for prompt in chunk) for chunk in chunks]
        chunk_texts = dict(self._shared(chunks, compute, shared, len(by_length), sizes))
        return [[_generation(*text) for text in chunk_texts[at]] for at in range(len(queries))]

    @torch.no_grad()
    def values(self, queries: Sequence[Query]) -> list[dict[str, Any]]:
        """What the recipe's heads say of queries, by field, whatever the decoder was: from the states that it scored
        labels at, or from a pass that computes them alone. Raises MercError for outputs that are no numbers."""
        heads = self.model.heads
        if not len(heads):
            return [{} for _ in queries]
        if absent := [query for query in queries if id(query) not in self.head_rows]:
            bare = [replace(self._encoded(query, "none"), answers=()) for query in absent]
            place = {id(prompt): at for at, prompt in enumerate(bare)}
            micro = self.model.trees(_grouped(absent, bare), self.batch_tokens)

            def compute(trees: Any) -> list[Any]:
                batch = make_batch(*trees).to(self.model.device)
                states = self.model.outputs(batch, {"states"}).states
                assert states is not None
                return list(zip([place[id(p)] for p in batch.prompts], heads.rows(states), strict=True))

            computed = dict(self._shared(micro, compute, self.strategy, len(micro), _nodes(micro)))
            self.head_rows.update((id(query), computed[at]) for at, query in enumerate(absent))
        rows = [self.head_rows[id(query)] for query in queries]
        for name in heads:
            wrong = [q.target.id for q, r in zip(queries, rows, strict=True) if not all(map(math.isfinite, r[name]))]
            if wrong:
                raise MercError(
                    f"heads.{name} gives no numbers for {len(wrong)} of {len(queries)} utterances: "
                    f"{', '.join(wrong[:3])}; look at their features, and lower trainer.lr if the model was trained"
                )
        return [heads.values_of(row) for row in rows]

    def rows(self, longest: EncodedPrompt, how: Sampling) -> int:
        """How many prompts are computed at a time, to write after them."""
        return max(1, self.batch_tokens // max(1, len(longest.context) + how.max_new_tokens))

    def cache(self, queries: Sequence[Query], prompts: Sequence[Prompt] | None = None) -> SharedPrefixCache:
        """What the prompts begin with, kept."""
        return SharedPrefixCache(self, KeptPrefix.of(self.model, self.beginning(queries, prompts)))

    def reference(self) -> AbstractContextManager[None]:
        """The model as it was before this stage."""
        return self.model.reference()

    def beginning(self, queries: Sequence[Query], prompts: Sequence[Prompt] | None) -> EncodedPrompt:
        """The tokens that the prompts of queries have in common from the start, at least one."""
        encoded = self.encoded_prompts(queries, prompts, "none")
        if not encoded:
            raise MercError("a prefix cache is of one query at least, and was given none")
        if not (same := shared_length([prompt.context for prompt in encoded])):
            raise MercError("the prompts of a prefix cache begin with nothing that they share; make a cache of each")
        return first_of(encoded[0], same)

    def encoded_prompts(
        self,
        queries: Sequence[Query],
        prompts: Sequence[Prompt] | None,
        answers: Literal["labels", "none"],
        room: int = 0,
    ) -> list[EncodedPrompt]:
        """The prompts of queries as tokens. Raises MercError for one that is longer than the model's context, with the
        ``room`` tokens that may be written after it."""
        if prompts is None:
            encoded = [self._encoded(query, answers) for query in queries]
        else:
            encoded = [self.encode(query, prompt, answers) for query, prompt in zip(queries, prompts, strict=True)]
        check_depth(encoded, self.model.context, room)
        return encoded

    def _groups(
        self,
        queries: Sequence[Query],
        prompts: Sequence[Prompt] | None,
        answers: Literal["labels", "none"],
        room: int = 0,
    ) -> tuple[list[list[EncodedPrompt]], dict[int, int]]:
        """The prompts in groups that share a beginning, and which query each is of, by its identity."""
        encoded = self.encoded_prompts(queries, prompts, answers, room)
        return _grouped(queries, encoded), {id(prompt): at for at, prompt in enumerate(encoded)}

    def _encoded(self, query: Query, answers: Literal["labels", "none"]) -> EncodedPrompt:
        """An encoded prompt of a query, an object of its own each time, since prompts go by their identity."""
        known = self.encoded.get(id(query))
        return self.encode(query, None, answers) if known is None else replace(known)

    def _shared(
        self,
        work: Sequence[Any],
        compute: Callable[[Any], list[Any]],
        strategy: Strategy | None,
        total: int,
        sizes: Sequence[int],
    ) -> list[Any]:
        """What ``compute`` gives of every piece of work, each done in one process of the strategy. Progress is counted
        by ``sizes``, the tokens of each piece: long pieces come first, and by number they would seem to be few.

        Every process computes as many pieces as the others, since ZeRO-3 gathers weights in all of them at once.
        """
        rank, world = (strategy.rank, strategy.world) if strategy else (0, 1)
        turns = math.ceil(len(work) / world)
        results: list[Any] = []
        for turn in range(turns):
            at = turn * world + rank
            computed = compute(work[at if at < len(work) else 0])
            results.extend(computed if at < len(work) else [])
            done = min(total, (turn + 1) * world) if total == len(work) else len(results)
            share = sum(sizes[: (turn + 1) * world]) / sum(sizes) if turn + 1 < turns else 1.0
            self.progress(share, f"{done}/{total}")
        return strategy.collect(results) if strategy else results

    @property
    def _computed_in(self) -> str:
        """The type of numbers that scores are computed in."""
        return str(self.model.base.dtype).rpartition(".")[2]


class SharedPrefixCache:
    """What a decoder is given as a cache (``merc.PrefixCache``)."""

    def __init__(self, asks: SharedModel, prefix: KeptPrefix) -> None:
        self._asks, self._prefix = asks, prefix

    @property
    def length(self) -> int:
        """How many tokens are kept."""
        return len(self._prefix.begin.context)

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return self._prefix.nbytes

    @property
    def note(self) -> str:
        """Why nothing is kept."""
        return self._prefix.model.forgets or ""

    def extend(self, queries: Sequence[Query], prompts: Sequence[Prompt] | None = None) -> None:
        """Keep what the prompts begin with."""
        self._prefix.extend(self._asks.beginning(queries, prompts))

    def score(
        self,
        queries: Sequence[Query],
        normalize: Literal["none", "tokens"] = "none",
        prompts: Sequence[Prompt] | None = None,
    ) -> Scores:
        """Scores of the labels."""
        asks = self._asks
        encoded = asks.encoded_prompts(queries, prompts, "labels")
        rows = asks.rows_after(self._prefix, encoded, normalize)
        return asks.scores(queries, [(scores, _as_numbers(state)) for scores, state in rows])

    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        count: int = 1,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        prompts: Sequence[Prompt] | None = None,
    ) -> list[list[Generation]]:
        """What the model writes."""
        how, asks = Sampling(max_new_tokens, count, temperature, top_p, seed), self._asks
        encoded = asks.encoded_prompts(queries, prompts, "none", max_new_tokens)
        return [self._prefix.generate(prompt, how, asks.rows(prompt, how)) for prompt in encoded]

    def fork(self) -> SharedPrefixCache:
        """A cache that goes on apart."""
        return SharedPrefixCache(self._asks, self._prefix.fork())

    def free(self) -> None:
        """Give the memory back."""
        self._prefix.free()


def _nodes(micro: Sequence[Any]) -> list[int]:
    """How many nodes each micro-batch has."""
    return [sum(len(tree) for tree in trees) for trees, _ in micro]


def _generation(text: str, tokens: Sequence[int], log_probs: Sequence[float], ended: bool) -> Generation:
    return Generation(text, tuple(tokens), tuple(log_probs), ended)


def _as_numbers(state: torch.Tensor) -> Any:
    return state.float().cpu().numpy()


def _grouped(queries: Sequence[Query], prompts: Sequence[EncodedPrompt]) -> list[list[EncodedPrompt]]:
    """The prompts of queries in groups that share a beginning."""
    pairs = zip(queries, prompts, strict=True)
    by_talk = [list(own) for _, own in itertools.groupby(pairs, key=lambda pair: pair[0].conversation.id)]
    groups = joined([Group(tuple(p for _, p in own), shots_of([q for q, _ in own])) for own in by_talk])
    return _single_prompts_together(groups)


def _single_prompts_together(groups: Iterable[list[EncodedPrompt]]) -> list[list[EncodedPrompt]]:
    """The groups, with those of a single prompt made one where at least half of each is what stands before: requests
    about an utterance each, whose instruction is longer than all that is said."""
    together: list[list[EncodedPrompt]] = []
    singles: list[EncodedPrompt] | None = None
    for group in groups:
        (context, *more) = [prompt.context for prompt in group]
        if more:
            singles = None
        elif singles and 2 * shared_length([singles[0].context, context]) >= len(context):
            singles += group
            continue
        else:
            singles = group = list(group)
        together.append(group)
    return together


def _check_finite(targets: Sequence[str], values: torch.Tensor, computed_in: str) -> None:
    """Raise MercError for scores ``[queries, labels]`` that give no probabilities."""
    numbers = torch.softmax(values, dim=-1).isfinite().all(dim=-1).tolist()
    wrong = [target for target, fine in zip(targets, numbers, strict=True) if not fine]
    if not wrong:
        return
    why = "look at the features of these utterances, and lower trainer.lr if the model was trained"
    if computed_in == "float16":
        why = "float16 overflows: compute in bfloat16 or float32 (backbone.dtype, or the trainer's precision)"
    raise MercError(
        f"the scores of {len(wrong)} of {len(targets)} utterances are no numbers, computed in {computed_in}: "
        f"{first_names(wrong, 3)}; {why}"
    )
