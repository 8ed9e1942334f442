"""What one loss sees of a pass: what it asked for, and nothing that another loss did."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from merc.components.model import Outputs
from merc.errors import MercError


class AskedOutputs(Outputs):
    """Outputs for one loss. What it reads and did not ask for is a MercError that says how to ask."""

    loss: str


def asked_of(outputs: Outputs, loss: str, needs: Collection[str]) -> AskedOutputs:
    """The part of what a pass gave that a loss asked for, by ``Loss.needs`` and, as ``heads.<name>``, ``Loss.heads``.

    >>> asked_of(Outputs(states=1, media={}), "mine", {"media"}).states
    Traceback (most recent call last):
    merc.errors.MercError: loss 'mine' reads outputs.states and does not ask for it; add "states" to its 'needs', ...
    """
    read: dict[str, Any] = {name: value for name, value in outputs._asdict().items() if name in needs}
    if "media" in needs:
        read["media_ids"] = outputs.media_ids
    if outputs.heads is not None and (heads := {n: v for n, v in outputs.heads.items() if f"heads.{n}" in needs}):
        read["heads"] = heads
    own = AskedOutputs(**read)
    own.loss = loss
    return own


def _field(place: int, name: str) -> property:
    def read(self: AskedOutputs) -> Any:
        if (value := self[place]) is not None:
            return value
        what = "media" if name == "media_ids" else name
        how = f"""add "{what}" to its 'needs', as in needs = frozenset({{"{what}"}})"""
        if name == "heads":
            how = "give the names of the heads that it reads in its heads()"
        raise MercError(f"loss {self.loss!r} reads outputs.{name} and does not ask for it; {how}")

    return property(read)


for _place, _name in enumerate(Outputs._fields):
    setattr(AskedOutputs, _name, _field(_place, _name))
