"""Every hook, implemented by a plugin that pip installed, and its component at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import merc
from merc.registry import KINDS, Registry
from merc.testing import samples

Resolve = Callable[..., Any]


@pytest.fixture
def made(registry: Callable[[str], Registry]) -> Resolve:
    """A function that makes the component of a kind that the plugin 'everything' registered."""
    found = registry("everything")

    def make(kind: str, **parameters: Any) -> Any:
        assert found.owner(kind, f"my-{kind}").name == "everything"
        return found.resolve(kind, f"my-{kind}")(**parameters)

    return make


def test_register_encoders(made: Resolve) -> None:
    clip = samples.audio(1.0, 16_000)
    assert made("encoder", window=0.25).load("cpu")([clip])[0].shape == (4, 1)


def test_register_connectors(made: Resolve) -> None:
    module = made("connector", width=3).build(merc.FeatureSpec(dim=2), 4)
    assert sum(p.numel() for p in module.parameters()) == (2 * 3 + 3) + (3 * 4 + 4)


def test_register_fusers(made: Resolve) -> None:
    assert made("fuser", width=8).spec({"voice": merc.FeatureSpec(dim=2)}) == merc.FeatureSpec(dim=8, tokens=1)


def test_register_prompters(made: Resolve) -> None:
    query = merc.Query(conversation=samples.conversation(), index=0, labels=samples.LABELS)
    said = [s.text for s in made("prompter", question="So?").prompt(query).segments[:-1]]
    assert said == ["The emotions are: neutral, joy, anger.\n", "Ann: Did you hear? We won!\n", "So?"]


def test_register_tunings(made: Resolve) -> None:
    backbone = made("backbone", width=32).load("cpu")
    tuned = made("tuning", last=1).apply(backbone)
    learning = [name for name, p in tuned.named_parameters() if p.requires_grad]
    assert learning and all("norm" in name for name in learning)


def test_register_losses(made: Resolve) -> None:
    import torch

    space = merc.LabelSpace(("joy", "anger"))
    function = made("loss", gamma=0.0).build(merc.LossContext(labels=space, width=4, counts={}, answers=()))
    assert isinstance(function, torch.nn.Module)


def test_register_heads(made: Resolve) -> None:
    head = made("head", most=2, field="strength")
    said = [merc.Utterance(id="u", text="Hi.", values=values) for values in ({"strength": 1.5}, {})]
    assert [list(head.target(one)) for one in said] == [[1.0, 1.0], [None, None]]
    assert head.values([0.75, 0.5]) == {"strength": 1.25}
    with pytest.raises(ValueError, match="a grade is from 0 to 2"):
        head.target(merc.Utterance(id="u", text="Hi.", values={"strength": 3.0}))


def test_register_decoders(made: Resolve) -> None:
    """Where the model holds every label as likely without the conversation, what is left are its own scores."""
    import torch

    class Model:
        labels = samples.LABELS

        def prompt(self, query: merc.Query) -> merc.Prompt:
            return merc.Prompt((merc.Text(query.target.text), merc.Answer()), query.target.id)

        def score(self, queries: Any, normalize: str = "none", prompts: Any = None) -> merc.Scores:
            row = [0.0, 1.0, 2.0] if prompts is None else [0.0, 0.0, 4.0]
            return merc.Scores(torch.tensor([row] * len(queries), dtype=torch.float64))

    asked = [merc.Query(conversation=samples.conversation(), index=0, labels=samples.LABELS)]
    assert [made("decoder", weight=w).decode(Model(), asked)[0].label for w in (0.0, 1.0)] == ["anger", "joy"]


def test_register_trainers(made: Resolve) -> None:
    assert isinstance(made("trainer", lr=0.1), merc.Trainer)


def test_register_corpora(made: Resolve, tmp_path: Path) -> None:
    table = tmp_path / "talk.csv"
    table.write_text("conversation,split,speaker,text,label\nc,train,Ann,Hi!,joy\n")
    (talk,) = made("corpus", path=str(table)).load().conversations
    assert talk.utterances == (merc.Utterance(id="c_u0", speaker="Ann", text="Hi!", label="joy"),)


def test_register_backbones(made: Resolve) -> None:
    assert made("backbone", width=32).config().hidden_size == 32


def test_register_annotators(made: Resolve) -> None:
    query = merc.Query(conversation=samples.conversation(), index=0, labels=samples.LABELS)
    sound = merc.AudioClip(samples=np.linspace(0, 1, 100, dtype="float32"), rate=16_000)
    shown = merc.Observation(query=query, video=merc.Missing("none"), audio=sound)
    answered = dict(made("annotator").load("cpu")([shown]))
    assert answered == {query.target.id: merc.Annotation(cues={"prosody": "loud, swelling"})}


def test_register_selectors(made: Resolve) -> None:
    talks = [samples.conversation(), merc.Conversation(id="other", utterances=samples.conversation().utterances)]
    asked = [merc.Query(conversation=talk, index=i, labels=samples.LABELS) for talk in talks for i in range(4)]
    select = made("selector", k=2).load(merc.Pool(asked))
    # "Well." has one word, and "Never mind, come on." four.
    assert select([asked[0], asked[4]], None, 0) == [[6, 7], [2, 3]]


def tones() -> merc.AudioClip:
    """Two tones of a second, after half a second of silence each."""
    silence, tone = np.zeros(8_000, "float32"), samples.audio(1.0, 16_000).samples
    return merc.AudioClip(samples=np.concatenate([silence, tone, silence, tone]), rate=16_000)


def test_register_segmenters(made: Resolve) -> None:
    segment = made("segmenter", pause=0.2).load("cpu")
    spans = list(segment([merc.SoundWindow(start=10.0, clip=tones())]))
    assert [(round(span.start, 1), round(span.end, 1)) for span in spans] == [(10.5, 11.5), (12.0, 13.0)]


def test_register_transcribers(made: Resolve) -> None:
    (heard,) = made("transcriber").load("cpu")([tones()])
    assert heard.text == "la la" and [round(word.start, 1) for word in heard.words] == [0.5, 2.0]


def test_register_metrics(made: Resolve) -> None:
    right = merc.Prediction(id="u", conversation="c", truth="joy", label="joy")
    assert made("metric", k=1).compute([right], samples.LABELS) == {"top_1_accuracy": 1.0}


def test_register_rewards(made: Resolve) -> None:
    query = merc.Query(conversation=samples.conversation(), index=0, labels=samples.LABELS)
    written = [merc.Generation(text, (1,), (-0.5,), ended=True) for text in ("joy", "joy or anger")]
    assert made("reward", words=2).scores(query, written) == [1.0, 0.0]


def test_register_corruptions(made: Resolve) -> None:
    clip = samples.audio(1.0, 16_000)
    heard = made("corruption").apply(clip, 0.5, np.random.default_rng(0))
    assert np.abs(heard.samples).max() == pytest.approx(np.abs(clip.samples).max() / 2)


def test_register_trackers(made: Resolve, tmp_path: Path) -> None:
    run = merc.TrackedRun(name="one", folder=tmp_path, title="One", recipe={})
    made("tracker", separator=";").start(run).numbers({"learn/loss": 0.5}, step=3)
    assert (tmp_path / "numbers.csv").read_text().strip() == "3;learn/loss;0.5"


def test_register_workers(made: Resolve) -> None:
    work = merc.Work(function="merc.testing.workers:adding", values={"to": 2}, jobs=[merc.Job(name="one", value=1)])
    results = made("workers", count=1).run(work, lambda share, text: None, lambda sentence: None)
    assert list(results) == [merc.JobResult(place=0, value=3)]


def test_register_benchmarks(made: Resolve) -> None:
    benchmark = made("benchmark", number="accuracy")
    assert [(c.title, c.truth, c.number) for c in benchmark.columns()][1] == ("MELD-s", "sentiment", "accuracy")
    assert benchmark.averages()["Emotion"] == ("MELD", "IEMOCAP")


def test_register_runs(made: Resolve) -> None:
    assert {file.name for file in made("run").folder().iterdir()} == {"recipe.yaml", "labels.json"}


def test_register_commands(registry: Callable[[str], Registry]) -> None:
    found = registry("everything")
    assert found.help("my-command") == "Say how long clips are."
    assert [one.name for one in found.command("my-command").params] == ["clips", "longest"]


def test_every_hook_has_a_test() -> None:
    assert {name for name in globals() if name.startswith("test_register_")} == {f"test_{h}" for h in KINDS.values()}


def test_every_kind_has_a_contract_class_and_a_hook() -> None:
    from merc import testing
    from merc.registry import hooks

    specified = {n for n in vars(hooks) if n.startswith("register_")}
    assert specified == set(KINDS.values())
    for kind in KINDS:
        assert kind == "command" or getattr(merc, kind.capitalize()).kind == kind  # which is a function
        assert getattr(testing, f"{kind.capitalize()}Contract").kind == kind
