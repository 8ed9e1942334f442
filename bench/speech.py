"""Measures merc-speech on recordings whose words, borders and speakers are known.

    python bench/speech.py words                       word error rate of whisper-tiny on 20 sentences, time
    python bench/speech.py borders [CLIP...]           ten minutes of voices and clips: borders, speakers
    python bench/speech.py hour RUN                    merc predict on an hour: memory, when the first line comes

Run it from the project's folder. Times are those of this process's CPU, since a machine may have other things to do.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

import merc
from merc.components import Missing, Waveform
from merc.media.decode import Want, decode_here
from tests.spoken import RATE, Line, say, write_wav

SENTENCES = (
    "I cannot believe that you did this to me yesterday.",
    "She has been waiting for the letter since Monday.",
    "Please do not tell anybody about our plan.",
    "The weather was cold and the roads were covered with snow.",
    "We will meet in front of the station tomorrow at nine.",
    "My phone and wallet are in the bag.",
    "What a wonderful surprise this is.",
    "I am so proud of everything you have done.",
    "Leave me alone, I do not want to talk about it.",
    "There is somebody standing behind the door.",
    "He lost his keys again and had to climb through the window.",
    "That is the most disgusting soup that I have ever eaten.",
    "Could you open the window, it is very warm in here.",
    "They laughed about the story for the rest of the evening.",
    "My brother works in a hospital and comes home late.",
    "Nobody told me that the meeting had been moved.",
    "You should have seen her face when she opened the box.",
    "The children are playing in the garden behind the house.",
    "I would rather stay here and read a book tonight.",
    "Thank you very much for your help with the papers.",
)
VOICES = ("en-us+f4", "en-us+m3", "en-us+Andy")


def plain(text: str) -> str:
    """Small letters without marks."""
    return "".join(one for one in text.lower() if one.isalpha() or one in " '")


def words() -> None:
    """Each sentence by itself, and all of them as one recording."""
    import jiwer

    listener = merc.Listener("silero", "whisper-tiny threads=1")
    _, transcribe = listener.load()
    sounds = [say(text, VOICES[number % 3]) for number, text in enumerate(SENTENCES)]
    started = time.process_time()
    heard = transcribe([merc.AudioClip(samples=one, rate=RATE) for one in sounds])
    took = time.process_time() - started
    texts = [" ".join(w.text for w in one.words) if not isinstance(one, Missing) else "" for one in heard]
    wrong = jiwer.wer(list(map(plain, SENTENCES)), list(map(plain, texts)))
    seconds = sum(map(len, sounds)) / RATE
    print(f"each sentence by itself: WER {wrong:.1%}, {took / seconds * 60:.1f} s of CPU for a minute of sound")
    silence = np.zeros(RATE // 2, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = write_wav(Path(folder) / "all.wav", np.concatenate([part for one in sounds for part in (one, silence)]))
        started = time.process_time()
        hearing = listener.hear(path)
        utterances = list(hearing)
        took = time.process_time() - started
        text = " ".join(u.text for u in utterances)
    wrong = jiwer.wer(plain(" ".join(SENTENCES)), plain(text))
    print(
        f"merc transcribe of all in one recording: WER {wrong:.1%}, {len(utterances)} utterances of {len(SENTENCES)}, "
        f"{took / (hearing.sound / 60):.1f} s of CPU for a minute of sound"
    )


def ten_minutes(clips: list[Path]) -> tuple[np.ndarray, list[Line]]:
    """Voices that say sentences, and clips, one after the other, with pauses of 0.3 to 1.2 seconds."""
    draw, parts, lines, at = random.Random(0), [np.zeros(RATE, np.float32)], list[Line](), 1.0
    films = [(clip.stem, decode_here(clip, [Want(Waveform(rate=RATE))], 0)[0].clip) for clip in clips]
    number = 0
    while at < 600:
        if films and number % 7 == 3:
            name, clip = films[number // 7 % len(films)]
            assert isinstance(clip, merc.AudioClip)
            speaker, sound = name, clip.samples
        else:
            speaker = draw.choice(VOICES)
            sound = say(draw.choice(SENTENCES), speaker, draw.randint(150, 185))
        pause = draw.uniform(0.3, 1.2)
        parts += [sound, np.zeros(round(pause * RATE), np.float32)]
        lines.append(Line(speaker, "", at, at + len(sound) / RATE))
        at = sum(map(len, parts)) / RATE
        number += 1
    return np.concatenate(parts), lines


def borders(clips: list[Path]) -> None:
    """Precision and recall of borders within half a second, and how pure speakers are."""
    sound, lines = ten_minutes(clips)
    true = sorted([line.start for line in lines] + [line.end for line in lines])
    with tempfile.TemporaryDirectory() as folder:
        path = write_wav(Path(folder) / "ten.wav", sound)
        for name in ("silero", "speaker-clusters", f"speaker-clusters speakers={len({one.voice for one in lines})}"):
            listener = merc.Listener(name, "whisper-tiny")
            segment = listener.segmenter.load("cpu")
            started = time.process_time()
            from merc.media import Decoders

            spans = list(segment(Decoders().listen(path, RATE)))
            took = time.process_time() - started
            found = sorted([span.start for span in spans] + [span.end for span in spans])
            precision = np.mean([min(abs(one - other) for other in true) <= 0.5 for one in found])
            recall = np.mean([min(abs(one - other) for other in found) <= 0.5 for one in true])
            print(
                f"{name}: {len(lines)} pieces, {len(spans)} spans; borders within 0.5 s: precision {precision:.3f}, "
                f"recall {recall:.3f}{_purity(lines, spans)}; {took / 10:.2f} s of CPU for a minute of sound"
            )


def _purity(lines: list[Line], spans: list[merc.SpeechSpan]) -> str:
    shared: dict[str, Counter[str]] = {}
    for span in spans:
        for line in lines:
            both = min(span.end, line.end) - max(span.start, line.start)
            if both > 0 and span.speaker:
                shared.setdefault(span.speaker, Counter())[line.voice] += round(both * 1000)
    if not shared:
        return ""
    best = sum(max(counts.values()) for counts in shared.values())
    every = sum(sum(counts.values()) for counts in shared.values())
    people = len({line.voice for line in lines})
    return f"; {len(shared)} speakers of {people}, purity {best / every:.3f}"


def hour(run: Path, minutes: int = 60) -> None:
    """``merc predict`` on a recording in which somebody speaks for 12 seconds of each minute: when the first progress
    and the first line come, how the lines come after it, and the most memory of each process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.wav"
        minute = []
        for number in range(4):
            minute += [say(SENTENCES[number], VOICES[number % 2]), np.zeros(RATE // 2, np.float32)]
        one = np.concatenate(minute)
        one = np.concatenate([one, np.zeros(60 * RATE - len(one), np.float32)])
        write_wav(path, np.tile(one, minutes))
        started = time.monotonic()
        command = [sys.executable, "-m", "merc", "predict", str(run), str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stderr is not None
        progress: list[float] = []
        shown = threading.Thread(
            target=lambda: progress.extend(time.monotonic() - started for line in process.stderr if "listening" in line)
        )
        shown.start()
        rows, came = [], []
        for line in process.stdout:
            rows.append(json.loads(line))
            came.append(time.monotonic() - started)
        process.wait()
        shown.join()
        took, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        half = sum(at < came[0] + (took - came[0]) / 2 for at in came)
        print(f"{minutes} minutes: {len(rows)} lines in {took:.0f} s ({used.ru_utime:.0f} s of CPU)")
        print(f"the first progress after {progress[0] if progress else float('nan'):.0f} s")
        print(f"the first line ({rows[0]['id']}) after {came[0]:.0f} s, {half} lines in half of the time from there")
        print(f"at most {used.ru_maxrss / 1e6:.2f} GB in one process")


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["words"]
    if what == "words":
        words()
    elif what == "borders":
        borders([Path(one) for one in rest])
    else:
        hour(Path(rest[0]), *map(int, rest[1:]))
