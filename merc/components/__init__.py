"""The contracts, a file a kind. A plugin implements these and nothing else."""

from merc.components.annotator import AnnotateFunction, Annotation, Annotator, Observation
from merc.components.backbone import Backbone
from merc.components.base import Component, FolderOrName
from merc.components.connector import Connector, Stream
from merc.components.corpus import Corpus, CorpusData, StatedCount
from merc.components.decoder import Decoded, Decoder, Verbalizer, likeliest
from merc.components.encoder import (
    AudioClip,
    CannotEncode,
    Clip,
    EncodeFunction,
    Encoder,
    Features,
    FeatureSpec,
    Frames,
    FrozenNetwork,
    TextClip,
    VideoClip,
    Waveform,
    Words,
)
from merc.components.fuser import Fuser
from merc.components.loss import Loss, LossContext
from merc.components.metric import Metric, Prediction
from merc.components.model import Batch, Model, Outputs, Scores, Speaks
from merc.components.prompter import Answer, Prompt, Prompter, Query, Segment, Slot, Text, Turn
from merc.components.selector import Comparison, IndexKind, Places, Pool, SelectFunction, Selector, Vectors
from merc.components.suite import Column, Suite
from merc.components.trainer import Lesson, Trainer, TrainJob, TrainReport
from merc.components.tuning import Frozen, Tuning

__all__ = [
    "AnnotateFunction", "Annotation", "Annotator", "Answer", "AudioClip", "Backbone", "Batch", "CannotEncode",
    "Clip", "Column", "Comparison", "Component", "Connector", "Corpus", "CorpusData", "Decoded", "Decoder",
    "EncodeFunction", "Encoder", "FeatureSpec", "Features", "FolderOrName", "Frames", "Frozen", "FrozenNetwork",
    "Fuser", "IndexKind", "Lesson", "Loss", "LossContext", "Metric", "Model", "Observation", "Outputs", "Places",
    "Pool", "Prediction", "Prompt", "Prompter", "Query", "Scores", "Segment", "SelectFunction", "Selector", "Slot",
    "Speaks", "StatedCount", "Stream", "Suite", "Text", "TextClip", "TrainJob", "TrainReport", "Trainer", "Tuning",
    "Turn", "Vectors", "Verbalizer", "VideoClip", "Waveform", "Words", "likeliest",
]  # fmt: skip
