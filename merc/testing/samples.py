"""Small media, conversations and predictions for contract checks, always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from merc.components import (
    AudioClip,
    Clip,
    Frames,
    Named,
    NamedClip,
    Prediction,
    Sampling,
    TextClip,
    VideoClip,
    Waveform,
)
from merc.conversation import Conversation, LabelSpace, Utterance

LABELS = LabelSpace(("neutral", "joy", "anger"), {"joy": ("joy", "happiness")})


def clips(sampling: Sampling) -> list[Clip]:
    """Clips as an encoder with this sampling gets them: of several lengths, the shortest that may come among them."""
    if isinstance(sampling, Frames):
        counts = sorted({1, max(1, sampling.count // 2), sampling.count}, reverse=True)
        return [video(count, sampling.size or (96, 128), seed) for seed, count in enumerate(counts)]
    if isinstance(sampling, Waveform):
        return [audio(max(s, sampling.min_seconds), sampling.rate, i) for i, s in enumerate((1.0, 2.3, 0.0))]
    if isinstance(sampling, Named):
        return [NamedClip(id=one) for one in ("u1", "u2", "u3")]
    return [TextClip(text=text) for text in ("Why do all your coffee mugs have numbers?", "No!", "Great, thank you.")]


def video(count: int, size: tuple[int, int], seed: int = 0) -> VideoClip:
    """Frames with a bright spot that wanders over a gradient."""
    rng = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width]
    frames = np.empty((count, height, width, 3), np.uint8)
    for i in range(count):
        spot = np.exp(-(((rows / height - rng.random()) ** 2 + (columns / width - rng.random()) ** 2) / 0.02))
        grey = 40 + 60 * columns / width + 140 * spot + rng.normal(0, 4, (height, width))
        frames[i] = np.clip(np.stack([grey, grey * 0.9, grey * 0.8], -1), 0, 255)
    return VideoClip(frames=frames, times=np.arange(count, dtype=np.float64) / 10)


def audio(seconds: float, rate: int, seed: int = 0) -> AudioClip:
    """A tone that swells, with a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(max(1, round(seconds * rate))) / rate
    tone = 0.3 * np.sin(2 * np.pi * (180 + 40 * seed) * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 1.5 * time))
    return AudioClip(samples=(tone + rng.normal(0, 0.01, len(time))).astype(np.float32), rate=rate)


def conversation() -> Conversation:
    """Four utterances of two people, with cues, and one that has neither speaker nor cues."""
    lines: Sequence[tuple[str | None, str, str, dict[str, str]]] = [
        ("Ann", "Did you hear? We won!", "joy", {"face": "a broad smile", "prosody": "fast and loud"}),
        ("Ben", "Again? I can't believe it.", "anger", {"face": "a frown", "prosody": "low and tense"}),
        (None, "Well.", "neutral", {}),
        ("Ann", "Never mind, come on.", "joy", {"face": "a smile", "body": "waves", "posture": "upright"}),
    ]
    return Conversation(
        id="talk",
        split="train",
        utterances=tuple(
            Utterance(id=f"talk_u{i}", speaker=who, text=text, label=label, cues=cues)
            for i, (who, text, label, cues) in enumerate(lines)
        ),
    )


def predictions(labels: LabelSpace = LABELS) -> list[Prediction]:
    """Right and wrong predictions, one that could not be parsed, and one without probabilities; each with truths beside
    its label."""
    names = labels.labels
    guesses = []
    for i in range(12):
        truth, label = names[i % len(names)], names[(i * 2) % len(names)]
        even = {name: 0.5 / (len(names) - 1) if name != label else 0.5 for name in names}
        guesses.append(
            Prediction(
                id=f"u{i}", conversation=f"c{i // 4}", split="test", truth=truth, label=label, probabilities=even
            )
        )
    guesses.append(Prediction(id="u12", conversation="c3", split="test", truth=names[0], label=None, answer="well..."))
    guesses.append(
        Prediction(id="u13", conversation="c3", split="test", truth=names[1], label=names[1], answer=names[1])
    )
    return [replace(p, truths={"open_labels": [p.truth], "valence": i / 10 - 0.6}) for i, p in enumerate(guesses)]
