"""Contract checks: what a plugin author subclasses to know that a component keeps its kind's contract.

A test of a few lines checks shape, type, determinism, independence of the batch, missing modalities, parameters,
and that the plugin is installed right::

    import merc.testing
    from merc_loudness.encoder import Loudness

    class TestLoudness(merc.testing.EncoderContract):
        component = Loudness()
        name = "loudness"

Each kind has its contract; its class attributes and its methods without ``test_`` may be overridden where the default
samples don't suit a component. Run it with pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merc.testing.annotator import AnnotatorContract
    from merc.testing.backbone import BackboneContract
    from merc.testing.benchmark import BenchmarkContract
    from merc.testing.command import CommandContract
    from merc.testing.connector import ConnectorContract
    from merc.testing.contract import ComponentContract
    from merc.testing.corpus import CorpusContract
    from merc.testing.corruption import CorruptionContract
    from merc.testing.decoder import DecoderContract
    from merc.testing.encoder import EncoderContract
    from merc.testing.fuser import FuserContract
    from merc.testing.head import HeadContract
    from merc.testing.loss import LossContract
    from merc.testing.metric import MetricContract
    from merc.testing.prompter import PrompterContract
    from merc.testing.reward import RewardContract
    from merc.testing.run import RunContract
    from merc.testing.segmenter import SegmenterContract
    from merc.testing.selector import SelectorContract
    from merc.testing.tracker import TrackerContract
    from merc.testing.trainer import TrainerContract
    from merc.testing.transcriber import TranscriberContract
    from merc.testing.tuning import TuningContract
    from merc.testing.workers import WorkersContract

_HOME = {
    "AnnotatorContract": "annotator",
    "BackboneContract": "backbone",
    "CommandContract": "command",
    "ComponentContract": "contract",
    "ConnectorContract": "connector",
    "CorpusContract": "corpus",
    "CorruptionContract": "corruption",
    "DecoderContract": "decoder",
    "EncoderContract": "encoder",
    "FuserContract": "fuser",
    "HeadContract": "head",
    "LossContract": "loss",
    "MetricContract": "metric",
    "PrompterContract": "prompter",
    "RewardContract": "reward",
    "RunContract": "run",
    "SegmenterContract": "segmenter",
    "SelectorContract": "selector",
    "BenchmarkContract": "benchmark",
    "TrackerContract": "tracker",
    "TrainerContract": "trainer",
    "TranscriberContract": "transcriber",
    "TuningContract": "tuning",
    "WorkersContract": "workers",
}

__all__ = [
    "AnnotatorContract",
    "BackboneContract",
    "BenchmarkContract",
    "CommandContract",
    "ComponentContract",
    "ConnectorContract",
    "CorpusContract",
    "CorruptionContract",
    "DecoderContract",
    "EncoderContract",
    "FuserContract",
    "HeadContract",
    "LossContract",
    "MetricContract",
    "PrompterContract",
    "RewardContract",
    "RunContract",
    "SegmenterContract",
    "SelectorContract",
    "TrackerContract",
    "TrainerContract",
    "TranscriberContract",
    "TuningContract",
    "WorkersContract",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"merc.testing.{_HOME[name]}"), name)
    raise AttributeError(f"module 'merc.testing' has no attribute {name!r}")
