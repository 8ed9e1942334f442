"""Keys and values of one beginning, kept: what goes on from it computes only what it adds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from merc.components.model import Generation
from merc.model.batch import TreeBatch, make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, copied, generate, go_on
from merc.model.past import utterance_id
from merc.model.probe import evaluating, may_differ, probing_tokens
from merc.prompting import AnswerPath, BlockItem, EncodedPrompt, Item, Normalize, SeenItem, build_tree


class KeptPrefix:
    """What prompts begin with, and its keys and values in transformers' own cache.

    A tree is built of the beginning and of all that is asked. Its nodes stand in depth-first order, so those of the
    beginning come first, and of these the ones whose keys are kept are left out of the pass; the tree's mask says who
    sees them, as for all others. Nodes after the beginning are dropped from the cache after a pass.
    """

    def __init__(self, model: EmotionModel, begin: EncodedPrompt, draw: int = 0) -> None:
        self.model, self.draw, self.begin = model, draw, begin
        self._restart()

    @classmethod
    def of(cls, model: EmotionModel, begin: EncodedPrompt) -> KeptPrefix:
        """The context of ``begin``, once it is known whether the backbone can go on from keys and values."""
        if model.forgets is None:
            model.forgets = why_forgets(model)
        return cls(model, replace(begin, answers=()))

    def extend(self, begin: EncodedPrompt) -> None:
        """Begin with the context of another; what it shares with the one before stays computed."""
        same = shared_length([self.begin.context, begin.context])
        self.begin = replace(begin, answers=())
        self._keep(min(same, self._computed))

    def drop_media(self, utterances: Collection[str]) -> None:
        """Begin only with what stands before the media of these utterances, which are others now."""
        context = self.begin.context
        media_places = (at for at, item in enumerate(context) if not utterances_of(item).isdisjoint(utterances))
        self.extend(first_of(self.begin, next(media_places, len(context))))

    def fork(self) -> KeptPrefix:
        """Another one that begins alike and goes on apart."""
        fork = KeptPrefix(self.model, self.begin, self.draw)
        fork._cache = copied(self._cache)
        return fork

    def free(self) -> None:
        """Drop keys and values."""
        self._keep(0)

    @property
    def nbytes(self) -> int:
        """The memory that keys and values take, that of the last pass included, which stays until the next."""
        tensors = [t for layer in self._cache.layers for t in (layer.keys, layer.values) if isinstance(t, Tensor)]
        return sum(t.untyped_storage().nbytes() for t in tensors)

    @torch.no_grad()
    def score(
        self, prompts: Sequence[EncodedPrompt], labels: int, normalize: Normalize, budget: int
    ) -> list[tuple[EncodedPrompt, Tensor, Tensor]]:
        """Of each prompt, in any order: scores ``[labels]``, and the hidden state ``[hidden]`` where its answer begins.
        At most ``budget`` tokens are computed in a pass, beside those of one prompt."""
        scored: list[tuple[EncodedPrompt, Tensor, Tensor]] = []
        for trees, plain in self.model.trees([prompts], budget + self._computed):
            if plain or self.model.forgets:
                batch = make_batch(trees, plain).to(self.model.device)
                scores, states = self.model.score_with_states(batch, labels, normalize, self.draw)
                scored += zip(batch.prompts, scores, states, strict=True)
                continue
            for tree in trees:
                batch = self._batch(tree.prompts)
                scores, states = self.model.score_with_states(batch, labels, normalize, self.draw, self._cache)
                self._keep(len(self.begin.context))
                # The first prompt is the beginning itself, which asks nothing.
                scored += list(zip(batch.prompts, scores, states, strict=True))[1:]
        return scored

    @torch.no_grad()
    def generate(self, prompt: EncodedPrompt, how: Sampling, rows: int) -> list[Generation]:
        """Texts after one prompt, where ``rows`` prompts may be computed at a time."""
        window = self.model.window
        if self.model.forgets or (window is not None and max(len(self.begin.context), len(prompt.context)) > window):
            return generate(self.model, [prompt], how, rows, self.draw)[0]
        self._compute()
        # All but the last token is computed here; transformers goes on from there.
        own = self.fork()
        own.extend(first_of(prompt, len(prompt.context) - 1))
        own._compute()
        return go_on(self.model, prompt, own._cache, how, rows, self.draw)

    @property
    def _computed(self) -> int:
        """How many tokens of the beginning have their keys and values."""
        return int(self._cache.get_seq_length()) - self.model.virtual_tokens

    def _keep(self, length: int) -> None:
        """Drop all keys and values but those of the first places."""
        if length == 0:
            self._restart()
        elif self._computed > length:
            self._cache.crop(length - self._computed)

    @torch.no_grad()
    def _restart(self) -> None:
        """Keep nothing but what every prompt begins with."""
        self._cache = self.model.new_cache()

    def _compute(self) -> None:
        """Compute what is not computed of the beginning."""
        if self._computed < len(self.begin.context):
            self.model.hidden(self._batch(()), self.draw, self._cache)

    def _batch(self, prompts: Sequence[EncodedPrompt]) -> TreeBatch:
        """The beginning and prompts as a tree, without the places that are kept; such as are read are computed
        again."""
        batch = make_batch([build_tree([self.begin, *prompts])])
        held = min(self._computed, int(batch.read.min()))
        self._keep(held)
        return batch.after(held).to(self.model.device)


def utterances_of(item: Item) -> set[str]:
    """Whose media an item is, or lets layers look at: the ids of utterances.

    >>> sorted(utterances_of(SeenItem(("face", "u1", 0), (("voice", "u0"),)))), utterances_of(7)
    (['u0', 'u1'], set())
    """
    if isinstance(item, int):
        return set()
    if isinstance(item, BlockItem):
        return utterances_of(item.item).union(*map(utterances_of, item.block))
    if isinstance(item, SeenItem):
        return utterances_of(item.item) | {utterance_id(one) for _, one in item.media}
    return {utterance_id(item[1])}


def first_of(prompt: EncodedPrompt, length: int) -> EncodedPrompt:
    """The first tokens of a prompt, without answers."""
    return replace(prompt, context=prompt.context[:length], positions=prompt.positions[: length + 1], answers=())


def shared_length(beginnings: Sequence[Sequence[Item]]) -> int:
    """How many items sequences begin with alike.

    >>> shared_length([(1, 2, 3), (1, 2, 4, 5), (1, 2)])
    2
    """
    length = min(map(len, beginnings))
    first = beginnings[0]
    return next((i for i in range(length) if any(one[i] != first[i] for one in beginnings[1:])), length)


@torch.no_grad()
def why_forgets(model: EmotionModel) -> str:
    """Why a backbone cannot go on from keys and values, found out by computing a few tokens; empty where it can."""
    name = type(model.base).__name__
    if model.layout != "tree":
        return f"nothing is kept between calls: {model.note}"
    context = probing_tokens(int(model.base.config.get_text_config().vocab_size))
    answers = tuple(AnswerPath(tokens) for tokens in ((1,), (context[3], context[5], 1), (context[3], 1, 1)))
    whole = EncodedPrompt("whole", context, answers)
    try:
        with evaluating(model):
            expected = model.hidden(make_batch([build_tree([whole])]).to(model.device))
            prefix = KeptPrefix(model, first_of(whole, 4))
            prefix._compute()
            prefix.extend(first_of(whole, 3))
            continued = model.hidden(prefix._batch([whole]), 0, prefix._cache)[1:]
    except Exception as error:  # any failure of a model that was not made to go on means the same
        return f"nothing is kept between calls: {name} does not go on from keys and values ({type(error).__name__})"
    apart = ((continued - expected).norm(dim=-1) / expected.norm(dim=-1)).float().max()
    if not apart <= may_differ(model.base):
        return f"nothing is kept between calls: {name} computes otherwise from keys and values than at once"
    return ""
