"""What is asked for again: answers that a limit stopped, and refused ones where the user says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merc.components import Annotation, Observation
from tests.cues.parts import Among, Traced, fill, lines, read, talk


@dataclass(frozen=True, kw_only=True)
class Writer(Traced):
    """Writes at most ``most`` words; a longer text is refused. ``mood`` is no part of what answers are kept by."""

    most: int = 2
    mood: str = "good"

    def identity(self) -> dict[str, Any]:
        return {}

    def fields(self) -> tuple[str, ...]:
        return ("echo",)

    def one(self, shown: Observation) -> Annotation:
        words = shown.query.target.text.split()
        if self.mood == "down":
            return Annotation(reason="the server is down", retry=True)
        if self.mood == "bad":
            return Annotation(reason="I would rather not", raw=("No.",))
        if len(words) > self.most:
            return Annotation(reason="cut off", reached=("most",), raw=(" ".join(words[: self.most]),))
        return Annotation(cues={"echo": " ".join(words)})


TALKS = [talk("One.", "Two two.", "Three three three.")]


def test_a_limit_counts_for_the_answers_that_it_stopped(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    few = Writer(most=2, trace=str(trace))
    assert fill(tmp_path, few, TALKS).missing("it") == {"c_u2": "cut off"}
    assert fill(tmp_path, few, TALKS).asked == {"it": 0}
    more = replace(few, most=9)
    seen = read(tmp_path, more, TALKS)
    # a run may go on without it, and is told that it can be had
    assert seen.unasked == {} and seen.to_retry("it") == ["c_u2"]
    table = fill(tmp_path, more, TALKS)
    assert table.asked == {"it": 1} and table.missing("it") == {} and lines(trace)[-1] == "asked c_u2"
    # and what came within the larger limit stays for the smaller one
    assert fill(tmp_path, few, TALKS).asked == {"it": 0} and fill(tmp_path, few, TALKS).missing("it") == {}


def test_refused_answers_are_asked_for_once_more(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    fill(tmp_path, Writer(), [talk("One.")])
    fill(tmp_path, Writer(mood="bad", trace=str(trace)), TALKS)
    good = Writer(trace=str(trace), most=9)
    assert fill(tmp_path, good, TALKS).asked == {"it": 0}
    table = fill(tmp_path, good, TALKS, again_refused=True)
    assert table.asked == {"it": 2} and table.missing("it") == {} and table.notes == []
    assert fill(tmp_path, good, TALKS, again_refused=True).asked == {"it": 0}
    assert lines(trace) == [f"asked c_u{n}" for n in (1, 2, 1, 2)]


def test_a_refusal_that_comes_again_or_not_at_all_ends_the_pass_all_the_same(tmp_path: Path) -> None:
    bad = Writer(mood="bad")
    fill(tmp_path, bad, TALKS)
    table = fill(tmp_path, bad, TALKS, again_refused=True)
    assert table.asked == {"it": 3} and len(table.missing("it")) == 3 and table.to_retry("it") == []
    table = fill(tmp_path, replace(bad, mood="down"), TALKS, again_refused=True)
    assert table.asked == {"it": 3} and table.missing("it")["c_u0"] == "I would rather not"
    (note,) = table.notes
    assert "'c_u0', 'c_u1', 'c_u2'" in note and "no answer came" in note and "the server is down" in note
    assert read(tmp_path, bad, TALKS).to_retry("it") == []


def test_one_that_needs_all_is_shown_all_and_keeps_what_was_good(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Shy(Among):
        quiet: str = ""

        def identity(self) -> dict[str, Any]:
            return {}

        def load(self, device: str) -> Any:
            run = super().load(device)

            def some(observations: Any) -> Any:
                for name, answer in run(observations):
                    yield name, Annotation(reason="rather not") if name == self.quiet else answer

            return some

    first = fill(tmp_path, Shy(quiet="c_u1"), TALKS)
    assert first.missing("it") == {"c_u1": "rather not"}
    table = fill(tmp_path, Shy(quiet="c_u0"), TALKS, again_refused=True)
    assert table.asked == {"it": 1} and table.missing("it") == {}
