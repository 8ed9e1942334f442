"""What connectors put before layers of the language model, and what it sees of the media in a pass."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from merc.components import SeenMedia, layer_names
from merc.errors import MercError

if TYPE_CHECKING:
    from merc.model.batch import TreeBatch
    from merc.model.media_tokens import Media, MediaTokens


class View:
    """What a pass sees of the media, by stream.

    A pass over a tree computes the places that ``media`` speaks of, all at once. Where a text is written, keys and
    values of earlier places are kept: then ``first`` is the first place that is computed, each layer goes on from
    where it was, new tokens see what the last place of the prompt sees, and every row stands for as many as there are
    texts of it.
    """

    def __init__(self, media: Mapping[str, SeenMedia], first: int | None = None) -> None:
        self.media, self._first = media, first
        self._next: dict[tuple[str, int], int] = {}

    def written(self, first: int) -> View:
        """The same for texts to be written, where the keys and values of the ``first`` places are there already."""
        return View(self.media, first)

    def of(self, stream: str, layer: nn.Module, states: Tensor) -> SeenMedia | None:
        """What is seen before a layer that computes states ``[rows, length, hidden]``."""
        seen = self.media.get(stream)
        if seen is None or self._first is None:
            return seen
        step = stream, id(layer)  # several streams may be seen before one layer
        first = self._next.get(step, self._first)
        self._next[step] = first + states.shape[1]
        places = torch.arange(first, first + states.shape[1], device=states.device)
        places, copies = places.clamp(max=seen.mask.shape[1] - 1), len(states) // len(seen.mask)
        return SeenMedia(seen.tokens, *(part[:, places].repeat_interleave(copies, 0) for part in seen[1:]))


class _PerThread(threading.local):
    """What a thread sees now. A copied model begins with nothing."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _PerThread:
        return type(self)()


class Inserted:
    """The modules that connectors put before layers of ``llm``. They are part of the connectors' own modules, as
    ``inserted``, so whatever is done with connectors is done with them; the language model gets hooks alone.

    Raises MercError for a layer that the language model does not have.
    """

    def __init__(self, llm: nn.Module, media: MediaTokens) -> None:
        self._now = _PerThread()
        self._hooks: list[Any] = []
        self.streams: list[str] = []
        for stream in media.connectors:
            part = media.connector_parts[stream]
            try:
                modules = part.insert(llm) if stream in media.inserts else {}
            except ValueError as error:
                raise MercError(f"connectors.{stream}: {error}") from None
            if not modules:
                media.inserts.discard(stream)
                continue
            who = f"connectors.{stream}: insert() of {type(part).__name__}"
            for name, module in modules.items():
                if not isinstance(module, nn.Module):
                    raise MercError(f"{who} gives {type(module).__name__} for {name!r}; it must give a torch.nn.Module")
                try:
                    layer = llm.get_submodule(name)
                except AttributeError:
                    layers = layer_names(llm)
                    there = f"its layers are {layers[0]} to {layers[-1]}" if layers else "it has no list of layers"
                    raise MercError(
                        f"{who} names the layer {name!r}, which {type(llm).__name__} does not have; {there} "
                        "(merc.layer_names lists them)"
                    ) from None
                hook = self._hook(stream, module, f"{who}, the module before {name},")
                self._hooks.append(layer.register_forward_pre_hook(hook, with_kwargs=True))
            if len({id(module) for module in modules.values()}) < len(modules):
                raise MercError(f"{who} puts one module before several layers; give each layer a module of its own")
            own = {name.replace(".", "-"): module for name, module in modules.items()}
            media.connectors[stream].add_module("inserted", nn.ModuleDict(own))
            self.streams.append(stream)

    def remove(self) -> None:
        """Leave the language model as it was."""
        for hook in self._hooks:
            hook.remove()

    @contextmanager
    def seeing(self, view: View | None) -> Iterator[None]:
        """While it lasts, passes of the language model see this of the media; with ``None``, nothing."""
        before = getattr(self._now, "view", None)
        self._now.view = view
        try:
            yield
        finally:
            self._now.view = before

    def contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """What stands around a layer that is computed under activation checkpointing, and around computing it again on
        the way back, when the pass is over: that sees the same."""
        return nullcontext(), self.seeing(getattr(self._now, "view", None))

    def media(self, batch: TreeBatch) -> list[Media]:
        """What layers look at in a batch."""
        return list(dict.fromkeys(one for one in batch.seen if one[0] in self.streams))

    def view(self, batch: TreeBatch, tokens: Mapping[Media, Tensor]) -> View | None:
        """What a batch sees: a place sees the media of the slots from which it comes down in its tree. ``None`` where
        there is nothing to see."""
        media = {stream: _seen(batch, tokens, stream) for stream in self.streams}
        there = {stream: seen for stream, seen in media.items() if seen is not None}
        return View(there) if there else None

    def view_of_rows(self, batches: Sequence[TreeBatch], tokens: Sequence[Mapping[Media, Tensor]]) -> View | None:
        """What prompts see, each of which is a batch of one row, when they are padded on the left to one length.
        ``None`` where there is nothing to see."""
        length = max(batch.size for batch in batches)
        media: dict[str, SeenMedia] = {}
        for stream in self.streams:
            rows = [_seen(batch, own, stream) for batch, own in zip(batches, tokens, strict=True)]
            there = [row for row in rows if row is not None]
            if not there:
                continue
            shape = (len(rows), length, sum(len(row.tokens) for row in there))
            mask, age = (part.new_zeros(shape) for part in there[0][1:])
            begin = 0
            for number, row in enumerate(rows):
                if row is not None:
                    size, count = row.mask.shape[1:]
                    mask[number, length - size :, begin : begin + count] = row.mask[0]
                    age[number, length - size :, begin : begin + count] = row.age[0]
                    begin += count
            media[stream] = SeenMedia(torch.cat([row.tokens for row in there]), mask, age)
        return View(media) if media else None

    def _hook(self, stream: str, module: nn.Module, who: str) -> Any:
        def look(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            view: View | None = getattr(self._now, "view", None)
            states: Tensor = args[0] if args else kwargs["hidden_states"]
            seen = None if view is None else view.of(stream, layer, states)
            if seen is None:
                return None
            kind = next((p.dtype for p in module.parameters() if p.is_floating_point()), states.dtype)
            looked = module(states.to(kind), seen._replace(tokens=seen.tokens.to(kind)))
            if not isinstance(looked, Tensor) or looked.shape != states.shape:
                shape = list(looked.shape) if isinstance(looked, Tensor) else type(looked).__name__
                raise MercError(f"{who} gives {shape} for states of shape {list(states.shape)}; it must give as many")
            # A place that sees nothing is what it is where there are no media at all.
            looked_at = torch.where(seen.mask.any(-1, keepdim=True), looked.to(states.dtype), states)
            return ((looked_at, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": looked_at})

        return look


def _seen(batch: TreeBatch, tokens: Mapping[Media, Tensor], stream: str) -> SeenMedia | None:
    """What the places of a batch see of a stream."""
    slots = [number for number, (own, _) in enumerate(batch.seen) if own == stream]
    utterances = list(dict.fromkeys(batch.seen[number][1] for number in slots))
    if not utterances:
        return None
    own = [tokens[stream, utterance] for utterance in utterances]
    rows, length = batch.end.shape
    device = batch.end.device
    at = batch.seen_at[slots]
    place = torch.arange(length, device=device)
    within = (place >= (at % length).unsqueeze(1)) & (place < batch.end.flatten()[at].unsqueeze(1))
    number_of = {utterance: number for number, utterance in enumerate(utterances)}
    which = torch.tensor([number_of[batch.seen[number][1]] for number in slots], device=device)
    # The number of the last slot of each utterance that a place comes down from, from 1 on in the order of the tree.
    order = torch.arange(1, len(slots) + 1, device=device).unsqueeze(1) * within
    last = torch.zeros(rows * len(utterances), length, dtype=torch.long, device=device)
    row_of = (at // length * len(utterances) + which).unsqueeze(1).expand(-1, length)
    last = last.scatter_reduce(0, row_of, order, "amax").view(rows, len(utterances), length)
    age = last.argsort(dim=1, descending=True, stable=True).argsort(1).int()
    counts = torch.tensor([len(one) for one in own], device=device)
    mask, age = (part.repeat_interleave(counts, 1).transpose(1, 2)[:, batch.held :] for part in (last > 0, age))
    return SeenMedia(torch.cat(own), mask, age)
