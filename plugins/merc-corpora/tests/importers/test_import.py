"""``merc corpus import`` of every set, from a small tree in the layout in which it is published, to a file and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from merc_corpora import plugin
from merc_corpora.importers.bold import LABELS as BOLD
from typer.testing import CliRunner, Result

from merc.builtin.parquet import ParquetCorpus
from merc.cli import main
from tests.media.clips import write_clip


@dataclass(frozen=True)
class Tree:
    """``tables`` by path, the paths of ``clips``, and what is expected: clips by split, the number of labels, fields of
    the first clip (``said``). ``table``, ``column`` and ``label`` are such as can be spoiled."""

    tables: dict[str, str]
    clips: tuple[str, ...]
    splits: dict[str, int]
    labels: int
    table: str = ""
    column: str = ""
    label: str = ""
    parameters: tuple[str, ...] = ()
    said: dict[str, Any] = field(default_factory=dict)


_HEAD = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"
_LISTS = "Train & Test Set/{}/no_caption/set_1/{}.txt"
_SPLITS = "EmoLabel_DataSplit/{}(single-labeled)/set_1.csv"


def _bold(video: str) -> str:
    scores = ",".join("0.9" if label == "fear" else "0.1" for label in BOLD)
    return f"{video},0,3,98,{scores},4.5,6,5,1,2,0,0.75\n"


def _sentiment(table: str, video: str, clip: str) -> Tree:
    rows = (
        f"{video},{clip},Well,0.8,,,,Positive,train\n{video},{clip[:-1]}9,Oh,-0.2,,,,Negative,valid\n"
        f"{video},{clip[:-1]}8,Hm,0,,,,Neutral,test\n"
    )
    clips = tuple(f"Raw/{video}/{clip[:-1]}{last}.mp4" for last in (clip[-1], "9", "8"))
    said = {"label": "positive", "valence": 0.8, "sentiment": "positive"}
    return Tree(
        {table: _HEAD + rows}, clips, {"train": 1, "dev": 1, "test": 1}, 3, table, "annotation", "Positive", said=said
    )


TREES = {
    "mer2023": Tree(
        {
            "train-label.csv": "name,discrete,valence\na,worried,-2.25\nb,happy,3\n",
            "test1-label.csv": "name,discrete,valence\nc,neutral,0\n",
            "transcription-engchi-polish.csv": "name,chinese,english\na,糟了,Oh no.\nb,好,Good.\nc,嗯,Hm.\n",
        },
        ("train/a.mp4", "train/b.avi", "test1/c.mp4"), {"train": 2, "test": 1}, 6, "train-label.csv", "discrete",
        "worried", said={"label": "worried", "valence": -2.25, "text": "Oh no.", "text_zh": "糟了"},
    ),
    "mer2024": Tree(
        {"label-disdim.csv": "name,discrete,valence\na,angry,-1\nb,sad,-2\n", "semi.csv": "name,discrete\nc,sad\n"},
        ("video-labeled/a.mp4", "video-labeled/b.mp4", "video-unlabeled/c.mp4"), {"train": 2, "test": 1}, 6,
        "label-disdim.csv", "discrete", "angry", ("answers={root}/semi.csv",), {"label": "angry", "valence": -1},
    ),
    "emer": Tree(
        {"final-EMER-reason.csv": "name,chinese,english\na,她笑了。,She smiles.\nb,,He frowns.\n"},
        ("video/a.mp4", "video/b.mp4"), {"test": 2}, 0, "final-EMER-reason.csv", "english",
        said={"description": "She smiles."},
    ),
    "merr": Tree(
        {
            "MERR_coarse_grained.txt": "a 25 happy\nb 30 doubt\n",
            "MERR_coarse_grained.json": '{"a": {"caption": "She smiles."}, "b": {"caption": "He frowns."}}',
        },
        ("test3/a.avi", "video/b.mp4"), {"train": 2}, 9, "MERR_coarse_grained.txt", "", "happy",
        said={"label": "happy", "cues": {"multimodal": "She smiles."}},
    ),
    "mer-caption-plus": Tree(
        {
            "track2_train_mercaptionplus.csv": "name,openset\na,\"['worried', 'at a loss']\"\nb,\"['calm']\"\n",
            "track3_train_mercaptionplus.csv": "name,reason\na,She looks away.\nb,He sits.\n",
        },
        ("video/a.mp4", "video/b.mp4"), {"train": 2}, 0, "track2_train_mercaptionplus.csv", "openset",
        said={"open_labels": ["worried", "at a loss"], "cues": {"multimodal": "She looks away."}},
    ),
    "ov-merd-plus": Tree(
        {"ovlabel.csv": "name,openset\na,\"['worried', 'at a loss']\"\nb,\"['calm']\"\n"},
        ("video/a.mp4", "video/b.mp4"), {"test": 2}, 0, "ovlabel.csv", "openset",
        said={"open_labels": ["worried", "at a loss"]},
    ),
    "cmu-mosi": _sentiment("label.csv", "03bSnISJMiM", "1"),
    "cmu-mosei": _sentiment("label.csv", "-3g5yACwYnA", "4"),
    "ch-sims": _sentiment("label.csv", "video_0001", "0001"),
    "ch-sims-v2": _sentiment("meta.csv", "aqgy3_0001", "00000"),
    "caer": Tree(
        {}, ("train/Anger/0001.avi", "validation/Happy/0002.avi", "test/Fear/0001.avi"),
        {"train": 1, "dev": 1, "test": 1}, 7, said={"label": "anger"},
    ),
    "dfew": Tree(
        {_SPLITS.format("train"): "video_name,label\n7,4\n8,1\n", _SPLITS.format("test"): "video_name,label\n12,3\n"},
        tuple(f"Clip/original/{number}.mp4" for number in (7, 8, 12)), {"train": 2, "test": 1}, 7,
        _SPLITS.format("train"), "label", "4", said={"label": "angry"},
    ),
    "mafw": Tree(
        {
            _LISTS.format("single", "train"): "00001.mp4 happiness\n00002.mp4 neutral\n",
            _LISTS.format("single", "test"): "00003.mp4 anger\n",
            _LISTS.format("compound", "train"): "00001.mp4 happiness\n",
            _LISTS.format("compound", "test"): "00003.mp4 anger_disgust\n",
        },
        tuple(f"data/clips/0000{number}.mp4" for number in (1, 2, 3)), {"train": 2, "test": 1}, 11,
        _LISTS.format("single", "train"), "", "happiness", said={"label": "happiness"},
    ),
    "bold": Tree(
        {"annotations/train.csv": _bold("003/I.mp4/1.mp4"), "annotations/val.csv": _bold("004/x.mp4/2.mp4")},
        ("videos/003/I.mp4/1.mp4", "videos/004/x.mp4/2.mp4"), {"train": 1, "dev": 1}, 26, "annotations/train.csv",
        said={"label": "fear", "labels": ["fear"], "valence": 4.5},
    ),
    "e3": Tree(
        {
            "E3_merged.csv": "video_id,emotion,conversation,person,mode,sentiment,response_Qwen2Audio\n"
            "a,Sarcastic,Great.,wearer,train,negative,A flat voice.\nb,happy,Yes.,wearer,test,positive,\n"
        },
        ("video/a.mp4", "video/b.mp4"), {"train": 1, "test": 1}, 8, "E3_merged.csv", "emotion", "Sarcastic",
        said={"label": "sarcastic", "sentiment": "negative", "cues": {"audio_tone": "A flat voice."}},
    ),
    "mc-eiu": Tree(
        {
            "MC-EIU_merged.csv": "video_id,emotion,intent,Subtitle,mode,gpt-4o-mini_intent\n"
            "a,happy,agreeing,Good.,train,She agrees.\nb,sad,neutral,No.,validation,\n"
        },
        ("video/a.mp4", "video/b.mp4"), {"train": 1, "dev": 1}, 7, "MC-EIU_merged.csv", "emotion", "happy",
        said={"label": "happy", "intention": "agreeing", "cues": {"multimodal": "She agrees."}},
    ),
    "mmeverse": Tree(
        {
            "CAER/CAER_merged.csv": "video_id,emotion_label,text_whisper,mode,response_Qwen25vl_72B\n"
            "a,anger,Hm.,train,A kitchen.\n",
            "DFEW/DFEW_merged.csv": "video_id,label,sentence,mode\n1,angry,No.,test\n",
        },
        ("CAER/video/a.mp4", "DFEW/video/1.mp4"), {"train": 1, "test": 1}, 8, "CAER/CAER_merged.csv", "emotion_label",
        "anger", ("sets=[caer, dfew]",), {"label": "anger", "cues": {"visual_objective": "A kitchen."}},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip with pictures and sound."""
    path = tmp_path_factory.mktemp("film") / "clip.mp4"
    write_clip(path)
    return path.read_bytes()


def plant(root: Path, tree: Tree, film: bytes) -> Path:
    for name, content in {**tree.tables, **dict.fromkeys(tree.clips, film)}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def bring(name: str, root: Path, target: Path, tree: Tree) -> Result:
    more = [one.format(root=root) for one in tree.parameters]
    return CliRunner().invoke(main.app, ["corpus", "import", name, str(root), str(target), *more, "--json"])


def test_every_set_has_a_tree() -> None:
    names: list[str] = []
    plugin.register_corpora(lambda name, target, **_: "importers" in target and names.append(name))
    asked_in_questions = {"emobench", "emobench-m", "mme-emotion", "mosabench"}  # test_questions.py has theirs
    assert set(names) - asked_in_questions == set(TREES)


@pytest.mark.parametrize("name", TREES)
def test_a_set_into_a_file_and_what_is_lacking(tmp_path: Path, film: bytes, name: str) -> None:
    tree = TREES[name]
    root = plant(tmp_path / "set", tree, film)
    if name != "caer":  # where the clips themselves are the list, none can be absent
        (root / tree.clips[-1]).unlink()
    ended = bring(name, root, tmp_path / "out.jsonl", tree)
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert (told["utterances"], len(told["labels"])) == (tree.splits, tree.labels)
    assert all(count["found"] <= sum(tree.splits.values()) for count in told["counts"]) and told["counts"]
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    talks = [row for row in rows if "utterances" in row]
    spaces = {row["dataset"]: row["labels"] for row in rows if "utterances" not in row}
    datasets = {"caer", "dfew"} if name == "mmeverse" else {name}
    assert set(spaces) == (datasets if tree.labels else set())
    for talk in talks:
        (said,) = talk["utterances"]
        assert talk["dataset"] in datasets and said["id"] == talk["id"] and said["id"].startswith(talk["dataset"] + "/")
        assert said.get("label") is None or said["label"] in spaces[talk["dataset"]]
    first = talks[0]["utterances"][0]
    assert {key: first[key] for key in tree.said} == tree.said
    assert (tmp_path / first["video"]).read_bytes() == film
    lost = [one for talk in talks for one in talk["utterances"] if "video" not in one]
    assert len(lost) == (0 if (root / tree.clips[-1]).exists() else 1)
    for one in lost:
        whose, _, named = one["id"].partition("/")
        total = sum(talk["dataset"] == whose for talk in talks)
        assert one["missing"]["video"].startswith("no clip ")
        assert any(f"clips that are not there: 1 of {total} ({named})" in note for note in told["notes"])
        assert f"no video: 1 of {len(talks)} ({one['id']})" in told["notes"]


@pytest.mark.parametrize("name", TREES)
def test_a_set_that_is_not_as_published(tmp_path: Path, film: bytes, name: str) -> None:
    tree = TREES[name]
    spoiled: dict[str, dict[str, str]] = {}
    if tree.table:
        whole = tree.tables[tree.table]
        spoiled["lacks"] = {tree.table: ""}
        if tree.column:
            spoiled[f"lacks the column {tree.column}"] = {tree.table: whole.replace(tree.column, "other", 1)}
        if tree.label:
            spoiled["frolicsome"] = {tree.table: whole.replace(tree.label, "frolicsome")}
    else:
        spoiled = {"no emotion of CAER": {"train/Frolic/0001.avi": "x"}}
    for number, (told, files) in enumerate(spoiled.items()):
        root = plant(tmp_path / f"set{number}", tree, film)
        for place, content in files.items():
            if content:
                plant(root, Tree({place: content}, (), {}, 0), b"")
            else:
                (root / place).unlink()
        ended = bring(name, root, tmp_path / "out.parquet", tree)
        assert ended.exit_code == 2 and told in ended.stderr and "Traceback" not in ended.stderr, ended.stderr
        assert str(root) in ended.stderr and not (tmp_path / "out.parquet").exists()
    ended = bring(name, tmp_path / "nowhere", tmp_path / "out.parquet", tree)
    assert ended.exit_code == 2 and f"{tmp_path / 'nowhere'} is not there; 'root' of the corpus {name}" in ended.stderr


def test_files_of_several_sets_make_one_corpus(tmp_path: Path, film: bytes) -> None:
    files = []
    for name in ("dfew", "mafw", "cmu-mosi", "ov-merd-plus"):
        files.append(tmp_path / f"{name}.parquet")
        assert bring(name, plant(tmp_path / name, TREES[name], film), files[-1], TREES[name]).exit_code == 0
    data = ParquetCorpus(path=files).load()
    assert {name: len(space) for name, space in data.spaces.items()} == {"dfew": 7, "mafw": 11, "cmu-mosi": 3}
    assert len(data.label_space()) == len({label for space in data.spaces.values() for label in space.labels})
    assert [talk.dataset for talk in data.conversations] == (
        ["dfew"] * 3 + ["mafw"] * 3 + ["cmu-mosi"] * 3 + ["ov-merd-plus"] * 2
    )
    assert all(talk.utterances[0].media("audio") for talk in data.conversations)
