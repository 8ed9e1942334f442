"""The pass that fills the cue store: what is asked, what is kept, and what is never asked again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from merc.components import Annotation, Observation
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.media import Decoding
from tests.cues.parts import Among, Senses, Traced, Words, fill, lines, read, talk
from tests.media.clips import write_clip


def test_answers_are_kept_and_never_asked_for_again(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    teacher = Words(trace=str(trace))
    talks = [talk("One two.", "Three.", "mute")]
    first = fill(tmp_path, teacher, talks)
    assert first.asked == {"it": 3} and first.unasked == {}
    assert first.answers["it", "c_u0"] == Annotation(cues={"length": "2 words"}, raw=("{}", "8"))
    assert first.missing("it") == {"c_u2": "nothing is said"} and first.written("it") == {"length": 2}
    again = fill(tmp_path, teacher, talks)
    assert again.asked == {"it": 0} and again.answers == first.answers
    assert lines(trace) == ["asked c_u0", "asked c_u1", "asked c_u2"] and lines(trace, "load") == ["load cpu"]
    (file,) = (tmp_path / "cues").glob("*.jsonl")
    assert file.name.startswith("words-")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert records[0] == {
        "key": records[0]["key"], "utterance": "c_u0", "annotator": "words", "version": "1",
        "fields": {"length": "2 words"}, "raw": ["{}", "8"],
    }  # fmt: skip
    assert records[2]["reason"] == "nothing is said" and records[2]["raw"] == ["..."] and "retry" not in records[2]


def test_a_server_that_the_user_does_not_allow_is_sent_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Remote(Words):
        def servers(self) -> tuple[str, ...]:
            return ("https://teacher.example.org/v1",)

    monkeypatch.delenv("MERC_ALLOW", raising=False)
    trace, talks = tmp_path / "trace", [talk("One two.")]
    with pytest.raises(MercError, match=r"annotators\.it.*--allow teacher\.example\.org"):
        fill(tmp_path, Remote(trace=str(trace)), talks)
    assert not trace.exists()
    monkeypatch.setenv("MERC_ALLOW", "teacher.example.org")
    assert fill(tmp_path, Remote(trace=str(trace)), talks).asked == {"it": 1}
    # What is answered needs no server, and so no consent.
    monkeypatch.delenv("MERC_ALLOW")
    assert fill(tmp_path, Remote(trace=str(trace)), talks).asked == {"it": 0}


def test_faults_that_may_pass_are_asked_again_and_a_final_answer_stays(tmp_path: Path) -> None:
    teacher, talks = Words(), [talk("The line is down.", "Fine.")]
    table = fill(tmp_path, teacher, talks)
    assert table.missing("it") == {"c_u0": "the server is down"} and table.to_retry("it") == ["c_u0"]
    assert fill(tmp_path, teacher, talks).asked == {"it": 1}
    assert read(tmp_path, teacher, talks).unasked == {}


def test_an_annotator_may_end_early(tmp_path: Path) -> None:
    talks = [talk("One.", "Two two.", "Three three three.", name="a"), talk("Four.", name="b")]
    table = fill(tmp_path, Words(budget=2), talks)
    assert table.unasked == {"it": ["a_u2", "b_u0"]} and table.asked == {"it": 2}
    assert table.notes == ["annotators.it ended before it was through: 2 utterances were not asked about"]
    table = fill(tmp_path, Words(), talks)
    assert table.asked == {"it": 2} and table.notes == [] and table.unasked == {}


def test_an_annotator_that_ends_with_the_last_one_was_through(tmp_path: Path) -> None:
    assert fill(tmp_path, Words(budget=2), [talk("One.", "Two two.")]).notes == []


def test_the_same_is_asked_once(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    table = fill(tmp_path, Words(trace=str(trace)), [talk("Yes.", "No way.", "Yes."), talk("Yes.", name="d")])
    assert lines(trace) == ["asked c_u0", "asked c_u1"]
    assert table.answers["it", "d_u0"].cues == table.answers["it", "c_u2"].cues == {"length": "1 words"}


BASE = Words()


@pytest.mark.parametrize(
    ("teacher", "talks"),
    [
        (replace(BASE, unit="tokens"), None),
        (BASE, [talk("Other words.")]),
        (BASE, [Conversation(id="c", utterances=(Utterance(id="c_u0", text="One two.", speaker="Ben"),))]),
        (type("Words", (Words,), {"version": "2"})(), None),
        (type("Words", (Words,), {"context": lambda self, query: query.target.id})(), None),
    ],
)
def test_what_an_answer_depends_on_is_asked_anew(tmp_path: Path, teacher: Words, talks: Any) -> None:
    fill(tmp_path, BASE, [talk("One two.")])
    assert read(tmp_path, teacher, talks or [talk("One two.")]).unasked == {"it": ["c_u0"]}


@pytest.mark.parametrize(
    "talks",
    [
        [talk("One two.", name="other", split="test")],
        [talk("One two.", label="joy", valence=1.0, cues={"face": "a smile"}, extra={"sentiment": "positive"})],
    ],
)
def test_what_an_answer_does_not_depend_on(tmp_path: Path, talks: list[Conversation]) -> None:
    fill(tmp_path, replace(BASE, trace=str(tmp_path / "trace")), [talk("One two.")])
    assert read(tmp_path, BASE, talks).unasked == {}


def test_history_counts_for_those_who_read_it(tmp_path: Path) -> None:
    reader = type("Reader", (Words,), {"history": True})()
    before, after = [talk("Yes.", "No way.")], [talk("Well.", "No way.")]
    fill(tmp_path, reader, before)
    assert read(tmp_path, reader, after).unasked == {"it": ["c_u0", "c_u1"]}
    assert read(tmp_path, reader, [talk("Yes.", "No way.", "And more.")]).unasked == {"it": ["c_u2"]}
    fill(tmp_path, BASE, before)
    assert read(tmp_path, BASE, after).unasked == {"it": ["c_u0"]}


def test_annotators_see_nothing_of_what_is_to_be_recognised(tmp_path: Path) -> None:
    seen: list[Observation] = []

    @dataclass(frozen=True, kw_only=True)
    class Curious(Words):
        def one(self, shown: Observation) -> Annotation:
            seen.append(shown)
            return super().one(shown)

    secret = {"label": "joy", "valence": 0.5, "open_labels": ("glad",), "values": {"arousal": 1.0}}
    secret |= {"cues": {"face": "a smile"}, "extra": {"s": 1}}
    said = replace(talk("Yes.", "No way.", **secret), extra={"mood": "joy"})
    fill(tmp_path, Curious(), [said])
    for shown in seen:
        assert shown.query.labels == LabelSpace(()) and shown.query.conversation.extra == {}
        for one in shown.query.conversation.utterances:
            assert (one.label, one.valence, one.open_labels, one.values) == (None, None, (), {})
            assert (one.cues, one.extra) == ({}, {})
            assert one.speaker == "Ann" and one.id


def test_media_are_decoded_once_taken_and_missing_ones_say_why(tmp_path: Path) -> None:
    clip, silent = write_clip(tmp_path / "a.mp4", frames=20), write_clip(tmp_path / "b.mp4", frames=2, audio=None)
    said = (
        Utterance(id="both", text="Hi.", video=clip),
        Utterance(id="silent", text="Hi.", video=silent),
        Utterance(id="gone", text="Hi.", video=tmp_path / "gone.mp4"),
        Utterance(id="none", text="Hi.", missing={"video": "the camera was off", "audio": "so was the sound"}),
    )
    talks = [Conversation(id="c", utterances=said)]
    table = fill(tmp_path, Senses(), talks)
    both = table.answers["it", "both"].cues
    assert both["seen"].startswith("3 pictures") and both["heard"].endswith("s at 8000")
    assert set(table.answers["it", "silent"].cues) == {"seen"}
    gone = "gone.mp4 does not exist; gone.mp4 does not exist"
    assert table.missing("it") == {"gone": gone, "none": "the camera was off; so was the sound"}
    elsewhere = replace(talks[0], utterances=(replace(said[2], video=tmp_path / "elsewhere" / "gone.mp4"),))
    assert read(tmp_path, Senses(), [elsewhere]).unasked == {}
    assert table.notes == ["annotators.it: 'silent': fewer than 3 frames"]
    # The content of the file counts, not its name; with another content, or another span, it is asked anew.
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(clip.read_bytes())
    one = replace(said[0], video=moved)
    assert read(tmp_path, Senses(), [Conversation(id="c", utterances=(one,))]).unasked == {}
    assert read(tmp_path, Senses(rate=16_000), talks).unasked["it"][0] == "both"
    for other in (replace(one, video=silent, id="x"), replace(one, start=0.1), replace(one, region=(0, 0, 0.5, 1))):
        found = read(tmp_path, Senses(), [Conversation(id="c", utterances=(other,))])
        assert found.unasked == ({} if other.id == "x" else {"it": ["both"]})


def test_spans_of_one_file_and_random_frames(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=60)
    said = tuple(Utterance(id=f"u{i}", text="Hi.", video=clip, start=i / 5, end=(i + 1) / 5) for i in range(9))
    talks = [Conversation(id="c", utterances=said)]
    for number, teacher in enumerate((Senses(strategy="random"), Senses())):
        one, other = (fill(tmp_path / f"{number}{side}", teacher, talks) for side in "ab")
        assert one.answers == other.answers and len(one.written("it")) == 2
    alone = fill(tmp_path / "alone", Senses(), [Conversation(id="c", utterances=said[4:5])])
    assert alone.answers["it", "u4"] == one.answers["it", "u4"]


def test_decoding_keeps_a_few_ahead_of_what_is_taken(tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{i}.mp4", frames=4 + i) for i in range(12)]
    talks = [Conversation(id="c", utterances=tuple(Utterance(id=p.stem, text="Hi.", video=p) for p in clips))]

    @dataclass(frozen=True, kw_only=True)
    class Vandal(Senses):
        """Removes the last file before it takes a second observation: it was not decoded yet."""

        def one(self, shown: Observation) -> Annotation:
            clips[-1].unlink(missing_ok=True)
            return super().one(shown)

    table = fill(tmp_path, Vandal(), talks, decoding=Decoding(workers=1))
    assert list(table.missing("it")) == ["11"]


def test_who_needs_all_is_given_all_of_the_corpus(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    teacher = Among(trace=str(trace))
    train, test = talk("One.", "Two and more."), talk("Three so long a text.", "Four.", name="t", split="test")
    table = fill(tmp_path, teacher, [test], [train, test])
    assert lines(trace, "call") == ["call 4"]
    assert {u: a.cues["rank"] for (_, u), a in table.answers.items()} == {"t_u0": "4 of 4", "t_u1": "2 of 4"}
    assert read(tmp_path, teacher, [train], [train, test]).unasked == {}
    assert read(tmp_path, teacher, [test]).unasked == {"it": ["t_u0", "t_u1"]}
    fill(tmp_path, teacher, [train, test])
    assert lines(trace, "call") == ["call 4"]
    # One answer that is lacking asks them all again, and what was final stays.
    (file,) = (tmp_path / "cues").glob("*.jsonl")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    assert fill(tmp_path, teacher, [test], [train, test]).asked["it"] == 0
    assert fill(tmp_path, teacher, [train, test]).asked["it"] == 1
    assert len(file.read_text().splitlines()) == 4


@dataclass(frozen=True, kw_only=True)
class Wrong(Traced):
    """Breaks the contract in a way that ``how`` names."""

    how: str = ""

    def fields(self) -> tuple[str, ...]:
        return ("length",)

    def load(self, device: str) -> Callable[[Any], Any]:
        good = Annotation(cues={"length": "1"})

        def run(observations: Any) -> Any:
            for number, one in enumerate(observations):
                name = one.query.target.id
                if number == 1 and self.how == "silent":
                    continue
                if number == 1 and self.how == "raises":
                    raise ZeroDivisionError("division by zero")
                yield {
                    "bare": good, "stranger": ("x", good), "field": (name, Annotation(cues={"mood": "1"})),
                    "blank": (name, Annotation(cues={"length": " "})), "number": (name, Annotation(cues={"length": 1})),
                    "raw": (name, Annotation(reason="no", raw=(1,))),
                    "reached": (name, Annotation(reason="no", reached=("tokens",))),
                }.get(self.how, (name, good))  # fmt: skip
                if self.how == "twice":
                    yield name, good

        return run


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("bare", "annotators.it (wrong) gave Annotation(cues={'length': '1'}, raw=(), reason=None, retry=False, "
         "reached=()); (utterance id, merc.Annotation) is wanted"),
        ("stranger", "annotators.it (wrong) answered for 'x', which it had not taken or has answered before"),
        ("twice", "annotators.it (wrong) answered for 'c_u0', which it had not taken or has answered before"),
        ("silent", "annotators.it (wrong) took 'c_u1' and gave no answer"),
        ("field", "annotators.it (wrong), utterance 'c_u0': the cue 'mood' is none of its fields (length)"),
        ("blank", "annotators.it (wrong), utterance 'c_u0': the cue 'length' is ' '; a cue that says nothing is left "
         "out"),
        ("number", "annotators.it (wrong), utterance 'c_u0': the cue 'length' is 1; a cue that says nothing is left "
         "out"),
        ("raw", "annotators.it (wrong), utterance 'c_u0': raw is (1,); it wants texts"),
        ("reached", "annotators.it (wrong), utterance 'c_u0': reached has 'tokens', which is no parameter of it "
         "(trace, pause, budget, how)"),
    ],
)  # fmt: skip
def test_an_annotator_that_breaks_its_contract_is_named(tmp_path: Path, how: str, message: str) -> None:
    with pytest.raises(MercError) as caught:
        fill(tmp_path, Wrong(how=how), [talk("One.", "Two two.", "Three three three.")])
    assert str(caught.value) == message
    done = read(tmp_path, Wrong(how=how), [talk("One.", "Two two.", "Three three three.")])
    assert len(done.answers) == {"twice": 1, "silent": 2}.get(how, 0)


def test_an_annotator_that_fails_keeps_what_it_had_answered(tmp_path: Path) -> None:
    talks = [talk("One.", "Two two.")]
    with pytest.raises(ZeroDivisionError) as caught:
        fill(tmp_path, Wrong(how="raises"), talks)
    assert caught.value.__notes__ == ["while annotators.it (wrong) annotated 'c_u1'"]
    assert read(tmp_path, Wrong(how="raises"), talks).unasked == {"it": ["c_u1"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"identity": lambda self: {"model": object}},
            "annotators.it: what identity() of annotator 'words' gives must be plain values, since results are kept by "
            "them (Object of type type is not JSON serializable)",
        ),
        (
            {"context": lambda self, query: {1, 2}},
            "annotators.it (words), utterance 'c_u0': what context(query) gives must be plain values, since results "
            "are kept by them (Object of type set is not JSON serializable)",
        ),
    ],
)
def test_answers_that_could_not_be_found_again(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MercError) as caught:
        fill(tmp_path, type("Words", (Words,), changes)(), [talk("One.")])
    assert str(caught.value) == message


def test_several_draws_are_refused(tmp_path: Path) -> None:
    from merc.components import Frames

    changes = {"video": lambda self: Frames(count=2, strategy="random", draws=2)}
    with pytest.raises(
        MercError, match=r"^annotators.it: annotator 'senses' wants 2 draws of a clip; it is asked once$"
    ):
        fill(tmp_path, type("Senses", (Senses,), changes)(), [talk("One.")])


def test_cues_stand_beside_their_utterances(tmp_path: Path) -> None:
    talks = [talk("One two.", "mute", cues={"length": "long", "face": "a smile"})]
    beside = fill(tmp_path, Words(), talks).beside(talks)
    assert [dict(u.cues) for u in beside[0].utterances] == [
        {"length": "2 words", "face": "a smile"},
        {"length": "long", "face": "a smile"},
    ]
