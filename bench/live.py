"""Measures merc-live: how soon after the last voiced sample a final label is there, how often provisional ones come.

    python bench/live.py speech                 a minute of espeak's English, by SmolLM2 on words
    python bench/live.py skits                  conversations of merc-skits, by SmolLM2 on words, face and voice
    python bench/live.py speech RUN             the same with a trained run

Sound is played in its own time. Without RUN it is SmolLM2 as it comes, untrained, which costs what a trained one does.
Run it from the project's folder.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from merc_live import Engine
from merc_live.replay import RATE, replay

import merc
from bench.speech import SENTENCES, VOICES
from tests.spoken import talk, write_wav

PAUSE = 0.9
LABELS = ["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"]
MEDIA = {
    "encoders": {
        "face": {"name": "face-emotion", "frames": 4},
        "voice": {"name": "whisper-tiny", "tokens": 4, "window": 5},
    },
    "connectors": {"face": {"name": "mlp", "pool": "mean"}, "voice": {"name": "mlp", "pool": "mean"}},
}


def run_of(folder: Path, media: bool) -> Path:
    """A run of SmolLM2 that nothing was trained for."""
    corpus = folder / "talk.jsonl"
    corpus.write_text(
        '{"id": "talk", "split": "test", "utterances": [{"id": "u0", "text": "Hello.", "label": "joy"}]}\n'
    )
    prompter = {"name": "conversation", **({"media": list(MEDIA["encoders"])} if media else {})}
    recipe: dict[str, Any] = {
        "corpus": {"name": "jsonl", "path": str(corpus)}, "labels": LABELS,
        "backbone": {"name": "smollm2", "dtype": "bfloat16"}, "strategy": {"device": "cpu"},
        "evaluate": {"splits": ["test"], "prompter": prompter}, **(MEDIA if media else {}),
    }  # fmt: skip
    return merc.run(recipe, run_dir=folder / "run").path


def speech(folder: Path) -> Path:
    """Twenty sentences by three voices, with pauses between them."""
    lines = [(VOICES[number % 3], text) for number, text in enumerate(SENTENCES)]
    return write_wav(folder / "speech.wav", talk(lines, pause=PAUSE)[0])


def skits(folder: Path) -> Path:
    """Two conversations of skits as one film: their clips one after the other, and a still while nobody speaks."""
    from merc.registry import get_registry

    corpus = get_registry().resolve("corpus", "skits")(  # type: ignore[call-arg]
        conversations={"train": 0, "dev": 0, "test": 3}, text_signal=1.0, folder=str(folder / "skits")
    )
    clips = [u.video for c in corpus.load().conversations for u in c.utterances]  # type: ignore[attr-defined]
    path, silence = folder / "skits.mkv", np.zeros(round(PAUSE * RATE), np.float32)
    with av.open(str(path), "w") as out:
        pictures = track = None
        shown = heard = 0
        for clip in clips:
            for moment in merc.play(clip, RATE):
                samples, seen = moment.audio.samples, moment.video
                if pictures is None or track is None:
                    assert seen is not None
                    track = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
                    pictures = out.add_stream("libx264", rate=25)
                    pictures.height, pictures.width = seen.frames.shape[1:3]
                    pictures.pix_fmt, last = "yuv420p", seen.frames[0]
                while shown / 25 < (heard + len(samples)) / RATE:
                    if seen is not None:
                        place = np.searchsorted(seen.times, shown / 25 - heard / RATE, side="right") - 1
                        last = seen.frames[max(int(place), 0)]
                    out.mux(pictures.encode(av.VideoFrame.from_ndarray(last, format="rgb24")))
                    shown += 1
                heard += _sound(out, track, samples, heard)
            assert track is not None
            heard += _sound(out, track, silence, heard)
        out.mux(pictures.encode())
        out.mux(track.encode())
    return path


def _sound(out: Any, track: Any, samples: np.ndarray, at: int) -> int:
    frame = av.AudioFrame.from_ndarray((samples * 32767).astype("<i2")[None], format="s16", layout="mono")
    frame.rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
    out.mux(track.encode(frame))
    return len(samples)


def measure(run: Path, recording: Path) -> None:
    """Play a recording in its own time, and say what was waited for."""
    events: list[tuple[float, dict[str, Any]]] = []
    engine = Engine(merc.load(run), lambda event: events.append((time.monotonic(), event)), name=recording.stem)
    engine.load()
    used, began = time.process_time(), time.monotonic()
    replay(engine, recording)
    engine.end()
    took, cpu = time.monotonic() - began, time.process_time() - used
    finals = [one for _, one in events if one["type"] == "final"]
    paused = [one["latency"] for one in finals if one["latency"]["pause"] >= 0.3]
    print(f"{recording.name}: {len(finals)} utterances in {took:.0f} s, {cpu:.0f} s of CPU")
    for part in ("voice_activity", "pause", "transcription", "features", "scoring", "total"):
        values = sorted(one[part] for one in paused)
        worst = values[min(round(0.9 * len(values)), len(values) - 1)]
        print(f"  {part}: median {statistics.median(values):.3f} s, p90 {worst:.3f} s")
    gaps = []
    for (_, one), (_, other) in pairwise(events):
        if one["type"] == other["type"] == "provisional" and one["id"] == other["id"]:
            gaps.append(other["end"] - one["end"])
    late = [one["latency"]["total"] for _, one in events if one["type"] == "provisional"]
    if gaps:
        print(
            f"  provisional: {len(late)}, every {statistics.median(gaps):.2f} s of speech (median), "
            f"{statistics.median(late):.3f} s after their sound"
        )


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["speech"]
    with tempfile.TemporaryDirectory() as name:
        chosen = Path(rest[0]) if rest else run_of(Path(name), media=what == "skits")
        measure(chosen, skits(Path(name)) if what == "skits" else speech(Path(name)))
