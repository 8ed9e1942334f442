"""Voices that overlap told apart, by a separation model that somebody names: an ONNX file.

No such model comes in a package, and transformers has none: SpeechBrain's and Asteroid's are checkpoints beside
Python code (hyperpyyaml files, pickles), and neither may run here. ONNX holds the network as data, and both export it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import merc
from merc_speech.unbroken import Samples, unbroken, write_wav
from merc_speech.voices import RATE as VOICE_RATE
from merc_speech.voices import network, voice_function

RATE = 16_000
_PIECE = 30.0
"""Overlaps of more seconds are not told apart: models compute a sound as a whole."""
_SHORTEST = 0.2
_ALONE = 1.0


def separate_overlaps(recording: Path, utterances: Sequence[dict[str, Any]], model: Path, folder: Path) -> str:
    """Give each utterance that overlaps with another speaker's a sound of its own, in which the other is not heard.

    The model, an ONNX file, takes ``[1, samples]`` at 16 kHz and gives ``[1, voices, samples]`` or
    ``[1, samples, voices]``. Which voice is the speaker's is told by speaker vectors of what this speaker says
    elsewhere alone; where nobody can tell, the utterance stays as it is, and is counted.

    Args:
        recording: The file that was heard.
        utterances: Its utterances, with ``id``, ``speaker``, ``start`` and ``end`` in seconds; those that have a sound
            of their own afterwards name it in ``own_sound``, a file in ``folder``.
        model: The ONNX file.
        folder: Where sounds are written: WAV, mono, 16 bits, 16 kHz.

    Returns:
        A sentence that counts them; empty where nothing overlaps.

    Raises:
        MercError: The model is not there, cannot be read, or gives something else; or the vectors' weights are missing.
    """
    overlapping = [one for one in utterances if _overlaps(one, utterances)]
    if not overlapping:
        return ""
    separate = _separator(model)
    sound = np.concatenate(list(unbroken(recording, RATE)))
    vectors = voice_function(network(), "cpu", 0.8)
    references = {
        speaker: reference
        for speaker in {one["speaker"] for one in overlapping}
        if (reference := _reference(speaker, utterances, sound, vectors)) is not None
    }
    apart = 0
    for one in overlapping:
        reference = references.get(one["speaker"])
        piece = sound[round(one["start"] * RATE) : round(one["end"] * RATE)]
        if reference is None or len(piece) < _SHORTEST * RATE or len(piece) > _PIECE * RATE:
            continue
        voices = separate(piece)
        likeness = [float(np.mean(vectors(voice) @ reference)) for voice in voices]
        name = f"{hashlib.sha256(one['id'].encode()).hexdigest()[:12]}.wav"
        write_wav(folder / name, [_no_louder(voices[int(np.argmax(likeness))])], RATE)
        one["own_sound"] = name
        apart += 1
    return f"voices overlap in {len(overlapping)} utterances; {apart} of them were told apart"


def _overlaps(one: dict[str, Any], utterances: Sequence[dict[str, Any]]) -> bool:
    return any(
        other["speaker"] != one["speaker"] and min(one["end"], other["end"]) - max(one["start"], other["start"]) > 0.1
        for other in utterances
        if other["speaker"] is not None and one["speaker"] is not None
    )


def _reference(
    speaker: str, utterances: Sequence[dict[str, Any]], sound: Samples, vectors: Callable[[Samples], Samples]
) -> Samples | None:
    """The mean vector of what a speaker says while nobody else does; None where that is less than a second."""
    alone = [one for one in utterances if one["speaker"] == speaker and not _overlaps(one, utterances)]
    pieces = [sound[round(one["start"] * VOICE_RATE) : round(one["end"] * VOICE_RATE)] for one in alone]
    if sum(map(len, pieces)) < _ALONE * VOICE_RATE:
        return None
    return np.asarray(np.concatenate([vectors(piece) for piece in pieces if len(piece)]).mean(axis=0), np.float32)


def _separator(model: Path) -> Callable[[Samples], Samples]:
    """A function from a sound ``[samples]`` to its voices ``[voices, samples]``."""
    import onnxruntime

    path = merc.user_path(model)
    if not path.is_file():
        raise merc.MercError(f"separate: there is no model {model}; give an ONNX file that tells voices apart")
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"], sess_options=options)
    except Exception as error:  # onnxruntime raises classes of its own
        raise merc.MercError(f"separate: {model} is no ONNX model: {str(error).splitlines()[0][:200]}") from None
    (name, *more) = [one.name for one in session.get_inputs()]
    if more:
        raise merc.MercError(f"separate: {model} takes {1 + len(more)} inputs; one sound [1, samples] is given")

    def separate(samples: Samples) -> Samples:
        try:
            (voices, *_) = session.run(None, {name: samples[None].astype(np.float32)})
        except Exception as error:
            raise merc.MercError(f"separate: {model} failed: {str(error).splitlines()[0][:200]}") from None
        shape = voices.shape
        if len(shape) == 3 and shape[0] == 1 and shape[2] < shape[1]:
            voices = voices.transpose(0, 2, 1)
        if len(shape) != 3 or shape[0] != 1 or not 2 <= voices.shape[1] <= 10 or voices.shape[2] != len(samples):
            raise merc.MercError(
                f"separate: {model} made {list(shape)} of a sound of {len(samples)} samples; merc takes "
                f"[1, voices, {len(samples)}]"
            )
        return np.asarray(voices[0], np.float32)

    return separate


def _no_louder(samples: Samples) -> Samples:
    """A sound that a file holds; a model may give a louder one."""
    return samples / max(float(np.abs(samples).max()), 1.0)
