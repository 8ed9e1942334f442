"""The examples of all kinds keep their contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

import merc.testing
from merc.testing.examples import (
    annotator,
    backbone,
    benchmark,
    command,
    connector,
    corpus,
    corruption,
    decoder,
    encoder,
    fuser,
    head,
    loss,
    metric,
    prompter,
    reward,
    segmenter,
    selector,
    tracker,
    trainer,
    transcriber,
    tuning,
    workers,
)
from tests.toys.middle import Middle


class TestEncoder(merc.testing.EncoderContract):
    component = encoder.Example()


class TestEncoderThatLearns(merc.testing.EncoderContract):
    component = Middle()


class TestConnector(merc.testing.ConnectorContract):
    component = connector.Example()


class TestFuser(merc.testing.FuserContract):
    component = fuser.Example()


class TestPrompter(merc.testing.PrompterContract):
    component = prompter.Example(media=("audio",))


class TestLoss(merc.testing.LossContract):
    component = loss.Example()


class TestHead(merc.testing.HeadContract):
    component = head.Example()


class TestDecoder(merc.testing.DecoderContract):
    component = decoder.Example()


class TestTuning(merc.testing.TuningContract):
    component = tuning.Example(last=1)


class TestTrainer(merc.testing.TrainerContract):
    component = trainer.Example()


class TestReward(merc.testing.RewardContract):
    component = reward.Example(words=2)


class TestCorruption(merc.testing.CorruptionContract):
    component = corruption.Example()


class TestTracker(merc.testing.TrackerContract):
    component = tracker.Example()


class TestCommand(merc.testing.CommandContract):
    component = command.command


TABLE = Path(merc.testing.__file__).with_name("examples") / "talk.csv"


class TestCorpus(merc.testing.CorpusContract):
    component = corpus.Example(path=str(TABLE))


class TestBackbone(merc.testing.BackboneContract):
    component = backbone.Example()


class TestBackboneInBfloat16(merc.testing.BackboneContract):
    component = backbone.Example(dtype="bfloat16")


class TestAnnotator(merc.testing.AnnotatorContract):
    component = annotator.Example()


class TestSegmenter(merc.testing.SegmenterContract):
    component = segmenter.Example()


class TestTranscriber(merc.testing.TranscriberContract):
    component = transcriber.Example()


class TestSelector(merc.testing.SelectorContract):
    component = selector.Example(k=2)


class TestSuite(merc.testing.BenchmarkContract):
    component = benchmark.Example()


class TestMetric(merc.testing.MetricContract):
    component = metric.Example()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conversation,split,speaker,text,label\nc,train,Ann,,joy\n", "line 2: no text"),
        ("conversation,split,speaker,text,label\nc,tran,Ann,Hi,joy\n", "is of split 'tran'"),
    ],
)
def test_corpus_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "talk.csv").write_text(text)
    with pytest.raises(merc.MercError, match=said):
        corpus.Example(path=str(tmp_path / "talk.csv")).load()


class TestWorkers(merc.testing.WorkersContract):
    component = workers.Example()
