from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from merc_corpora.meld import CLIPS, LABELS, TABLES, MeldCorpus

from merc import CorpusData, MercError

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\r\n"


def row(dialogue: int, utterance: int, text: str = "Hi.", label: str = "joy") -> str:
    return f'1,"{text}",Joey,{label},positive,{dialogue},{utterance},4,7,"00:20:57,256","00:21:00,049"\r\n'


def tables(root: Path, train: bytes | str | None = None) -> Path:
    for name in TABLES.values():
        (root / name).write_bytes((HEAD + row(0, 0)).encode())
    if train is not None:
        (root / TABLES["train"]).write_bytes(train if isinstance(train, bytes) else train.encode())
    return root


def load(root: Path) -> CorpusData:
    return MeldCorpus(root=str(root)).load()


def fault(root: Path) -> str:
    with pytest.raises(MercError) as caught:
        load(root)
    return str(caught.value)


def clip(path: Path, seconds: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(5 * seconds):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))


def test_utterances_stand_in_order_and_gaps_do_not_matter(tmp_path: Path) -> None:
    data = load(tables(tmp_path, HEAD + row(2, 7, "c") + row(2, 3, "b") + row(0, 1, "a") + row(2, 0, "z")))
    assert [(c.id, [u.id for u in c.utterances]) for c in data.split("train")] == [
        ("train_dia0", ["train_dia0_utt1"]),
        ("train_dia2", ["train_dia2_utt0", "train_dia2_utt3", "train_dia2_utt7"]),
    ]
    said = data.split("train")[1].utterances[2]
    assert (said.text, said.speaker, said.label, said.origin) == (
        "c", "Joey", "joy", f"{tmp_path / TABLES['train']}, line 2",
    )  # fmt: skip
    assert said.extra == {
        "sentiment": "positive", "season": 4, "episode": 7, "start_time": "00:20:57,256", "end_time": "00:21:00,049",
    }  # fmt: skip
    assert data.labels == LABELS
    assert LABELS.labels == ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")


def test_the_dataset_is_named_and_its_counts_are_held_against_what_is_stated(tmp_path: Path) -> None:
    data = load(tables(tmp_path, HEAD + row(0, 0) + row(0, 1) + row(3, 0)))
    assert {c.dataset for c in data.conversations} == {"meld"}
    assert [(c.what, c.found, c.reported) for c in data.counts] == [
        ("utterances of all splits", 5, 13708), ("utterances of all splits", 5, 13798),
        ("utterances of the test split", 1, 2610), ("utterances of the dev and test splits", 2, 3719),
    ]  # fmt: skip


def test_wrong_encodings_are_mended_and_counted(tmp_path: Path) -> None:
    head, a, b, c, d = HEAD.encode(), row(0, 0).encode(), row(0, 1).encode(), row(0, 2).encode(), row(0, 3).encode()
    train = (
        head
        + a.replace(b"Hi.", b"it\x92s")
        + b.replace(b"Hi.", "it\x92s".encode())
        + c.replace(b"Hi.", "itâ€™s".encode())
        + d.replace(b"Hi.", "it’s… café".encode())
    )
    data = load(tables(tmp_path, train))
    assert [u.text for u in data.split("train")[0].utterances] == ["it’s", "it’s", "it’s", "it’s… café"]
    assert "train_sent_emo.csv: 3 of 4 texts had characters of a wrong encoding, which were mended" in data.notes


@pytest.mark.parametrize(("text", "encoding"), [
    ("Привет, как дела?", "cp1251"), ("你好,世界", "gbk"), ("był żółty", "cp1250"), ("Hi.", "utf-16"),
])  # fmt: skip
def test_bytes_that_are_no_english_text_are_an_error_that_names_the_encoding_to_save_in(
    tmp_path: Path, text: str, encoding: str
) -> None:
    table = HEAD + row(0, 0) + row(0, 1, text)
    told = fault(tables(tmp_path, table.encode(encoding)))
    line = 1 if encoding == "utf-16" else 3
    assert told.startswith(f"{tmp_path / TABLES['train']}, line {line}: ") and "save the table in UTF-8" in told


@pytest.mark.parametrize(("content", "message"), [
    (HEAD + row(0, 0).replace(",0,0,", ",0.5,0,"), "must be a whole number, not '0.5'"),
    (HEAD + row(0, 0).replace(",0,0,", f",{'9' * 5000},0,"), "must be a whole number, not '9999"),
    (HEAD + row(0, 0, "Hi \x1b[2J"), "line 2: Utterance holds a control character (\\u001b); take it out"),
    (HEAD + row(0, 0, "Hi. " * 3000), "characters, more than 10,000; is a quote not closed?"),
    (HEAD + "1,Hi, you.,Joey,joy,positive,0,0,4,7,a,b\r\n", "line 2: 12 cells for 11 columns; quote a cell"),
])  # fmt: skip
def test_a_table_of_another_form_is_one_sentence_that_says_what_to_do(
    tmp_path: Path, content: str, message: str
) -> None:
    told = fault(tables(tmp_path, content))
    assert message in told and "\n" not in told and len(told) < 600


def test_names_of_columns_may_have_spaces_around_them(tmp_path: Path) -> None:
    data = load(tables(tmp_path, HEAD.replace("Emotion,", "Emotion ,") + row(0, 0)))
    assert data.split("train")[0].utterances[0].label == "joy"


def test_the_clips_of_tables_that_number_dialogues_anew_are_those_of_the_old_numbers(tmp_path: Path) -> None:
    head = HEAD.replace("Utterance_ID,", "Utterance_ID,Old_Dialogue_ID,Old_Utterance_ID,")
    lines = [row(0, 0).replace(",0,0,", ",0,0,0,0,"), row(1, 1).replace(",1,1,", ",1,1,7,4,")]
    folder = tables(tmp_path, head + "".join(lines)) / CLIPS["train"]
    for name in ("dia0_utt0", "dia1_utt1", "dia7_utt4"):
        clip(folder / f"{name}.mp4")
    data = load(tmp_path)
    assert [(u.id, u.video and u.video.name) for c in data.split("train") for u in c.utterances] == [
        ("train_dia0_utt0", "dia0_utt0.mp4"), ("train_dia1_utt1", "dia7_utt4.mp4"),
    ]  # fmt: skip
    assert f"{TABLES['train']}: 1 of 2 clips are found by Old_Dialogue_ID and Old_Utterance_ID" in data.notes


def test_clips_that_contradict_their_row_are_counted_named_and_may_be_left_out(tmp_path: Path) -> None:
    folder = tables(tmp_path, HEAD + "".join(row(0, u) for u in range(4))) / CLIPS["train"]
    for number, length in enumerate((4, 10, 1, 0)):  # each row says 2.8 s
        clip(folder / f"dia0_utt{number}.mp4", length) if length else (folder / f"dia0_utt{number}.mp4").touch()
    data = load(tmp_path)
    note = next(note for note in data.notes if "far longer or shorter" in note)
    assert note.startswith("train: 1 of 3 clips lasts far longer or shorter than the table says (used all the same; ")
    assert note.endswith(": dia0_utt1 (10.0 s, its row 2.8 s)")
    assert all("video" not in u.missing for u in data.split("train")[0].utterances[:3])
    left = MeldCorpus(root=str(tmp_path), wrong_length="leave-out").load()
    said = left.split("train")[0].utterances
    assert said[1].missing["audio"].endswith("dia0_utt1.mp4 lasts 10.0 s, its row 2.8 s")
    assert [u.video is None for u in said] == [False, True, False, True]
    assert any("(left out)" in note for note in left.notes)


def test_an_empty_text_is_counted(tmp_path: Path) -> None:
    data = load(tables(tmp_path, HEAD + row(0, 0, " ")))
    assert "train_sent_emo.csv: 1 of 1 utterances have an empty text" in data.notes


def test_a_folder_without_the_tables(tmp_path: Path) -> None:
    assert f"{tmp_path / 'none'} is not there; 'root' of the corpus meld should be the folder" in fault(
        tmp_path / "none"
    )
    told = fault(tmp_path)
    assert f"{tmp_path} holds none of train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv" in told
    assert f"run merc corpus look {tmp_path}" in told


@pytest.mark.parametrize("change", [
    lambda text: text.replace('"', "").replace(",", ";"), lambda text: text.replace('"', "").replace(",", "\t"),
    lambda text: text.replace("Sentiment,", "").replace("positive,", ""),
    lambda text: text.replace(",0,1,", ",0.0,1.0,").replace(",0,0,", ",0.0,0.0,"),
    lambda text: text.replace("Emotion,", "Emotion ,"),
])  # fmt: skip
def test_peoples_own_tables_in_this_form_are_read(tmp_path: Path, change: Callable[[str], str]) -> None:
    whole = (
        (HEAD + row(0, 0) + row(0, 1, "Yo.", "")).replace("00:20:57,256", "00:20:57.256").replace("00:21:00,049", "x")
    )
    data = load(tables(tmp_path, change(whole)))
    said = data.split("train")[0].utterances
    assert [(u.id, u.text, u.label) for u in said] == [
        ("train_dia0_utt0", "Hi.", "joy"),
        ("train_dia0_utt1", "Yo.", None),
    ]
    first = tmp_path / TABLES["train"]
    note = f"train_sent_emo.csv: 1 of 2 utterances have no emotion and are context; the first: {first}"
    assert any(one.startswith(note) for one in data.notes)


def test_one_table_alone_is_read(tmp_path: Path) -> None:
    tables(tmp_path)
    for name in ("train_sent_emo.csv", "dev_sent_emo.csv"):
        (tmp_path / name).unlink()
    data = load(tmp_path)
    assert [talk.split for talk in data.conversations] == ["test"] and data.counts == []
    assert "there is no table of train and of dev, so these splits are empty" in data.notes
    assert load(tmp_path / "test_sent_emo.csv").conversations == data.conversations
    assert MeldCorpus.recognise(tmp_path).parameters == {"root": str(tmp_path)}
    (tmp_path / "test_sent_emo.csv").rename(tmp_path / "test_sent_emo_dya.csv")
    assert load(tmp_path).conversations == data.conversations


def test_own_labels_are_read_where_they_are_meant(tmp_path: Path) -> None:
    tables(tmp_path, HEAD + row(0, 0, label="excited"))
    data = MeldCorpus(root=tmp_path, labels="own").load()
    assert data.label_space().labels == ("excited", "joy")
    with pytest.raises(MercError, match="outside the label space"):
        load(tmp_path).label_space()


@pytest.mark.parametrize(("content", "message"), [
    ("Utterance,Speaker,Emotion,Dialogue_ID\r\n", "lacks the column Utterance_ID; its first line should name those"),
    ("", "lacks the columns Utterance, Speaker"),
    (HEAD, "holds no utterance; get the table of the MELD dataset anew"),
    (HEAD + row(0, 0) + row(0, 0), "line 3: utterance 0 of dialogue 0 occurs twice; the other: "),
    (HEAD + row(0, 0).replace(",0,0,", ",x,0,"), "line 2: Dialogue_ID must be a whole number, not 'x'"),
    (HEAD + row(0, 0) + "2,only\r\n", "line 3: 2 cells for 11 columns; quote a cell that holds a comma"),
])  # fmt: skip
def test_faults_of_a_table_name_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    text = fault(tables(tmp_path, content))
    assert text.startswith(str(tmp_path / TABLES["train"]))
    assert message in text


def test_a_label_that_is_none_of_the_seven_is_found_by_its_line(tmp_path: Path) -> None:
    data = load(tables(tmp_path, HEAD + row(0, 0, label="joyy")))
    with pytest.raises(MercError, match=r"train_sent_emo.csv, line 2: .* label 'joyy'. Did you mean 'joy'\?"):
        data.label_space()


def test_without_clips_it_is_text_only_and_one_note_says_so(tmp_path: Path) -> None:
    data = load(tables(tmp_path, HEAD + row(0, 0) + row(0, 1)))
    assert data.notes == (
        "no clips: none of the folders train_splits, dev_splits_complete, output_repeated_splits_test is in "
        f"{tmp_path}, so there is only text",
    )
    for said in data.split("train")[0].utterances:
        reason = f"the clip folder train_splits is not in {tmp_path}"
        assert said.missing == {"video": reason, "audio": reason}
        assert said.media("video") is said.media("audio") is None


@pytest.mark.parametrize("inner", ["", "train"])
def test_clips_are_found_and_those_missing_or_broken_are_listed(tmp_path: Path, inner: str) -> None:
    folder = tables(tmp_path, HEAD + "".join(row(125, u) for u in range(6))) / inner / CLIPS["train"]
    for number in (0, 1, 3, 4, 5):
        clip(folder / f"dia125_utt{number}.mp4")
    whole = (folder / "dia125_utt3.mp4").read_bytes()
    (folder / "dia125_utt3.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "dia125_utt4.mp4").write_bytes(b"")
    (folder / "dia125_utt5.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    data = load(tmp_path)
    said = data.split("train")[0].utterances
    assert [u.video for u in said[:2]] == [folder / f"dia125_utt{n}.mp4" for n in (0, 1)]
    assert [u.missing for u in said[:2]] == [{}, {}]
    reasons = ["is not there", "is broken: it ends within a box", "is broken: it is empty",
               "is broken: it has no index (moov)"]  # fmt: skip
    for number, reason in zip((2, 3, 4, 5), reasons, strict=True):
        sentence = f"the clip {folder / f'dia125_utt{number}.mp4'} {reason}"
        assert said[number].missing == {"video": sentence, "audio": sentence}
    assert data.notes[0] == (
        f"train: 4 of 6 clips are missing or broken in {folder}: dia125_utt2.mp4 {reasons[0]}, "
        f"dia125_utt3.mp4 {reasons[1]}, dia125_utt4.mp4 {reasons[2]}, dia125_utt5.mp4 {reasons[3]}"
    )
    assert data.notes[1] == (
        f"dev: the clip folder dev_splits_complete is not in {tmp_path}, so this split has only text"
    )


def test_a_clip_that_is_no_mp4_is_broken(tmp_path: Path) -> None:
    folder = tables(tmp_path, HEAD + row(0, 0)) / CLIPS["train"]
    folder.mkdir()
    (folder / "dia0_utt0.mp4").write_text("<html>not found</html>")
    (said,) = load(tmp_path).split("train")[0].utterances
    assert said.missing["video"].endswith("is broken: it is no mp4 file")


def test_many_faults_are_counted_and_the_first_ten_listed(tmp_path: Path) -> None:
    (tables(tmp_path, HEAD + "".join(row(0, u) for u in range(14))) / CLIPS["train"]).mkdir()
    (note, *_) = load(tmp_path).notes
    assert note.startswith("train: 14 of 14 clips are missing or broken in ")
    assert note.endswith("dia0_utt9.mp4 is not there and 4 more")


@pytest.mark.data
def test_the_published_tables(real_data: Callable[[str], Path]) -> None:
    data = load(real_data("meld"))
    counts = {s: (sum(len(c.utterances) for c in data.split(s)), len(data.split(s))) for s in ("train", "dev", "test")}
    # the paper counts 1,039 train dialogues; the published table has no dialogue 60
    assert counts == {"train": (9989, 1038), "dev": (1109, 114), "test": (2610, 280)}
    assert "train_dia60" not in {c.id for c in data.conversations}
    assert [str(count) for count in data.counts if count.found != count.reported] == [
        "utterances of all splits: 13,708; MMEVerse, Table 1 states 13,798"
    ]
    assert data.label_space() == LABELS
    said = data.split("train")[0].utterances
    assert said[0].text == "also I was the point person on my company’s transition from the KL-5 to GR-6 system."
