"""A student learns what a teacher gave: the equation written out, and files that cannot be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from merc_losses.distillation import Distillation
from safetensors.torch import save_file
from torch import Tensor

import merc
import merc.testing
from merc.builtin.prompters import ConversationPrompter
from merc.components import Example
from merc.testing import samples
from merc.training.steps import encode_example
from tests.training.jobs import LABELS, model_of, plain_log_probabilities
from tests.training.loss_steps import WHOLE, assert_gradients, one_step, queries_of, states_alone

WIDTH = 5


def write(folder: Path, queries: Sequence[merc.Query], labels: merc.LabelSpace) -> tuple[Tensor, Tensor]:
    """Write a teacher's evaluation; gives its probabilities and states."""
    generator = torch.Generator().manual_seed(4)
    probabilities = torch.randn(len(queries), len(labels), generator=generator).softmax(-1)
    states = torch.randn(len(queries), WIDTH, generator=generator)
    lines = []
    for query, row in zip(queries, probabilities.tolist(), strict=True):
        own = dict(zip(reversed(labels.labels), reversed(row), strict=True))  # in another order than the student's
        lines.append({"id": query.target.id, "conversation": query.conversation.id, "split": "train",
                      "label": labels.labels[0], "probabilities": own, "text": "Well\u2028you came."})  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "predictions.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    save_file({"train": states}, folder / "states.safetensors")
    return probabilities, states


class TestDistillation(merc.testing.LossContract):
    name = "distillation"
    states = 0.0

    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        talk = samples.conversation()
        queries = [merc.Query(conversation=talk, index=i, labels=samples.LABELS) for i in range(len(talk.utterances))]
        write(tmp_path, queries, samples.LABELS)
        type(self).component = Distillation(teacher=tmp_path, states=self.states, temperature=2.0)


class TestDistillationOfStates(TestDistillation):
    states = 0.5


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_equation(temperature: float, backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    queries = queries_of(talks[:3])
    teacher, _ = write(tmp_path / "teacher", queries, LABELS)
    loss = Distillation(teacher=tmp_path / "teacher", temperature=temperature)
    for name, budget in (("a", 100_000), ("b", 100)):
        model = model_of(backbone)
        settings = WHOLE.__class__(**{**vars(WHOLE), "batch_tokens": budget})
        value, taken, passes, _ = one_step(model, talks[:3], tmp_path / name, (loss,), settings)
        losses = []
        for query, p in zip(queries, teacher, strict=True):
            found = plain_log_probabilities(model, query.conversation, query.index)
            scores = [torch.stack([found[w] for w in LABELS.words_of(n)]).logsumexp(0) for n in LABELS.labels]
            q = (torch.stack(scores).log_softmax(0) / temperature).softmax(0)
            soft = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
            losses.append(temperature**2 * (soft * (soft / q).log()).sum())
        plain = torch.stack(losses).mean()
        assert (passes > 1) == (name == "b")
        assert value == pytest.approx(float(plain.detach()), rel=1e-4)
        assert_gradients(model, plain, taken)


def test_states(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    """What states add is their mean squared error from a linear map of the student's, whose parameters learn."""
    queries = queries_of(talks[:2])
    _, states = write(tmp_path / "teacher", queries, LABELS)
    values, model = {}, model_of(backbone)
    for weight in (0.0, 1.0, 3.0):
        loss = Distillation(teacher=tmp_path / "teacher", states=weight)
        values[weight], taken, _, _ = one_step(model_of(backbone), talks[:2], tmp_path / str(weight), (loss,))
    learned = [name for name, gradient in taken.items() if name.startswith("losses.") and bool(gradient.any())]
    assert learned == ["losses.0.map.weight", "losses.0.map.bias"]
    assert values[3.0] - values[0.0] == pytest.approx(3 * (values[1.0] - values[0.0]), rel=1e-3)
    # The map as the stage's seed draws it.
    import zlib

    torch.manual_seed(zlib.crc32(b"0/merc/losses"))
    linear = torch.nn.Linear(model.base.config.hidden_size, WIDTH)
    plain = (linear(states_alone(model, talks[:2])) - states).square().mean(-1).mean()
    assert values[1.0] - values[0.0] == pytest.approx(float(plain.detach()), rel=1e-3)


def spoil(folder: Path, **fields: Any) -> None:
    lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").strip().split("\n")
    first = {**json.loads(lines[0]), **fields}
    (folder / "predictions.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")


OTHERS = {"joy": 0.5, "anger": 0.25, "fear": 0.25}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"probabilities": OTHERS}, r"predictions\.jsonl, line 1: the teacher's labels are joy, anger, fear, and this"),
        ({"probabilities": None}, r"line 1 has no probabilities.*evaluate\.decoder"),
        ({"probabilities": {"joy": 2.0, "anger": 0.0, "sadness": 0.0}}, "line 1 has probabilities that are none"),
        ({"id": "somebody"}, "gave nothing for utterance 'train0_0' of conversation 'train0'.*merc evaluate"),
    ],
)
def test_teachers_that_do_not_fit(
    fields: dict[str, Any], message: str, backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    write(tmp_path / "teacher", queries_of(talks[:2]), LABELS)
    spoil(tmp_path / "teacher", **fields)
    loss = Distillation(teacher=tmp_path / "teacher")
    with pytest.raises(merc.MercError, match=message):
        one_step(model_of(backbone), talks[:2], tmp_path / "a", (loss,))


def test_a_dataset_with_some_of_the_labels_has_a_teacher_with_these(
    backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    """Of labels that the teacher was asked with and the prompt was not, the share is left out; the reverse is refused,
    by the step and before it."""
    some = merc.LabelSpace(LABELS.labels[:2], {name: LABELS.words_of(name) for name in LABELS.labels[:2]})
    own = [replace(u, label=some.labels[i % 2]) for i, u in enumerate(talks[0].utterances)]
    talk = replace(talks[0], utterances=tuple(own))
    asked = [merc.Query(conversation=talk, index=i, labels=some) for i in range(len(own))]
    model = model_of(backbone)
    encoded = [encode_example(model, Example(one, ConversationPrompter()), {"labels"}, LABELS) for one in asked]
    (batch,) = model.batches(encoded, 100_000)
    batch = replace(batch, labels=len(LABELS))
    outputs = model.outputs(batch, {"path_log_probs"})
    q = batch.label_scores(outputs.path_log_probs)[:, :2].log_softmax(-1)
    context = merc.LossContext(labels=LABELS, width=8, counts={"joy": 1}, answers=[(1,)])
    for name, labels in (("some", some), ("all", LABELS)):
        probabilities, _ = write(tmp_path / name, asked, labels)
        loss = Distillation(teacher=tmp_path / name)
        loss.check(LABELS, asked)
        function = loss.build(context)
        function.begin([batch])  # type: ignore[operator]
        p = probabilities[:, :2] / probabilities[:, :2].sum(-1, keepdim=True)
        torch.testing.assert_close(function(outputs, batch), (p * (p.log() - q)).sum(-1), rtol=1e-4, atol=1e-6)
    whole = queries_of([talk])
    loss = Distillation(teacher=tmp_path / "some")
    lacking = "has no probability of sadness for utterance 'train0_0' of conversation 'train0', which is asked with"
    with pytest.raises(merc.MercError, match=lacking):
        loss.check(LABELS, whole)
    with pytest.raises(merc.MercError, match=lacking):
        one_step(model_of(backbone), [talk], tmp_path / "refused", (loss,), WHOLE)
    both = Distillation(teacher=tmp_path / "all", others=(tmp_path / "some",))
    with pytest.raises(merc.MercError, match="have probabilities of other labels for utterance 'train0_0'"):
        both.check(LABELS, asked)


def test_what_it_reads(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert Distillation(teacher=one, others=(two,)).reads_files() == [
        one / "predictions.jsonl", two / "predictions.jsonl"
    ]  # fmt: skip
    assert Distillation(teacher=one, states=1.0).reads_files() == [
        one / "predictions.jsonl", one / "states.safetensors"
    ]  # fmt: skip


def test_files_that_are_not_there(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    loss = Distillation(teacher=tmp_path / "teacher", states=1.0)
    with pytest.raises(merc.MercError, match=r"has no predictions\.jsonl; make it with: merc evaluate"):
        one_step(model_of(backbone), talks[:1], tmp_path / "a", (loss,))
    write(tmp_path / "teacher", queries_of(talks[:1]), LABELS)
    save_file({"train": torch.zeros(1, WIDTH)}, tmp_path / "teacher" / "states.safetensors")
    with pytest.raises(merc.MercError, match="1 states of the train split for"):
        one_step(model_of(backbone), talks[:1], tmp_path / "b", (loss,))
    (tmp_path / "teacher" / "states.safetensors").write_bytes(b"no")
    with pytest.raises(merc.MercError, match=r"states\.safetensors cannot be read"):
        one_step(model_of(backbone), talks[:1], tmp_path / "c", (loss,))
    (tmp_path / "teacher" / "states.safetensors").unlink()
    with pytest.raises(merc.MercError, match=r"states\.safetensors is not there.*evaluate\.states=true"):
        one_step(model_of(backbone), talks[:1], tmp_path / "d", (loss,))


def test_several_teachers_are_learned_by_their_mean(
    backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    queries = queries_of(talks[:2])
    first, _ = write(tmp_path / "one", queries, LABELS)
    second = first.roll(1, 1)
    lines = (tmp_path / "one" / "predictions.jsonl").read_text(encoding="utf-8").strip().split("\n")
    (tmp_path / "two").mkdir()
    turned = [
        {**json.loads(line), "probabilities": dict(zip(LABELS.labels, row, strict=True))}
        for line, row in zip(lines, second.tolist(), strict=True)
    ]
    (tmp_path / "two" / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in turned))
    loss = Distillation(teacher=tmp_path / "one", others=(tmp_path / "two",))
    model = model_of(backbone)
    value, taken, _, _ = one_step(model, talks[:2], tmp_path / "a", (loss,), WHOLE)
    losses = []
    for query, p in zip(queries, (first + second) / 2, strict=True):
        found = plain_log_probabilities(model, query.conversation, query.index)
        scores = [torch.stack([found[w] for w in LABELS.words_of(n)]).logsumexp(0) for n in LABELS.labels]
        losses.append((p * (p.log() - torch.stack(scores).log_softmax(0))).sum())
    plain = torch.stack(losses).mean()
    assert value == pytest.approx(float(plain.detach()), rel=1e-4)
    assert_gradients(model, plain, taken)
    (tmp_path / "two" / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in turned[1:]))
    with pytest.raises(
        merc.MercError, match=r"two has no prediction of utterance .* let all teachers predict the same"
    ):
        one_step(model_of(backbone), talks[:2], tmp_path / "b", (loss,), WHOLE)
    with pytest.raises(ValueError, match="states are those of one teacher"):
        Distillation(teacher=tmp_path, others=(tmp_path,), states=0.1)
