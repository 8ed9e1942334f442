"""merc recognises the emotion of every utterance in recorded conversations.

This module is what plugins import. It stays light: neither torch nor a plugin is imported until a recipe uses it.

>>> import merc
>>> merc.PLUGIN_API
2
"""

# ruff: noqa: F403, F405 - `__all__` says which of the components are public
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from merc.version import PLUGIN_API, __version__

_RENAMED = {
    "CannotEncode": "Missing",
    "Column": "BenchmarkTask",
    "Comparison": "Similarity",
    "Lesson": "Example",
    "StatedCount": "ReportedCount",
    "Suite": "Benchmark",
    "TrainJob": "TrainContext",
}

if TYPE_CHECKING:
    import merc.training as training
    from merc.components import *
    from merc.consent import allow, allowed, read_variable, require_server
    from merc.conversation import Conversation, LabelSpace, Utterance
    from merc.errors import MercError, first_lines, first_names
    from merc.files import AUDIO_ENDINGS, MEDIA_ENDINGS, VIDEO_ENDINGS, cache_folder, hash_file, user_path, whole_file
    from merc.media import MediaInfo, Moment, listen, play, probe_media, watch
    from merc.model.precision import computed_in
    from merc.pretrained import Pretrained, quiet
    from merc.recipe import load_recipe
    from merc.registry.hooks import hookimpl
    from merc.session.annotation import Annotated
    from merc.session.annotation_cost import Estimate, estimates, estimates_text
    from merc.session.api import annotate, load, run
    from merc.session.benchmark_columns import BenchmarkColumn, load_columns
    from merc.session.card import CardText, model_card
    from merc.session.distribution import workers_at
    from merc.session.export import export_run
    from merc.session.pack import pack_run
    from merc.session.session import Session
    from merc.speech import Listener, LiveHearing
    from merc.threads import in_threads

_HOME = {
    "BenchmarkColumn": "merc.session.benchmark_columns",
    "load_columns": "merc.session.benchmark_columns",
    "hookimpl": "merc.registry.hooks",
    "Listener": "merc.speech",
    "LiveHearing": "merc.speech",
    "Session": "merc.session.session",
    "Annotated": "merc.session.annotation",
    "Estimate": "merc.session.annotation_cost",
    "estimates": "merc.session.annotation_cost",
    "estimates_text": "merc.session.annotation_cost",
    "annotate": "merc.session.api",
    "load": "merc.session.api",
    "load_recipe": "merc.recipe",
    "run": "merc.session.api",
    "CardText": "merc.session.card",
    "export_run": "merc.session.export",
    "workers_at": "merc.session.distribution",
    "model_card": "merc.session.card",
    "pack_run": "merc.session.pack",
    "MercError": "merc.errors",
    "first_lines": "merc.errors",
    "first_names": "merc.errors",
    "HuggingFace": "merc.builtin.backbones",
    "Records": "merc.builtin.records",
    "allow": "merc.consent",
    "allowed": "merc.consent",
    "read_variable": "merc.consent",
    "require_server": "merc.consent",
    "AUDIO_ENDINGS": "merc.files",
    "MEDIA_ENDINGS": "merc.files",
    "VIDEO_ENDINGS": "merc.files",
    "cache_folder": "merc.files",
    "hash_file": "merc.files",
    "in_threads": "merc.threads",
    "user_path": "merc.files",
    "whole_file": "merc.files",
    "computed_in": "merc.model.precision",
    "MediaInfo": "merc.media",
    "Moment": "merc.media",
    "listen": "merc.media",
    "play": "merc.media",
    "watch": "merc.media",
    "probe_media": "merc.media",
    "Pretrained": "merc.pretrained",
    "quiet": "merc.pretrained",
    "Conversation": "merc.conversation",
    "LabelSpace": "merc.conversation",
    "Utterance": "merc.conversation",
}

__all__ = [
    "AUDIO_ENDINGS",
    "MEDIA_ENDINGS",
    "PLUGIN_API",
    "VIDEO_ENDINGS",
    "AnnotateFunction",
    "Annotated",
    "Annotation",
    "Annotator",
    "Answer",
    "AudioClip",
    "Backbone",
    "Batch",
    "Benchmark",
    "BenchmarkColumn",
    "BenchmarkTask",
    "CardText",
    "Clip",
    "Component",
    "Connector",
    "Control",
    "Conversation",
    "Corpus",
    "CorpusData",
    "Corruption",
    "CorruptionCase",
    "Cost",
    "Decoded",
    "Decoder",
    "EncodeFunction",
    "Encoder",
    "Estimate",
    "Example",
    "FeatureSpec",
    "Features",
    "FolderOrName",
    "Frames",
    "Frozen",
    "FrozenNetwork",
    "Fuser",
    "Generation",
    "Head",
    "HuggingFace",
    "Job",
    "JobResult",
    "LabelSpace",
    "Listener",
    "LiveHearing",
    "Loss",
    "LossContext",
    "LowRankTuning",
    "MediaInfo",
    "MediaRun",
    "MercError",
    "Metric",
    "Missing",
    "Model",
    "Moment",
    "Named",
    "NamedClip",
    "Observation",
    "Outputs",
    "PeftTuning",
    "Pool",
    "Prediction",
    "PrefixCache",
    "PrepareFunction",
    "Pretrained",
    "Prompt",
    "Prompter",
    "Query",
    "Recognised",
    "Records",
    "ReportedCount",
    "Reward",
    "Run",
    "RunFolder",
    "Scores",
    "SeenMedia",
    "Segment",
    "SegmentFunction",
    "Segmenter",
    "SelectFunction",
    "Selector",
    "Session",
    "Similarity",
    "Slot",
    "SlotTokens",
    "SoundWindow",
    "SpanStream",
    "Speaks",
    "SpeechSpan",
    "Stream",
    "Targets",
    "Text",
    "TextClip",
    "TrackedRun",
    "Tracker",
    "Tracking",
    "TrainContext",
    "TrainReport",
    "Trainer",
    "TranscribeFunction",
    "Transcriber",
    "Transcript",
    "Tuning",
    "Turn",
    "Utterance",
    "Verbalizer",
    "VideoClip",
    "Waveform",
    "WeightedAnswer",
    "Word",
    "Words",
    "Work",
    "Workers",
    "__version__",
    "allow",
    "allowed",
    "annotate",
    "at_least",
    "below_one",
    "cache_folder",
    "check_placeholder",
    "computed_in",
    "estimates",
    "estimates_text",
    "export_run",
    "first_lines",
    "first_names",
    "hash_file",
    "hookimpl",
    "in_threads",
    "layer_names",
    "likeliest",
    "listen",
    "load",
    "load_columns",
    "load_recipe",
    "model_card",
    "pack_run",
    "play",
    "probe_media",
    "quiet",
    "read_variable",
    "require_server",
    "run",
    "stream_dims",
    "training",
    "user_path",
    "watch",
    "whole_file",
    "workers_at",
]


def __getattr__(name: str) -> Any:
    if name == "training":
        return importlib.import_module("merc.training")
    if name in __all__:
        return getattr(importlib.import_module(_HOME.get(name, "merc.components")), name)
    renamed = f"; it is called {_RENAMED[name]} since plugin API 2" if name in _RENAMED else ""
    raise AttributeError(f"module 'merc' has no attribute {name!r}{renamed}")


def __dir__() -> list[str]:
    return sorted(__all__)
