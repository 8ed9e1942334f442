import csv
import json
from pathlib import Path

import numpy as np
import pytest
from merc_bemerc.prosody import Prosody
from merc_bemerc.speakers import is_unnamed
from merc_bemerc.voice import measurer

import merc
import merc.testing

RATE = 16_000
GONE = merc.Missing("not asked for")


def tone(pitch=150.0, loud=0.3, seconds=1.5, beats=3.0, wobble=0.0, seed=0) -> merc.AudioClip:
    """A buzz like a voice's, in ``beats`` a second, its pitch (Hz) wobbling by a share of itself."""
    time = np.arange(round(seconds * RATE)) / RATE
    moved = pitch * (1 + wobble * np.sin(2 * np.pi * 1.5 * time))
    phase = 2 * np.pi * np.cumsum(moved) / RATE
    buzz = sum(np.sin(n * phase) / n for n in range(1, 12))
    swell = np.clip(np.sin(2 * np.pi * beats * time), 0, None) ** 0.5
    noise = np.random.default_rng(seed).normal(0, 1e-3, len(time))
    return merc.AudioClip(samples=(loud * buzz * swell / 2 + noise).astype(np.float32), rate=RATE)


def observations(said, split="train") -> list[merc.Observation]:
    """Observations of (id, speaker, sound or None)."""
    utterances = tuple(merc.Utterance(id=name, text="So.", speaker=who) for name, who, _ in said)
    talk = merc.Conversation(id=f"c_{said[0][0]}", split=split, utterances=utterances)
    shown = []
    for index, (_, _, sound) in enumerate(said):
        query = merc.Query(conversation=talk, index=index, labels=merc.LabelSpace(()))
        shown.append(merc.Observation(query=query, video=GONE, audio=sound or merc.Missing("no sound")))
    return shown


# measuring


@pytest.fixture(scope="module")
def measure():
    return measurer()


@pytest.mark.parametrize("pitch", [100.0, 200.0])
def test_pitch_is_in_semitones_above_27_5_hz(measure, pitch):
    assert measure(tone(pitch))["pitch"] == pytest.approx(12 * np.log2(pitch / 27.5), abs=0.5)


def test_what_is_more_measures_more(measure):
    plain = measure(tone())
    assert measure(tone(loud=0.05))["loudness"] < plain["loudness"]
    assert measure(tone(wobble=0.2))["pitch_variation"] > plain["pitch_variation"] + 0.5
    assert measure(tone(beats=6))["rate"] > plain["rate"] + 1


def test_a_whisper_has_no_pitch(measure):
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    found = measure(merc.AudioClip(samples=noise, rate=RATE))
    assert "pitch" not in found and "pitch_variation" not in found
    assert found["loudness"] > 0


def test_silence_is_not_measured(measure):
    silent = merc.AudioClip(samples=np.zeros(RATE, np.float32), rate=RATE)
    assert measure(silent) == merc.Missing("the sound is silent throughout")


# from the sound, relative to the speaker


def test_high_is_high_for_whoever_speaks():
    low, high = [90.0 + n for n in range(5)], [220.0 + n for n in range(5)]
    said = [(f"a{n}", "Ann", tone(pitch)) for n, pitch in enumerate(high)]
    said += [(f"b{n}", "Ben", tone(pitch)) for n, pitch in enumerate(low)]
    found = dict(Prosody(least=5, quantiles=(0.3, 0.7)).load("cpu")(observations(said)))
    pitches = {name: one.cues["prosody"].split(", ")[1].split(" with ")[0] for name, one in found.items()}
    assert pitches["a0"] == pitches["b0"] == "low pitch"
    assert pitches["a4"] == pitches["b4"] == "high pitch"
    assert {json.loads(one.raw[0])["compared with"] for one in found.values()} == {"Ann", "Ben"}
    assert "all speakers" not in str(found)


def test_who_says_little_is_compared_with_all_and_the_cue_says_so():
    said = [(f"a{n}", "Ann", tone(150.0 + n)) for n in range(5)]
    said += [("b0", "Ben", tone(100.0)), ("x0", None, tone(300.0))]
    found = dict(Prosody(least=5).load("cpu")(observations(said)))
    for name, level in (("b0", "very low"), ("x0", "very high")):
        assert f", {level} pitch with" in found[name].cues["prosody"]
        assert found[name].cues["prosody"].endswith(" (compared with all speakers)")
        assert json.loads(found[name].raw[0])["compared with"] == "all speakers"
    assert not found["a0"].cues["prosody"].endswith(")")


@pytest.mark.parametrize(
    ("name", "unnamed"),
    [
        *[
            (name, True)
            for name in ("All", "MAN", "Nurse", "Nurse #1", "Friend No. 2", "1st Customer", "A Waiter", "#2")
        ],
        *[(name, True) for name in ("The Cooking Teacher", "Woman On Train Guide", "Joey and Ross", "The Guys")],
        *[
            (name, False)
            for name in ("Joey", "Dr. Green", "Mrs. Geller", "Phoebe Sr", "Ses01_F", "Speaker 1", "Joey/Drake")
        ],
        *[(name, False) for name in ("Guy Ritchie", "The", "王", "Álvaro", "A")],
    ],
)
def test_who_is_nobody_in_particular(name, unnamed):
    assert is_unnamed(name) is unnamed


def test_nobody_in_particular_is_compared_with_all():
    said = [(f"a{n}", "Ann", tone(150.0 + n)) for n in range(5)]
    said += [(f"m{n}", "Man", tone(300.0 + n)) for n in range(5)]
    found = dict(Prosody(least=5).load("cpu")(observations(said)))
    assert all(found[f"m{n}"].cues["prosody"].endswith(" (compared with all speakers)") for n in range(5))
    assert not any("all speakers" in found[f"a{n}"].cues["prosody"] for n in range(5))
    every = dict(Prosody(least=5, unnamed=()).load("cpu")(observations(said)))
    assert json.loads(every["m0"].raw[0])["compared with"] == "Man"
    assert Prosody().identity() != Prosody(unnamed=()).identity()


def test_where_nobody_says_enough_there_is_the_reason():
    (found,) = dict(Prosody().load("cpu")(observations([("a", "Ann", tone())]))).values()
    assert found.reason == "levels need at least 10 utterances to compare with ('least'); there are 1"
    assert not found.retry


def test_what_has_no_sound_gets_the_reason_and_counts_for_nobody():
    silent = merc.AudioClip(samples=np.zeros(RATE, np.float32), rate=RATE)
    said = [("gone", "Ann", None), ("mute", "Ann", silent), *((f"a{n}", "Ann", tone(150.0 + n)) for n in range(3))]
    found = dict(Prosody(least=4).load("cpu")(observations(said)))
    assert found["gone"].reason == "no sound"
    assert found["mute"].reason == "the sound is silent throughout"
    assert found["a0"].reason.endswith("there are 3")


def test_levels_of_the_train_split_alone():
    train = observations([(f"a{n}", "Ann", tone(150.0 + n)) for n in range(5)], "train")
    test = observations([(f"t{n}", "Ann", tone(400.0 + n)) for n in range(20)], "test")
    high = dict(Prosody(least=5, reference="train").load("cpu")([*train, *test]))
    every = dict(Prosody(least=5).load("cpu")([*train, *test]))
    assert "very high pitch" in high["t0"].cues["prosody"]
    assert "very high pitch" not in every["t0"].cues["prosody"]
    part = Prosody(reference="train")
    assert [part.context(one.query) for one in (train[0], test[0])] == [[None, True], [None, False]]


# from a table

COLUMNS = ["filename", "avg_intensity", "intensity_variation", "avg_pitch", "pitch_std", "articulation_rate"]


def write(path: Path, rows, columns=COLUMNS) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def rows(count, prefix="u") -> list[list]:
    return [[f"wav/{prefix}{n}.wav", 60 + n, 5, 100 + n, 10, 4] for n in range(count)]


def test_values_of_a_table(tmp_path):
    table = write(tmp_path / "t.csv", rows(10))
    part = Prosody(table=table)
    assert part.audio() is None and Prosody().audio() == merc.Waveform(min_seconds=0.3)
    shown = observations([(f"u{n}", "Ann", None) for n in range(10)])
    found = dict(part.load("cpu")(shown))
    assert found["u0"].cues["prosody"] == (
        "very low volume with medium variation, very low pitch with medium variation, medium speaking rate"
    )
    assert json.loads(found["u9"].raw[0])["values"]["pitch"] == 109
    assert part.context(shown[3].query)[0]["loudness"] == 63


def test_a_table_a_split_and_names_that_recur(tmp_path):
    tables = {split: write(tmp_path / f"{split}.csv", rows(12)) for split in ("train", "test")}
    write(tables["test"], [[f"u{n}.wav", 90, 5, 300, 10, 4] for n in range(12)])
    part = Prosody(table=tables)
    train = observations([(f"train_u{n}", "Ann", None) for n in range(12)], "train")
    test = observations([(f"test_u{n}", "Ann", None) for n in range(12)], "test")
    found = dict(part.load("cpu")([*train, *test, *observations([("dev_u0", "Ann", None)], "dev")]))
    assert json.loads(found["train_u1"].raw[0])["values"]["pitch"] == 101
    assert json.loads(found["test_u1"].raw[0])["values"]["pitch"] == 300
    assert found["dev_u0"].reason == "there is no table for the split 'dev'"


def test_what_a_table_lacks(tmp_path):
    table = write(tmp_path / "t.csv", [*rows(10), ["v.wav", 60, 5, "", 0.0, "NaN"], ["w.wav", "", "1", "", "", ""]])
    shown = observations([(name, "Ann", None) for name in [*(f"u{n}" for n in range(10)), "v", "w", "x"]])
    found = dict(Prosody(table=table).load("cpu")(shown))
    assert found["v"].cues["prosody"] == "very low volume with medium variation, no measurable pitch"
    assert found["w"].reason == "the table t.csv has no value for 'w'"
    assert found["x"].reason == "the table t.csv has no row 'x'"


def test_columns_of_ones_own(tmp_path):
    table = write(tmp_path / "t.csv", [[f"u{n}", n] for n in range(10)], ["id", "dB"])
    part = Prosody(table=table, key="id", columns={"loudness": "dB"}, quantiles=(0.33, 0.67))
    found = dict(part.load("cpu")(observations([(f"u{n}", "Ann", None) for n in range(10)])))
    assert [found[name].cues["prosody"] for name in ("u0", "u5", "u9")] == [
        "low volume",
        "medium volume",
        "high volume",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"the table .*t\.csv cannot be read \(No such file or directory\)"),
        (
            "filename,avg_pitch\nu0,3\n",
            r"t\.csv has no column avg_intensity, .*; its columns are filename, avg_pitch",
        ),
        ("x,\n", "has no column filename"),
        (b"\xff\xfe\x00", r"t\.csv is not UTF-8"),
        (",".join(COLUMNS) + "\nu0,loud,1,1,1,1\n", r"t\.csv, line 2: avg_intensity should be a number, not 'loud'"),
        (",".join(COLUMNS) + "\nu0,1,1,1,1,1\nu0.wav,1,1,1,1,1\n", r"t\.csv, line 3: a second row for 'u0'"),
        (",".join(COLUMNS) + "\n,1,1,1,1,1\n", r"t\.csv, line 2: no name in the column filename"),
        (",".join(COLUMNS) + '\nu0,"1"1,1,1,1,1\n', r"t\.csv, line 2: not a table of commas and quotes"),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path, content, message):
    table = tmp_path / "t.csv"
    if content is not None:
        table.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(merc.MercError, match=f"(?s)annotator prosody: .*{message}"):
        list(Prosody(table=table).load("cpu")(observations([("u0", "Ann", None)])))


def test_answers_are_kept_by_values_not_by_the_tables_place(tmp_path):
    one, two = (write(tmp_path / name, rows(3)) for name in ("a.csv", "b.csv"))
    (shown,) = observations([("u1", "Ann", None)])
    assert Prosody(table=one).identity() == Prosody(table=two).identity() != Prosody().identity()
    before = Prosody(table=one).context(shown.query)
    assert before == Prosody(table=two).context(shown.query)
    write(one, [["u1", 1, 2, 3, 4, 555]])
    assert Prosody(table=one).context(shown.query) != before


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"quantiles": (0.5,)}, "quantiles are two or four, for three or five levels; these are 1"),
        ({"quantiles": (0.6, 0.4)}, r"quantiles rise between 0 and 1, as in \[0.33, 0.67\]; they are \[0.6, 0.4\]"),
        ({"least": 1}, "least is how many utterances levels are made of, from 2; it is 1"),
        ({"columns": {"volume": "dB"}}, "columns has 'volume'; it may have loudness, "),
        ({"columns": {}}, "columns is empty"),
        ({"table": {"training": Path("t.csv")}}, "table has 'training'; its keys are splits: train, dev, test"),
    ],
)
def test_parameters_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        Prosody(**params)


class TestContract(merc.testing.AnnotatorContract):
    component = Prosody(least=2, quantiles=(0.33, 0.67))
    name = "prosody"


@pytest.mark.data
def test_published_table_of_meld(real_data):
    table = real_data("meld") / "meld_dev_audio_features.csv"
    if not table.is_file():
        pytest.skip("MELD's table of measured values is not here")
    with table.open() as file:
        names = [row["filename"].removesuffix(".wav") for row in csv.DictReader(file)]
    shown = observations([(f"dev_{name}", "Ann", None) for name in names], "dev")
    found = dict(Prosody(table={"dev": table}).load("cpu")(shown))
    assert len(found) == 1112 and all(one.cues for one in found.values())
    louder = [one.cues["prosody"].split(" volume")[0] for one in found.values()]
    shares = [louder.count(level) / 1112 for level in ("very low", "low", "medium", "high", "very high")]
    assert all(share == pytest.approx(0.2, abs=0.01) for share in shares)
