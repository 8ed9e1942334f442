"""A native multimodal model by its path: which family it is of, its configuration, and its two halves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import merc
from merc_omni.family import NOT_HERE, Family, families, family_class
from merc_omni.shapes import PUBLIC

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Model:
    """A model in a folder or on the hub. ``where`` is what messages call the parameter that names it."""

    path: str
    where: str
    revision: str | None = None

    @property
    def pretrained(self) -> merc.Pretrained:
        """Its files."""
        return merc.Pretrained(self.path, self.where, self.revision)

    def family(self) -> Family:
        """Its family. Raises MercError for a model of none."""
        values = self.pretrained.config(PUBLIC)
        kind = values.get("model_type")
        family = family_class(kind) if isinstance(kind, str) else None
        if family is None:
            raise merc.MercError(f"{self.where}: {self.path!r} {_why_not(values)}")
        return family(_config(json.dumps(values, sort_keys=True)))

    def network(self, keep: Sequence[str], dtype: str) -> Any:
        """The class that computes the whole model, with the modules ``keep`` names and without the other half. Weights
        of the other half are not read. Raises MercError for weights that lack something or have another shape."""
        import torch

        family = self.family()
        kind = half(family.kind, tuple(sorted(_other(family, keep))))
        network = self.pretrained.network(kind, dtype=getattr(torch, dtype), config=family.config)
        return _fitted(family, keep, network)

    def shape(self, keep: Sequence[str], dtype: str) -> Any:
        """The same on torch's meta device, without weights."""
        import torch

        family = self.family()
        with torch.device("meta"):
            kind = half(family.kind, tuple(sorted(_other(family, keep))))
            return _fitted(family, keep, kind._from_config(family.config, dtype=getattr(torch, dtype)))

    def check(self) -> None:
        """See that the weights of all of it are there, by names and shapes; none are read into memory."""
        family = self.family()
        self.pretrained.check_weights(family.kind, config=family.config)


def _fitted(family: Family, keep: Sequence[str], network: Any) -> Any:
    return family.with_wide_input(network) if set(family.language) <= set(keep) else network


def _other(family: Family, keep: Sequence[str]) -> set[str]:
    every = {*family.language, *(name for names in family.towers.values() for name in names)}
    return every - set(keep)


def _why_not(values: Mapping[str, Any]) -> str:
    kind = values.get("model_type")
    known = ", ".join(sorted(name for family in families() for name in family.classes))
    if kind in NOT_HERE:
        return f"is a {kind}: {NOT_HERE[kind]}; omni takes {known}"
    if values.get("auto_map"):
        return (
            f"is a {kind}, whose code comes with its weights (auto_map in config.json), and merc runs no such code; "
            f"omni takes {known}"
        )
    return f"is a {kind}, which omni does not know; it takes {known}; for a language model write {{name: hf}}"


@lru_cache(maxsize=64)
def _config(values: str) -> PretrainedConfig:
    from transformers import AutoConfig

    return AutoConfig.for_model(**json.loads(values))


@cache
def half(kind: Any, without: tuple[str, ...]) -> Any:
    """A class of transformers that has nothing in the place of some of its modules. Their weights are not read."""
    from torch import nn

    class Nothing(nn.Module):
        """Stands where a module was left out."""

        @property
        def device(self) -> Any:
            """Where models look for a tower's device though they give it nothing."""
            import torch

            return torch.device("cpu")

    def build(self: Any, config: Any, *args: Any, **more: Any) -> None:
        kind.__init__(self, config, *args, **more)
        for name in without:
            parent, _, last = name.rpartition(".")
            setattr(self.get_submodule(parent), last, Nothing())
        # Tied weights are those of modules that are still there.
        tied = getattr(self, "all_tied_weights_keys", {})
        gone = tuple(f"{name}." for name in without)
        self.all_tied_weights_keys = {a: b for a, b in tied.items() if not f"{a} {b}".startswith(gone)}

    return type(kind.__name__, (kind,), {"__init__": build, "__module__": kind.__module__, "__doc__": kind.__doc__})
