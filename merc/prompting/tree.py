"""The prompt tree: prompts that begin alike are computed once.

The prompts of a conversation share their head and their history. Merged into a prefix tree of tokens and slots, every
node is computed once, attends to its ancestors only and has the position that it has in its prompt, so each prompt's
logits are those of the prompt computed alone. The labels to be scored hang on the same tree.

Nodes are kept in depth-first order, where the ancestors of node i are exactly the nodes j <= i whose subtree ends
after i. One number a node, ``end``, therefore says who may see whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from merc.errors import MercError
from merc.prompting.encode import AnswerPath, EncodedPrompt
from merc.prompting.runs import Item

# Linear layers cost 2·parameters a token, attention 4·width·layers a pair of them, at about a third of the speed: for
# SmolLM2-135M both take the same time at about 1,000 tokens, for larger models later: at about twice their width. Only
# the packing depends on it, and where a tree is split, which knows the width.
_ATTENTION = 1000


@dataclass(frozen=True)
class Tree:
    """Nodes in depth-first order: the item, the depth and the end of the subtree of each.

    ``prompts`` are those that the tree holds; ``paths`` the answers: for each, the prompt (index into ``prompts``),
    the answer, and the nodes whose logits predict its tokens, in order. ``positions`` are those of each node on every
    axis; where there are none, a node's position is its depth.
    """

    items: tuple[Item, ...]
    depth: tuple[int, ...]
    end: tuple[int, ...]
    prompts: tuple[EncodedPrompt, ...]
    paths: tuple[tuple[int, AnswerPath, tuple[int, ...]], ...]
    positions: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.items)


class _Growing:
    """A prefix tree while prompts are added to it."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.parent: list[int] = []
        self.children: dict[tuple[int, Item], int] = {}
        self.prompts: list[EncodedPrompt] = []
        self.paths: list[tuple[int, AnswerPath, list[int]]] = []
        self.positions: dict[int, tuple[int, ...]] = {}

    def new_nodes(self, prompt: EncodedPrompt) -> int:
        """How many nodes adding this prompt would add."""
        at, seen = -1, 0
        for item in prompt.context:
            at = self.children.get((at, item), -1)
            if at < 0:
                break
            seen += 1
        added = len(prompt.context) - seen
        tails: set[tuple[int, ...]] = set()
        for answer in prompt.answers:
            for stop in range(1, len(answer.tokens)):
                tails.add(answer.read[:stop])
        if added:
            return added + len(tails)
        for tail in tails:
            node = at
            for token in tail:
                node = self.children.get((node, token), -1)
                if node < 0:
                    added += 1
                    break
        return added

    def add(self, prompt: EncodedPrompt) -> None:
        at = -1
        for number, item in enumerate(prompt.context):
            at = self._step(at, item)
            if prompt.positions:
                self.positions[at] = prompt.positions[number]
        index = len(self.prompts)
        self.prompts.append(prompt)
        for answer in prompt.answers:
            node, nodes = at, [at]
            for number, token in enumerate(answer.read):
                node = self._step(node, token)
                nodes.append(node)
                if prompt.positions:
                    self.positions[node] = tuple(begin + number for begin in prompt.positions[-1])
            self.paths.append((index, answer, nodes))
        if not prompt.answers:
            self.paths.append((index, AnswerPath(()), [at]))

    def _step(self, at: int, item: Item) -> int:
        child = self.children.get((at, item))
        if child is None:
            child = len(self.items)
            self.children[(at, item)] = child
            self.items.append(item)
            self.parent.append(at)
        return child

    def finish(self) -> Tree:
        size = len(self.items)
        kids: list[list[int]] = [[] for _ in range(size + 1)]  # the last list holds the roots
        for node, parent in enumerate(self.parent):
            kids[parent].append(node)
        place = [0] * size
        order: list[int] = []
        depth = [0] * size
        end = [0] * size
        stack = [(node, 0) for node in reversed(kids[-1])]
        while stack:
            node, level = stack.pop()
            if node < 0:  # the mark that the subtree of ~node is finished
                end[place[~node]] = len(order)
                continue
            place[node] = len(order)
            depth[len(order)] = level
            order.append(node)
            stack.append((~node, 0))
            stack.extend((child, level + 1) for child in reversed(kids[node]))
        positions: tuple[tuple[int, ...], ...] = ()
        if self.positions:
            axes = len(next(iter(self.positions.values())))
            # A node that no prompt gives a position stands before all media, or in a prompt without any.
            positions = tuple(
                self.positions.get(node, (level,) * axes) for node, level in zip(order, depth, strict=True)
            )
        return Tree(
            tuple(self.items[node] for node in order),
            tuple(depth),
            tuple(end),
            tuple(self.prompts),
            tuple((prompt, answer, tuple(place[n] for n in nodes)) for prompt, answer, nodes in self.paths),
            positions,
        )


def build_tree(prompts: Iterable[EncodedPrompt]) -> Tree:
    """The tree of prompts that share a beginning.

    >>> one = EncodedPrompt("a", (1, 2, 3), (AnswerPath((7,), gold=True),))
    >>> two = EncodedPrompt("b", (1, 2, 4), (AnswerPath((8, 9), gold=True),))
    >>> tree = build_tree([one, two])
    >>> tree.items, tree.depth, tree.end
    ((1, 2, 3, 4, 8), (0, 1, 2, 2, 3), (5, 5, 3, 5, 5))
    >>> [nodes for _, _, nodes in tree.paths]
    [(2,), (3, 4)]
    """
    growing = _Growing()
    for prompt in prompts:
        if not prompt.context:
            raise MercError(f"the prompt for {prompt.target!r} is empty: there is nothing to ask the model")
        growing.add(prompt)
    return growing.finish()


def build_trees(prompts: Iterable[EncodedPrompt], budget: int, width: int = 0) -> list[Tree]:
    """Trees of at most ``budget`` nodes that hold all the prompts, in order. Nothing is cut and nothing is left out: a
    prompt that alone is longer is held all the same, and so are others with it that share nearly all of it, in a tree
    of an eighth more nodes than the longest prompt.

    Smaller trees compute what they share once each, but their nodes see fewer others: where prompts share little, as
    with long answers, several trees are cheaper than a large one, and are made. How large depends on the model's
    ``width``.
    """
    all_prompts = list(prompts)
    dear = max(_ATTENTION, 2 * width)

    def cost(trees: Iterable[Tree]) -> float:
        return sum(_cost(1, len(tree), dear) for tree in trees)

    longest = max((prompt.depth for prompt in all_prompts), default=0)
    trees = _filled(all_prompts, budget if longest <= budget else longest + longest // 8)
    cap = max(map(len, trees), default=0)
    while cap > dear // 2 and len(trees) < len(all_prompts):
        cap = cap * 2 // 3
        smaller = _filled(all_prompts, cap)
        if cost(smaller) > cost(trees):
            break
        trees = smaller
    return trees


def _filled(prompts: Iterable[EncodedPrompt], budget: int) -> list[Tree]:
    """Trees, each filled up to ``budget``."""
    trees: list[Tree] = []
    growing = _Growing()
    for prompt in prompts:
        if not prompt.context:
            raise MercError(f"the prompt for {prompt.target!r} is empty: there is nothing to ask the model")
        if growing.prompts and len(growing.items) + growing.new_nodes(prompt) > budget:
            trees.append(growing.finish())
            growing = _Growing()
        growing.add(prompt)
    if growing.prompts:
        trees.append(growing.finish())
    return trees


def build_chains(prompt: EncodedPrompt) -> list[Tree]:
    """A tree without branches for every answer of a prompt: the plain layout, for backbones that take no tree mask.

    Each tree names the whole prompt as the one that it holds.
    """
    choices: list[tuple[AnswerPath, ...]] = [(answer,) for answer in prompt.answers] or [()]
    alone = [build_tree([replace(prompt, answers=answers)]) for answers in choices]
    return [replace(tree, prompts=(prompt,)) for tree in alone]


def pack_rows(trees: Sequence[Tree]) -> list[list[Tree]]:
    """Trees put side by side into rows of about one length, largest first into the first row with room.

    Few long rows waste no places at their ends but pay for attention, whose cost grows with the square of a row's
    length; many short ones the other way round. Of the possible numbers of rows the cheapest is taken.
    """
    longest, total = max(map(len, trees)), sum(map(len, trees))
    tried: dict[int, list[list[Tree]]] = {}
    for count in _row_counts(len(trees)):
        width = max(longest, -(-total // count))
        if width not in tried:
            tried[width] = _first_fit(trees, width)
    return min(tried.values(), key=lambda rows: _cost(len(rows), _longest(rows)))


def _row_counts(most: int) -> list[int]:
    """The numbers of rows to try: all small ones, of larger ones every fifth part more, and the largest.

    >>> _row_counts(40)
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19, 22, 26, 31, 37, 40]
    """
    counts = [1]
    while counts[-1] < most:
        counts.append(min(most, counts[-1] + max(1, counts[-1] // 5)))
    return counts


def _cost(rows: int, length: int, dear: float = _ATTENTION) -> float:
    """The cost of rows of one length, in places. A place that sees ``dear`` others costs twice what it costs alone."""
    return rows * length * (1 + length / dear)


def _first_fit(trees: Sequence[Tree], width: int) -> list[list[Tree]]:
    rows: list[list[Tree]] = []
    room: list[int] = []
    for tree in sorted(trees, key=len, reverse=True):
        for i, free in enumerate(room):
            if len(tree) <= free:
                rows[i].append(tree)
                room[i] -= len(tree)
                break
        else:
            rows.append([tree])
            room.append(width - len(tree))
    return rows


def micro_batches(trees: Sequence[Tree], budget: int) -> Iterator[list[Tree]]:
    """Trees in groups whose packed rows (rows times the longest row) stay within ``budget`` places; a tree that alone
    is larger is a group of its own. Largest first, so that alike sizes meet."""
    waiting = sorted(trees, key=len, reverse=True)
    while waiting:
        # One row each is within the budget for so many; more than fill it could not be for any packing.
        least = max(1, min(len(waiting), budget // len(waiting[0])))
        most, total = least, sum(map(len, waiting[:least]))
        while most < len(waiting) and total + len(waiting[most]) <= budget:
            total += len(waiting[most])
            most += 1
        while least < most:
            middle = (least + most + 1) // 2
            if _places(pack_rows(waiting[:middle])) <= budget:
                least = middle
            else:
                most = middle - 1
        yield waiting[:least]
        waiting = waiting[least:]


def rows_within(prompts: Sequence[list[Tree]], budget: int) -> Iterator[list[Tree]]:
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


def _places(rows: Sequence[Sequence[Tree]]) -> int:
    return len(rows) * _longest(rows)


def _longest(rows: Sequence[Sequence[Tree]]) -> int:
    return max(sum(map(len, row)) for row in rows)
