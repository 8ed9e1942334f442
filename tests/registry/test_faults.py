"""Whose code raised: read from a traceback, by the innermost frame that a component's code is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import merc
from merc.builtin.jsonl import JsonlCorpus
from merc.cli.main import _fault_of_plugin
from merc.components.base import place_of, put_in_recipe
from merc.errors import MercError
from merc.registry.faults import VARIABLE, FunctionOf, fault_of, naming_component, note_fault, worker_for


@dataclass(frozen=True, kw_only=True)
class Clumsy(merc.Corpus):
    """Raises what it is given."""

    what: Any = None

    def load(self) -> merc.CorpusData:
        return self.stumble()

    def stumble(self) -> Any:
        raise self.what


class Worker:
    def work(self) -> None:
        [].pop()


class Odd(Worker):
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError


def raised(call: Any) -> BaseException:
    with pytest.raises(BaseException) as caught:
        call()
    return caught.value


def sentence_of(error: BaseException) -> str:
    fault = fault_of(error)
    assert fault is not None and not fault.of_merc
    return fault.sentence


def test_a_component_is_named_with_its_place_its_line_and_the_error() -> None:
    clumsy = Clumsy(what=KeyError("two\nlines"))
    put_in_recipe(clumsy, "corpus")
    sentence = sentence_of(raised(clumsy.load))
    assert place_of(clumsy) == "corpus" and clumsy == Clumsy(what=clumsy.what)
    assert sentence.startswith("corpus: corpus 'Clumsy' of the module tests.registry.test_faults: KeyError: ")
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "raise self.what" in text)
    assert f"{__file__}:{line}, in stumble)" in sentence and "\n" not in sentence


def test_the_innermost_component_is_the_one() -> None:
    inner = Clumsy(what=ValueError("inner"))
    put_in_recipe(inner, "evaluate.metrics.0")

    class Outer(Clumsy):
        def load(self) -> Any:
            inner.load()

    assert sentence_of(raised(Outer().load)).startswith("evaluate.metrics.0: ")


def test_what_works_for_a_component_counts_as_its_own() -> None:
    clumsy = Clumsy()
    put_in_recipe(clumsy, "encoders.face")
    assert sentence_of(raised(worker_for(clumsy, Worker()).work)).startswith("encoders.face: ")
    assert sentence_of(raised(lambda: FunctionOf(clumsy, lambda clips: clips[1])([]))).startswith("encoders.face: ")

    def later(clips: list[int]) -> Iterator[int]:
        yield 1
        yield clips[1]

    steps = FunctionOf(clumsy, later)([])
    assert next(steps) == 1
    assert sentence_of(raised(lambda: next(steps))).startswith("encoders.face: ")


def test_where_no_component_was_at_work_nothing_is_said() -> None:
    assert fault_of(raised(Worker().work)) is None
    assert fault_of(raised(Odd().work)) is None
    assert fault_of(raised(Clumsy(what=MercError("a sentence")).load)) is None


def test_a_fault_of_a_component_of_merc_is_mercs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.builtin.jsonl.JsonlCorpus.load", lambda self: [].pop())
    fault = fault_of(raised(JsonlCorpus(path=str(tmp_path)).load))
    assert fault is not None and "corpus 'jsonl' of merc " in fault.sentence


def test_a_program_finds_the_sentence_among_the_notes_once() -> None:
    with pytest.raises(OSError, match="own") as caught, naming_component():
        Clumsy(what=OSError("own")).load()
    note_fault(caught.value)
    (note,) = caught.value.__notes__
    assert note.startswith("corpus 'Clumsy' of the module ")
    with pytest.raises(MercError) as plain, naming_component():
        Clumsy(what=MercError("a sentence")).load()
    assert not hasattr(plain.value, "__notes__")


def test_the_command_line_shows_the_traceback_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    error = raised(Clumsy(what=ValueError("own")).load)
    error.add_note("while it read talk.jsonl")
    first, second, last = _fault_of_plugin(error).splitlines()  # type: ignore[arg-type]
    assert "ValueError: own" in first and second == "while it read talk.jsonl" and f"{VARIABLE}=1" in last
    monkeypatch.setenv(VARIABLE, "1")
    assert _fault_of_plugin(error) == ""  # type: ignore[arg-type]
