import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import Conversation, CorpusData, LabelSpace, MercError, Utterance
from merc.builtin import jsonl_fields
from merc.builtin.jsonl import JsonlCorpus, write_jsonl
from merc.media.container import opened
from tests.media.clips import write_clip


def lines(folder: Path, *records: object, name: str = "talk.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")
    return path


def talk(name: str = "d0", *said: dict, **fields: object) -> dict:
    return {"id": name, "utterances": list(said) or [{"text": "Hi."}], **fields}


def load(path: Path) -> CorpusData:
    return JsonlCorpus(path=str(path)).load()


def fault(path: Path) -> str:
    with pytest.raises(MercError) as caught:
        load(path)
    return str(caught.value)


def test_only_id_and_text_are_needed(tmp_path: Path) -> None:
    data = load(lines(tmp_path, {"id": "d0", "utterances": [{"text": "Hi."}, {"text": "Yo."}]}))
    (one,) = data.conversations
    assert (one.id, one.split, [u.id for u in one.utterances]) == ("d0", None, ["d0_u0", "d0_u1"])
    assert one.utterances[0] == Utterance(id="d0_u0", text="Hi.")
    assert data.labels is None
    assert data.notes == ()


def test_every_field_arrives(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").touch()
    (tmp_path / "a.wav").touch()
    record = {
        "id": "d0_x", "speaker": "Mark", "text": "Why?", "label": "surprise", "video": "clips/a.mp4", "audio": "a.wav",
        "start": 1, "end": 2.5, "cut": ["audio"], "region": [0, 0, 0.5, 1], "valence": -0.5,
        "open_labels": ["puzzled"], "values": {"arousal": 1, "tags": ["fear "], "heart_rate": None},
        "cues": {"face": "frowns", "body": None},
        "text_zh": "为什么?",
    }  # fmt: skip
    (said,) = load(lines(tmp_path, talk("d0", record, split="train"))).conversations[0].utterances
    assert said == Utterance(
        id="d0_x", speaker="Mark", text="Why?", label="surprise", video=tmp_path / "clips" / "a.mp4",
        audio=tmp_path / "a.wav", start=1.0, end=2.5, cut=("audio",), region=(0.0, 0.0, 0.5, 1.0), valence=-0.5,
        open_labels=("puzzled",), values={"arousal": 1.0, "tags": ("fear",)}, cues={"face": "frowns"},
        extra={"text_zh": "为什么?"},
    )  # fmt: skip
    assert said.origin == f"{tmp_path / 'talk.jsonl'}, line 1"


def test_null_is_as_good_as_absent(tmp_path: Path) -> None:
    nothing = dict.fromkeys(
        [
            "id",
            "speaker",
            "label",
            "video",
            "audio",
            "start",
            "end",
            "cut",
            "region",
            "valence",
            "open_labels",
            "values",
            "cues",
            "missing",
            "mine",
        ]
    )
    data = load(lines(tmp_path, talk("d0", {"text": "Hi.", **nothing}, split=None)))
    assert data.conversations[0].utterances == (Utterance(id="d0_u0", text="Hi."),)
    assert data.notes == ()


@pytest.mark.parametrize("content", [
    b'\xef\xbb\xbf{"id": "a", "utterances": [{"text": "Hi."}]}\r\n \r\n{"id": "b", "utterances": [{"text": "Yo."}]}',
    b'\n{"id": "a", "utterances": [{"text": "Hi."}]}\n{"id": "b", "utterances": [{"text": "Yo."}]}\n\n',
])  # fmt: skip
def test_line_endings_marks_and_blank_lines_do_not_matter(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_bytes(content)
    assert [c.id for c in load(path).conversations] == ["a", "b"]


def test_a_line_separator_within_a_text_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text('{"id": "a", "utterances": [{"text": "One.\u2028Two.\x85"}]}\n', encoding="utf-8")
    assert load(path).conversations[0].utterances[0].text == "One.\u2028Two.\x85"


def test_files_by_split(tmp_path: Path) -> None:
    one, two, three = (lines(tmp_path, talk(name), name=f"{name}.jsonl") for name in "abc")
    data = JsonlCorpus(path={"train": [str(one), str(two)], "test": str(three)}).load()
    assert [(c.id, c.split) for c in data.conversations] == [("a", "train"), ("b", "train"), ("c", "test")]
    assert [c.id for c in JsonlCorpus(path=[str(two), str(one)]).load().conversations] == ["b", "a"]


def test_a_split_in_the_file_that_differs_from_the_recipes(tmp_path: Path) -> None:
    path = lines(tmp_path, talk("a", split="dev"))
    with pytest.raises(MercError, match=r"line 1: 'split' is 'dev', but the recipe's path gives this file to 'test'"):
        JsonlCorpus(path={"test": str(path)}).load()


def test_paths_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="path is empty"):
        JsonlCorpus(path=[])
    with pytest.raises(ValueError, match=r"path: unknown split 'tran'. Did you mean 'train'\?"):
        JsonlCorpus(path={"tran": "a.jsonl"})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    lines(tmp_path, talk(), name="talk.jsonl")
    assert fault(tmp_path / "tlak.jsonl").endswith("tlak.jsonl is not there. Did you mean 'talk.jsonl'?")
    assert "nor is the folder" in fault(tmp_path / "none" / "talk.jsonl")
    assert "is a folder; give the JSON Lines file" in fault(tmp_path)
    empty = lines(tmp_path, "", "  ", name="empty.jsonl")
    assert fault(empty) == f"{empty} is empty: it should hold conversations, one JSON object a line"
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(json.dumps(talk()).encode() + b'\n{"id": "caf\xe9"}\n')
    assert fault(latin) == f"{latin}, line 2: not UTF-8 at byte 12; save the file in UTF-8"


@pytest.mark.parametrize(("line", "message"), [
    ('{"id": "a"', "not JSON: Expecting ',' delimiter at character 11; write one conversation a line"),
    ('[{"id": "a"}]', "holds a list; a line holds one conversation, an object in braces"),
    ("3", "holds a number; a line holds one conversation"),
    ('{"id": "a", "id": "b"}', "the field 'id' occurs twice in one object"),
    ('{"id": "a", "utterances": [{"text": "Hi.", "valence": NaN}]}', "not JSON: NaN is no number there"),
    ({"utterances": [{"text": "Hi."}]}, "lacks 'id', a text"),
    ({"id": 3, "utterances": [{"text": "Hi."}]}, "'id' must be a text, not 3"),
    ({"id": " ", "utterances": [{"text": "Hi."}]}, "'id' is empty"),
    ({"id": "a"}, "lacks 'utterances', a list of objects"),
    ({"id": "a", "utterances": []}, "'utterances' is empty; a conversation has at least one utterance"),
    ({"id": "a", "utterances": {"text": "Hi."}}, "'utterances' must be a list of objects, not {\"text\": \"Hi.\"}"),
    ({"id": "a", "utterances": ["Hi."]}, "'utterances' must be a list of objects, not [\"Hi.\"]"),
    (talk("a", split="valid"), "'split' is 'valid'; it must be one of train, dev, test"),
    (talk("a", splt="dev"), "unknown field 'splt'. Did you mean 'split'?"),
    (talk("a", {"label": "joy"}), "utterance 'a_u0': lacks 'text', a text"),
    (talk("a", {"text": 7}), "utterance 'a_u0': 'text' must be a text, not 7"),
    (talk("a", {"text": "Hi.", "vidoe": "a.mp4"}), "utterance 'a_u0': unknown field 'vidoe'. Did you mean 'video'?"),
    (talk("a", {"text": "Hi.", "Label": "joy"}), "unknown field 'Label'. Did you mean 'label'?"),
    (talk("a", {"text": "Hi.", "label": ["joy"]}), "'label' must be a text, not [\"joy\"]"),
    (talk("a", {"text": "Hi.", "start": "1"}), "'start' must be a number, not \"1\""),
    (talk("a", {"text": "Hi.", "valence": True}), "'valence' must be a number, not true"),
    (talk("a", {"text": "Hi.", "cut": ["sound"]}), "'cut' names 'sound'; it may name 'video' and 'audio'"),
    (talk("a", {"text": "Hi.", "region": [0, 0, 1]}),
     "'region': a region is [left, top, right, bottom], fractions of the picture from 0 to 1, not [0, 0, 1]"),
    (talk("a", {"text": "Hi.", "region": [0.5, 0, 0.5, 1]}), "from 0 to 1, not [0.5, 0, 0.5, 1]"),
    (talk("a", {"text": "Hi.", "region": [0, 0, True, 1]}), "from 0 to 1, not [0, 0, true, 1]"),
    (talk("a", {"text": "Hi.", "region": "left"}), "from 0 to 1, not \"left\""),
    (talk("a", {"text": "Hi.", "start": -1}), "'start' must be at least 0, not -1"),
    (talk("a", {"text": "Hi.", "end": 2}), "'end' needs 'start'"),
    (talk("a", {"text": "Hi.", "start": -1, "end": 2}), "1 fault in 1 of 2 conversations"),
    (talk("a", {"text": "Hi.", "label": " "}), "'label' is empty; leave it out where there is none"),
    (talk("a", {"text": "Hi.", "start": 2, "end": 2}), "'end' (2) must be greater than 'start' (2)"),
    (talk("a", {"text": "Hi.", "open_labels": "joy"}), "'open_labels' must be a list of texts, not \"joy\""),
    (talk("a", {"text": "Hi.", "values": 0.5}), "'values' must be an object of numbers and of lists of text"),
    (talk("a", {"text": "Hi.", "values": {"arousal": "high"}}), "values.arousal must be a number or a list of texts"),
    (talk("a", {"text": "Hi.", "values": {"arousal": True}}), "values.arousal must be a number or a list of texts"),
    (talk("a", {"text": "Hi.", "values": {"tags": [1]}}), "values.tags must be a number or a list of texts, not [1]"),
    (talk("a", {"text": "Hi.", "values": {"label": 1}}), "'values' has 'label', which is no value but a field of its"),
    (talk("a", {"text": "Hi.", "values": {" ": 1}}), "'values' has a name that is empty or holds a control character"),
    (talk("a", {"text": "Hi.", "valence": 0, "values": {"valence": 1}}), "'valence' stands beside values.valence"),
    (talk("a", {"text": "Hi.", "cues": ["x"]}), "'cues' must be an object of texts, not [\"x\"]"),
    (talk("a", {"text": "Hi.", "missing": {"face": "x"}}), "'missing' has the key 'face'; its keys are 'video'"),
    (talk("a", {"text": "Hi.", "id": "u"}, {"text": "Yo.", "id": "u"}), "the utterance id 'u' is taken already ("),
    (talk("ok"), "the conversation id 'ok' is taken already ("),
    ("[" * 100_000, "brackets are nested too deeply"),
    (talk("a", {"text": "Hi \ud83d there"}), "utterance 'a_u0': 'text' holds half a character (\\ud83d); write"),
    (talk("a", {"text": "Hi.", "cues": {"face": ["\udc00"]}}), "a_u0': 'cues' holds half a character (\\udc00)"),
    (talk("a", {"text": "Hi.", "mine": {"x": "a\0b"}}), "'mine' holds a NUL character (\\u0000); take it out"),
    (talk("a\x1b[2J"), "'id' holds a control character (\\u001b); take it out"),
    (talk("a", {"text": "Hi.", "speaker": "Ana\nBen"}), "'speaker' holds a control character (\\u000a); take it out"),
    (talk("a", {"text": "Hi.", "video": "~nosuchuser/a.mp4"}), "'video': ~nosuchuser/a.mp4: there is no home"),
    (talk("a", {"text": "Hi.", "audio": "https://a.org/a.wav"}), "'audio': https://a.org/a.wav is an address; merc"),
    (talk("a", {"text": "Hi.", "mine": json.loads("[" * 40 + "]" * 40)}), "'mine' is nested too deeply; at most 32"),
    ('{"id": "a", "utterances": [{"text": "Hi.", "start": 1e999}]}', "not JSON: 1e999 is no number there"),
    ('{"id": "a", "utterances": [{"text": "Hi.", "mine": -Infinity}]}', "not JSON: -Infinity is no number there"),
    ('{"id": "a", "utterances": [{"text": "Hi.", "start": %s}]}' % ("9" * 5000), "holds a number of 5000 digits"),
    ('{"id": "a\x00", "utterances": [{"text": "Hi."}]}', "not JSON: Invalid control character at character 10"),
])  # fmt: skip
def test_faults_name_file_and_line(tmp_path: Path, line: object, message: str) -> None:
    path = lines(tmp_path, talk("ok"), line)
    text = fault(path)
    assert f"{path}, line 2: " in text
    assert message in text


def test_all_faults_come_at_once_up_to_five(tmp_path: Path) -> None:
    path = lines(tmp_path, talk("a", {"text": 1}, {"start": "x", "text": "Hi."}), talk("b"), "nonsense")
    assert fault(path).splitlines() == [
        "3 faults in 2 of 3 conversations:",
        f"  {path}, line 1: utterance 'a_u0': 'text' must be a text, not 1",
        f"  {path}, line 1: utterance 'a_u1': 'start' must be a number, not \"x\"",
        f"  {path}, line 3: not JSON: Expecting value at character 1; write one conversation a line",
    ]
    many = fault(lines(tmp_path, *["nonsense"] * 25)).splitlines()
    assert (len(many), many[0], many[-1]) == (7, "25 faults in 25 of 25 conversations:", "  and 20 more")


@pytest.mark.parametrize(("content", "message"), [
    ("dialogue,speaker,text\n0,Ana,You came!\n", "seems to be a table (columns dialogue, speaker, text, between"),
    ("dialogue;text\n0;Hi.\n", "seems to be a table (columns dialogue, text, between semicolons)"),
    ("new_62 125 sad -10\nnew_181 205 angry -10\n", "seems to be a table (columns new_62, 125, sad, -10, between"),
    ("1\n00:00:01,000 --> 00:00:02,500\n[Ana] You came!\n", "seems to be subtitles"),
    ("WEBVTT\n\n00:01.000 --> 00:02.000\nHi.\n", "seems to be subtitles"),
    (json.dumps([{"text": "Hi.", "emotion": "joy"}]), "is one JSON array of rows with text, emotion, and not of"),
    (json.dumps([talk()])[:-3], "seems to be one JSON array, and cannot be read (not JSON: Expecting"),
    (json.dumps({"text": "Hi.", "emotion": "joy"}), "holds JSON objects with text, emotion, and not conversations"),
    (json.dumps({"messages": [], "id": "a"}), "seems to be chats for instruction tuning"),
    (json.dumps(talk(), indent=1), "holds one JSON object over several lines; write it in one"),
    (json.dumps([{"messages": [], "videos": ["a.mp4"]}]), "seems to be chats for instruction tuning, whose"),
    (b"\xff\xfe{\x00", "seems to be in UTF-16; save it in UTF-8"),
    (b"PAR1\x15\x04", "seems to be a Parquet file; name the corpus parquet"),
    (b"\x1f\x8b\x08\x00", "seems to be compressed (gzip); unpack it first"),
])  # fmt: skip
def test_a_file_of_another_kind_is_one_sentence_that_says_what_it_seems_to_be(tmp_path, content, message) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    text = fault(path)
    assert text.startswith(f"{path} {message}") and text.endswith(f"run merc corpus look {path} to see how it comes in")
    assert "\n" not in text


def test_one_array_of_conversations_is_read_as_lines_are(tmp_path: Path) -> None:
    path = tmp_path / "talks.json"
    path.write_text(json.dumps([talk("a", {"text": "Hi."}), talk("b")], indent=1))
    assert load(path).conversations[0].utterances[0].origin == f"{path}, element 1"
    assert [one.id for one in load(path).conversations] == ["a", "b"]
    path.write_text(json.dumps([talk("a"), talk("b", {"text": 1})]))
    assert f"{path}, element 2: utterance 'b_u0': 'text' must be a text, not 1" in fault(path)


def test_media_whose_names_no_system_takes_are_missing(tmp_path: Path) -> None:
    (said,) = load(lines(tmp_path, talk("a", {"text": "Hi.", "video": "a" * 300 + ".mp4"}))).conversations[0].utterances
    assert "cannot be read: File name too long" in said.missing["video"]
    assert len(said.missing["video"]) < 300
    with pytest.raises(MercError, match=r"~nosuchuser/t\.jsonl: there is no home folder for '~nosuchuser'"):
        load(Path("~nosuchuser/t.jsonl"))
    with pytest.raises(MercError, match="cannot be read: File name too long"):
        load(tmp_path / ("a" * 300 + ".jsonl"))


def test_a_relative_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(write_clip(tmp_path / "film.mp4", frames=3, audio=None), "00:01.mp4")
    lines(tmp_path, talk("a", {"text": "Hi.", "video": "00:01.mp4"}))
    (said,) = load(Path("talk.jsonl")).conversations[0].utterances
    assert said.video == tmp_path / "00:01.mp4"
    with opened(said.video) as media:
        assert media.video is not None


def test_ids_may_begin_anew_in_each_split(tmp_path: Path) -> None:
    files = {
        split: str(lines(tmp_path, *(talk(f"d{i}") for i in range(count)), name=f"{split}.jsonl"))
        for split, count in (("train", 3), ("test", 2))
    }
    data = JsonlCorpus(path=files).load()
    assert [(c.id, c.utterances[0].id) for c in data.conversations] == [
        ("train_d0", "train_d0_u0"), ("train_d1", "train_d1_u0"), ("train_d2", "train_d2_u0"),
        ("test_d0", "test_d0_u0"), ("test_d1", "test_d1_u0"),
    ]  # fmt: skip
    (note,) = data.notes
    assert note.startswith("2 of 3 conversation ids stand in several splits (d0, d1): ")
    one = lines(
        tmp_path,
        talk("a", {"id": "u", "text": "Hi."}, split="train"),
        talk("b", {"id": "u", "text": "Hi."}, split="dev"),
    )
    assert [u.id for c in load(one).conversations for u in c.utterances] == ["train_u", "dev_u"]
    twice = lines(tmp_path, talk("a", split="train"), talk("a", split="train"), talk("a", split="dev"))
    assert "the conversation id 'a' is taken already" in fault(twice)


def test_labels_lose_the_space_around_them(tmp_path: Path) -> None:
    said = {"text": "Hi.", "label": " joy\n", "open_labels": ["at ease "], "sentiment": "positive "}
    (one,) = load(lines(tmp_path, talk("a", said))).conversations[0].utterances
    assert (one.label, one.open_labels, one.extra) == ("joy", ("at ease",), {"sentiment": "positive"})


def test_media_that_are_not_there_are_said_and_counted(tmp_path: Path) -> None:
    (tmp_path / "here.mp4").touch()
    (tmp_path / "folder.wav").mkdir()
    said = [
        {"text": "a", "video": "here.mp4"},
        {"text": "b", "video": "gone.mp4"},
        {"text": "c", "video": "here.mp4", "audio": "folder.wav"},
        {"text": "d", "video": "gone.mp4", "audio": "here.mp4"},
        {"text": "e", "video": "here.mp4", "missing": {"video": "the camera was off"}},
    ]
    data = load(lines(tmp_path, talk("a", *said)))
    a, b, c, d, e = data.conversations[0].utterances
    gone = f"{tmp_path / 'gone.mp4'} is not there"
    assert a.missing == {}
    assert b.missing == {"video": gone, "audio": gone}
    assert (c.missing, c.media("video")) == ({"audio": f"{tmp_path / 'folder.wav'} is a folder"}, tmp_path / "here.mp4")
    assert (c.media("audio"), d.missing, d.media("audio")) == (None, {"video": gone}, tmp_path / "here.mp4")
    assert (e.missing, e.media("audio")) == ({"video": "the camera was off"}, tmp_path / "here.mp4")
    assert data.notes == (
        f"2 of 5 utterances name a file for video that is not there; the first: {b.origin}, utterance 'a_u1': {gone}",
        f"1 of 5 utterances names a file for audio that is not there; the first: {c.origin}, utterance 'a_u2': "
        f"{tmp_path / 'folder.wav'} is a folder",
    )


def test_fields_of_ones_own_are_kept_and_counted(tmp_path: Path) -> None:
    said = [{"text": "", "text_zh": "嗨", "speaker_id": 4}, {"text": "Yo.", "text_zh": "哟"}]
    data = load(lines(tmp_path, talk("a", *said, place="cafe")))
    (one,) = data.conversations
    assert one.extra == {"place": "cafe"}
    assert [u.extra for u in one.utterances] == [{"text_zh": "嗨", "speaker_id": 4}, {"text_zh": "哟"}]
    assert data.notes == (
        "fields that merc does not know were kept in extra: place (1), speaker_id (1), text_zh (2)",
        "1 of 2 utterances has an empty text",
    )


def test_fields_of_ones_own_are_looked_at_once_however_many_utterances_have_them(tmp_path: Path, monkeypatch) -> None:
    looked_at = []
    close = jsonl_fields.close_field.__wrapped__
    monkeypatch.setattr(jsonl_fields, "_edits", lambda name, field: looked_at.append(name) or 9)
    said = [{"text": "Hi.", "one_of_my_own": 1, "x" * 20_000: 1} for _ in range(50)]
    load(lines(tmp_path, talk("a", *said)))
    assert close("one_of_my_own", jsonl_fields.UTTERANCE) is None
    assert len(looked_at) < 50 and not any(len(name) > 100 for name in looked_at)


def test_a_label_outside_the_label_space_names_its_line(tmp_path: Path) -> None:
    path = lines(tmp_path, talk("a", {"text": "Hi.", "label": "joy"}, split="train"),
                 talk("b", {"text": "No.", "label": "angre"}))  # fmt: skip
    data = load(path)
    with pytest.raises(MercError) as caught:
        data.label_space(LabelSpace(("anger", "joy")))
    head, line = str(caught.value).splitlines()
    assert head.startswith("1 of 2 labels outside the label space (anger, joy); correct them")
    assert line == f"  {path}, line 2: utterance 'b_u0' has the label 'angre'. Did you mean 'anger'?"
    with pytest.raises(MercError, match=r"outside the label space \(joy\)"):
        data.label_space()


def test_the_label_space_is_the_recipes_or_the_train_splits(tmp_path: Path) -> None:
    data = load(lines(tmp_path, talk("a", {"text": "Hi.", "label": "joy"}, split="train"), talk("b", split="test")))
    assert data.label_space() == LabelSpace(("joy",))
    assert data.label_space(LabelSpace(("anger", "joy"))).labels == ("anger", "joy")
    with pytest.raises(MercError, match=r"no labels are known: .* list the labels in the recipe"):
        load(lines(tmp_path, talk("b", {"text": "Hi.", "label": "joy"}, split="test"))).label_space()


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).map(str.strip).filter(bool)
names = words.filter(lambda name: name not in (*jsonl_fields.UTTERANCE, "last"))
seconds = st.floats(0, 1e6)
share, later = st.floats(0, 0.5), st.floats(0.5, 1, exclude_min=True)
extras = st.fixed_dictionaries(
    {}, optional={"text_zh": words, "labels": st.lists(words, min_size=1), "sentiment": words, "intention": words}
)
made = st.builds(
    Utterance, id=words, text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20),
    speaker=st.none() | words, label=st.none() | words, valence=st.none() | st.floats(-5, 5),
    start=st.none() | seconds, cut=st.sampled_from([(), ("audio",), ("video", "audio")]),
    region=st.none() | st.tuples(share, share, later, later), open_labels=st.lists(words, max_size=2).map(tuple),
    values=st.dictionaries(names, st.floats(-5, 5) | st.lists(words, max_size=3).map(tuple), max_size=3),
    cues=st.dictionaries(words, words, max_size=2), extra=extras,
    missing=st.dictionaries(st.sampled_from(["video", "audio"]), words, max_size=2),
    video=st.none() | st.just("here.mp4"), audio=st.none() | st.just("here.wav"),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(made, min_size=1, max_size=4, unique_by=lambda u: u.id), st.sampled_from([None, "train", "dev", "test"])
)
def test_what_is_written_is_read_again(tmp_path_factory, said, split) -> None:
    folder = tmp_path_factory.getbasetemp() / "round"
    folder.mkdir(exist_ok=True)
    (folder / "here.mp4").touch()
    (folder / "here.wav").touch()
    said = [replace(u, video=u.video and folder / u.video, audio=u.audio and folder / u.audio) for u in said]
    one = Conversation(id="c", split=split, utterances=tuple(said), extra={"place": "cafe"})
    write_jsonl(folder / "t.jsonl", [one])
    assert load(folder / "t.jsonl").conversations == [one]


def test_further_labels_are_known_and_have_their_types(tmp_path: Path) -> None:
    more = {"labels": ["anger", "disgust"], "sentiment": "negative", "intention": "suggesting"}
    data = load(lines(tmp_path, talk("d0", {"text": "Hi.", **more})))
    assert data.conversations[0].utterances[0].extra == more and data.notes == ()
    text = fault(lines(tmp_path, talk("d0", {"text": "Hi.", "labels": "anger", "sentiment": 3, "intentions": "x"})))
    assert "utterance 'd0_u0': 'labels' must be a list of texts, not \"anger\"" in text
    assert "'sentiment' must be a text, not 3" in text
    assert "unknown field 'intentions'. Did you mean 'intention'?" in text


def test_media_paths_are_written_relative_where_they_can_be(tmp_path: Path) -> None:
    (tmp_path / "out" / "clips").mkdir(parents=True)
    inside, outside = tmp_path / "out" / "clips" / "a.mp4", tmp_path / "b.mp4"
    said = (Utterance(id="a", text="", video=inside), Utterance(id="b", text="", video=outside))
    write_jsonl(tmp_path / "out" / "talk.jsonl", [Conversation(id="c", utterances=said)])
    record = json.loads((tmp_path / "out" / "talk.jsonl").read_text())
    assert [u["video"] for u in record["utterances"]] == ["clips/a.mp4", outside.as_posix()]


@pytest.mark.data
def test_the_real_clips(clips_folder: Path) -> None:
    data = load(clips_folder / "conversations.jsonl")
    said = [u for c in data.conversations for u in c.utterances]
    assert len(said) == 9
    assert all(u.media("video") and u.media("audio") and u.label and u.valence is not None for u in said)
    assert data.notes == ("fields that merc does not know were kept in extra: text_zh (9)",)
