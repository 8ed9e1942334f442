"""Which installed corpora read a file or folder, by its form, and the corpus that reads it."""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc.components.corpus import Corpus, Recognised
from merc.errors import MercError, did_you_mean
from merc.recipe.references import escape
from merc.recipe.single import load_part
from merc.recipe.yaml_text import write_yaml
from merc.registry import Registry, get_registry

WHERE = ("root", "path")
"""The parameters of corpora that say where they lie."""


@dataclass(frozen=True)
class Match:
    """A corpus, and what it takes a file or folder for."""

    corpus: str
    recognised: Recognised

    def section(self, relabel: Mapping[str, str] | None = None) -> str:
        """The recipe's section that reads it, as YAML, and that which makes one label of several spellings."""
        corpus = {"name": self.corpus, **_escaped(self.recognised.parameters)}
        return write_yaml({"corpus": corpus, **({"relabel": _escaped(relabel)} if relabel else {})})

    def component(self) -> Corpus:
        """The corpus that the section would be. Raises ManyErrors where what was guessed is not enough."""
        component = load_part("corpus", self.corpus, {}, self._changes()).component
        assert isinstance(component, Corpus)
        return component

    def as_argument(self) -> str:
        """The corpus as a command takes it from a shell, to be corrected: ``corpus='table columns.text=Line'``."""
        words = [f"{key}={text}" for key, text in _leaves(self.recognised.parameters) if key not in WHERE]
        text = shlex.join([self.corpus, *words])
        quoted = f'"{text}"' if "'" in text and not re.search(r'["$`\\!]', text) else shlex.quote(text)
        return f"corpus={quoted}"

    def _changes(self) -> list[str]:
        parameters = self.recognised.parameters.items()
        return [f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in parameters]


def _leaves(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """What is not a mapping itself, with its path of keys, and as YAML reads it."""
    for key, one in value.items():
        if isinstance(one, Mapping) and all(re.fullmatch(r"\w+", name) for name in one):
            yield from _leaves(one, f"{before}{key}.")
        else:
            words = write_yaml(one).splitlines() if isinstance(one, str) else []
            is_plain = words[:1] == [one]
            yield f"{before}{key}", one if is_plain else json.dumps(one, ensure_ascii=False, default=str)


def matches(path: Path) -> tuple[list[Match], list[str]]:
    """The corpora that recognise a file or folder, those with a form of their own first, and a sentence for each that
    could not be asked. Raises MercError where nothing is there."""
    if not path.exists():
        near = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise MercError(f"{path} is not there.{did_you_mean(path.name, near)}")
    corpora, unloaded = _corpora(get_registry())
    recognised, faults = [], list(unloaded)
    for name, corpus in corpora.items():
        try:
            recognised_as = corpus.recognise(path)
        except Exception as error:  # somebody's plugin: one that fails keeps none of the others from answering
            faults.append(_fault(name, error))
            continue
        if recognised_as is not None:
            recognised.append(Match(name, recognised_as))
    return sorted(recognised, key=lambda one: one.recognised.general), faults


def corpus_at(name: str, path: Path, overrides: Sequence[str] = ()) -> Corpus:
    """A corpus by its name, which reads a file or folder. Raises MercError for one that is read from nowhere, and
    ManyErrors with what is wrong with its parameters."""
    fields = getattr(get_registry().resolve("corpus", name), "__dataclass_fields__", {})
    where = next((key for key in WHERE if key in fields), None)
    if where is None:
        raise MercError(
            f"corpus {name!r} is read from nowhere (it has no 'root' and no 'path'), so {path} means nothing"
        )
    component = load_part("corpus", name, {where: str(path)}, overrides).component
    assert isinstance(component, Corpus)
    return component


@functools.cache
def _corpora(registry: Registry) -> tuple[dict[str, type[Corpus]], list[str]]:
    """The corpora that are wholly installed, by name, and a sentence for each that cannot be loaded."""
    corpora, faults = {}, []
    for name in registry.names("corpus"):
        try:
            corpus = registry.resolve("corpus", name)
            assert issubclass(corpus, Corpus)
            corpora[name] = corpus
        except Exception as error:
            faults.append(_fault(name, error))
    return corpora, faults


def _fault(name: str, error: Exception) -> str:
    return f"corpus {name} could not be asked: {type(error).__name__}: {error}".split("\n")[0]


def _escaped(value: Any) -> Any:
    """Plain values with texts that mean themselves, also where they look like references."""
    if isinstance(value, Mapping):
        return {str(key): _escaped(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(one) for one in value]
    return escape(str(value)) if isinstance(value, str | Path) else value
