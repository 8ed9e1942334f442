import dataclasses
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from merc_skits.corpus import SkitsCorpus
from merc_skits.expression import EMOTIONS
from merc_skits.script import Conflicts, Line, Scene, write_script
from scipy.stats import chi2

from merc import CorpusData, MercError

SMALL = {"train": 1, "dev": 0, "test": 1}
LARGE = {"train": 400, "dev": 100, "test": 100}


def script(
    seed: int = 0, text_signal: float = 0.0, counts: dict[str, int] = LARGE, conflicts: Conflicts | None = None
) -> list[Scene]:
    return list(write_script(seed, counts, 5, text_signal, conflicts or Conflicts()))


def lines(scenes: list[Scene], split: str | None = None) -> list[Line]:
    return [line for scene in scenes if split in (None, scene.split) for line in scene.lines]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CorpusData]:
    folder = tmp_path_factory.mktemp("skits") / "small"
    return folder, SkitsCorpus(conversations=SMALL, utterances=3, folder=str(folder)).load()


def hashes(folder: Path) -> dict[str, str]:
    files = [folder / "conversations.jsonl", *sorted((folder / "clips").glob("*.mp4"))]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def depends(pairs: list[tuple[object, object]]) -> float:
    """The chance of a chi-square as large as that of two columns, if they were independent."""
    both, one, other = Counter(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    total = len(pairs)
    value = sum((both[a, b] - n * m / total) ** 2 / (n * m / total) for a, n in one.items() for b, m in other.items())
    return float(chi2.sf(value, (len(one) - 1) * (len(other) - 1)))


def test_the_same_seed_gives_the_same_script_and_another_another() -> None:
    assert script(3) == script(3)
    assert script(3) != script(4)


def test_emotions_are_balanced_in_every_split() -> None:
    for counts in (LARGE, {"train": 13, "dev": 3, "test": 4}):
        for split in counts:
            count = Counter(line.emotion for line in lines(script(counts=counts), split))
            assert set(count) == set(EMOTIONS)
            assert max(count.values()) - min(count.values()) <= 1


@pytest.mark.parametrize("text_signal", [0.0, 0.5, 1.0])
def test_splits_share_no_sentence_and_no_speaker(text_signal: float) -> None:
    scenes = script(text_signal=text_signal)
    for what in (lambda line: line.text, lambda line: line.speaker.name, lambda line: line.speaker.seed):
        seen = [{what(line) for line in lines(scenes, split)} for split in LARGE]
        assert all(seen)
        assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_scenes_have_two_or_three_speakers_who_take_turns() -> None:
    for scene in script():
        names = [line.speaker.name for line in scene.lines]
        assert len(set(names)) in (2, 3)
        assert all(a != b for a, b in pairwise(names))


def test_words_speakers_and_neighbours_do_not_tell_the_emotion() -> None:
    said = [scene.lines for seed in range(3) for scene in script(seed)]
    every = [line for scene in said for line in scene]
    neighbours = [pair for scene in said for pair in pairwise(scene)]
    first, last = (lambda text: " ".join(text.split()[:2])), (lambda text: text.split()[-1])
    chances = {
        "start": depends([(first(line.text), line.emotion) for line in every]),
        "end": depends([(last(line.text), line.emotion) for line in every]),
        "length": depends([(len(line.text.split()), line.emotion) for line in every]),
        "speaker": depends([(line.speaker.name, line.emotion) for line in every]),
        "turn": depends([(turn, line.emotion) for scene in said for turn, line in enumerate(scene)]),
        "emotion before": depends([(a.emotion, b.emotion) for a, b in neighbours]),
        "words before": depends([(first(a.text), b.emotion) for a, b in neighbours]),
        "words after": depends([(first(b.text), a.emotion) for a, b in neighbours]),
        "strengths": depends([(line.face > line.voice, line.emotion) for line in every]),
    }  # fmt: skip
    assert not any(line.hinted for line in every)
    assert min(chances.values()) > 0.001, chances


def test_text_signal_is_the_share_of_utterances_whose_words_tell() -> None:
    for share in (0.25, 1.0):
        for split in LARGE:
            said = lines(script(text_signal=share), split)
            assert sum(line.hinted for line in said) == round(share * len(said))
    said = lines(script(text_signal=1.0), "train")
    of_text: dict[str, set[str]] = {}
    for line in said:
        of_text.setdefault(line.text, set()).add(line.emotion)
    assert all(len(emotions) == 1 for emotions in of_text.values())
    assert depends([(" ".join(line.text.split()[:3]), line.emotion) for line in said]) < 1e-9


def test_another_text_signal_changes_nothing_but_the_words_of_the_hinted() -> None:
    none, half = lines(script()), lines(script(text_signal=0.5))
    for a, b in zip(none, half, strict=True):
        assert dataclasses.replace(b, text="", hinted=False) == dataclasses.replace(a, text="")
        assert b.hinted or a.text == b.text


def test_face_and_voice_are_never_both_played_down() -> None:
    said = lines(script())
    low = Counter((line.face < 0.6, line.voice < 0.6) for line in said)
    assert low[True, True] == 0
    assert 0.1 < low[True, False] / len(said) < 0.2
    assert 0.1 < low[False, True] / len(said) < 0.2


CONFLICTS = Conflicts({"video": 0.3, "audio": 0.2, "text": 0.1})


def test_the_label_follows_the_modality_that_leads_and_the_others_say_something_else() -> None:
    said = lines(script(conflicts=CONFLICTS), "test")
    counts = Counter(line.leads for line in said)
    assert counts == {
        None: 0.4 * len(said),
        "video": 0.3 * len(said),
        "audio": 0.2 * len(said),
        "text": 0.1 * len(said),
    }
    for line in said:
        says = line.says
        if line.leads is None:
            assert set(says.values()) == {line.emotion}
            continue
        others = {says[name] for name in says if name != line.leads}
        assert says[line.leads] == line.emotion
        assert len(others) == 1
        assert line.emotion not in others
        assert line.face >= 0.8
        assert line.voice >= 0.8
        assert line.hinted == (line.leads == "text")
    led = [line for line in said if line.leads == "video"]
    assert {line.voice_emotion for line in led} == set(EMOTIONS)


def test_conflicts_change_the_lines_that_have_one_and_no_other() -> None:
    for before, after in zip(
        lines(script(text_signal=0.3)), lines(script(text_signal=0.3, conflicts=CONFLICTS)), strict=True
    ):
        same = (after.id, after.speaker, after.emotion, after.seed) == (
            before.id,
            before.speaker,
            before.emotion,
            before.seed,
        )
        assert same
        assert (after == before) == (after.leads is None)
    assert not any(line.leads for split in ("train", "dev") for line in lines(script(conflicts=CONFLICTS), split))


def test_a_corpus_with_conflicts_marks_every_utterance_and_stays_apart_from_one_without(
    made: tuple[Path, CorpusData], tmp_path: Path
) -> None:
    folder = tmp_path / "conflict"
    shares = {"video": 0.34, "audio": 0.34}
    data = SkitsCorpus(conversations=SMALL, utterances=3, conflict=shares, folder=str(folder)).load()
    marks = {u.id: u.extra["conflict"] for c in data.conversations for u in c.utterances}
    assert Counter(mark["leads"] for mark in marks.values()) == {None: 4, "video": 1, "audio": 1}
    before, after = hashes(made[0]), hashes(folder)
    changed = {name.removesuffix(".mp4") for name in after if name.endswith(".mp4") and after[name] != before[name]}
    assert changed == {name for name, mark in marks.items() if mark["leads"]}
    with pytest.raises(MercError, match=r"conflict: .*there, None asked for"):
        SkitsCorpus(conversations=SMALL, utterances=3, folder=str(folder)).load()


def test_the_corpus_has_a_label_and_a_clip_for_every_utterance(made: tuple[Path, CorpusData]) -> None:
    folder, data = made
    assert [(c.id, c.split, len(c.utterances)) for c in data.conversations] == [
        ("train_0000", "train", 3), ("test_0000", "test", 3),
    ]  # fmt: skip
    assert data.labels is not None
    assert data.labels.labels == EMOTIONS
    for talk in data.conversations:
        for said in talk.utterances:
            assert said.label in EMOTIONS
            assert said.video == folder / "clips" / f"{said.id}.mp4"
            assert said.video.is_file()
            assert set(said.extra) == {"hinted", "face_strength", "voice_strength"}


def test_clips_are_whole_h264_and_aac(made: tuple[Path, CorpusData]) -> None:
    for path in sorted((made[0] / "clips").iterdir()):
        with av.open(str(path)) as file:
            assert (file.streams.video[0].codec_context.name, file.streams.audio[0].codec_context.name) == (
                "h264",
                "aac",
            )
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        with av.open(str(path)) as file:
            sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
        seconds = len(sound) / 22050
        assert 1.0 < seconds < 5.0
        assert frames[0].shape == (256, 256, 3)
        assert abs(len(frames) / 10 - seconds) < 0.2
        assert np.abs(frames[0].astype(int) - frames[len(frames) // 2]).mean() > 0.5
        assert np.abs(sound).max() > 0.05


def test_its_list_of_conversations_is_one_that_merc_reads(made: tuple[Path, CorpusData]) -> None:
    from merc.builtin.jsonl import JsonlCorpus

    data = JsonlCorpus(path=str(made[0] / "conversations.jsonl")).load()
    assert data.conversations == made[1].conversations


def test_what_is_made_is_not_made_again_and_what_is_lost_is(made: tuple[Path, CorpusData], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(made[0]), str(folder)], check=True)
    corpus = SkitsCorpus(conversations=SMALL, utterances=3, folder=str(folder))
    before = {path: path.stat().st_mtime_ns for path in (folder / "clips").iterdir()}
    lost = folder / "clips" / "train_0000_2.mp4"
    lost.unlink()
    corpus.load()
    after = {path: path.stat().st_mtime_ns for path in (folder / "clips").iterdir()}
    assert {path for path in after if after[path] != before[path]} == {lost}
    assert hashes(folder) == hashes(made[0])


def test_a_folder_that_holds_something_else(made: tuple[Path, CorpusData], tmp_path: Path) -> None:
    with pytest.raises(MercError) as caught:
        SkitsCorpus(conversations=SMALL, utterances=3, seed=1, folder=str(made[0])).load()
    assert str(caught.value) == (
        f"the folder {made[0]} holds skits made with other parameters (seed: 0 there, 1 asked for); give another "
        "'folder', or leave it out"
    )
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(MercError, match="holds something else than skits; give a new or an empty folder"):
        SkitsCorpus(conversations=SMALL, folder=str(tmp_path)).load()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(MercError, match=r"skits cannot be written to .*thesis.txt.*; give another 'folder'"):
        SkitsCorpus(conversations=SMALL, folder=str(tmp_path / "thesis.txt")).load()


def test_the_cache_keeps_each_set_of_parameters_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    one = {"train": 1, "dev": 0, "test": 0}
    for seed in (0, 1):
        SkitsCorpus(conversations=one, utterances=1, seed=seed).load()
    folders = list((tmp_path / "skits").iterdir())
    assert len(folders) == 2
    assert {json.loads((folder / "skits.json").read_text())["seed"] for folder in folders} == {0, 1}


@pytest.mark.parametrize(("parameters", "message"), [
    ({"conversations": {"train": 3}}, "conversations must give a number for each of train, dev, test"),
    ({"conversations": {"train": 3, "dev": 1, "tset": 1}}, "conversations must give a number for each of"),
    ({"conversations": {"train": -1, "dev": 1, "test": 1}}, "conversations must be counts from 0, and not all 0"),
    ({"conversations": {"train": 0, "dev": 0, "test": 0}}, "conversations must be counts from 0, and not all 0"),
    ({"utterances": 0}, r"utterances \(in a conversation\) must be at least 1, not 0"),
    ({"text_signal": 1.5}, "text_signal is a share from 0 to 1, not 1.5"),
    ({"conflict": {"face": 0.1}}, "conflict gives shares for video, audio, text, not for 'face'"),
    ({"conflict": {"video": 0.6, "audio": 0.5}}, "conflict gives shares from 0 to 1 that add up to 1 at most"),
    ({"conflict": {"video": -0.1}}, "conflict gives shares from 0 to 1"),
    ({"conflict_splits": ()}, "conflict_splits names at least one of train, dev, test"),
])  # fmt: skip
def test_parameters_that_make_no_sense(parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SkitsCorpus(**parameters)


def start(folder: Path) -> subprocess.Popen[str]:
    code = (
        "from merc_skits.corpus import SkitsCorpus; import sys;"
        f"SkitsCorpus(conversations={SMALL}, utterances=3, folder=sys.argv[1]).load()"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stderr=subprocess.PIPE, text=True)


def test_made_again_by_two_processes_at_once_it_is_the_same_and_made_once(made, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    pair = [start(folder) for _ in range(2)]
    said = [process.communicate(timeout=120)[1].splitlines() for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert hashes(folder) == hashes(made[0])
    first, second = sorted(said, key=len, reverse=True)
    assert first[0] == f"skits: making 6 clips with drawn faces and synthetic speech in {folder}"
    assert first[-1] == "skits: 6 of 6 clips"
    assert second in ([f"skits: waiting for another process that makes the clips in {folder}"], [])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_it_goes_on_from_what_is_there(made: tuple[Path, CorpusData], tmp_path: Path, how: int) -> None:
    folder = tmp_path / "cut"
    process = start(folder)
    while process.poll() is None and len(list((folder / "clips").glob("*.mp4"))) < 2:
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate(timeout=120)
    assert not (folder / "conversations.jsonl").exists()
    kept = {path: path.stat().st_mtime_ns for path in (folder / "clips").glob("*.mp4")}
    assert len(kept) >= 2
    SkitsCorpus(conversations=SMALL, utterances=3, folder=str(folder)).load()
    assert hashes(folder) == hashes(made[0])
    assert all(path.stat().st_mtime_ns == when for path, when in list(kept.items())[:2])


def test_a_fault_of_the_maker_is_told_with_the_clip(tmp_path: Path) -> None:
    folder = tmp_path / "shut"
    folder.mkdir()
    (folder / "clips").write_text("a file where the folder of clips should be")
    with pytest.raises(MercError, match="holds something else than skits"):
        SkitsCorpus(conversations=SMALL, folder=str(folder)).load()


def test_the_module_is_light() -> None:
    code = (
        "import merc_skits, sys;"
        "print([m for m in ('torch', 'av', 'PIL', 'rich', 'espeakng_loader') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_the_probability_of_chance_is_what_it_says() -> None:
    same = [(i % 7, i % 7) for i in range(700)]
    apart = [(i % 7, i // 100) for i in range(700)]
    assert depends(same) < 1e-9
    assert math.isclose(depends(apart), 1.0)
