"""Conversations divided into train, dev and test as a recipe's ``split`` says."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from merc.conversation import SPLITS, Conversation, Split
from merc.errors import MercError, did_you_mean, first_names
from merc.files import damaged, read_json, write_text
from merc.recipe import Splitting

Counts = npt.NDArray[np.float64]
"""Of each group, or of each part: how many conversations ``[n, 0]``, then how many utterances of each label."""

_SHOWN = 5


@dataclass(frozen=True)
class Group:
    """Conversations that stand in one part, by their places, and the names that they share (speakers, say)."""

    names: tuple[str, ...]
    members: tuple[int, ...]

    def __str__(self) -> str:
        return first_names(self.names, _SHOWN)


def groups_of(conversations: Sequence[Conversation], by: str) -> tuple[list[Group], int]:
    """What stands in one part, sorted by name, and how many conversations have no name to go by.

    Conversations with a speaker, or a value of the field, in common belong together, and so do those that are connected
    through others, since no conversation is cut. One without any name is a group of its own. Names of two datasets are
    never the same. Raises MercError for a field that no conversation has.

    >>> from merc.conversation import Utterance
    >>> talks = [Conversation(id=name, utterances=tuple(Utterance(id=f"{name}{who}", text="Hi.", speaker=who)
    ...          for who in name)) for name in ("ab", "bc", "d")]
    >>> [str(group) for group in groups_of(talks, "speaker")[0]]
    ['a, b, c', 'd']
    """
    named = [_names(talk, by) for talk in conversations]
    if conversations and not any(named):
        fields = ["conversation", "speaker", *_fields(conversations)]
        what = "no utterance has a speaker" if by == "speaker" else f"no conversation or utterance has the field {by!r}"
        raise MercError(f"split.by: {what}.{did_you_mean(by, fields)} What can be split by: {', '.join(fields)}")
    root = list(range(len(conversations)))

    def top(place: int) -> int:
        while root[place] != place:
            root[place] = place = root[root[place]]
        return place

    first: dict[tuple[str | None, str], int] = {}
    for place, (talk, names) in enumerate(zip(conversations, named, strict=True)):
        for name in names:
            root[top(place)] = top(first.setdefault((talk.dataset, name), place))
    together: dict[int, list[int]] = {}
    for place in range(len(conversations)):
        together.setdefault(top(place), []).append(place)
    groups = []
    for members in together.values():
        names = {name for place in members for name in named[place]} or {conversations[members[0]].id}
        groups.append(Group(tuple(sorted(names, key=_natural)), tuple(members)))
    # Sorted by what they hold, so that the order of a file changes nothing that is drawn.
    groups.sort(key=lambda group: (_natural(group.names[0]), min(conversations[i].id for i in group.members)))
    return groups, sum(not names for names in named)


def _names(talk: Conversation, by: str) -> set[str]:
    if by == "conversation":
        return {talk.id}
    if by == "speaker":
        return {u.speaker for u in talk.utterances if u.speaker}
    own = talk.dataset if by == "dataset" else talk.extra.get(by)
    values = [own] if own is not None else [u.extra.get(by) for u in talk.utterances]
    names = set()
    for value in values:
        if isinstance(value, str | int | float):
            names.add(str(value))
        elif value is not None:
            raise MercError(
                f"split.by: the field {by!r} of conversation {talk.id!r} is {json.dumps(value, default=str)[:80]}; a "
                "text or a number is wanted"
            )
    return names


def _fields(conversations: Sequence[Conversation]) -> list[str]:
    held = [e for talk in conversations for e in (talk.extra, *(u.extra for u in talk.utterances))]
    fields = dict.fromkeys(name for extra in held for name, value in extra.items() if isinstance(value, str | int))
    return [*(["dataset"] if any(talk.dataset for talk in conversations) else []), *fields]


def _natural(name: str) -> list[Any]:
    """A key that sorts Session2 before Session10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def fold_names(conversations: Sequence[Conversation], split: Splitting) -> list[str]:
    """What stands in each fold, for ``folds: all``; of folds that are drawn, nothing.

    Raises MercError where there are fewer groups than folds.
    """
    groups, _ = groups_of(conversations, split.by)
    count = _fold_count(groups, split, conversations)
    return [str(group) for group in groups] if split.folds == "all" else [""] * count


def _fold_count(groups: Sequence[Group], split: Splitting, talks: Sequence[Conversation]) -> int:
    least = split.folds if isinstance(split.folds, int) else 2
    _check_groups(groups, least, f"folds: {split.folds}", split.by, talks)
    return len(groups) if split.folds == "all" else least


def divided(conversations: Sequence[Conversation], split: Splitting) -> tuple[list[Conversation], list[str]]:
    """The conversations, each in its part, and sentences for the user.

    The same whatever order they come in. Raises MercError for fewer groups than parts, for names that nothing has, and
    for a recipe of several folds that does not say which.
    """
    if split.folds is not None and split.fold is None:
        raise MercError(
            f"split.folds: {split.folds} is several runs: merc run RECIPE --folds makes them all, split.fold=1 makes "
            "one of them"
        )
    groups, nameless = groups_of(conversations, split.by)
    counts = _counts(conversations, groups, split.stratify)
    part: dict[int, Split] = {}
    if split.folds is not None:
        part |= dict.fromkeys(_fold(groups, counts, split, conversations), "test")
    elif split.test is None:
        part |= _stated_test(groups, conversations)
    _put_listed(part, groups, split)
    drawn: dict[Split, float] = {
        name: share for name in ("dev", "test") if isinstance(share := getattr(split, name), int | float) and share
    }
    rest = [place for place in range(len(groups)) if place not in part]
    after = f" after those of {' and '.join(sorted(set(part.values())))}" if part else ""
    parts: list[Split] = ["train", *drawn]
    _check_groups(groups, len(parts), f"a part for {' and '.join(parts)}{after}", split.by, conversations, len(rest))
    targets = np.outer([0.0, *drawn.values()], counts.sum(0))
    targets[0] = counts[rest].sum(0) - targets[1:].sum(0)  # train is what is left
    seed = f"{split.seed}/{split.fold or 0}"
    for place, which in zip(rest, assigned(counts[rest], targets, seed), strict=True):
        part[place] = parts[which]
    by_conversation = {member: part[place] for place, group in enumerate(groups) for member in group.members}
    result = [replace(talk, split=by_conversation[place]) for place, talk in enumerate(conversations)]
    return result, _notes(conversations, result, groups, nameless, split)


def assigned(counts: Counts, targets: Counts, seed: str) -> list[int]:
    """The part of each group, so that parts come close to their ``targets`` ``[parts, columns]``, each with one group
    at least.

    Groups come in a drawn order, those of many conversations first, and each goes to the part of which it mends the
    sum of squared distances most, columns weighed by their size. Where dealing by conversations alone happens to come
    closer in the labels, that is taken: so labels are never further from their shares than without stratifying.
    (scikit-learn's StratifiedGroupKFold has parts of one size only.)
    """
    plain = _dealt(counts[:, :1], targets[:, :1], seed)
    if counts.shape[1] == 1:
        return plain
    return min((_dealt(counts, targets, seed), plain), key=lambda parts: unevenness(counts, targets, parts))


def unevenness(counts: Counts, targets: Counts, parts: Sequence[int]) -> float:
    """How far labels are from their shares: the sum over parts and labels of the squared distance, in shares of the
    label."""
    have = np.zeros_like(targets)
    np.add.at(have, list(parts), counts)
    return float((((have - targets) / _sizes(counts)) ** 2)[:, 1:].sum())


def _sizes(counts: Counts) -> Counts:
    sizes: Counts = np.maximum(counts.sum(0), 1)
    return sizes


def _dealt(counts: Counts, targets: Counts, seed: str) -> list[int]:
    order = list(range(len(counts)))
    random.Random(seed).shuffle(order)
    order.sort(key=lambda place: -counts[place, 0])
    have, sizes = np.zeros_like(targets), _sizes(counts)
    parts = [0] * len(counts)
    held = np.zeros(len(targets), int)
    for number, place in enumerate(order):
        before, after = (((have + more - targets) / sizes) ** 2 for more in (0, counts[place]))
        worse = (after - before).sum(1)
        if len(order) - number <= (held == 0).sum():
            worse[held > 0] = np.inf
        parts[place] = chosen = int(worse.argmin())
        have[chosen] += counts[place]
        held[chosen] += 1
    return parts


def _counts(conversations: Sequence[Conversation], groups: Sequence[Group], labels: bool) -> Counts:
    known = sorted({u.label for c in conversations for u in c.utterances if u.label is not None}) if labels else []
    column = {label: number for number, label in enumerate(known, 1)}
    counts = np.zeros((len(groups), 1 + len(known)))
    for row, group in enumerate(groups):
        counts[row, 0] = len(group.members)
        for utterance in (u for i in group.members for u in conversations[i].utterances if u.label in column):
            counts[row, column[utterance.label or ""]] += 1
    return counts


def _fold(groups: Sequence[Group], counts: Counts, split: Splitting, talks: Sequence[Conversation]) -> list[int]:
    """The groups of the fold that a run tests."""
    count = _fold_count(groups, split, talks)
    assert split.fold is not None
    if split.fold > count:
        raise MercError(f"split.fold is from 1 to {count}, the number of folds by {split.by}, not {split.fold}")
    if split.folds == "all":
        return [split.fold - 1]
    targets = np.tile(counts.sum(0) / count, (count, 1))
    return [place for place, fold in enumerate(assigned(counts, targets, str(split.seed))) if fold == split.fold - 1]


def _stated_test(groups: Sequence[Group], conversations: Sequence[Conversation]) -> dict[int, Split]:
    """The test part that the corpus states. Raises MercError where it states none, or one that shares a name with what
    is to be drawn from."""
    stated: dict[int, Split] = {}
    for place, group in enumerate(groups):
        tested = sum(conversations[member].split == "test" for member in group.members)
        if 0 < tested < len(group.members):
            raise MercError(
                f"split: the corpus's own test split has {tested} of the {len(group.members)} conversations of "
                f"{group}, which would be in two parts; give test or folds, so that all parts are drawn, or "
                "by: conversation"
            )
        if tested:
            stated[place] = "test"
    if not stated:
        raise MercError(
            "split has neither test nor folds, and no conversation of the corpus states that it is of test; write a "
            "share, test: 0.2, or folds: 5"
        )
    return stated


def _put_listed(part: dict[int, Split], groups: Sequence[Group], split: Splitting) -> None:
    """Put the groups whose names ``dev`` or ``test`` list into these parts. Raises MercError for a name that nothing
    has, and for a group that would stand in two parts."""
    places: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        for name in group.names:
            places.setdefault(name, []).append(place)
    lists = {which: getattr(split, which) for which in SPLITS[1:] if isinstance(getattr(split, which), tuple)}
    for which, listed in lists.items():
        names = [str(name) for name in listed]
        for name in names:
            if name not in places:
                raise MercError(
                    f"split.{which}: no {split.by} is called {name!r}.{did_you_mean(name, places)} There "
                    f"{'is' if len(places) == 1 else 'are'}: {', '.join(list(places)[:20])}"
                )
            for place in places[name]:
                if others := [other for other in groups[place].names if other not in names]:
                    raise MercError(
                        f"split.{which}: {name!r} stands in conversations with {', '.join(others[:_SHOWN])}, and no "
                        f"conversation is cut; list {'it' if len(others) == 1 else 'them'} too, or leave {name!r} out"
                    )
                if part.setdefault(place, which) != which:
                    raise MercError(f"split.{which}: {name!r} is of the {part[place]} part already; take it out of one")


def _check_groups(
    groups: Sequence[Group], least: int, why: str, by: str, talks: Sequence[Conversation], left: int | None = None
) -> None:
    """Raise MercError for fewer groups than parts."""
    if (count := len(groups) if left is None else left) >= least:
        return
    largest = max(groups, key=lambda group: len(group.members))
    kinds = {"conversation": "conversations", "speaker": "groups of speakers"}.get(by, f"groups by {by!r}")
    text = f"split: {why} needs at least {least} {kinds}, and there {'is' if count == 1 else 'are'} {count}"
    if len(largest.names) > 1:
        name, most = Counter(name for member in largest.members for name in _names(talks[member], by)).most_common(1)[0]
        text += (
            f": {len(largest.members)} of {len(talks)} conversations hang together and none is cut ({name} alone is in "
            f"{most})"
        )
    remedy = "" if by == "conversation" else ", or split by something else, such as by: conversation"
    raise MercError(f"{text}; ask for fewer parts{remedy}")


def _notes(
    before: Sequence[Conversation],
    after: Sequence[Conversation],
    groups: Sequence[Group],
    nameless: int,
    split: Splitting,
) -> list[str]:
    sizes = {name: sum(talk.split == name for talk in after) for name in SPLITS}
    counted = ", ".join(f"{name} {size}" for name, size in sizes.items() if size)
    fold = "" if split.fold is None else f", fold {split.fold} of {_fold_count(groups, split, before)}"
    of = "" if split.by == "conversation" else f" in {len(groups)} groups"
    notes = [f"split by {split.by}{fold}: {len(after)} conversations{of}: {counted} (seed {split.seed})"]
    changed = sum(one.split not in (None, other.split) for one, other in zip(before, after, strict=True))
    if changed:
        notes.append(f"split: {changed} of {len(after)} conversations stand in another part than the corpus states")
    largest = max(groups, key=lambda group: len(group.members))
    if len(largest.names) > 1:
        names = sum(len(group.names) for group in groups)
        notes.append(
            f"split by {split.by}: {names} names in {len(groups)} groups, since no conversation is cut; the largest "
            f"has {len(largest.members)} of {len(after)} conversations: {largest}"
        )
    if nameless:
        have = f"{nameless} of {len(after)} conversations {'has' if nameless == 1 else 'have'}"
        notes.append(f"split by {split.by}: {have} none; each is a group of its own")
    return notes


def write_parts(path: Path, conversations: Sequence[Conversation]) -> None:
    """Keep which conversation went where: their ids by part."""
    parts = {name: [talk.id for talk in conversations if talk.split == name] for name in SPLITS}
    write_text(path, json.dumps(parts, indent=1, ensure_ascii=False) + "\n")


def kept_parts(path: Path, conversations: Sequence[Conversation]) -> tuple[list[Conversation], list[str]]:
    """The conversations in the parts that a run keeps. One that the run does not know stays where its corpus says, or
    is test. Raises MercError for a file that is damaged."""
    remedy = "bring it back, or take it away: the split is then drawn again, as the recipe says"
    parts: Mapping[str, Any] = read_json(path, remedy)
    if set(parts) != set(SPLITS) or not all(isinstance(ids, list) for ids in parts.values()):
        raise damaged(path, "lists of conversations for train, dev and test were expected", remedy)
    part: dict[str, Split] = {str(name): split for split in SPLITS for name in parts[split]}
    unknown = sum(talk.id not in part for talk in conversations)
    notes = []
    if unknown:
        notes.append(
            f"{unknown} of {len(conversations)} conversations are not in {path}: in the part that the corpus states, "
            "or else test"
        )
    return [replace(talk, split=part.get(talk.id, talk.split or "test")) for talk in conversations], notes
