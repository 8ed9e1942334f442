"""What of an answer is kept: no characters that nobody sees, and no text of a size that is no description."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc.components import Annotation, Observation
from merc.cues.admit import MOST_BYTES, admit, visible
from tests.cues.parts import Traced, fill, talk


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("She smiles.\nShe\twaves.", "She smiles.\nShe\twaves."),
        ("She\x1b[31m smi\x00les.\x07", "She[31m smiles."),
        ("one\r\ntwo\rthree\x85four", "one\ntwo\nthree four"),
        ("left\u202eright\u2066\ufeff\u200b", "leftright"),
        ("half \ud83d of a pair", "half  of a pair"),
        ("می\u200cخندد 👩\u200d🚀 naïve 微笑", "می\u200cخندد 👩\u200d🚀 naïve 微笑"),
    ],
)
def test_what_cannot_be_seen_is_taken_out(text: str, kept: str) -> None:
    assert visible(text) == kept


@given(st.text())
def test_what_is_kept_can_be_written_and_shown(text: str) -> None:
    kept = visible(text)
    kept.encode()
    assert not any(ord(one) < 32 and one not in "\n\t" for one in kept) and visible(kept) == kept


def test_texts_that_are_no_description() -> None:
    huge = "x" * (MOST_BYTES + 1)
    kept, remarks = admit(Annotation(cues={"face": "She smiles.", "body": huge}, raw=("{}", huge)))
    assert kept.cues == {} and "'body' has 65,537 bytes" in str(kept.reason) and not kept.retry
    assert kept.raw[0] == "{}" and "65,537 bytes" in kept.raw[1] and len(kept.raw[1]) < 100
    assert len(remarks) == 1 and "raw" in remarks[0]
    most = Annotation(cues={"face": "x" * MOST_BYTES}, raw=("x" * MOST_BYTES,))
    assert admit(most) == (most, [])


def test_cues_of_nothing_but_control_characters_are_none() -> None:
    kept, _ = admit(Annotation(cues={"face": "\x00\x1b", "body": "She waves."}))
    assert kept.cues == {"body": "She waves."}
    kept, _ = admit(Annotation(cues={"face": "\x00\x1b"}))
    assert not kept.cues and "no character that can be seen" in str(kept.reason)
    kept, _ = admit(Annotation(reason="the server said \x1b[2J\nno", retry=True))
    assert (kept.reason, kept.retry) == ("the server said [2J no", True)


def test_a_pass_counts_what_it_took_out(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Steering(Traced):
        def fields(self) -> tuple[str, ...]:
            return ("face",)

        def one(self, shown: Observation) -> Annotation:
            return Annotation(cues={"face": shown.query.target.text.replace("*", "\x1b[1m")}, raw=("\x1b",))

    table = fill(tmp_path, Steering(), [talk("One.", "*Two.", "*Three.")])
    assert [table.answers["it", f"c_u{n}"].cues["face"] for n in range(3)] == ["One.", "[1mTwo.", "[1mThree."]
    assert table.answers["it", "c_u1"].raw == ("\x1b",)
    (note,) = table.notes
    assert "'c_u1', 'c_u2'" in note and "control characters" in note and "c_u0" not in note
