"""Numbers that were measured before: whose a row is, what is not there, and a whole run with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from merc_corpora.table.measured import Measured, MeasuredAudio, MeasuredText, MeasuredVideo

import merc
import merc.testing
from merc.features.corrupted import Severe
from merc.features.key import recipe_of
from merc.recipe import load_recipe
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from merc.testing import samples
from tests.tiny_backbone import write_tiny_recipe

KINDS = [(MeasuredAudio, "measured-audio"), (MeasuredVideo, "measured-video"), (MeasuredText, "measured-text")]
ROWS = "filename,pitch,loudness\na/u1.wav,200.5,60\nu2.wav,,61\nu3.mp4,nan,x1\n"


def table(folder: Path, rows: str = ROWS, name: str = "voice.csv") -> Path:
    path = folder / name
    path.write_text(rows)
    return path


def measured(path: Any, **more: Any) -> Measured:
    return MeasuredAudio(**{"table": path, "key": "filename", "columns": ("pitch", "loudness"), **more})


def encode(encoder: Measured, *ids: str) -> list[Any]:
    clips = [merc.NamedClip(id=one) for one in ids]
    return [a if isinstance(a, merc.Missing) else a.tolist() for a in encoder.load("cpu")(clips)]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("tables"), "filename,pitch,loudness\nu1,1,2\nu2,3,4\nu3,5,6\n")


@pytest.mark.parametrize(("kind", "name"), KINDS)
class TestMeasured(merc.testing.EncoderContract):
    @pytest.fixture(autouse=True)
    def _component(self, three: Path, kind: type[Measured], name: str) -> None:
        type(self).component = kind(table=three, key="filename", columns=("pitch", "loudness"))
        type(self).name = name


def test_a_row_is_that_of_the_utterance_of_its_name(tmp_path: Path) -> None:
    path = table(tmp_path, "filename,pitch,loudness\nsome/where/u1.wav,200.5,60\nC:\\\\talks\\\\u.2.MP4,1e2, 7 \n")
    first, second, lacking = encode(measured(path), "u1", "u.2", "u3")
    assert first == [[200.5, 60.0]] and second == [[100.0, 7.0]]
    assert lacking == merc.Missing("no row is called so in voice.csv")
    assert encode(measured(path, columns=("loudness",)), "u1") == [[[60.0]]]


def test_tables_of_splits(tmp_path: Path) -> None:
    train = table(tmp_path, "filename,pitch,loudness\nu1.wav,1,2\nu2.wav,3,4\n", "train.csv")
    dev = table(tmp_path, "filename,pitch,loudness\nu1.wav,5,6\nu3.wav,7,8\n", "dev.csv")
    encoder = measured({"train": train, "dev": dev})
    assert encode(encoder, "train_u1", "dev_u1", "u2", "u3") == [[[1, 2]], [[5, 6]], [[3, 4]], [[7, 8]]]
    (both,) = encode(encoder, "u1")
    assert both == merc.Missing("no row is called so in dev.csv, train.csv"), "rows of two splits are called so"


def test_empty_cells(tmp_path: Path) -> None:
    path = table(tmp_path, ROWS.replace("x1", "62"))
    one, two, three = encode(measured(path), "u1", "u2", "u3")
    assert one == [[200.5, 60.0]]
    assert two == three == merc.Missing("voice.csv has no pitch of it; 'fill' would stand for it")
    filled = measured(path, fill=-1)
    assert encode(filled, "u2") == [[[-1.0, 61.0]]]
    remarks = [filled.remark(merc.NamedClip(id=one), None) for one in ("u1", "u2", "nobody")]
    assert remarks == [None, "voice.csv has no pitch: -1 stands for it", None]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (ROWS, r"voice\.csv, line 4: loudness should be a number, not 'x1'"),
        ("filename,pitch\nu1,1\n", r"voice\.csv has no column loudness; its columns are filename, pitch; name yours"),
        ("filename,pitch,loudness\nu1.wav,1,2\nb/u1.mp4,1,2\n", "line 3: a second row for 'u1'"),
        ("filename,pitch,loudness\n,1,2\n", "line 2: no name in the column filename"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(merc.MercError, match=words):
        measured(table(tmp_path, rows)).load("cpu")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"nowhere\.csv"):
        measured(tmp_path / "nowhere.csv").load("cpu")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"columns": ()}, "columns is empty"),
        ({"columns": ("a", "a")}, "columns names one twice"),
        ({"table": {"training": Path("a.csv")}}, "its keys are splits: train, dev, test"),
        ({"table": {}}, "its keys are splits"),
        ({"fill": float("nan")}, "fill is a number, not nan"),
    ],
)
def test_parameters_that_are_wrong(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        measured(**{"path": Path("a.csv"), **more})


def test_features_are_kept_by_what_tables_hold_and_not_by_where_they_lie(tmp_path: Path) -> None:
    train, dev = table(tmp_path, name="a.csv"), table(tmp_path, ROWS + "u4,1,1\n", "b.csv")
    moved = shutil.copy(train, tmp_path / "c.csv")
    key = recipe_of("measured-audio", measured({"train": train, "dev": dev}))
    assert json.dumps(recipe_of("measured-audio", measured({"train": moved, "dev": dev}))) == json.dumps(key)
    assert recipe_of("measured-audio", measured({"train": dev, "dev": dev})) != key


def test_a_corruption_changes_no_number(three: Path) -> None:
    class Loud(merc.Corruption):
        def apply(self, clip: Any, severity: float, rng: np.random.Generator) -> Any:
            raise AssertionError("it was shown numbers")

    clip = merc.NamedClip(id="u1")
    assert Severe(corruption=object.__new__(Loud), severity=1.0, seed=0).apply(clip) is clip


def test_a_run_with_numbers_that_were_measured(tmp_path: Path) -> None:
    """All utterances but the first have a row; what has none is counted, and its stream is missing."""
    file = write_tiny_recipe(tmp_path, tuning="{name: frozen}", trainer="epochs: 1")
    talks = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text().splitlines()]
    ids = [(u["id"], u["label"]) for talk in talks for u in talk["utterances"]]
    own = {"joy": "1,0", "anger": "0,1", "sadness": "-1,-1"}
    table(tmp_path, "filename,pitch,loudness\n" + "".join(f"{n}.wav,{own[label]}\n" for n, label in ids[1:]))
    file.write_text(
        file.read_text().replace("prompter: {name: conversation}", "prompter: {name: conversation, media: [voice]}")
        + "encoders: {voice: {name: measured-audio, table: voice.csv, key: filename, columns: [pitch, loudness]}}\n"
        "connectors: {voice: {name: mlp, normalize: train}}\n"
    )
    run = tmp_path / "run"
    metrics = run_recipe(load_recipe(file), run, Silent())
    assert metrics["test"]["n"] > 0
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    (encoded,) = [line for line in log if line["event"] == "encode"]
    assert encoded["missing"] and "no row is called so in voice.csv" in json.dumps(log)
    (answered,) = merc.load(run).predict({"text": "I am so happy"})
    assert answered.missing == {"voice": "no row is called so in voice.csv"}


def test_samples_for_the_contract() -> None:
    assert samples.clips(merc.Named()) == [merc.NamedClip(id=one) for one in ("u1", "u2", "u3")]
