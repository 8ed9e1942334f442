"""One clip: a speaker says a line, as an mp4 file with H.264 and AAC."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from merc_skits.expression import Acting, Expression
from merc_skits.face import SIZE, Face, Looks
from merc_skits.script import Line, Speaker
from merc_skits.voice import Samples, Voice, envelope, say

FRAMES_A_SECOND = 10


def make_clip(line: Line, path: Path, acting: type[Acting] = Acting) -> None:
    """Write the clip of a line. The same line gives the same picture and sound."""
    expressions, samples, rate = _performed(line, acting)
    face = face_of(line.speaker)
    _write(path, [face.picture(expression) for expression in expressions], samples, rate)


def drawn_expressions(line: Line, acting: type[Acting] = Acting) -> list[Expression]:
    """The expression that is drawn in each frame of the clip of a line, ``FRAMES_A_SECOND`` of them a second: what a
    measure of faces can be held against."""
    return _performed(line, acting)[0]


def _performed(line: Line, performer: type[Acting]) -> tuple[list[Expression], Samples, int]:
    """The expressions of a line by frame, its sound, and the sound's rate."""
    draw = random.Random(f"{line.seed}/clip")
    samples, rate = say(line.text, voice_of(line.speaker), line.voice_emotion, line.voice, draw)
    count = math.ceil(len(samples) / rate * FRAMES_A_SECOND)
    acting = performer(line.face_emotion, line.face, count / FRAMES_A_SECOND, draw)
    loudness = envelope(samples, rate, 0.1)
    loudness = loudness / (loudness.max() + 1e-9)
    times = [(index + 0.5) / FRAMES_A_SECOND for index in range(count)]
    return [acting.at(t, float(loudness[min(len(loudness) - 1, round(t * rate))])) for t in times], samples, rate


@lru_cache(maxsize=64)
def face_of(speaker: Speaker) -> Face:
    """The face of a speaker."""
    return Face(Looks.draw(random.Random(f"{speaker.seed}/looks"), speaker.woman))


@lru_cache(maxsize=64)
def voice_of(speaker: Speaker) -> Voice:
    """The voice of a speaker."""
    return Voice.draw(random.Random(f"{speaker.seed}/voice"), speaker.woman)


def _write(path: Path, frames: list[np.ndarray], samples: Samples, rate: int) -> None:
    # one thread, and no marks of version or time: the same input gives the same bytes
    with av.open(str(path), "w", format="mp4", container_options={"fflags": "+bitexact"}) as file:
        video = file.add_stream("libx264", rate=FRAMES_A_SECOND, options={"preset": "superfast", "crf": "20"})
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        audio = file.add_stream("aac", rate=rate, layout="mono", options={"aac_coder": "fast"})
        for frame in frames:
            file.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        sound.sample_rate = rate
        file.mux(audio.encode(sound))
        file.mux(audio.encode(None))
