"""Annotators that read what others wrote, that choose their frames by it, and that see the gold label."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from merc.components import Annotation, Annotator, Frames, Observation, VideoClip
from merc.conversation import Conversation
from merc.cues import CueStore, CueTable, PassOptions, annotate
from merc.errors import MercError
from merc.media.decode import Want
from merc.media.wire import pack_want, unpack_want
from merc.passes import Hashes
from merc.recipe import in_order, label_guided, leads_to, needed_for
from tests.cues.parts import Among, Traced, Words, lines, part, talk
from tests.media.clips import write_clip


@dataclass(frozen=True, kw_only=True)
class Echo(Traced):
    """Repeats the cues that it reads, and the gold label where it is guided by it."""

    source: str = "length"
    target: str = "echo"
    guided: bool = False

    def fields(self) -> tuple[str, ...]:
        return (self.target,)

    def reads(self) -> tuple[str, ...]:
        return (self.source,)

    def sees_label(self) -> bool:
        return self.guided

    def one(self, shown: Observation) -> Annotation:
        target = shown.query.target
        return Annotation(cues={self.target: f"{dict(target.cues)} {dict(shown.lacking)} {target.label}"})


@dataclass(frozen=True, kw_only=True)
class Moment(Traced):
    """The cue ``moment``: the second that the words name."""

    def fields(self) -> tuple[str, ...]:
        return ("moment",)

    def one(self, shown: Observation) -> Annotation:
        return Annotation(cues={"moment": shown.query.target.text})


@dataclass(frozen=True, kw_only=True)
class Still(Traced):
    """The cue ``still``: when the one frame is shown that stands at the moment that another annotator found."""

    def fields(self) -> tuple[str, ...]:
        return ("still",)

    def reads(self) -> tuple[str, ...]:
        return ("moment",)

    def video(self) -> Frames:
        return Frames(count=1, size=(24, 32))

    def video_for(self, query: Any) -> Frames:
        return replace(Frames.at(float(query.target.cues["moment"])), size=(24, 32))

    def one(self, shown: Observation) -> Annotation:
        assert isinstance(shown.video, VideoClip)
        return Annotation(cues={"still": " ".join(f"{time:.2f}" for time in shown.video.times)})


def ask(folder: Path, talks: list[Conversation], known: CueTable | None = None, **annotators: Annotator) -> CueTable:
    hashes, parts = Hashes(folder / "hashes.json"), {name: part(one) for name, one in annotators.items()}
    more = () if known is None else (known,)
    return annotate(CueStore(folder / "cues"), parts, talks, None, hashes, PassOptions(), *more)


def test_one_that_reads_comes_after_what_it_reads_whatever_the_order(tmp_path: Path) -> None:
    talks = [talk("One two.", "mute", label="joy")]
    table = ask(tmp_path, talks, late=Echo(source="echo", target="third"), mid=Echo(), first=Words())
    assert table.answers["mid", "c_u0"].cues == {"echo": "{'length': '2 words'} {} None"}
    assert table.answers["mid", "c_u1"].cues == {"echo": "{} {'length': 'nothing is said'} None"}
    assert "2 words" in table.answers["late", "c_u0"].cues["third"] and table.unasked == {}
    assert ask(tmp_path, talks, late=Echo(source="echo", target="third"), mid=Echo(), first=Words()).asked == {
        "first": 0, "mid": 0, "late": 0,
    }  # fmt: skip


def test_what_was_read_is_part_of_the_key(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    talks = [talk("One two.", "Three.")]
    ask(tmp_path, talks, words=Words(), echo=Echo(trace=str(trace)))
    ask(tmp_path, talks, words=Words(unit="terms"), echo=Echo(trace=str(trace)))
    assert lines(trace) == ["asked c_u0", "asked c_u1"] * 2
    ask(tmp_path, talks, words=Words(), echo=Echo(trace=str(trace)))
    assert len(lines(trace)) == 4  # the first answers are still known


def test_one_waits_for_what_has_no_final_answer(tmp_path: Path) -> None:
    talks = [talk("The line is down.", "Fine.")]
    table = ask(tmp_path, talks, words=Words(), echo=Echo())
    assert table.unasked == {"echo": ["c_u0"]} and table.asked == {"words": 2, "echo": 1}
    assert table.notes == [
        "annotators.echo: 'c_u0': not asked, since annotators.words, which it reads, has no final answer"
    ]


@dataclass(frozen=True, kw_only=True)
class RankOfCue(Among):
    """The rank among all, after the cue ``length`` was read."""

    def reads(self) -> tuple[str, ...]:
        return ("length",)


def test_one_that_needs_all_waits_for_all(tmp_path: Path) -> None:
    talks = [talk("The line is down.", "Fine.")]
    assert ask(tmp_path, talks, words=Words(), rank=RankOfCue()).unasked == {"rank": ["c_u0", "c_u1"]}
    fine = [talk("The line is up again.", "Fine.")]
    assert ask(tmp_path, fine, words=Words(), rank=RankOfCue()).answers["rank", "c_u1"].cues == {"rank": "1 of 2"}


def test_a_cue_of_the_corpus_is_read_where_no_annotator_writes_it(tmp_path: Path) -> None:
    talks = [talk("One.", "Two.", cues={"length": "long"})]
    assert "long" in ask(tmp_path, talks, echo=Echo()).answers["echo", "c_u0"].cues["echo"]
    assert "the corpus has none" in ask(tmp_path, [talk("One.")], echo=Echo()).answers["echo", "c_u0"].cues["echo"]


def test_the_label_is_seen_only_where_it_is_asked_for_and_is_named(tmp_path: Path) -> None:
    talks = [talk("One two.", label="joy")]
    blind = ask(tmp_path, talks, words=Words(), echo=Echo())
    assert blind.answers["echo", "c_u0"].cues["echo"].endswith("None") and blind.label_guided == []
    guided = ask(tmp_path, talks, words=Words(), echo=Echo(guided=True), third=Echo(source="echo", target="third"))
    assert guided.answers["echo", "c_u0"].cues["echo"].endswith("joy") and guided.label_guided == ["echo", "third"]
    rows = [json.loads(line) for file in (tmp_path / "cues").glob("*.jsonl") for line in file.read_text().splitlines()]
    assert sorted(row.get("label_guided", False) for row in rows) == [False, False, True, True]
    other = [talk("One two.", label="anger")]
    assert ask(tmp_path, other, words=Words(), echo=Echo(guided=True)).asked == {"words": 0, "echo": 1}


def test_frames_are_chosen_by_what_was_read(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=3.0)
    talks = [talk("0.5", "2.0", video=clip)]
    table = ask(tmp_path, talks, moment=Moment(), still=Still())
    times = [float(table.answers["still", f"c_u{n}"].cues["still"]) for n in (0, 1)]
    assert abs(times[0] - 0.5) < 0.05 and abs(times[1] - 2.0) < 0.05
    later = [talk("0.5", "1.0", video=clip)]
    assert ask(tmp_path, later, moment=Moment(), still=Still()).asked == {"moment": 1, "still": 1}


def test_chosen_frames_reach_the_decoder() -> None:
    want = Want(Frames.at(0.25, 1.5), 0.0, 2.0)
    assert unpack_want(json.loads(json.dumps(pack_want(want)))) == want
    with pytest.raises(ValueError, match="one of times for each"):
        Frames(count=2, strategy="times", times=(1.0,))


def test_a_circle_is_an_error_that_names_it() -> None:
    parts = {"a": part(Echo(source="two", target="one")), "b": part(Echo(source="one", target="two"))}
    with pytest.raises(MercError, match=r"annotators\.a, which reads annotators\.b, which reads annotators\.a"):
        in_order(parts)


def test_the_graph_knows_what_comes_of_what() -> None:
    parts = {
        "third": part(Echo(source="echo", target="third")), "echo": part(Echo(guided=True)), "words": part(Words()),
        "moment": part(Moment()),
    }  # fmt: skip
    assert list(in_order(parts)) == ["words", "echo", "third", "moment"]
    assert list(needed_for(parts, ["third"])) == ["words", "echo", "third"]
    assert leads_to(parts, "words") == {"length", "echo", "third"} and leads_to(parts, "moment") == {"moment"}
    assert label_guided(parts) == {"echo", "third"}
