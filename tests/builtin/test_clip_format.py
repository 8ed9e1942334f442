"""Clips of several datasets in one corpus: every field there and back, and each dataset with its own labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import Conversation, Corpus, CorpusData, LabelSpace, MercError, Utterance
from merc.builtin.importing import spaces_of
from merc.builtin.jsonl import JsonlCorpus, write_jsonl
from merc.builtin.parquet import ParquetCorpus, write_parquet

FORMATS = {"jsonl": (write_jsonl, JsonlCorpus), "parquet": (write_parquet, ParquetCorpus)}
SETS = {
    "faces": LabelSpace(("joy", "anger")),
    "opinions": LabelSpace(("negative", "positive"), {"positive": ("positive", "good")}),
}
DESCRIPTIONS = ("visual_objective", "visual_expression", "audio_tone", "multimodal")
words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=9).map(str.strip).filter(bool)
several = st.lists(words, min_size=1, max_size=3)


@st.composite
def clips(draw: st.DrawFn) -> Conversation:
    """A clip with any of the fields that a published set may have."""
    name = draw(st.integers(0, 10**6).map(str))
    dataset = draw(st.sampled_from([*SETS, "open"]))
    label = draw(st.none() | st.sampled_from(SETS[dataset].labels)) if dataset in SETS else None
    said = Utterance(
        id=f"{dataset}/{name}",
        text=draw(words | st.just("")),
        label=label,
        video=draw(st.sampled_from([None, Path("here.mp4")])),
        audio=draw(st.sampled_from([None, Path("here.wav")])),
        valence=draw(st.none() | st.floats(-5, 5)),
        open_labels=tuple(draw(st.just([]) | several)),
        cues=draw(st.fixed_dictionaries({}, optional=dict.fromkeys(DESCRIPTIONS, words))),
        missing=draw(st.sampled_from([{}, {"audio": "it has no audio track"}])),
        extra=draw(
            st.fixed_dictionaries(
                {}, optional={"labels": several, "sentiment": words, "intention": words, "arousal": st.floats(0, 10)}
            )
        ),
    )
    split = draw(st.sampled_from([None, "train", "dev", "test"]))
    return Conversation(id=said.id, split=split, dataset=dataset, utterances=(said,))


def placed(talk: Conversation, folder: Path) -> Conversation:
    """The same, its files in a folder."""
    (said,) = talk.utterances
    files = {"video": said.video and folder / said.video, "audio": said.audio and folder / said.audio}
    return replace(talk, utterances=(replace(said, **files),))


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=80, deadline=None)
@given(talks=st.lists(clips(), min_size=1, max_size=6, unique_by=lambda talk: talk.id))
def test_every_field_of_a_clip_survives(tmp_path_factory, form, talks) -> None:
    write, read = FORMATS[form]
    folder = tmp_path_factory.getbasetemp() / "clips"
    folder.mkdir(exist_ok=True)
    for name in ("here.mp4", "here.wav"):
        (folder / name).touch()
    talks = [placed(talk, folder) for talk in talks]
    file = folder / f"clips.{form}"
    given = CorpusData(conversations=talks, spaces=SETS)
    write(file, talks, spaces_of(given))
    data = read(path=file).load()
    assert data.conversations == talks
    assert {name: data.space_of(name) for name in {talk.dataset for talk in talks}} == {
        name: given.space_of(name) for name in {talk.dataset for talk in talks}
    }


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_of_one_dataset_has_its_labels(tmp_path: Path, form: str) -> None:
    write, read = FORMATS[form]
    for dataset in ("opinions", None):
        space = SETS["opinions"]
        talks = [talk("a", dataset, "positive")]
        write(tmp_path / f"t.{form}", talks, {dataset: space})
        data = read(path=tmp_path / f"t.{form}").load()
        assert (data.labels, data.spaces, data.notes) == (space, {}, ())
        assert data.label_space() == space and data.conversations == talks


@pytest.mark.parametrize("form", FORMATS)
def test_files_of_several_datasets_are_read_together(tmp_path: Path, form: str) -> None:
    write, read = FORMATS[form]
    files = []
    for name, space in SETS.items():
        files.append(tmp_path / f"{name}.{form}")
        write(files[-1], [talk(f"{name}/a", name, space.labels[0])], {name: space})
    files.append(tmp_path / f"open.{form}")
    write(files[-1], [talk("open/a", "open", None)])
    data = read(path=files).load()
    assert data.spaces == SETS and data.labels is None and data.space_of("open") is None
    assert data.label_space() == LabelSpace(
        ("joy", "anger", "negative", "positive"), {"positive": ("positive", "good")}
    )
    assert [one.dataset for one in data.conversations] == ["faces", "opinions", "open"]


def talk(name: str, dataset: str | None, label: str | None, split: str = "train") -> Conversation:
    said = Utterance(id=name, text="Hi.", label=label)
    return Conversation(id=name, split=split, dataset=dataset, utterances=(said,))  # type: ignore[arg-type]


def test_a_label_of_another_dataset_is_a_fault() -> None:
    data = CorpusData(conversations=[talk("a", "faces", "joy"), talk("b", "faces", "positive")], spaces=SETS)
    assert data.label_space(LabelSpace(("joy", "positive"))).labels == ("joy", "positive")
    wrong = CorpusData(conversations=[*data.conversations, talk("c", "opinions", "negative")], spaces=SETS)
    with pytest.raises(MercError) as caught:
        wrong.label_space()
    assert "utterance 'b' has the label 'positive', which faces does not have." in str(caught.value)


def test_datasets_without_declared_labels_have_those_of_the_train_split() -> None:
    talks = [talk("a", "faces", "joy"), talk("b", "others", "calm"), talk("c", None, "bored")]
    data = CorpusData(conversations=talks, spaces={"faces": SETS["faces"]})
    assert data.label_space().labels == ("joy", "anger", "bored", "calm")
    assert CorpusData(conversations=talks[:1], labels=SETS["faces"]).space_of("faces") == SETS["faces"]


SAID = {"id": "c", "dataset": "faces", "utterances": [{"text": "Hi."}]}


@pytest.mark.parametrize(("lines", "told"), [
    ([{"labels": "joy"}], "line 1: 'labels' must be a list of texts, or an object with a list of texts for each label"),
    ([{"labels": ["joy", "joy"]}], "line 1: 'labels': a label is listed twice: joy, joy"),
    ([{"labels": {"joy": ["glad"], "fun": ["glad"]}}], "the word 'glad' stands for two labels: 'joy' and 'fun'"),
    ([{"labels": ["joy"], "split": "train"}], "line 1: 'split' means nothing beside 'labels'"),
    ([{"labels": ["joy"], "dataset": 3}], "line 1: 'dataset' must be a text, not 3"),
    ([{"dataset": "faces", "labels": ["joy"]}, {"dataset": "faces", "labels": ["fear"]}],
     "line 2: the labels of 'faces' are joy at"),
    ([{**SAID, "dataset": ["faces"]}], "line 1: 'dataset' must be a text, not [\"faces\"]"),
    ([{"id": "d", "labels": ["joy"]}], "line 1: lacks 'utterances', a list of objects"),
])  # fmt: skip
def test_faults_of_declared_labels(tmp_path: Path, lines: list[dict], told: str) -> None:
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert told in fault(JsonlCorpus(path=tmp_path / "t.jsonl"))


def test_faults_of_tables(tmp_path: Path) -> None:
    rows = [{"conversation": "c", "id": name, "text": "Hi.", "dataset": name} for name in ("a", "b")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    assert "row 1: the rows of conversation 'c' name several datasets: a, b" in fault(
        ParquetCorpus(path=tmp_path / "t.parquet")
    )
    for declared in ("joy", '["joy"]', '[{"dataset": "faces"}]'):
        table = pa.Table.from_pylist(rows[:1]).replace_schema_metadata({"merc.labels": declared})
        pq.write_table(table, tmp_path / "t.parquet")
        assert fault(ParquetCorpus(path=tmp_path / "t.parquet")).endswith(
            "t.parquet: the metadata merc.labels must be a JSON list of objects with 'labels'"
        )


def fault(corpus: Corpus) -> str:
    with pytest.raises(MercError) as caught:
        corpus.load()
    return str(caught.value)
