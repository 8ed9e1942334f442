"""Subtitles and tiers as people have them: who says what, when, and what is said of a file that is none."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
from merc_corpora import Tiers, read_subtitles
from merc_corpora.subtitles.corpus import SubtitlesCorpus

from merc import MercError

SRT = "1\n00:00:01,000 --> 00:00:02,500\nAna: You came!\n\n2\n00:00:02.600 --> 00:00:04.000\n[Ben] Of course.\n"
VTT = "WEBVTT\n\nNOTE two lines\nof a note\n\nintro\n00:01.000 --> 00:02.500 align:start\n<v Ana>You <b>came</b>!\n"
ASS = """[Script Info]
Title: talk

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:02.60,0:00:04.00,Default,Ben,0,0,0,,Of course,\\Nand more.
Dialogue: 0,0:00:01.00,0:00:02.50,Default,Ana,0,0,0,,{\\an8}You came!
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\p1}m 0 0 l 9 9
"""
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT>
 <TIME_ORDER>
  <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2500"/>
  <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="2000"/><TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="4000"/>
 </TIME_ORDER>
 <TIER TIER_ID="words-A" PARTICIPANT="Ana"><ANNOTATION>
  <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
   <ANNOTATION_VALUE>You came: really &amp; truly!</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
 <TIER TIER_ID="Ben"><ANNOTATION>
  <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
   <ANNOTATION_VALUE>Of course.</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
 <TIER TIER_ID="emotion@Ana" PARTICIPANT="Ana"><ANNOTATION>
  <REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1"><ANNOTATION_VALUE>joy</ANNOTATION_VALUE></REF_ANNOTATION>
 </ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""
LONG_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 4
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "Ana"
        xmin = 0
        xmax = 4
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1
            text = ""
        intervals [2]:
            xmin = 1
            xmax = 2.5
            text = "She said ""9 to 5"" !"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 4
        points: size = 1
        points [1]:
            number = 1.5
            mark = "x"
"""
SHORT_GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n4\n<exists>\n1\n"IntervalTier"\n"Ana"\n0\n4\n1\n1\n2.5\n'
    '"She said ""9 to 5"" !"\n'
)


def spoken(path: Path, **given: object) -> list[tuple[object, ...]]:
    return [(u.speaker, u.text, u.start, u.end) for u in read_subtitles(path, **given).utterances]  # type: ignore[arg-type]


def fault(path: Path, **given: object) -> str:
    with pytest.raises(MercError) as caught:
        read_subtitles(path, **given)  # type: ignore[arg-type]
    told = str(caught.value)
    assert path.name in told and len(told.splitlines()) <= 5
    return told


def sound(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        file.writeframes(b"\0\0" * int(8000 * seconds))
    return path


@pytest.mark.parametrize(("name", "content", "utterances"), [
    ("talk.srt", SRT, [("Ana", "You came!", 1.0, 2.5), ("Ben", "Of course.", 2.6, 4.0)]),
    ("talk.srt", SRT.replace("\n", "\r\n"), [("Ana", "You came!", 1.0, 2.5), ("Ben", "Of course.", 2.6, 4.0)]),
    ("talk.vtt", VTT, [("Ana", "You came!", 1.0, 2.5)]),
    ("talk.vtt", VTT + "<v Ben>No &lt;3", [("Ana", "You came!", 1.0, 2.5), ("Ben", "No <3", 1.0, 2.5)]),
    ("talk.ass", ASS, [("Ana", "You came!", 1.0, 2.5), ("Ben", "Of course, and more.", 2.6, 4.0)]),
    ("talk.eaf", EAF.replace("emotion@Ana", "joys"), [
        ("Ana", "You came: really & truly!", 1.0, 2.5), ("Ana", "joy", 1.0, 2.5), ("Ben", "Of course.", 2.0, 4.0)]),
    ("talk.TextGrid", LONG_GRID, [("Ana", 'She said "9 to 5" !', 1.0, 2.5)]),
    ("talk.TextGrid", SHORT_GRID, [("Ana", 'She said "9 to 5" !', 1.0, 2.5)]),
])  # fmt: skip
def test_every_form_gives_who_says_what_and_when(
    tmp_path: Path, name: str, content: str, utterances: list[tuple[object, ...]]
) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert spoken(tmp_path / name) == utterances


def test_praat_writes_utf_16_with_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a.TextGrid").write_bytes(SHORT_GRID.replace("She", "Él").encode("utf-16"))
    assert spoken(tmp_path / "a.TextGrid")[0][1] == 'Él said "9 to 5" !'


def test_ids_and_places_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "talk.srt").write_text(SRT)
    first, second = read_subtitles(tmp_path / "talk.srt", name="d7").utterances
    assert (first.id, second.id, second.origin) == ("d7_u0", "d7_u1", f"{tmp_path / 'talk.srt'}, line 6")


def test_words_after_a_blank_line_numbers_in_words_and_overlaps_are_kept(tmp_path: Path) -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:03,000\nRoom\n101\n\nis open.\n2\n00:00:02,000 --> 00:00:04,000\nGood.\n"
        "3\n00:00:05,000 --> 00:00:06,000\n1999\n"
    )
    (tmp_path / "a.srt").write_text(text)
    assert spoken(tmp_path / "a.srt") == [
        (None, "Room 101 is open.", 1.0, 3.0), (None, "Good.", 2.0, 4.0), (None, "1999", 5.0, 6.0),
    ]  # fmt: skip
    (note,) = read_subtitles(tmp_path / "a.srt").notes
    assert note == "a.srt: 1 of 3 subtitles begin before the one before them ends; each keeps its own times (line 8)"


def test_two_voices_in_one_subtitle_are_two_utterances_and_counted(tmp_path: Path) -> None:
    cues = ["- Hi.\n- Hello,\nyou.", "ANA: Go.\nBEN: No.", "well-known - yes"]
    body = "".join(f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\n{cue}\n\n" for i, cue in enumerate(cues, start=1))
    (tmp_path / "a.srt").write_text(body)
    read = read_subtitles(tmp_path / "a.srt")
    assert [(u.speaker, u.text, u.start) for u in read.utterances] == [
        (None, "Hi.", 1.0), (None, "Hello, you.", 1.0), ("ANA", "Go.", 2.0), ("BEN", "No.", 2.0),
        (None, "well-known - yes", 3.0),
    ]  # fmt: skip
    assert any("2 of 3 subtitles hold what several people say" in note for note in read.notes)
    assert any("names before the words: ANA (1), BEN (1)" in note for note in read.notes)


@pytest.mark.parametrize(
    "line", ["at 12:30 we go", "http://a.b", "[Music playing]", "(sighs) no", "he said: go", "Why?: no"]
)
def test_what_is_no_name_stays_among_the_words(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.srt").write_text(f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n")
    assert spoken(tmp_path / "a.srt") == [(None, line, 1.0, 2.0)]


def test_speakers_that_are_listed_count_alone(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT.replace("[Ben] Of", "Listen: of"))
    assert [u[:2] for u in spoken(tmp_path / "a.srt", speakers=["ana"])] == [
        ("ana", "You came!"),
        (None, "Listen: of course."),
    ]
    assert [u[0] for u in spoken(tmp_path / "a.srt")] == ["Ana", "Listen"]
    assert [u[0] for u in spoken(tmp_path / "a.srt", speakers=[])] == [None, None]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.ass").write_text(ASS)
    notes = read_subtitles(tmp_path / "a.ass").notes
    assert "a.ass: comments, left out: 1" in notes and "a.ass: drawings, left out: 1" in notes
    (tmp_path / "a.srt").write_text("a title\n\n" + SRT + "\n3\n00:00:05,000 --> 00:00:06,000\n\n")
    notes = read_subtitles(tmp_path / "a.srt").notes
    assert "a.srt: lines that belong to no subtitle, left out: 1 (line 1)" in notes
    assert "a.srt: 1 of 3 subtitles are empty and left out (line 12)" in notes


def test_an_utterance_that_ends_before_it_begins_has_words_and_no_film(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT.replace("00:00:02,500", "00:00:00,500"))
    read = read_subtitles(tmp_path / "a.srt", sound(tmp_path / "a.wav", 5))
    assert (read.utterances[0].start, read.utterances[0].text) == (None, "You came!")
    assert read.utterances[0].missing["audio"].endswith("line 2: it ends at 0.5 s and begins at 1 s")
    assert read.utterances[1].missing == {} and any("1 of 2 utterances end before" in note for note in read.notes)


def test_a_film_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT)
    assert {u.audio for u in read_subtitles(tmp_path / "a.srt", sound(tmp_path / "a.wav", 5)).utterances} == {
        tmp_path / "a.wav"
    }
    (note,) = (
        one for one in read_subtitles(tmp_path / "a.srt", sound(tmp_path / "b.wav", 2)).notes if "another film" in one
    )
    assert "a.srt: 1 of 2 utterances begin after b.wav ends (2.0 s; the last begins at 2.6 s)" in note
    told = fault(tmp_path / "a.srt", media=sound(tmp_path / "c.wav", 0.5))
    assert "2 of 2 utterances begin after c.wav ends" in told and "another film" in told


def test_one_file_may_have_a_film_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT)
    film = sound(tmp_path / "film.wav", 5)
    (talk,) = SubtitlesCorpus(path=tmp_path / "a.srt", media=film).load().conversations
    assert [one.audio for one in talk.utterances] == [film, film]
    (tmp_path / "b.srt").write_text(SRT)
    with pytest.raises(MercError, match=r"'media' is the film .*film.wav, and there are 2 files"):
        SubtitlesCorpus(path=tmp_path, media=film).load()


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.sub", b"{0}{25}Hi.\n{26}{50}Yes.\n", "frames (MicroDVD)"),
    ("a.srt", b"{0}{25}Hi.\n", "ffmpeg"),
    ("a.srt", SRT.replace("02.600", "0x.600").encode(), "line 6: '00:00:0x.600 --> 00:00:04.000' is no pair of times"),
    ("a.srt", b"1\n00:00:01:02 --> 00:00:02:20\nHi.\n", "counts frames after the seconds"),
    ("a.srt", b"some words\n", "holds no subtitle"),
    ("a.srt", b" \n", "is empty"),
    ("a.srt", SRT.replace("came", "cam\u00e9 \u00e0 la").encode("cp1252"), "encoding: cp1252"),
    ("a.srt", SRT.replace("You came!", "你好，我很高兴。").encode("gbk"), "encoding: gbk"),
    ("a.srt", SRT.encode("utf-16"), "encoding: utf-16"),
    ("a.ass", ASS.replace("0:00:02.60", "soon").encode(), "line 7: no event with times"),
    ("a.ass", ASS.replace("Format:", "Form:").encode(), "named by a line 'Format:'"),
    ("a.eaf", EAF.encode()[:400], "no XML"),
    ("a.eaf", b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "declares a document type"),
    ("a.eaf", b"<a/>", "holds no tier"),
    ("a.eaf", EAF.replace("UTF-8", "UTF-99").encode(), "no XML that can be read (unknown encoding: UTF-99)"),
    ("a.eaf", EAF.replace('ANNOTATION_REF="a1"', 'ANNOTATION_REF="a3"').encode(), "'a3' refers to 'a3'"),
    ("a.eaf", EAF.replace('TIME_VALUE="2500"', 'TIME_VALUE="soon"').encode(), "'soon' is no number of milliseconds"),
    ("a.TextGrid", b"hello", "it ends where a text in quotes should"),
    ("a.TextGrid", SHORT_GRID[:-30].encode(), "no whole TextGrid"),
    ("a.TextGrid", SHORT_GRID.replace("TextGrid", "Pitch").encode(), "is no TextGrid of Praat"),
    ("a.txt", b"Hi", "is none of .srt .vtt"),
])  # fmt: skip
def test_a_file_that_is_none_is_told_in_a_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in fault(tmp_path / name)


def test_an_encoding_that_the_caller_names_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_bytes(SRT.replace("You came!", "你好。").encode("gbk"))
    assert spoken(tmp_path / "a.srt", encoding="gbk")[0][1] == "你好。"
    with pytest.raises(MercError, match="there is none called 'gbkk'; usual ones are utf-8"):
        read_subtitles(tmp_path / "a.srt", encoding="gbkk")


def test_labels_stand_in_tiers_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.eaf").write_text(EAF)
    read = read_subtitles(tmp_path / "a.eaf", tiers=Tiers(label=("emotion@Ana",)))
    assert [(u.speaker, u.label) for u in read.utterances] == [("Ana", "joy"), ("Ben", None)]
    assert "a.eaf: words of the tiers words-A, Ben" in read.notes
    told = fault(tmp_path / "a.eaf", tiers=Tiers(label=("Emotion@Ana",)))
    assert "has no tier 'Emotion@Ana'. Did you mean 'emotion@Ana'? Its tiers are: words-A, Ben, emotion@Ana" in told


def test_tiers_are_named_and_those_of_labels_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.eaf").write_text(EAF)
    found = SubtitlesCorpus.recognise(tmp_path / "a.eaf")
    assert found is not None and found.parameters == {"path": str(tmp_path / "a.eaf"), "label_tiers": ["emotion@Ana"]}
    assert found.details == ["tiers of a.eaf: words-A (1), Ben (1), emotion@Ana (1); labels seem to be in: emotion@Ana"]
    assert SubtitlesCorpus(**found.parameters).load().conversations[0].utterances[0].label == "joy"


def test_a_label_that_belongs_to_nobody_is_counted(tmp_path: Path) -> None:
    grid = (
        SHORT_GRID.replace("<exists>\n1\n", "<exists>\n2\n")
        + '"IntervalTier"\n"mood"\n0\n4\n2\n0\n1\n"joy"\n3\n4\n"fear"\n'
    )
    (tmp_path / "a.TextGrid").write_text(grid)
    read = read_subtitles(tmp_path / "a.TextGrid", tiers=Tiers(label=("mood",)))
    assert any("2 of 2 labels belong to no utterance" in note and "fear at 3.0 s" in note for note in read.notes)


def test_annotations_without_times_take_their_neighbours_and_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.eaf").write_text(EAF.replace(' TIME_VALUE="2500"', ""))
    read = read_subtitles(tmp_path / "a.eaf", tiers=Tiers(text=("words-A",)))
    assert (read.utterances[0].start, read.utterances[0].end) == (1.0, 2.0)
    assert any("1 annotations have no times of their own" in note for note in read.notes)


def test_a_folder_is_a_corpus_and_nothing_in_it_is_lost(tmp_path: Path) -> None:
    for name, content in (("a/talk.srt", SRT), ("b/talk.vtt", VTT), ("c.ass", ASS), ("d.TextGrid", SHORT_GRID)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "notes.md").write_text("x")
    sound(tmp_path / "a" / "talk.wav", 5)
    data = SubtitlesCorpus(path=tmp_path).load()
    assert [talk.id for talk in data.conversations] == ["a/talk", "b/talk", "c", "d"]
    assert [len(talk.utterances) for talk in data.conversations] == [2, 1, 2, 1]
    assert data.conversations[0].utterances[0].audio == tmp_path / "a" / "talk.wav"
    notes = "\n".join(data.notes)
    assert "1 of 5 files are no subtitles or tiers by their names, and are not read: notes.md" in notes
    assert "3 of 4 files have no film or sound of their name, so there is only text: b/talk, c, d" in notes


def test_files_may_be_given_to_splits(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT)
    (tmp_path / "b.srt").write_text(SRT)
    data = SubtitlesCorpus(path={"train": tmp_path / "a.srt", "test": [tmp_path / "b.srt"]}).load()
    assert [(talk.id, talk.split) for talk in data.conversations] == [("a", "train"), ("b", "test")]


@pytest.mark.parametrize(("given", "words"), [
    ({"path": ""}, "path is empty"),
    ({"path": {"trian": "a"}}, "unknown split 'trian'"),
    ({"path": "a", "encoding": "utf8bom"}, "there is none called 'utf8bom'"),
    ({"path": "a", "text_tiers": ("x",), "label_tiers": ("x",)}, "'x' is in text_tiers and in label_tiers"),
])  # fmt: skip
def test_parameters_that_cannot_be_are_an_error(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SubtitlesCorpus(**given)  # type: ignore[arg-type]


def test_folders_that_hold_nothing_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(MercError, match="holds no subtitles or tiers"):
        SubtitlesCorpus(path=tmp_path).load()
    (tmp_path / "a.srt").write_text(SRT)
    with pytest.raises(MercError, match=r"b.srt is not there. Did you mean 'a.srt'\?"):
        SubtitlesCorpus(path=tmp_path / "b.srt").load()
