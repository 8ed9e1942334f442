"""Several processes, killed processes and a full disk, all of them real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from merc.features import FeatureStore, encode
from tests.features.parts import Brightness, Loudness, clips_talk, lines, part
from tests.media.clips import write_clip

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return [write_clip(folder / f"u{i}.mp4", frames=10 + i, tone=300 + 20 * i) for i in range(16)]


def fill(store: Path, trace: Path, pause: float, films: list[Path], **how) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.features.fill", str(store), str(trace), str(pause), *map(str, films)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes, **how)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (process.returncode, out, err)
    return out


def features(store: Path, films: list[Path], trace: Path, pause: float) -> dict[tuple[str, str], np.ndarray]:
    """All features that processes put into a store; there must be nothing left to do."""
    parts = {
        "seen": part(Brightness(trace=str(trace), pause=pause)),
        "heard": part(Loudness(trace=str(trace), pause=pause)),
    }
    table = encode(FeatureStore(store), parts, clips_talk(films), seed=0)
    assert table.encoded == {"seen": 0, "heard": 0} and not table.missing and not table.notes
    return {at: table.get(*at) for at in table.places}


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(np.allclose(one[at], other[at], atol=1e-6) for at in one)


def kept(store: Path) -> list[Path]:
    return sorted(store.glob("*/*.safetensors"))


@pytest.fixture(scope="module")
def alone(films, tmp_path_factory):
    """The features as one undisturbed pass gives them."""
    folder = tmp_path_factory.mktemp("alone")
    table = encode(
        FeatureStore(folder), {"seen": part(Brightness()), "heard": part(Loudness())}, clips_talk(films), seed=0
    )
    assert not table.missing and not table.notes
    return {at: table.get(*at) for at in table.places}


def test_two_processes_fill_a_store_at_once_and_share_the_work(films, alone, tmp_path):
    store, trace = tmp_path / "store", tmp_path / "trace"
    for process in [fill(store, trace, 0.03, films) for _ in range(2)]:
        finish(process)
    assert len(kept(store)) == 32
    assert len(lines(trace, "clip")) == 32, "no clip was encoded twice"
    assert not list(store.glob("*/.*.tmp"))
    assert same(features(store, films, trace, 0.03), alone)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_pass_that_is_killed_goes_on_where_it_was(films, alone, tmp_path, how):
    store, trace = tmp_path / "store", tmp_path / "trace"
    process = fill(store, trace, 0.05, films)
    deadline = time.monotonic() + 60
    while len(kept(store)) < 8 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode != 0
    done = len(kept(store))
    assert 8 <= done < 32
    before = {path: path.read_bytes() for path in kept(store)}
    trace.unlink()
    finish(fill(store, trace, 0.05, films))
    assert len(lines(trace, "clip")) == 32 - done, "what was there was not encoded again"
    assert len(kept(store)) == 32
    assert all(path.read_bytes() == content for path, content in before.items())
    assert same(features(store, films, trace, 0.05), alone)


def test_a_process_waits_for_another_and_takes_over_when_that_is_killed(films, tmp_path):
    store, trace = tmp_path / "store", tmp_path / "trace"
    first = fill(store, trace, 0.3, films[:3])
    deadline = time.monotonic() + 60
    while not lines(trace, "clip") and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    second = fill(store, trace, 0.3, films[:3])
    time.sleep(1.0)
    first.kill()
    first.communicate()
    finish(second)
    assert len(kept(store)) == 6


def test_a_full_disk_stops_the_pass_with_a_sentence_and_leaves_whole_files(films, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        process = fill(small / "store", tmp_path / "trace", 0.0, films)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 2
        assert err.startswith("the disk is full: ") and "free some space and run the same command again" in err
        assert "Traceback" not in err
        store = FeatureStore(small / "store")
        assert 0 < len(kept(store.root)) < 32
        for path in kept(store.root):
            assert isinstance(store.load(path.stem), np.ndarray)
        assert not list(store.root.glob("*/.*.tmp"))
        assert subprocess.run(["mount", "-o", "remount,size=4m", small]).returncode == 0
        finish(fill(small / "store", tmp_path / "trace", 0.0, films))
        assert len(kept(store.root)) == 32
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_file_that_may_not_grow_stops_the_pass_with_a_sentence(films, tmp_path):
    resource = pytest.importorskip("resource")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # noqa: E731
    process = fill(tmp_path / "store", Path(os.devnull), 0.0, films[:2], preexec_fn=limit)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "could not be written: File too large" in err and "Traceback" not in err
    assert not kept(tmp_path / "store") and not list((tmp_path / "store").glob("*/.*.tmp"))
