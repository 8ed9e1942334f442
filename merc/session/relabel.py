"""Labels of a corpus merged, renamed or dropped, as a recipe's ``relabel`` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from merc.components import CorpusData
from merc.conversation import LabelSpace
from merc.errors import MercError, did_you_mean

Names = Mapping[str, str | None]
"""By a label of the corpus: what it is called instead; ``None`` takes it from its utterances."""


def relabelled(data: CorpusData, names: Names, unknown: bool = False) -> CorpusData:
    """The corpus with other labels, and a note with how many utterances each change is of.

    All changes are made at once, so that two labels may change places. An utterance whose label is dropped stays in its
    conversation, as context. A label that others become keeps its words, and one that is new stands where the first
    of those stood. Raises MercError for a name that is no label of the corpus, unless ``unknown`` ones may be there.

    >>> from merc.conversation import Conversation, Utterance
    >>> said = (Utterance(id="u0", text="Wow!", label="excited"), Utterance(id="u1", text="Hm.", label="other"))
    >>> data = CorpusData(conversations=[Conversation(id="c", utterances=said)])
    >>> relabelled(data, {"excited": "happy", "other": None}).notes
    ('relabel: excited becomes happy in 1 of 2 labelled utterances; other is dropped in 1 of 2 labelled utterances',)
    """
    if not names:
        return data
    counts = Counter(u.label for c in data.conversations for u in c.utterances if u.label is not None)
    spaces = [*([data.labels] if data.labels else []), *data.spaces.values()]
    known = dict.fromkeys([*(label for space in spaces for label in space.labels), *sorted(counts)])
    if not unknown:
        for name in names:
            if name not in known:
                raise MercError(
                    f"relabel.{name}: no utterance has the label {name!r}, and the corpus does not declare it."
                    f"{did_you_mean(name, known)} The labels are: {', '.join(known)}"
                )
    conversations = [
        replace(
            talk,
            utterances=tuple(
                replace(u, label=names[u.label]) if u.label is not None and u.label in names else u
                for u in talk.utterances
            ),
        )
        for talk in data.conversations
    ]
    changed = [(old, new) for old, new in names.items() if old != new and old in known]
    of = f"of {counts.total()} labelled utterances"
    parts = [f"{old} {'is dropped' if new is None else f'becomes {new}'} in {counts[old]} {of}" for old, new in changed]
    return replace(
        data,
        conversations=conversations,
        labels=data.labels and _space(data.labels, names),
        spaces={name: _space(space, names) for name, space in data.spaces.items()},
        notes=(*data.notes, *([f"relabel: {'; '.join(parts)}"] if parts else [])),
    )


def _space(space: LabelSpace, names: Names) -> LabelSpace:
    unchanged = [label for label in space.labels if names.get(label, label) == label]
    labels = dict.fromkeys(new for label in space.labels if (new := names.get(label, label)) is not None)
    return LabelSpace(tuple(labels), {label: words for label, words in space.words.items() if label in unchanged})
