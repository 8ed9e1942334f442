"""Where a run goes by default: a folder for each recipe and each change to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from merc.files import short_name
from merc.recipe.content import is_part_of
from merc.recipe.document import read_value
from merc.session.directory import NOT_THE_WORK

_LONGEST = 120
_ELSEWHERE = (*NOT_THE_WORK, "data_root")


def default_folder(recipe: str, overrides: Sequence[str], seeds: bool = False) -> Path:
    """``runs/<recipe>``, and the values that were changed on the command line, each after a ``+``; ``+seeds`` where it
    holds several seeds.

    What makes no other run (a device, the store of features) and where the data lie are left out, the order of the
    changes does not count, and of several for one key the last one does. A long name is cut and ends with a hash.
    ``features.seed`` makes another run, since it says which frames are drawn.

    >>> default_folder("talks/words", ["data_root=/data", "evaluate.demonstrations.k=3"]).as_posix()
    'runs/talks/words+evaluate.demonstrations.k=3'
    >>> default_folder("mine", ["strategy.device=cuda"]).as_posix()
    'runs/mine'
    """
    values = dict(change for text in overrides for change in _changes(text))
    changed = [
        f"{key}={short_name(value, len(value))}"
        for key, value in sorted(values.items())
        if not is_part_of(key, _ELSEWHERE)
    ]
    changed += ["seeds"] if seeds else []
    return Path("runs", recipe).with_name(short_name("+".join([Path(recipe).name, *changed]), _LONGEST))


def _changes(override: str) -> Iterator[tuple[str, str]]:
    """The keys and values of ``key=value``: several where it gives a whole section of which some keys are left out."""
    key, _, value = override.partition("=")
    section = read_value(value) if any(one.startswith(f"{key}.") for one in _ELSEWHERE) else None
    if isinstance(section, dict):
        yield from ((f"{key}.{name}", str(one)) for name, one in section.items())
    else:
        yield key, value
