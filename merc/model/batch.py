"""Trees as tensors: what the model computes in one forward pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
from torch import Tensor

from merc.components import Query
from merc.errors import MercError
from merc.model.past import utterance_id
from merc.prompting import (
    AnswerPath,
    BlockItem,
    EncodedPrompt,
    Normalize,
    SeenItem,
    Tree,
    build_tree,
    label_scores,
    pack_rows,
)


@dataclass(frozen=True, eq=False)
class TreeBatch:
    """Rows of trees, padded to one length.

    ``tokens``, ``positions``, ``end`` are ``[rows, length]``: the token (0 at slots and padding), the depth in its
    tree, and where its subtree ends in the row; positions are ``[axes, rows, length]`` where the backbone has several
    axes and there are media. ``slots`` names the media that the batch needs, with how many tokens each has; ``slot_at``
    are flat indices into rows times length, and ``slot_from`` indices into the media tokens in the order of ``slots``.
    ``seen`` are the stream and utterance of every slot, those that take no place too, and ``seen_at`` the flat place
    from which on each is seen.
    ``until`` is where what a node sees ahead of itself ends: after itself, or after its block (``BlockItem``), of which
    some are there where ``blocks``. ``spans`` are the row, the first place and the one after the last of each tree.
    ``read`` are the flat places whose logits are needed; step t of all answers reads place
    ``step_read[t]``, predicts ``step_token[t]`` and belongs to path ``step_path[t]``. Of each path (answer):
    ``path_prompt``, ``path_label``, ``path_gold``, ``path_rejected``, ``path_weight``, ``path_length``, and
    ``path_first``, the place among those read that predicts its first token. ``trees`` are those that it was made of,
    ``labels`` is the size of the label space, and ``answers`` has the answer of each path. ``held`` places at the
    beginning of its one row are not computed, since their keys and values are kept: ``tokens``, ``positions``,
    ``slot_at`` and ``read`` count from after them.
    """

    tokens: Tensor
    positions: Tensor
    end: Tensor
    until: Tensor
    slot_at: Tensor
    slot_from: Tensor
    seen_at: Tensor
    read: Tensor
    step_read: Tensor
    step_token: Tensor
    step_path: Tensor
    path_prompt: Tensor
    path_label: Tensor
    path_gold: Tensor
    path_rejected: Tensor
    path_weight: Tensor
    path_length: Tensor
    path_first: Tensor
    slots: tuple[tuple[str, str, int], ...]
    seen: tuple[tuple[str, str], ...]
    prompts: tuple[EncodedPrompt, ...]
    size: int
    plain: bool
    trees: tuple[Tree, ...] = ()
    labels: int = 0
    held: int = 0
    answers: tuple[AnswerPath, ...] = ()
    spans: tuple[tuple[int, int, int], ...] = ()
    blocks: bool = False

    def to(self, device: torch.device | str) -> TreeBatch:
        """The same batch with its tensors on a device."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.type == "Tensor"}
        return replace(self, **moved)

    @property
    def queries(self) -> list[Query]:
        """Whom each prompt asks about."""
        return [prompt.query for prompt in self.prompts if prompt.query is not None]

    @property
    def media_ids(self) -> dict[str, frozenset[str]]:
        """By stream, the utterances whose tokens stand in the prompts."""
        ids: dict[str, set[str]] = {}
        for stream, utterance in [(stream, utterance) for stream, utterance, _ in self.slots] + list(self.seen):
            if utterance:
                ids.setdefault(stream, set()).add(utterance_id(utterance))
        return {stream: frozenset(own) for stream, own in ids.items()}

    @property
    def path_own(self) -> Tensor:
        """Whether each path is an answer that an example brings ``[paths]``."""
        return ~(self.path_gold | self.path_rejected) & (self.path_label < 0)

    def path_numbers(self, name: str) -> Tensor:
        """What each answer ``[paths]`` has of this name; NaN where it has none."""
        values = [answer.numbers.get(name, math.nan) for answer in self.answers]
        if any(isinstance(value, Sequence) for value in values):
            raise MercError(f"an example's {name!r} is a number for each token; a loss reads it by step_numbers")
        return torch.tensor(values, dtype=torch.float32, device=self.path_label.device)

    def step_numbers(self, name: str) -> Tensor:
        """What each token of an answer ``[steps]`` has of this name; NaN where it has none."""
        steps: list[float] = []
        for answer in self.answers:
            values = answer.numbers.get(name, [math.nan] * len(answer.tokens))
            if not isinstance(values, Sequence):
                raise MercError(f"an example's {name!r} is one number for an answer; a loss reads it by path_numbers")
            steps.extend(values)
        return torch.tensor(steps, dtype=torch.float32, device=self.step_path.device)

    @cached_property
    def right(self) -> Tensor:
        """The path of each prompt's right answer ``[prompts]``; of a label with several words the first."""
        gold = self.path_gold.nonzero().flatten()
        if not len(gold):
            raise MercError(
                "a loss asks for the right answers, and the examples bring only answers of their own; use a loss whose "
                "answers are 'own', or add one whose answers are 'gold'"
            )
        first = torch.full((len(self.prompts),), len(self.path_gold), device=gold.device)
        return first.scatter_reduce(0, self.path_prompt[gold], gold, "amin")

    @property
    def truth(self) -> Tensor:
        """The place of each prompt's right label ``[prompts]``; -1 for a text."""
        return self.path_label[self.right]

    def at_right_answer(self, values: Tensor) -> Tensor:
        """A value of each path ``[paths]``, taken at each prompt's right answer ``[prompts]``."""
        return values[self.right]

    def token_log_probs(self, logits: Tensor) -> Tensor:
        """Log-probability of each step's token ``[steps]``, float32, from the logits ``[read, vocabulary]``."""
        return torch.log_softmax(logits.float(), dim=-1)[self.step_read, self.step_token]

    def over_paths(self, steps: Tensor) -> Tensor:
        """Log-probability of each answer path ``[paths]``, from that of its steps ``[steps]``."""
        return torch.zeros(len(self.path_length), device=steps.device).index_add(0, self.step_path, steps)

    def label_scores(self, path_log_probs: Tensor, normalize: Normalize = "none") -> Tensor:
        """Scores ``[prompts, labels]`` from the log-probability of each path ``[paths]``."""
        of_label = self.path_label >= 0
        return label_scores(
            path_log_probs[of_label], self.path_length[of_label], self.path_prompt[of_label],
            self.path_label[of_label], (len(self.prompts), self.labels), normalize,
        )  # fmt: skip

    def after(self, held: int) -> TreeBatch:
        """The batch of one row without its first ``held`` places, none of which is read."""
        new = self.slot_at >= held
        sources = self.slot_from[new].tolist()
        slots: list[tuple[str, str, int]] = []
        moved: dict[int, int] = {}
        first = 0
        for slot in self.slots:
            own = range(first, first + slot[2])
            first += slot[2]
            if not set(own).isdisjoint(sources):
                slots.append(slot)
                moved.update(zip(own, range(len(moved), len(moved) + len(own)), strict=True))
        return replace(
            self,
            tokens=self.tokens[..., held:],
            positions=self.positions[..., held:],
            slot_at=self.slot_at[new] - held,
            slot_from=torch.tensor([moved[source] for source in sources], dtype=torch.long, device=new.device),
            slots=tuple(slots),
            read=self.read - held,
            held=held,
        )

    def reading(self, tokens: Mapping[int, Sequence[int]]) -> TreeBatch:
        """The batch with other tokens in the model's input in place of the answers', by prompt."""
        index = {id(prompt): number for number, prompt in enumerate(self.prompts)}

        def reads(prompt: EncodedPrompt) -> EncodedPrompt:
            (answer,) = prompt.answers
            return replace(prompt, answers=(replace(answer, inputs=tuple(tokens[index[id(prompt)]])),))

        trees = [build_tree([reads(prompt) for prompt in tree.prompts]) for tree in self.trees]
        return replace(make_batch(trees, self.plain), labels=self.labels).to(self.tokens.device)

    @cached_property
    def places(self) -> Tensor:
        """The flat places of all nodes, tree by tree, without padding ``[nodes]``."""
        length = self.end.shape[1]
        every = [torch.arange(row * length + first, row * length + last) for row, first, last in self.spans]
        return torch.cat(every).to(self.end.device)

    def mask(self, additive: torch.dtype | None = None) -> Tensor:
        """Who sees whom, ``[rows, 1, length, length]`` bool: a node sees itself and its ancestors. With ``additive``
        the same as numbers of this type to be added to attention scores. For a batch of plain rows
        ``[rows, length]``, true where there is a token."""
        length = self.end.shape[1]
        place = torch.arange(length, device=self.end.device)
        if self.plain:
            return place < self.end.amax(dim=1, keepdim=True)
        sees = self._sees(place[self.held :], place, self.end, self.until[:, self.held :]).unsqueeze(1)
        if additive is None:
            return sees
        return torch.zeros_like(sees, dtype=additive).masked_fill_(~sees, torch.finfo(additive).min)

    def sees(self, row: int, first: int, last: int) -> Tensor:
        """Who sees whom in a span of a row ``[1, 1, span, span]`` bool."""
        place = torch.arange(first, last, device=self.end.device)
        span = slice(first, last)
        return self._sees(place, place, self.end[row : row + 1, span], self.until[row : row + 1, span]).unsqueeze(1)

    def _sees(self, below: Tensor, above: Tensor, end: Tensor, until: Tensor) -> Tensor:
        """Whether nodes at places ``below`` see those at ``above`` ``[rows, below, above]``: a node sees itself, its
        ancestors, and what comes after it in its block, which has no branches."""
        below, above = below.view(1, -1, 1), above.view(1, 1, -1)
        sees = (above <= below) & (below < end.unsqueeze(1))
        return sees | ((above > below) & (above < until.unsqueeze(2))) if self.blocks else sees


def make_batch(trees: Sequence[Tree], plain: bool = False) -> TreeBatch:
    """Pack trees into rows and lay them out as tensors. ``plain``: a row for each tree, which must have no branches;
    trees of one prompt's answers are counted as the one prompt that they are."""
    rows = [[t] for t in trees] if plain else pack_rows(trees)
    length = max(sum(len(t) for t in row) for row in rows)
    axes = max((len(tree.positions[0]) for tree in trees if tree.positions), default=1)
    tokens, ends, untils = [], [], []
    spans: list[tuple[int, int, int]] = []
    blocks = False
    positions: list[list[list[int]]] = [[] for _ in range(axes)]
    slots: dict[tuple[str, str], int] = {}
    slot_at: list[tuple[int, tuple[str, str], int]] = []
    seen: list[tuple[int, tuple[str, str]]] = []
    reads: dict[int, int] = {}
    steps: list[tuple[int, int, int]] = []
    order: list[EncodedPrompt] = []
    copies: dict[tuple[int, AnswerPath], int] = {}
    known: dict[tuple[int, int], int] = {}
    paths: list[tuple[int, AnswerPath, int]] = []
    for r, row in enumerate(rows):
        row_tokens: list[int] = []
        row_positions: list[list[int]] = [[] for _ in range(axes)]
        row_end: list[int] = []
        row_until: list[int] = []
        for tree in row:
            start = len(row_tokens)
            spans.append((r, start, start + len(tree)))
            for i, item in enumerate(tree.items):
                until = start + i + 1
                if isinstance(item, BlockItem):
                    until, blocks = start + i - item.place + len(item.block), True
                    item = item.item
                row_until.append(until)
                if isinstance(item, SeenItem):
                    seen += [(r * length + start + i, media) for media in item.media]
                    item = item.item
                if isinstance(item, int):
                    row_tokens.append(item)
                else:
                    key = (item[0], item[1])
                    seen += [(r * length + start + i, key)] if item[2] == 0 else []
                    slots[key] = max(slots.get(key, 0), item[2] + 1)
                    slot_at.append((r * length + start + i, key, item[2]))
                    row_tokens.append(0)
            for axis, row_axis in enumerate(row_positions):
                row_axis.extend([where[axis] for where in tree.positions] if tree.positions else tree.depth)
            row_end.extend(start + e for e in tree.end)
            local: list[int] = []
            for prompt in tree.prompts:
                index = len(order)
                if plain:  # the second tree of the same answer belongs to a second copy of its prompt
                    path_of = (id(prompt), tree.paths[0][1])
                    copies[path_of] = copies.get(path_of, 0) + 1
                    index = known.setdefault((id(prompt), copies[path_of]), index)
                if index == len(order):
                    order.append(prompt)
                local.append(index)
            for prompt_index, answer, nodes in tree.paths:
                path = len(paths)
                first_place = reads.setdefault(r * length + start + nodes[0], len(reads))
                paths.append((local[prompt_index], answer, first_place))
                for node, token in zip(nodes, answer.tokens or (-1,), strict=True):
                    place = reads.setdefault(r * length + start + node, len(reads))
                    if token >= 0:
                        steps.append((place, token, path))
        pad = length - len(row_tokens)
        row_end.extend(range(len(row_tokens) + 1, length + 1) if not plain else [0] * pad)
        untils.append([*row_until, *range(len(row_tokens) + 1, length + 1)])
        tokens.append(row_tokens + [0] * pad)
        for axis, row_axis in enumerate(row_positions):
            positions[axis].append(row_axis + [0] * pad)
        ends.append(row_end)
    offset, first = 0, {}
    for key, count in slots.items():
        first[key] = offset
        offset += count

    def column(values: Sequence[int | bool]) -> Tensor:
        return torch.tensor(list(values), dtype=torch.long)

    return TreeBatch(
        tokens=torch.tensor(tokens),
        positions=torch.tensor(positions if axes > 1 else positions[0]),
        end=torch.tensor(ends),
        until=torch.tensor(untils),
        slot_at=column([place for place, _, _ in slot_at]),
        slot_from=column([first[key] + i for _, key, i in slot_at]),
        seen_at=column([place for place, _ in seen]),
        read=column(list(reads)),
        step_read=column([s[0] for s in steps]),
        step_token=column([s[1] for s in steps]),
        step_path=column([s[2] for s in steps]),
        path_prompt=column([p[0] for p in paths]),
        path_label=column([answer.label for _, answer, _ in paths]),
        path_gold=column([answer.gold for _, answer, _ in paths]).bool(),
        path_rejected=column([answer.rejected for _, answer, _ in paths]).bool(),
        path_weight=torch.tensor([answer.weight for _, answer, _ in paths]),
        path_length=column([len(answer.tokens) for _, answer, _ in paths]),
        path_first=column([first_place for _, _, first_place in paths]),
        slots=tuple((stream, utterance, count) for (stream, utterance), count in slots.items()),
        seen=tuple(media for _, media in seen),
        prompts=tuple(order),
        size=sum(len(t) for t in trees),
        plain=plain,
        trees=tuple(trees),
        answers=tuple(answer for _, answer, _ in paths),
        spans=tuple(spans),
        blocks=blocks,
    )
