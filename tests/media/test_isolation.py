"""Decoding in processes of its own: the same clips, and nothing that happens there happens to merc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from merc.components import AudioClip, Frames, Missing, VideoClip, Waveform
from merc.media import Decoders, Limits, MediaInfo, Want, decode_file, isolation, probe_media
from merc.media.container import Unreadable
from merc.media.decode import decode_here
from tests.media.clips import write_clip
from tests.media.damage import endless_table

pytestmark = pytest.mark.skipif(not isolation.ISOLATED, reason="media are decoded in merc's own process here")

BOTH = [Want(Frames(count=4)), Want(Waveform())]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "a.mp4")


@pytest.fixture
def damaged(clip: Path, tmp_path: Path) -> Path:
    return endless_table(clip, tmp_path / "damaged.mp4")


def test_clips_are_those_of_this_process(clip: Path):
    wants = [
        *BOTH,
        Want(Frames(count=4)),
        Want(Frames(count=3, strategy="random", size=(20, 30)), 0.4, 1.6, 1, (0.0, 0.1, 0.5, 1.0)),
        Want(Waveform(rate=8_000), 0.5, 1.0),
        Want(Waveform(), 3.0, 2.0),
        Want(Frames(count=100)),
    ]
    isolated, here = decode_file(clip, wants, 3, "c"), decode_here(clip, wants, 3, "c")
    for one, other in zip(isolated, here, strict=True):
        assert one.remarks == other.remarks and type(one.clip) is type(other.clip)
        if isinstance(one.clip, VideoClip):
            np.testing.assert_array_equal(one.clip.frames, other.clip.frames)
            np.testing.assert_array_equal(one.clip.times, other.clip.times)
            assert (one.clip.frames.dtype, one.clip.times.dtype) == (np.uint8, np.float64)
        elif isinstance(one.clip, AudioClip):
            np.testing.assert_array_equal(one.clip.samples, other.clip.samples)
            assert one.clip.rate == other.clip.rate and one.clip.samples.dtype == np.float32
        else:
            assert one.clip == other.clip
    assert isolated[0].clip is isolated[2].clip  # what two encoders want alike is there once


def test_a_decoder_that_crashes_names_its_file_and_the_rest_goes_on(clip: Path, damaged: Path):
    seen, heard, later = (d.clip for d in decode_file(damaged, [*BOTH, Want(Frames(count=1), 0.0, 0.5)], seed=0))
    assert isinstance(seen, Missing) and seen.reason.startswith("damaged.mp4: its decoder crashed")
    assert isinstance(heard, AudioClip)
    assert later == seen
    assert isinstance(decode_file(clip, BOTH, seed=0)[0].clip, VideoClip)


def test_a_decoder_that_hangs_is_ended_after_its_time(clip: Path):
    given = decode_file(clip, BOTH, seed=0, limits=Limits(seconds=0.001))
    for decoded in given:
        assert isinstance(decoded.clip, Missing)
        assert "a.mp4: its decoder took more than 0.001 s" in decoded.clip.reason
        assert "features.decode_seconds" in decoded.clip.reason
    assert isinstance(decode_file(clip, BOTH, seed=0)[0].clip, VideoClip)


def test_memory_is_limited(clip: Path):
    large = Want(Frames(count=40, size=(2_000, 2_000)))
    seen, heard = (d.clip for d in decode_file(clip, [large, BOTH[1]], seed=0, limits=Limits(gigabytes=0.3)))
    assert isinstance(seen, Missing) and isinstance(heard, AudioClip)
    assert seen.reason.startswith("a.mp4: ") and "features.decode_gigabytes" in seen.reason


def test_large_pictures_are_refused_with_their_size(clip: Path):
    seen, heard = (d.clip for d in decode_file(clip, BOTH, seed=0, limits=Limits(megapixels=0.003)))
    assert isinstance(seen, Missing) and isinstance(heard, AudioClip)
    assert "a.mp4: its pictures are 64 x 48" in seen.reason and "features.decode_megapixels" in seen.reason


def test_probing(clip: Path, tmp_path: Path):
    assert probe_media(clip) == MediaInfo(video=True, audio=True, seconds=2.0)
    sound = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", seconds=1.0)
    assert probe_media(sound) == MediaInfo(video=False, audio=True, seconds=1.0)
    with pytest.raises(Unreadable, match=r"gone\.mp4 does not exist"):
        probe_media(tmp_path / "gone.mp4")
    with pytest.raises(Unreadable, match=r"a\.mp4: its decoder took more than"):
        probe_media(clip, Limits(seconds=1e-6))


def test_a_pass_that_is_stopped_waits_for_no_decoder(clip: Path, monkeypatch):
    started: list[isolation.Worker] = []

    class Frozen(isolation.Worker):
        """A decoder that does not go on."""

        def ask(self, request):
            started.append(self)
            os.kill(self._process.pid, signal.SIGSTOP)
            super().ask(request)

    monkeypatch.setattr(isolation, "Worker", Frozen)
    monkeypatch.setattr(isolation, "_IDLE", isolation._Idle())
    decoders = Decoders()
    given: list[object] = []
    waiting = threading.Thread(target=lambda: given.extend(decoders.decode(clip, BOTH, 0)))
    waiting.start()
    while not started:
        time.sleep(0.01)
    decoders.stop()
    waiting.join(20)
    assert not waiting.is_alive() and len(given) == 2


def test_a_decoder_that_was_ended_while_it_waited_is_no_file_s_fault(clip: Path, monkeypatch):
    monkeypatch.setattr(isolation, "_IDLE", isolation._Idle())
    decode_file(clip, BOTH, seed=0)
    (waiting,) = isolation._IDLE._workers
    os.kill(waiting._process.pid, signal.SIGKILL)
    waiting._process.wait()
    assert isinstance(decode_file(clip, BOTH, seed=0)[0].clip, VideoClip)


def test_a_forked_process_has_decoders_of_its_own(clip: Path):
    expected = decode_file(clip, BOTH, seed=0)[0].clip.frames  # its decoder is idle now
    child = os.fork()
    if child == 0:
        os._exit(0 if (decode_file(clip, BOTH, seed=0)[0].clip.frames == expected).all() else 1)
    assert (decode_file(clip, BOTH, seed=0)[0].clip.frames == expected).all()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


PARENT = """
import signal, sys, time
from pathlib import Path
from merc.components import Waveform
from merc.media import Want, decode_file, isolation
decode_file(Path(sys.argv[1]), [Want(Waveform())], 0)
print(isolation._IDLE._workers[0]._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_decoders_end_with_merc_however_it_ends(clip: Path, how: signal.Signals):
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(clip)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    worker = int(process.stdout.readline())
    os.kill(worker, 0)  # it is there
    process.send_signal(how)
    process.communicate(timeout=20)
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists() and not _alive(worker):
            break
        time.sleep(0.05)
    else:
        os.kill(worker, signal.SIGKILL)
        pytest.fail("a decoder outlives merc")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_decoder_imports_is_light_and_merc_s(clip: Path, tmp_path: Path):
    code = "import merc.media.worker, sys; print(sorted({'torch', 'transformers', 'pluggy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    # A stranger's folder may hold a module of the name of one that is wanted.
    (tmp_path / "av.py").write_text("raise SystemExit('a module of the working folder')")
    code = (
        "from pathlib import Path; from merc.components import Waveform; from merc.media import Want, decode_file;"
        f"print(type(decode_file(Path({str(clip)!r}), [Want(Waveform())], 0)[0].clip).__name__)"
    )
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert found.stdout.strip() == "AudioClip"


@pytest.mark.slow
def test_an_8k_clip_passes_the_defaults(tmp_path: Path):
    path = tmp_path / "8k.mp4"
    write_clip(path, frames=3, size=(4320, 7680), audio=None, options={"preset": "ultrafast"})
    scaled, own = (d.clip for d in decode_file(path, [Want(Frames(count=3, size=(24, 32))), Want(Frames(count=2))], 0))
    assert isinstance(scaled, VideoClip) and scaled.frames.shape == (3, 24, 32, 3)
    assert isinstance(own, VideoClip) and own.frames.shape == (2, 4320, 7680, 3)
