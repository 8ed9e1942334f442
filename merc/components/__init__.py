"""The contracts, one file for each kind. A plugin implements these and nothing else."""

from merc.components.annotator import AnnotateFunction, Annotation, Annotator, Cost, Observation
from merc.components.backbone import Backbone, MediaRun, SlotTokens
from merc.components.base import Component, FolderOrName, at_least, below_one
from merc.components.benchmark import Benchmark, BenchmarkTask
from merc.components.connector import Connector, SeenMedia, Stream, layer_names
from merc.components.corpus import Corpus, CorpusData, Recognised, ReportedCount
from merc.components.corruption import Corruption, CorruptionCase
from merc.components.decoder import Decoded, Decoder, Verbalizer, likeliest
from merc.components.encoder import (
    AudioClip,
    Clip,
    EncodeFunction,
    Encoder,
    Features,
    FeatureSpec,
    Frames,
    FrozenNetwork,
    Missing,
    PrepareFunction,
    TextClip,
    VideoClip,
    Waveform,
    Words,
)
from merc.components.fuser import Fuser, stream_dims
from merc.components.head import Head, Targets
from merc.components.loss import Loss, LossContext
from merc.components.metric import Metric, Prediction
from merc.components.model import Batch, Generation, Model, Outputs, PrefixCache, Scores, Speaks
from merc.components.peft_tuning import LowRankTuning, PeftTuning
from merc.components.prompter import (
    Answer,
    Control,
    Prompt,
    Prompter,
    Query,
    Segment,
    Slot,
    Text,
    Turn,
    check_placeholder,
)
from merc.components.reward import Reward
from merc.components.run import Run, RunFolder
from merc.components.segmenter import Segmenter, SegmentFunction, SoundWindow, SpanStream, SpeechSpan
from merc.components.selector import IndexKind, Indices, Pool, SelectFunction, Selector, Similarity, Vectors
from merc.components.tracker import TrackedRun, Tracker, Tracking
from merc.components.trainer import Example, TrainContext, Trainer, TrainReport, WeightedAnswer
from merc.components.transcriber import TranscribeFunction, Transcriber, Transcript, Word
from merc.components.tuning import Frozen, Tuning
from merc.components.workers import Job, JobResult, Work, Workers

__all__ = [
    "AnnotateFunction",
    "Annotation",
    "Annotator",
    "Answer",
    "AudioClip",
    "Backbone",
    "Batch",
    "Benchmark",
    "BenchmarkTask",
    "Clip",
    "Component",
    "Connector",
    "Control",
    "Corpus",
    "CorpusData",
    "Corruption",
    "CorruptionCase",
    "Cost",
    "Decoded",
    "Decoder",
    "EncodeFunction",
    "Encoder",
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
    "IndexKind",
    "Indices",
    "Job",
    "JobResult",
    "Loss",
    "LossContext",
    "LowRankTuning",
    "MediaRun",
    "Metric",
    "Missing",
    "Model",
    "Observation",
    "Outputs",
    "PeftTuning",
    "Pool",
    "Prediction",
    "PrefixCache",
    "PrepareFunction",
    "Prompt",
    "Prompter",
    "Query",
    "Recognised",
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
    "Vectors",
    "Verbalizer",
    "VideoClip",
    "Waveform",
    "WeightedAnswer",
    "Word",
    "Words",
    "Work",
    "Workers",
    "at_least",
    "below_one",
    "check_placeholder",
    "layer_names",
    "likeliest",
    "stream_dims",
]  # fmt: skip
