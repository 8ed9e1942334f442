from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest
from merc_corpora.iemocap import NINE, SIX, IemocapCorpus

import merc.testing
from merc import AudioClip, Conversation, CorpusData, Frames, LabelSpace, MercError, Utterance, VideoClip, Waveform
from merc.media import decode
from merc.recipe import Splitting, load_recipe
from merc.session.splitting import fold_names
from tests.media.clips import write_clip

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def turn(
    name: str, start: float, code: str = "neu", votes: Iterable[str] = ("E2:\tNeutral;", "F1:\tNeutral;"), **other
) -> dict:
    return {"name": name, "start": start, "end": start + 1.5, "text": f"I am {name}.", "code": code, "votes": votes,
            "vad": "[2.5000, 3.0000, 4.0000]", **other}  # fmt: skip


def write_dialogue(root: Path, name: str, turns: list[dict], extra: str = "") -> None:
    """A dialogue in the published layout."""
    folder = root / f"Session{name[4]}" / "dialog"
    for part in ("transcriptions", "EmoEvaluation"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        # what a Mac leaves beside each file of the release
        (folder / part / f"._{name}.txt").write_bytes(b"\x00\x05\x16\x07")
    (folder / "EmoEvaluation" / "Categorical").mkdir(exist_ok=True)
    said = "".join(f"{t['name']} [{t['start']:08.4f}-{t['end']:08.4f}]: {t['text']}\n" for t in turns if "text" in t)
    (folder / "transcriptions" / f"{name}.txt").write_text(said + extra, encoding="utf-8")
    judged = HEAD
    for t in turns:
        if t["code"] is not None:
            times = t.get("judged_at", f"[{t['start']:.4f} - {t['end']:.4f}]")
            judged += f"{times}\t{t['name']}\t{t['code']}\t{t['vad']}\n"
            judged += "".join(f"C-{vote}\t()\n" for vote in t["votes"])
            judged += "A-E3:\tval 2; act 3; dom  4;\t()\nA-F1:\tval 3; act 2; dom  1;\t(calm)\n\n"
    (folder / "EmoEvaluation" / f"{name}.txt").write_text(judged, encoding="utf-8")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Five sessions of two dialogues, one a wearer of the markers."""
    root = tmp_path / "IEMOCAP_full_release"
    for session in range(1, 6):
        for wearer, scene in (("F", "impro01"), ("M", "script01_1b")):
            name = f"Ses0{session}{wearer}_{scene}"
            write_dialogue(root, name, [turn(f"{name}_F000", 1.0), turn(f"{name}_M000", 3.0, "ang", ["E1:\tAnger;"])])
    return root


def load(root: Path, **params) -> CorpusData:
    return IemocapCorpus(root=root, **params).load()


def fault(root: Path, **params) -> str:
    with pytest.raises(MercError) as caught:
        load(root, **params)
    return str(caught.value)


def dialogue(data: CorpusData, name: str = "Ses01F_impro01") -> Conversation:
    return next(talk for talk in data.conversations if talk.id == name)


def note(data: CorpusData, about: str) -> str:
    (found,) = [note for note in data.notes if about in note]
    return found


class TestContract(merc.testing.CorpusContract):
    name = "iemocap"

    @pytest.fixture(autouse=True)
    def at(self, request, release: Path):
        request.cls.component = IemocapCorpus(root=release)


def test_an_utterance_has_all_that_the_files_say_of_it(release: Path) -> None:
    data = load(release)
    said = dialogue(data).utterances[0]
    wav = release / "Session1/sentences/wav/Ses01F_impro01"
    film = release / "Session1/dialog/avi/DivX/Ses01F_impro01.avi"
    assert said == Utterance(
        id="Ses01F_impro01_F000", text="I am Ses01F_impro01_F000.", speaker="Woman 1", label="neutral",
        start=1.0, end=2.5, cut=("audio",), region=(0.0, 0.0, 0.5, 1.0), valence=-0.25,
        missing={"video": f"the film {film} is not there", "audio": f"the folder {wav} is not there"},
        extra={"actor": "Ses01F", "emotion": "neu", "activation": 3.0, "dominance": 4.0, "votes": {"E2": ["neutral"]},
               "own_votes": {"F1": ["neutral"]}},
    )  # fmt: skip
    assert said.origin == f"{release}/Session1/dialog/transcriptions/Ses01F_impro01.txt, line 1"
    assert dialogue(data, "Ses03M_script01_1b").extra == {"session": 3, "scenario": "script01_1b"}
    assert data.labels is not None and data.labels.labels == SIX


def test_the_wearer_of_the_markers_sits_on_the_left(release: Path) -> None:
    sides = {u.id: u.region for talk in load(release).conversations[:2] for u in talk.utterances}
    left, right = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
    assert sides == {
        "Ses01F_impro01_F000": left,
        "Ses01F_impro01_M000": right,
        "Ses01M_script01_1b_F000": right,
        "Ses01M_script01_1b_M000": left,
    }
    assert {u.region for talk in load(release, half="both").conversations for u in talk.utterances} == {None}


def test_utterances_stand_in_the_order_of_time(release: Path) -> None:
    name = "Ses01F_impro01"
    write_dialogue(release, name, [turn(f"{name}_M000", 7.0), turn(f"{name}_F000", 2.0), turn(f"{name}_FXX0", 5.0)])
    assert [u.id[-4:] for u in dialogue(load(release)).utterances] == ["F000", "FXX0", "M000"]


def test_other_labels_are_context_and_counted(release: Path) -> None:
    name = "Ses01F_impro01"
    codes = ["hap", "sad", "neu", "ang", "exc", "fru", "sur", "fea", "dis", "oth", "xxx", "xxx", None]
    write_dialogue(release, name, [turn(f"{name}_F{i:03d}", i, code) for i, code in enumerate(codes)])
    data = load(release)
    assert [u.label for u in dialogue(data).utterances] == [*SIX, *[None] * 7]
    assert note(data, "context") == (
        "7 of 31 utterances are context without a label: 1 disgusted, 1 fearful, 1 not judged, 1 other, 1 surprised, "
        "2 without a majority"
    )
    assert dialogue(data).utterances[12].valence is None
    nine, ten = (load(release, labels=labels) for labels in ("nine", "ten"))
    assert [u.label for u in dialogue(nine).utterances] == [*NINE, *[None] * 4]
    assert [u.label for u in dialogue(ten).utterances] == [*NINE, "other", *[None] * 3]
    assert nine.labels is not None and nine.labels.labels == NINE
    assert not [note for note in nine.notes if "literature" in note]


def test_excited_counts_as_happy_in_four_and_five_classes(release: Path) -> None:
    name = "Ses01F_impro01"
    codes = ["hap", "sad", "neu", "ang", "exc", "exc", "fru", "sur", "xxx"]
    votes = ["E1:\tExcited;", "E2:\tFrustration;"]
    write_dialogue(release, name, [turn(f"{name}_F{i:03d}", i, code, votes) for i, code in enumerate(codes)])
    four, five = (load(release, labels=labels) for labels in ("four", "five"))
    merged = ["happy", "sad", "neutral", "angry", "happy", "happy"]
    assert [u.label for u in dialogue(four).utterances] == [*merged, None, None, None]
    assert [u.label for u in dialogue(five).utterances] == [*merged, "frustrated", None, None]
    assert four.labels == LabelSpace(("happy", "sad", "neutral", "angry"))
    assert five.labels == LabelSpace(("happy", "sad", "neutral", "angry", "frustrated"))
    assert note(four, "excited") == "2 of 27 utterances are published as excited and count as happy"
    assert note(four, "1 frustrated").startswith("3 of 27 utterances are context without a label")
    assert "the literature states 5,531 in 151" in note(four, "all: ")
    assert dialogue(load(release, labels="four", undecided="drawn")).utterances[8].label == "happy"


def test_one_session_is_left_out_by_session_and_by_speaker(release: Path) -> None:
    talks = load(release).conversations
    sessions, speakers = (Splitting(by=by, folds="all") for by in ("session", "speaker"))
    assert fold_names(talks, sessions) == ["1", "2", "3", "4", "5"]
    assert fold_names(talks, speakers) == [f"Man {number}, Woman {number}" for number in range(1, 6)]


def test_votes_are_kept_and_an_undecided_label_is_drawn_from_them(release: Path) -> None:
    name = "Ses01F_impro01"
    votes = ["E1:\tAnger;", "E3:\tFrustration; Sadness;", "E4:\tOther;", "F1:\tHappiness;"]
    write_dialogue(release, name, [turn(f"{name}_F{i:03d}", i, "xxx", votes) for i in range(30)]
                   + [turn(f"{name}_M000", 40, "xxx", ["E1:\tSurprise;", "E2:\tFear;"])])  # fmt: skip
    kept = dialogue(load(release)).utterances
    assert kept[0].label is None
    assert kept[0].extra["votes"] == {"E1": ["angry"], "E3": ["frustrated", "sad"], "E4": ["other"]}
    assert kept[0].extra["own_votes"] == {"F1": ["happy"]}
    one, again, other = (load(release, undecided="drawn", seed=seed) for seed in (0, 0, 1))
    drawn = [u.label for u in dialogue(one).utterances]
    assert set(drawn[:30]) == {"angry", "frustrated", "sad"}
    assert drawn == [u.label for u in dialogue(again).utterances] != [u.label for u in dialogue(other).utterances]
    # neither of its candidates is one of the six
    assert drawn[30] is None
    assert "30 of 49 utterances have no majority and got a label drawn from their annotators' votes" in one.notes
    assert dialogue(load(release, undecided="drawn", labels="nine")).utterances[30].label in ("surprised", "fearful")


def test_a_label_is_drawn_from_more_candidates_than_annotators(release: Path) -> None:
    name = "Ses01F_impro01"
    many = ["E1:\tAnger; Frustration; Sadness;", "E2:\tAnger; Neutral state;"]
    write_dialogue(release, name, [turn(f"{name}_F{i:03d}", i, "xxx", many) for i in range(40)]
                   + [turn(f"{name}_M000", 50, "xxx", ["E1:\tAnger;", "E2:\tSadness;"])])  # fmt: skip
    data = load(release, undecided="drawn", labels="nine")
    # each label once, however many voted for it
    found = Counter(u.label for u in dialogue(data).utterances[:40])
    assert set(found) == {"angry", "frustrated", "neutral", "sad"} and found["angry"] < 20
    assert dialogue(data).utterances[40].label in ("angry", "sad")
    assert note(data, "drawn from").startswith("41 of 59 utterances have no majority and got a label drawn from")
    told = note(data, "candidates")
    assert told.startswith(
        "utterances with a drawn label that have more candidates than annotators: 40 (Ses01F_impro01_F000, "
    )
    assert told.endswith(" more)")
    assert not [one for one in load(release).notes if "candidates" in one]


def test_session_5_is_the_test_split_and_dev_is_drawn_from_the_others(release: Path) -> None:
    def split(**params) -> dict[str, str | None]:
        return {talk.id: talk.split for talk in load(release, **params).conversations}

    found = split()
    assert [name for name, where in found.items() if where == "test"] == ["Ses05F_impro01", "Ses05M_script01_1b"]
    assert list(found.values()).count("dev") == 1
    half = [[name for name, where in split(dev=0.5, seed=seed).items() if where == "dev"] for seed in (0, 0, 1)]
    assert len(half[0]) == 4 and half[0] == half[1] != half[2]
    assert "dev" not in split(dev=0.0).values()
    with pytest.raises(ValueError, match="dev is a share of the dialogues, from 0 to less than 1, not 1"):
        IemocapCorpus(root=release, dev=1.0)


def test_counts_that_are_not_the_literatures_are_told(release: Path) -> None:
    data = load(release)
    assert data.notes[-2:] == (
        "all: 20 utterances of the six classes in 10 dialogues; the literature states 7,433 in 151",
        "test: 4 utterances of the six classes in 2 dialogues; the literature states 1,623 in 31",
    )


def test_the_dataset_is_named_and_its_counts_are_held_against_mmeverses(release: Path) -> None:
    codes = ["neu", "hap", "sad", "ang", "exc", "fru", "xxx", "oth"]
    name = "Ses05F_impro01"
    write_dialogue(release, name, [turn(f"{name}_F{i:03d}", i, code, votes=()) for i, code in enumerate(codes)])
    data = load(release)
    assert {talk.dataset for talk in data.conversations} == {"iemocap"}
    assert [(count.what, count.found, count.reported) for count in data.counts] == [
        ("utterances", 26, 10039), ("utterances of session 5 in four classes, with excited", 7, 1241),
    ]  # fmt: skip


def test_counts_that_are_the_literatures_are_not(tmp_path: Path) -> None:
    left = {"train": 7433 - 1623, "test": 1623}
    for number in range(151):
        which, session = ("test", 5) if number < 31 else ("train", 1 + number % 4)
        name = f"Ses0{session}F_impro{number:03d}"
        last = number in (30, 150)
        count = left[which] if last else 48
        left[which] -= count
        write_dialogue(tmp_path, name, [turn(f"{name}_F{i:03d}", i, votes=()) for i in range(count)])
    assert not [note for note in load(tmp_path).notes if "literature" in note]


def test_sound_and_picture_are_the_speakers(release: Path) -> None:
    name = "Ses01F_impro01"
    films, sounds = release / "Session1/dialog/avi/DivX", release / "Session1/sentences/wav" / name
    films.mkdir(parents=True)
    sounds.mkdir(parents=True)
    # 120 frames: the left half grows brighter, the right half is dark
    with av.open(str(films / f"{name}.avi"), "w") as out:
        stream = out.add_stream("mpeg4", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 72, "yuv420p"
        for index in range(150):
            picture = np.zeros((48, 72, 3), np.uint8)
            picture[:, :36] = index
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    (films / f"._{name}.avi").write_bytes(b"\x00")
    write_clip(sounds / f"{name}_F000.wav", video=None, audio="pcm_s16le", rate=16_000, layout="mono", seconds=1.4)
    data = load(release)
    woman, man = dialogue(data).utterances
    wants = {"seen": Frames(count=200), "heard": Waveform()}
    given = decode(woman, wants, seed=0)
    assert isinstance(given["seen"], VideoClip) and isinstance(given["heard"], AudioClip)
    assert given["heard"].seconds == pytest.approx(1.4, abs=0.001)
    # the span from 1.0 to 2.5 s of the left half
    assert given["seen"].frames.shape == (45, 48, 36, 3)
    assert given["seen"].frames.mean(axis=(1, 2, 3)) == pytest.approx(np.arange(30, 75), abs=6)
    assert decode(man, wants, seed=0)["seen"].frames.max() < 40
    assert man.missing == {"audio": f"the sound {sounds / f'{name}_M000.wav'} is not there"}
    assert note(data, "without sound") == "utterances without sound: 1 (Ses01F_impro01_M000)"
    assert note(data, "a film").startswith("dialogues without a film: 9 (Ses01M_script01_1b, Ses02F_impro01, ")


def test_what_the_files_do_not_agree_on_is_told(release: Path) -> None:
    name = "Ses01F_impro01"
    unwritten = turn(f"{name}_M001", 6.0)
    del unwritten["text"]
    write_dialogue(release, name, [
        turn(f"{name}_F000", 1.0, judged_at="[1.0000 - 2.4000]"),
        turn(f"{name}_M000", 4.0, end=4.0),
        unwritten,
        turn(f"{name}_F001", 9.0, votes=["E1:\tBoredom;"]),
    ], extra="M: [LAUGHTER]\n\n")  # fmt: skip
    data = load(release)
    texts = [u.text for u in dialogue(data).utterances]
    assert texts[2] == "" and len(texts) == 4
    folder = release / "Session1/dialog"
    assert note(data, "no utterance") == (
        f"lines of transcriptions that are no utterance, passed over: 1 ({folder}/transcriptions/{name}.txt, line 4)"
    )
    assert note(data, "not transcribed").endswith(f"which have no words: 1 ({name}_M001)")
    assert note(data, "other times").endswith(f"the transcription's hold: 1 ({name}_F000)")
    assert note(data, "does not have").endswith(f": 1 ({folder}/EmoEvaluation/{name}.txt, line 22 (boredom))")
    assert dialogue(data).utterances[3].extra["votes"] == {"E1": ["boredom"]}
    assert note(data, "end before").endswith(f"no picture of them is known: 1 ({name}_M000)")
    empty = dialogue(data).utterances[1]
    assert (empty.start, empty.end) == (None, None)
    assert empty.missing["video"].endswith("it ends at 4 s and begins at 4 s")


def test_a_folder_without_the_sessions(release: Path, tmp_path: Path) -> None:
    assert fault(tmp_path / "none").startswith(f"the folder {tmp_path / 'none'} is not there; 'root' of the corpus")
    (release / "Session3").rename(release / "Sitzung3")
    assert fault(release) == (
        f"the folder {release} lacks Session3/dialog/transcriptions; 'root' of the corpus iemocap should be the folder "
        "IEMOCAP_full_release with Session1 to Session5 in it"
    )


NAME = "Ses01F_impro01"


@pytest.mark.parametrize(("turns", "message"), [
    ([turn(f"{NAME}_F000", 1.0, "joy")], "EmoEvaluation/{0}.txt, line 3: the emotion 'joy' of {0}_F000 is none of neu"),
    ([turn(f"{NAME}_F000", 1.0, vad="[2.5]")], "EmoEvaluation/{0}.txt, line 3: not '[start - end]', utterance, emo"),
    ([turn(f"{NAME}_F000", 1.0)] * 2, "EmoEvaluation/{0}.txt, line 9: {0}_F000 occurs twice; the other: "),
    ([turn(f"{NAME}_F000", 1.0, None)] * 2, "transcriptions/{0}.txt, line 2: {0}_F000 occurs twice; the other: "),
    ([turn("Ses02F_impro01_F000", 1.0)], "transcriptions/{0}.txt, line 1: Ses02F_impro01_F000 does not belong to"),
])  # fmt: skip
def test_files_that_are_not_as_published_are_named_with_their_line(release: Path, turns, message: str) -> None:
    write_dialogue(release, NAME, turns)
    assert message.format(NAME) in fault(release)


def test_a_vote_before_any_utterance(release: Path) -> None:
    path = release / "Session1/dialog/EmoEvaluation" / f"{NAME}.txt"
    path.write_text("C-E1:\tAnger;\t()\n" + path.read_text())
    assert fault(release).startswith(f"{path}, line 1: a vote before the first utterance; the evaluation files of")


def test_half_a_dialogue(release: Path) -> None:
    judged = release / "Session1/dialog/EmoEvaluation" / f"{NAME}.txt"
    said = release / "Session1/dialog/transcriptions" / f"{NAME}.txt"
    kept = said.read_text()
    said.unlink()
    assert fault(release) == f"{judged} is there and {said} is not; its words are lacking"
    said.write_text(kept)
    judged.unlink()
    assert fault(release) == f"{said} is there and {judged} is not; the dialogue has no labels"
    for path in said.parent.glob("Ses*"):
        path.unlink()
    assert fault(release) == f"{said.parent} holds no transcription such as Ses01F_impro01.txt"


def test_the_readmes_recipe_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("merc_vision")
    pytest.importorskip("merc_audio")
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (tmp_path / "r.yaml").write_text(readme.partition("## iemocap")[2].split("```yaml\n")[1].split("```")[0])
    recipe = load_recipe(str(tmp_path / "r.yaml"), [f"data_root={tmp_path}"])
    assert recipe.corpus.component == IemocapCorpus(root=tmp_path / "IEMOCAP_full_release")
