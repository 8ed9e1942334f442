"""Published sets of words, and others' training files: small ones in their layout, and what is said of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from merc_corpora.texts.clip_list import ClipListCorpus
from merc_corpora.texts.cped import CpedCorpus
from merc_corpora.texts.dailydialog import DailyDialogCorpus
from merc_corpora.texts.emorynlp import EmoryNlpCorpus
from merc_corpora.texts.iemocap_table import IemocapTableCorpus
from merc_corpora.texts.sharegpt import ShareGptCorpus

import merc.testing
from merc import Corpus, CorpusData, MercError

EMORY = "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time\n"
CPED = (
    "TV_ID,Dialogue_ID,Utterance_ID,Speaker,Gender,Age,Neuroticism,Extraversion,Openness,Agreeableness,"
    "Conscientiousness,Scene,FacePosition_LU,FacePosition_RD,Sentiment,Emotion,DA,Utterance\n"
)


def write(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def utterances(data: CorpusData) -> list[tuple[Any, ...]]:
    return [(c.id, c.split, u.id, u.speaker, u.text, u.label) for c in data.conversations for u in c.utterances]


def fault(corpus: Corpus) -> str:
    with pytest.raises(MercError) as caught:
        corpus.load()
    told = str(caught.value)
    assert len(told.splitlines()) <= 6
    return told


def emory(root: Path, **rows: str) -> Path:
    return write(root, **{f"emorynlp_{split}_final.csv": EMORY + those for split, those in rows.items()})


def test_scenes_of_emorynlp_are_conversations(tmp_path: Path) -> None:
    rows = (
        "Second.,\"['Monica Geller', 'Phoebe Buffay']\",Mad,4,3,1,2,00:00:03.000,00:00:04.000\n"
        "First.,['Ross Geller'],Joyful,4,1,1,2,00:00:01.000,00:00:02.000\nOther.,['#ALL#'],,4,1,1,3,,\n"
    )
    data = EmoryNlpCorpus(root=emory(tmp_path, test=rows)).load()
    assert utterances(data) == [
        ("s01_e02_c04", "test", "s01_e02_c04_u001", "Ross Geller", "First.", "joyful"),
        ("s01_e02_c04", "test", "s01_e02_c04_u003", "Monica Geller, Phoebe Buffay", "Second.", "mad"),
        ("s01_e03_c04", "test", "s01_e03_c04_u001", "#ALL#", "Other.", None),
    ]
    assert data.conversations[0].utterances[0].extra["start_time"] == "00:00:01.000"
    assert any("no table of train and of dev" in note for note in data.notes)
    assert any("1 of 3 utterances have no emotion and are context" in note for note in data.notes)
    assert [str(count) for count in data.counts] == [
        "utterances of the test split: 3; EmoryNLP (Zahiri and Choi, 2018) states 1,328"
    ]


def test_dailydialog_is_read_from_text_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "train/dialogues_train.txt": "Hi . __eou__ Oh ! __eou__\nOne . __eou__ Two . __eou__\n",
            "train/dialogues_emotion_train.txt": "0 6 \n4\n",
            "test/dialogues_test.txt": "Bye . __eou__\n",
            "test/dialogues_emotion_test.txt": "5\n",
        },
    )
    data = DailyDialogCorpus(root=tmp_path).load()
    assert utterances(data) == [
        ("train_1", "train", "train_1_u0", "A", "Hi .", "neutral"),
        ("train_1", "train", "train_1_u1", "B", "Oh !", "surprise"),
        ("test_3", "test", "test_3_u0", "A", "Bye .", "sadness"),
    ]
    assert any("1 of 3 dialogues have another number of emotions" in note and "line 2" in note for note in data.notes)
    whole = write(tmp_path / "all", **{"dialogues_text.txt": "Hi . __eou__\n", "dialogues_emotion.txt": "1\n"})
    assert utterances(DailyDialogCorpus(root=whole).load()) == [("d_1", None, "d_1_u0", "A", "Hi .", "anger")]


def test_a_code_of_two_digits_is_none_of_dailydialogs(tmp_path: Path) -> None:
    files = {"dialogues_text.txt": "Hi . __eou__ Oh ! __eou__\n", "dialogues_emotion.txt": "0 12\n"}
    with pytest.raises(MercError, match="the emotion '12' is none of the codes 0 to 6"):
        DailyDialogCorpus(root=write(tmp_path, **files)).load()


@pytest.mark.parametrize("names", [("dialog", "emotion"), ("utterances", "emotions")])
def test_dailydialog_is_read_from_parquet(tmp_path: Path, names: tuple[str, str]) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for split in ("train", "validation"):
        rows = [{names[0]: ["Hi .", "Oh !"], "act": [1, 1], names[1]: [0, 6]}]
        (tmp_path / "latest").mkdir(exist_ok=True)  # which holds the word test, and is no split
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "latest" / f"{split}-00000-of-00001.parquet")
    read = utterances(DailyDialogCorpus(root=tmp_path).load())
    assert [(one[1], *one[4:]) for one in read] == [
        ("train", "Hi .", "neutral"),
        ("train", "Oh !", "surprise"),
        ("dev", "Hi .", "neutral"),
        ("dev", "Oh !", "surprise"),
    ]


def test_cped_is_read_from_its_tables(tmp_path: Path) -> None:
    row = (
        "32,32_000,32_000_00{0},于春晓,female,young,high,high,low,high,high,car,1_1,9_9,negative,{1},question,怎么了\n"
    )
    write(tmp_path, **{"valid_split.csv": CPED + row.format(0, "astonished") + row.format(1, "sadness")})
    data = CpedCorpus(root=tmp_path).load()
    assert utterances(data)[0] == ("32_000", "dev", "32_000_000", "于春晓", "怎么了", "astonished")
    assert data.conversations[0].utterances[1].extra["dialogue_act"] == "question"
    assert data.label_space().labels[0] == "happy"
    assert CpedCorpus.recognise(tmp_path) is not None


def test_iemocap_as_a_table_takes_words_and_sounds_of_the_release(tmp_path: Path) -> None:
    head = "session,method,gender,emotion,n_annotators,agreement,path\n"
    names = [f"Ses0{s}F_impro01_F00{u}" for s in (1, 2, 5) for u in (1, 0)]
    rows = [
        f"{n[4]},impro,F,{('ang', 'xxx')[i % 2]},3,2,Session{n[4]}/sentences/wav/{n[:14]}/{n}.wav\n"
        for i, n in enumerate(names)
    ]
    write(tmp_path, **{"iemocap.csv": head + "".join(rows)})
    bare = IemocapTableCorpus(path=tmp_path / "iemocap.csv").load()
    assert [(talk.id, talk.split) for talk in bare.conversations][-1] == ("Ses05F_impro01", "test")
    assert {talk.split for talk in bare.conversations} == {"train", "dev", "test"}
    assert [(u.label, u.speaker) for u in bare.conversations[0].utterances] == [("angry", "Woman 1"), (None, "Woman 1")]
    notes = "\n".join(bare.notes)
    assert "3 of 6 utterances are context without a label: 3 without a majority" in notes
    assert "6 of 6 utterances have no words" in notes and "6 of 6 utterances have no sound" in notes
    write(
        tmp_path,
        **{
            "Session1/dialog/transcriptions/Ses01F_impro01.txt": "Ses01F_impro01_F000 [1.0-2.0]: Hi.\n"
            "Ses01F_impro01_F001 [3.0-4.0]: Yo.\n",
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav": "",
        },
    )
    first = IemocapTableCorpus(path=tmp_path / "iemocap.csv").load().conversations[0].utterances
    assert [(u.text, u.audio is not None) for u in first] == [("Hi.", True), ("Yo.", False)]


def test_iemocap_as_a_table_with_times_and_numbers(tmp_path: Path) -> None:
    rows = "start_time,end_time,wav_file,emotion,val,act,dom\n6.29,8.23,Ses01F_impro01_F000,neu,2.5,2.5,2.5\n"
    more = "1.0,2.0,Ses01F_impro01_M000,happy,3,2,1\n"
    write(tmp_path, **{"df_iemocap.csv": rows + more})
    first, second = IemocapTableCorpus(path=tmp_path / "df_iemocap.csv").load().conversations[0].utterances
    assert (first.id, first.speaker, first.label, first.values) == (
        "Ses01F_impro01_M000",
        "Man 1",
        "happy",
        {"valence": 3.0, "arousal": 2.0, "dominance": 1.0},
    )
    assert (second.label, second.extra["start"]) == ("neutral", 6.29)
    assert IemocapTableCorpus.recognise(tmp_path / "df_iemocap.csv").what == "IEMOCAP as a table of 2 rows"


CHATS: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "system", "content": "Listen."},
            {"role": "user", "content": "<video>Ana: You came! How does she feel?"},
            {"role": "assistant", "content": "joy"},
        ],
        "videos": ["clips/a.mp4"],
    },
    {
        "conversations": [
            {"from": "human", "value": "<video>\nOh. How does she feel?"},
            {"from": "gpt", "value": " fear"},
        ],
        "videos": ["clips/b.mp4"],
    },
    {"conversation": [{"human": "Hm. How does she feel?", "assistant": "neutral"}], "images": ["c.png"]},
    {
        "query": "So. How does she feel?",
        "response": "joy",
        "history": [["Go. How does she feel?", "anger"]],
        "audios": "d.wav",
    },
]


@pytest.mark.parametrize("lines", [True, False])
def test_chats_of_every_form_give_utterances(tmp_path: Path, lines: bool) -> None:
    text = "".join(json.dumps(one) + "\n" for one in CHATS) if lines else json.dumps(CHATS, indent=1)
    write(tmp_path, **{"chats.json": text, "clips/a.mp4": ""})
    data = ShareGptCorpus(path=tmp_path / "chats.json", question="How does she feel?").load()
    assert [(one[0], *one[3:]) for one in utterances(data)] == [
        ("chats_0", "Ana", "You came!", "joy"),
        ("chats_1", None, "Oh.", "fear"),
        ("chats_2", None, "Hm.", "neutral"),
        ("chats_3", None, "Go.", "anger"),
        ("chats_3", None, "So.", "joy"),
    ]
    first, second = data.conversations[0].utterances[0], data.conversations[1].utterances[0]
    assert first.video == tmp_path / "clips" / "a.mp4" and second.missing["video"].endswith("b.mp4 is not there")
    assert data.conversations[0].extra["row"] == {"system": "Listen."}
    assert "pictures that are not read: 1" in data.notes


def test_what_chats_lack_is_counted(tmp_path: Path) -> None:
    chats = [
        {
            "messages": [
                {"role": "user", "content": "One."},
                {"role": "user", "content": "Two."},
                {"role": "assistant", "content": "joy"},
            ]
        },
        {"messages": [{"role": "user", "content": "Three."}]},
    ]
    write(tmp_path, **{"chats.json": json.dumps(chats)})
    data = ShareGptCorpus(path=tmp_path / "chats.json", question="Which?").load()
    assert [one[4:] for one in utterances(data)] == [("Two.", "joy")]
    notes = "\n".join(data.notes)
    for words in (
        "turns without an answer, left out: 2",
        "chats without an answer, left out: 1",
        "no turn holds the question",
    ):
        assert words in notes or words.startswith("no turn")
    cued = ShareGptCorpus(path=tmp_path / "chats.json", answers="description").load().conversations[0].utterances[0]
    assert (cued.label, cued.cues) == (None, {"multimodal": "joy"})


def test_a_question_that_all_turns_end_with_is_shown(tmp_path: Path) -> None:
    write(tmp_path, **{"chats.json": json.dumps([CHATS[1], CHATS[2], CHATS[3]])})
    found = ShareGptCorpus.recognise(tmp_path / "chats.json")
    assert found is not None and found.parameters["question"] == "How does she feel?"
    assert ShareGptCorpus(**{**found.parameters}).load().conversations[0].utterances[0].text == "Oh."


def test_lists_of_clips_have_labels_and_may_have_words(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "relative.txt": "new3_62 125 sad -10\nnew3_181 205 Angry -2.5\n",
            "video/new3_62.mp4": "",
            "words.csv": "name,sentence\nnew3_62,Hi.\n",
        },
    )
    data = ClipListCorpus(path=tmp_path / "relative.txt", clips=tmp_path / "video", words=tmp_path / "words.csv").load()
    assert [one[4:] for one in utterances(data)] == [("Hi.", "sad"), ("", "angry")]
    first, second = (talk.utterances[0] for talk in data.conversations)
    assert (first.valence, second.valence, first.extra["number"]) == (None, -2.5, 125.0)
    assert first.video == tmp_path / "video" / "new3_62.mp4" and "no clip new3_181.mp4 in" in second.missing["video"]
    assert "1 of 2 clips are not there (clips names their folder)" in data.notes
    assert "1 of 2 clips have no words (words names their table)" in data.notes


@pytest.mark.parametrize(
    ("corpus", "files", "words"),
    [
        (EmoryNlpCorpus, {}, "holds none of emorynlp_train_final.csv"),
        (EmoryNlpCorpus, {"emorynlp_dev_final.csv": "a,b\n1,2\n"}, "lacks the columns Utterance, Speaker, Emotion"),
        (
            EmoryNlpCorpus,
            {"emorynlp_dev_final.csv": EMORY + "Hi.,['A'],Mad,x,1,1,1,,\n"},
            "line 2: Scene_ID must be a whole",
        ),
        (
            EmoryNlpCorpus,
            {"emorynlp_dev_final.csv": EMORY + "Hi.,['A'],Mad,1,1,1,1,,\n" * 2},
            "utterance 1 of s01_e01_c01 occurs",
        ),
        (CpedCorpus, {}, "holds none of train_split.csv, valid_split.csv, test_split.csv"),
        (CpedCorpus, {"test_split.csv": "a,b\n1,2\n"}, "lacks the columns Dialogue_ID"),
        (DailyDialogCorpus, {}, "holds neither dialogues_train.txt"),
        (
            DailyDialogCorpus,
            {"dialogues_text.txt": "a __eou__\nb __eou__\n", "dialogues_emotion.txt": "0\n"},
            "2 lines and",
        ),
        (
            DailyDialogCorpus,
            {"dialogues_text.txt": "a __eou__\n", "dialogues_emotion.txt": "9\n"},
            "the emotion '9' is none of",
        ),
    ],
)
def test_what_is_not_as_published_is_named(tmp_path: Path, corpus: Any, files: dict[str, str], words: str) -> None:
    assert words in fault(corpus(root=write(tmp_path, **files)))


@pytest.mark.parametrize(
    ("corpus", "name", "content", "words"),
    [
        (IemocapTableCorpus, "a.csv", "a,b\n1,2\n", "is no table of IEMOCAP: it lacks a column of names"),
        (IemocapTableCorpus, "a.csv", "path,emotion\nx.wav,ang\n", "line 2: 'x.wav' holds no name of an utterance"),
        (
            IemocapTableCorpus,
            "a.csv",
            "path,emotion\nSes01F_impro01_F000,glad\n",
            "the emotion 'glad' is none of neu, hap",
        ),
        (ShareGptCorpus, "a.json", '[{"text": "Hi."}]', "element 1: no chat; it has none of messages"),
        (ShareGptCorpus, "a.json", '[{"messages": ["Hi."]}]', "a turn of the chat is no object"),
        (
            ShareGptCorpus,
            "a.json",
            '[{"messages": [{"role": "user", "content": "Hi."}]}]',
            "holds no turn of a user with",
        ),
        (
            ShareGptCorpus,
            "a.json",
            '[{"query": "Hi.", "response": "joy", "videos": [1]}]',
            "videos holds int where the path",
        ),
        (ClipListCorpus, "a.txt", "one two three\n", "line 1: 'one two three' is no line of a name, a number, a label"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, corpus: Any, name: str, content: str, words: str) -> None:
    write(tmp_path, **{name: content})
    assert words in fault(corpus(path=tmp_path / name))


@pytest.mark.parametrize(
    "corpus", [EmoryNlpCorpus, CpedCorpus, DailyDialogCorpus, IemocapTableCorpus, ShareGptCorpus, ClipListCorpus]
)
def test_each_recognises_its_own_alone(tmp_path: Path, corpus: Any) -> None:
    write(
        tmp_path,
        **{"a.csv": "text,emotion\nHi.,joy\n", "a.json": '[{"text": "Hi."}]', "a.txt": "some words\n", "e.json": "[]"},
    )
    for path in (tmp_path, *tmp_path.iterdir()):
        assert corpus.recognise(path) is None


class TestEmoryNlp(merc.testing.CorpusContract):
    component = EmoryNlpCorpus(root=".")

    @pytest.fixture(autouse=True)
    def tables(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = "Hi.,['A'],Mad,1,1,1,{0},,\nYo.,['B'],Sad,1,2,1,{0},,\n"
        emory(tmp_path, **{split: rows.format(episode) for episode, split in enumerate(("train", "dev", "test"))})
        monkeypatch.chdir(tmp_path)
