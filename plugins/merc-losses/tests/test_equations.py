"""Each loss and its gradient against its equation, written out plainly and computed a prompt at a time."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from merc_losses.contrastive import InfoNCE, SupervisedContrastive, Trajectories
from merc_losses.labels import (
    ClassBalanced,
    Focal,
    LabelSmoothing,
    LogitAdjusted,
    Rationale,
    RDrop,
    Task,
    Temporal,
)
from merc_losses.numbers import CCC, MSE, Ordinal
from torch import Tensor

import merc
from merc.builtin.losses import LabelCE, TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.tunings import LoRA
from merc.model.emotion_model import EmotionModel
from merc.training.steps import encode_example
from tests.training.jobs import LABELS, model_of, plain_log_probabilities
from tests.training.loss_steps import (
    WHOLE,
    assert_gradients,
    one_step,
    queries_of,
    states_alone,
    summary,
    with_head,
    with_media,
    with_values,
)

Talks = Sequence[merc.Conversation]
Formula = Callable[[EmotionModel, Talks], Tensor]


def probabilities(model: EmotionModel, talks: Talks) -> tuple[Tensor, Tensor]:
    """The probabilities of the labels ``[prompts, labels]`` and the right ones ``[prompts]``."""
    rows = []
    for query in queries_of(talks):
        found = plain_log_probabilities(model, query.conversation, query.index)
        words = [torch.stack([found[w] for w in LABELS.words_of(name)]).exp().sum() for name in LABELS.labels]
        rows.append(torch.stack(words) / torch.stack(words).sum())
    return torch.stack(rows), torch.tensor([LABELS.index(str(q.target.label)) for q in queries_of(talks)])


def right(model: EmotionModel, talks: Talks) -> Tensor:
    p, y = probabilities(model, talks)
    return torch.stack([p[i, y[i]] for i in range(len(y))])


def task(model: EmotionModel, talks: Talks) -> Tensor:
    return -right(model, talks).log().mean()


def focal(model: EmotionModel, talks: Talks) -> Tensor:
    p = right(model, talks)
    return (-((1 - p) ** 1.5) * p.log()).mean()


def class_balanced(model: EmotionModel, talks: Talks) -> Tensor:
    p, beta = right(model, talks), 0.9
    labels = [str(query.target.label) for query in queries_of(talks)]
    alpha = {label: (1 - beta) / (1 - beta**count) for label, count in Counter(labels).items()}
    mean = sum(alpha.values()) / len(alpha)
    return torch.stack([-alpha[y] / mean * (1 - q) * q.log() for y, q in zip(labels, p, strict=True)]).mean()


def smoothed(model: EmotionModel, talks: Talks) -> Tensor:
    p, y = probabilities(model, talks)
    target = torch.full_like(p, 0.2 / len(LABELS))
    target[torch.arange(len(y)), y] += 0.8
    return -(target * p.log()).sum(1).mean()


def temporal(model: EmotionModel, talks: Talks) -> Tensor:
    terms = []
    for talk in talks:
        p, _ = probabilities(model, [talk])
        terms += [((p[t] - p[t - 1]) ** 2).sum() for t in range(1, len(p))]
    return torch.stack(terms).mean()


def logit_adjusted(model: EmotionModel, talks: Talks) -> Tensor:
    p, y = probabilities(model, talks)
    counts = Counter(y.tolist())
    numbers = torch.tensor([float(max(1, counts[label])) for label in range(len(LABELS))])
    moved = p * (numbers / numbers.sum()) ** 0.7
    return -torch.stack([(moved[i, y[i]] / moved[i].sum()).log() for i in range(len(y))]).mean()


OF_LABELS: dict[str, tuple[merc.Loss, Formula]] = {
    "task": (Task(), task),
    "focal": (Focal(gamma=1.5), focal),
    "class-balanced": (ClassBalanced(beta=0.9, gamma=1.0), class_balanced),
    "label-smoothing": (LabelSmoothing(epsilon=0.2), smoothed),
    "temporal": (Temporal(), temporal),
    "logit-adjusted": (LogitAdjusted(tau=0.7), logit_adjusted),
}


@pytest.mark.parametrize("name", OF_LABELS)
def test_losses_of_labels(name: str, backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    loss, formula = OF_LABELS[name]
    model = model_of(backbone)
    value, taken, passes, said = one_step(model, talks[:3], tmp_path / "a", (loss,))
    plain = formula(model, talks[:3])
    # Of a conversation's first utterance there is none before to compare with.
    notes = [f"3 of {len(queries_of(talks[:3]))} prompts of the first epoch count"] if name == "temporal" else []
    assert passes == 1 and len(said) == len(notes) and all(note in one for note, one in zip(notes, said, strict=True))
    assert value == pytest.approx(float(plain.detach()), rel=1e-4)
    assert_gradients(model, plain, taken)
    # In passes of a conversation each it is the same.
    small = replace(WHOLE, batch_tokens=200)
    value, taken, passes, said = one_step(model_of(backbone), talks[:3], tmp_path / "b", (loss,), small)
    assert passes > 1 and len(said) == len(notes)
    assert value == pytest.approx(float(plain.detach()), rel=1e-4)
    assert_gradients(model, formula(model, talks[:3]), taken)


def test_temporal_says_where_pairs_are_computed_apart(
    backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    talk = max(talks, key=lambda talk: len(talk.utterances))
    tiny = replace(WHOLE, batch_tokens=1)
    _, _, passes, said = one_step(model_of(backbone), [talk], tmp_path / "a", (Temporal(), Task()), tiny)
    assert passes == 4 and len(talk.utterances) == 5  # two of the utterances together
    assert "3 of 4 pairs of a step" in said[0] and "batch_tokens" in said[0] and len(said) == 1
    alone = [replace(talk, utterances=talk.utterances[:1])]
    _, _, _, said = one_step(model_of(backbone), alone, tmp_path / "b", (Temporal(), Task()))
    assert "no two utterances" in said[0]


def test_temporal_skips_who_is_not_asked(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    talk = max(talks, key=lambda talk: len(talk.utterances))
    silent = replace(talk.utterances[1], label=None)
    talk = replace(talk, utterances=(talk.utterances[0], silent, *talk.utterances[2:]))
    model = model_of(backbone)
    value, _, _, _ = one_step(model, [talk], tmp_path, (Temporal(),))
    asked = [i for i, said in enumerate(talk.utterances) if said.label]
    found = [plain_log_probabilities(model, talk, i) for i in asked]
    rows = [
        torch.stack([torch.stack([one[w] for w in LABELS.words_of(n)]).exp().sum() for n in LABELS.labels])
        for one in found
    ]
    p = [row / row.sum() for row in rows]
    plain = torch.stack([((b - a) ** 2).sum() for a, b in itertools.pairwise(p)]).mean()
    assert len(p) > 1 and value == pytest.approx(float(plain.detach()), rel=1e-4)


def test_r_drop(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    """Of two given passes; then of those that dropout draws, which differ."""
    from merc_losses.label_functions import symmetric_kl

    p, q = (torch.randn(4, 3, dtype=torch.float64).log_softmax(-1).requires_grad_() for _ in range(2))
    plain = (p.exp() * (p - q)).sum(1) + (q.exp() * (q - p)).sum(1)
    torch.testing.assert_close(symmetric_kl(p, q), plain)
    assert torch.autograd.gradcheck(lambda a, b: symmetric_kl(a.log_softmax(-1), b.log_softmax(-1)), (p, q))
    dropping = model_of(backbone, LoRA(r=4, alpha=8, dropout=0.5))
    losses = [one_step(dropping, talks[:2], tmp_path / str(a), (RDrop(alpha=a),))[0] for a in (0.0, 1.0, 3.0)]
    assert losses[1] > losses[0] and losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-3)
    with pytest.raises(merc.MercError, match=r"stages\.merc: .* dropout.* backbone\.tuning\.dropout"):
        one_step(model_of(backbone), talks[:2], tmp_path / "none", (RDrop(),))


def test_r_drop_of_two_given_passes(backbone: Path, talks: list[merc.Conversation]) -> None:
    """-log p_y - log q_y + α / 2 (KL(p‖q) + KL(q‖p)) of each prompt, and its gradient."""
    model = model_of(backbone)
    ask = ConversationPrompter()
    examples = [merc.Example(query, ask) for query in queries_of(talks[:1])]
    (batch,) = model.batches([encode_example(model, one, {"labels"}, LABELS) for one in examples], 100_000)
    batch = replace(batch, labels=len(LABELS))
    passes = [torch.randn(len(batch.path_prompt)).requires_grad_() for _ in range(2)]
    context = merc.LossContext(labels=LABELS, width=16, counts={"joy": 1}, answers=[])
    found = RDrop(alpha=0.7).build(context)(
        merc.Outputs(path_log_probs=passes[0], second_path_log_probs=passes[1]), batch
    )

    def shares(scores: Tensor, prompt: int) -> Tensor:
        own = [(batch.path_prompt == prompt) & (batch.path_label == label) for label in range(len(LABELS))]
        words = torch.stack([scores[paths].exp().sum() for paths in own])
        return words / words.sum()

    plain = []
    for prompt, query in enumerate(batch.queries):
        p, q = (shares(scores, prompt) for scores in passes)
        y = LABELS.index(str(query.target.label))
        apart = (p * (p / q).log()).sum() + (q * (q / p).log()).sum()
        plain.append(-p[y].log() - q[y].log() + 0.7 / 2 * apart)
    torch.testing.assert_close(found, torch.stack(plain))
    for mine, theirs in zip(
        torch.autograd.grad(found.sum(), passes), torch.autograd.grad(sum(plain), passes), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def squared(model: EmotionModel, talks: Talks) -> Tensor:
    def one(x: dict[str, Tensor], y: dict[str, float]) -> Tensor:
        return torch.stack([(x[n] - y[n]) ** 2 for n in y]).mean()

    return torch.stack([one(x, y) for x, y in numbers(model, talks) if y]).mean()


def concordance(model: EmotionModel, talks: Talks) -> Tensor:
    rows = [(x, y) for x, y in numbers(model, talks) if y]
    apart = {}
    for name in ("valence", "arousal"):
        x = torch.stack([x[name] for x, y in rows if name in y])
        t = torch.tensor([float(y[name]) for _, y in rows if name in y])
        shared = ((x - x.mean()) * (t - t.mean())).mean()
        spread = x.var(correction=0) + t.var(correction=0) + (x.mean() - t.mean()) ** 2
        apart[name] = 1 - 2 * shared / spread
    return torch.stack([torch.stack([apart[name] for name in y]).mean() for _, y in rows]).mean()


def graded(model: EmotionModel, talks: Talks) -> Tensor:
    def one(x: Tensor, y: float) -> Tensor:
        above = [torch.sigmoid((x - cut) / 0.5) for cut in (0.5, 1.5, 3.0)]
        return -torch.stack([(p if y > c else 1 - p).log() for p, c in zip(above, (0.5, 1.5, 3.0), strict=True)]).sum()

    rows = [(x, y) for x, y in numbers(model, talks) if y]
    return torch.stack([torch.stack([one(x[n], y[n]) for n in y]).mean() for x, y in rows]).mean()


def numbers(model: EmotionModel, talks: Talks) -> list[tuple[dict[str, Tensor], dict[str, float]]]:
    """What the head gives of each utterance, by name, and what is true."""
    raw = model.heads["affect"].layers(states_alone(model, talks))  # type: ignore[operator, union-attr]
    given = [{"valence": torch.tanh(row[0]), "arousal": 2 + 2 * torch.tanh(row[1])} for row in raw]
    return list(zip(given, [dict(query.target.values) for query in queries_of(talks)], strict=True))  # type: ignore[arg-type]


OF_NUMBERS: dict[str, tuple[merc.Loss, Formula]] = {
    "mse": (MSE(head="affect"), squared),
    "ordinal": (Ordinal(head="affect", levels=(0.0, 1.0, 2.0, 4.0), scale=0.5), graded),
    "ccc": (CCC(head="affect"), concordance),
}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_losses_of_numbers(name: str, backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    (loss, formula), spoken = OF_NUMBERS[name], with_values(talks[:4])
    model = with_head(backbone)
    value, taken, passes, _ = one_step(model, spoken, tmp_path / "a", (loss,))
    plain = formula(model, spoken)
    assert passes == 1 and value == pytest.approx(float(plain.detach()), rel=1e-4)
    assert_gradients(model, plain, taken)
    small = replace(WHOLE, batch_tokens=60)
    value, taken, passes, _ = one_step(with_head(backbone), spoken, tmp_path / "b", (loss,), small)
    assert passes > 1
    if name == "ccc":  # of each pass, weighed by its utterances
        assert value != pytest.approx(float(plain.detach()), rel=1e-4)
    else:
        assert value == pytest.approx(float(plain.detach()), rel=1e-4)
        assert_gradients(model, formula(model, spoken), taken)


def test_a_number_alone_in_its_pass_has_nothing_to_agree_with(
    backbone: Path, talks: list[merc.Conversation], tmp_path: Path
) -> None:
    spoken = with_values([replace(talk, utterances=talk.utterances[:1]) for talk in talks[:3]])
    tiny, losses = replace(WHOLE, batch_tokens=1), (CCC(head="affect"), LabelCE())
    _, _, passes, said = one_step(with_head(backbone), spoken, tmp_path / "a", losses, tiny)
    assert passes == 3
    assert any("1 of 1 steps had nothing that counts for the loss ccc" in sentence for sentence in said)


MEDIA = ConversationPrompter(media=("face", "voice"))


def anchored(model: EmotionModel, talks: Talks, anchor: str, missing: Sequence[str] = ()) -> Tensor:
    """Equation 29 over all utterances with a face, ⟨u, v⟩ being a cosine."""
    table = model.base.get_input_embeddings().weight

    def text_of(said: merc.Utterance) -> str:
        return said.text if anchor == "utterance" else LABELS.words_of(str(said.label))[0]

    def embed(text: str) -> Tensor:
        v = table[model.tokenizer(text, add_special_tokens=False)["input_ids"]].mean(0)
        return v / v.norm()

    asked = [query.target for query in queries_of(talks) if query.target.id not in missing]
    texts = sorted({text_of(said) for said in asked})
    if anchor == "label":
        texts = [LABELS.words_of(name)[0] for name in LABELS.labels]
    losses = []
    for said in asked:
        u = summary(model, "face", said.id)
        exponents = {text: torch.exp(u / u.norm() @ embed(text) / 0.2) for text in texts}
        losses.append(-torch.log(exponents[text_of(said)] / torch.stack(list(exponents.values())).sum()))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("anchor", ["utterance", "label"])
def test_info_nce(anchor: str, backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    """In one pass, and in several the same: the anchors are those of the whole step."""
    missing = [talks[0].utterances[0].id, talks[1].utterances[1].id]
    loss = InfoNCE(stream="face", anchor=anchor, tau=0.2)
    for name, budget in (("a", 100_000), ("b", 60)):
        model = with_media(backbone, missing)
        settings = replace(WHOLE, batch_tokens=budget)
        value, taken, passes, said = one_step(model, talks[:3], tmp_path / name, (loss,), settings, prompter=MEDIA)
        plain = anchored(model, talks[:3], anchor, missing)
        count = len(queries_of(talks[:3]))
        assert (passes > 1) == (name == "b")
        assert [f"2 of {count} prompts of the first epoch count for no loss" in sentence for sentence in said] == [True]
        assert value == pytest.approx(float(plain.detach()), rel=1e-4)
        assert_gradients(model, plain, taken)


def test_each_pass_of_info_nce_embeds_the_anchors(
    backbone: Path, talks: list[merc.Conversation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZeRO-3 fetches shared weights from all processes at once, so a pass without the stream may not leave it out."""
    model = with_media(backbone, [said.id for said in talks[0].utterances])
    embed, embedded = model.embed_texts, []
    monkeypatch.setattr(model, "embed_texts", lambda texts: (embedded.append(len(texts)), embed(texts))[1])
    settings = replace(WHOLE, batch_tokens=60)
    _, _, passes, _ = one_step(model, talks[:3], tmp_path, (InfoNCE(stream="face"),), settings, prompter=MEDIA)
    anchors = {said.text for talk in talks[1:3] for said in talk.utterances}
    assert passes > 3 and embedded == [len(anchors)] * passes


def test_info_nce_says_what_is_wrong(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    model = with_media(backbone)
    with pytest.raises(merc.MercError, match=r"info-nce.*'fase'.*face, voice"):
        one_step(model, talks[:1], tmp_path / "a", (InfoNCE(stream="fase"),), prompter=MEDIA)
    losses = (InfoNCE(stream="face", anchor="cue:prosody"), Task())
    _, _, _, said = one_step(model, talks[:1], tmp_path / "b", losses, prompter=MEDIA)
    assert "0 different anchors (cue:prosody)" in said[0]
    with pytest.raises(ValueError, match="anchor is"):
        InfoNCE(stream="face", anchor="cue:")


def test_supervised_contrastive(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    model = model_of(backbone)
    value, taken, _, _ = one_step(model, talks[:3], tmp_path / "a", (SupervisedContrastive(tau=0.5),))
    z = torch.stack([state / state.norm() for state in states_alone(model, talks[:3])])
    labels = [query.target.label for query in queries_of(talks[:3])]
    losses = []
    for i, label in enumerate(labels):
        others = [a for a in range(len(labels)) if a != i]
        below = torch.stack([torch.exp(z[i] @ z[a] / 0.5) for a in others]).sum()
        same = [p for p in others if labels[p] == label]
        if same:
            losses.append(-torch.stack([torch.log(torch.exp(z[i] @ z[p] / 0.5) / below) for p in same]).mean())
    plain = torch.stack(losses).mean()
    assert value == pytest.approx(float(plain.detach()), rel=1e-4)
    assert_gradients(model, plain, taken)
    # A pass of one prompt has nothing to compare, and is no error.
    tiny, losses_two = replace(WHOLE, batch_tokens=1), (SupervisedContrastive(), Task())
    alone = one_step(model_of(backbone), talks[:1], tmp_path / "b", losses_two, tiny)[0]
    assert alone == pytest.approx(float(task(model_of(backbone), talks[:1]).detach()), rel=1e-4)


def test_supervised_contrastive_compares_other_utterances(backbone: Path, talks: list[merc.Conversation]) -> None:
    """Not two prompts about one utterance, as tasks that stand beside each other have, nor one that asks for a text."""
    model, queries = model_of(backbone), queries_of(talks[:1])
    context = merc.LossContext(labels=LABELS, width=16, counts={"joy": 1}, answers=[])
    function = SupervisedContrastive(tau=0.5).build(context)

    def found(*asked: tuple[merc.Prompter, merc.Query]) -> tuple[list[float], list[float]]:
        prompts = [encode_example(model, merc.Example(query, asks), {"gold"}, LABELS) for asks, query in asked]
        (batch,) = model.batches(prompts, 100_000)
        values = function(model.outputs(batch, {"states"}), batch)
        return function.counts(batch).tolist(), values.tolist()

    plain, label = ConversationPrompter(), queries[0].target.label
    other = next(query for query in queries[1:] if query.target.label == label)
    text = replace(other, index=0)
    assert found((plain, queries[0]), (plain, queries[0])) == ([0.0, 0.0], [0.0, 0.0])
    counts, alone = found((plain, queries[0]), (plain, other))
    assert counts == [1.0, 1.0] and alone == pytest.approx([0.0, 0.0])  # each has the other one alone
    assert found((plain, other), (Mixed(), text))[0] == [0.0, 0.0]
    with pytest.raises(merc.MercError, match="'supervised-contrastive' compares labels, and no answer"):
        SupervisedContrastive().build(replace(context, counts={}))


def trajectories(model: EmotionModel, talks: Talks, points: int) -> Tensor:
    def drawn(stream: str, talk: merc.Conversation) -> list[Tensor]:
        path = [summary(model, stream, said.id) for said in talk.utterances]
        path = [u / u.norm() for u in path]
        places = []
        for k in range(points):
            at = k * (len(path) - 1) / (points - 1)
            low = min(int(at), len(path) - 2)
            v = path[low] * (1 - (at - low)) + path[low + 1] * (at - low)
            places.append(v / v.norm())
        return places

    a, b = ([drawn(stream, talk) for talk in talks] for stream in ("face", "voice"))
    s = torch.stack([torch.stack([sum(x @ y for x, y in zip(c, d, strict=True)) / points for d in b]) for c in a])  # type: ignore[misc]
    e = torch.exp(s / 0.3)
    return torch.stack(
        [-(torch.log(e[c, c] / e[c].sum()) + torch.log(e[c, c] / e[:, c].sum())) / 2 for c in range(len(talks))]
    ).mean()


def test_trajectories(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    model, loss = with_media(backbone), Trajectories(streams=("face", "voice"), tau=0.3, points=5)
    value, taken, _, said = one_step(model, talks[:3], tmp_path / "a", (loss,), prompter=MEDIA)
    plain = trajectories(model, talks[:3], 5)
    uncounted = len(queries_of(talks[:3])) - 3
    assert [f"{uncounted} of" in sentence and "count for no loss" in sentence for sentence in said] == [True]
    assert value == pytest.approx(float(plain.detach()), rel=1e-4)
    assert_gradients(model, plain, taken)
    _, _, _, said = one_step(model, talks[:1], tmp_path / "b", (loss, Task()), prompter=MEDIA)
    assert "no pass of a step has two conversations" in said[0]


@dataclass(frozen=True, kw_only=True)
class Mixed(ConversationPrompter):
    """Asks for a label, and of each conversation's first utterance for a text."""

    def prompt(self, query: merc.Query) -> merc.Prompt:
        prompt = super().prompt(query)
        answer = replace(prompt.answer, text="a smile so wide") if query.index == 0 else prompt.answer
        return replace(prompt, segments=(*prompt.segments[:-1], answer))


@pytest.mark.parametrize("average", ["utterances", "tokens"])
def test_task_and_rationale(average: str, backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    """Equation 28: a label's cross-entropy plus λ times the words of a text, each over its own prompts."""
    model, losses = model_of(backbone), (Task(), Rationale(weight=0.5, average=average))  # type: ignore[arg-type]
    value, taken, _, _ = one_step(model, talks[:2], tmp_path, losses, prompter=Mixed())
    texts, tokens, labels = [], 0, []
    for query in queries_of(talks[:2]):
        if query.index:
            p = right(model, [query.conversation])[query.index]
            labels.append(-p.log())
        else:
            encoded = model.prompts.encode(Mixed().prompt(query), lambda *_: 0)
            (answer,) = encoded.answers
            row = torch.tensor([[*encoded.context, *answer.tokens]])
            logits = model.llm(input_ids=row).logits[0].log_softmax(-1)[len(encoded.context) - 1 :]
            texts.append(-torch.stack([logits[i, token] for i, token in enumerate(answer.tokens)]).sum())
            tokens += len(answer.tokens)
    over = tokens if average == "tokens" else len(texts)
    plain = torch.stack(labels).mean() + 0.5 * torch.stack(texts).sum() / over
    assert value == pytest.approx(float(plain.detach()), rel=1e-4)
    assert_gradients(model, plain, taken, atol=5e-5)


def test_a_stage_without_labels_is_refused(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Texts(ConversationPrompter):
        def prompt(self, query: merc.Query) -> merc.Prompt:
            prompt = super().prompt(query)
            return replace(prompt, segments=(*prompt.segments[:-1], merc.Answer("a smile")))

    with pytest.raises(merc.MercError, match=r"'focal' compares labels, and no answer.*rationale"):
        one_step(model_of(backbone), talks[:1], tmp_path, (Focal(),), prompter=Texts())


def test_sums_are_the_sums_of_what_stands_alone(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    every: tuple[merc.Loss, ...] = (
        Focal(), ClassBalanced(), LabelSmoothing(), Temporal(weight=0.5), SupervisedContrastive(weight=0.1),
        InfoNCE(stream="face", weight=0.2), Trajectories(streams=("face", "voice"), weight=0.3), LabelCE(), TokenNLL(),
    )  # fmt: skip
    model = with_media(backbone)
    alone = [
        loss.weight * one_step(model, talks[:3], tmp_path / str(i), (replace(loss, weight=1.0),), prompter=MEDIA)[0]
        for i, loss in enumerate(every)
    ]
    together = one_step(model, talks[:3], tmp_path / "all", every, prompter=MEDIA)[0]
    assert together == pytest.approx(sum(alone), rel=1e-5)


def test_a_head_without_numbers_is_refused(backbone: Path, talks: list[merc.Conversation], tmp_path: Path) -> None:
    from merc.builtin.heads import MultiLabel
    from merc.model.heads import Heads

    model = model_of(backbone)
    model.heads = Heads({"tags": MultiLabel(labels=("joy",))}, model.base.config.hidden_size)
    with pytest.raises(merc.MercError, match=r"heads\.tags gives label_sets.*regression"):
        one_step(model, talks[:1], tmp_path, (MSE(head="tags"),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Focal(gamma=-1), "gamma is 0 or above"),
        (lambda: ClassBalanced(beta=1.0), "beta is from 0 to below 1"),
        (lambda: LabelSmoothing(epsilon=1.0), "epsilon is from 0"),
        (lambda: LogitAdjusted(tau=-0.5), "tau is 0 or above, not -0.5"),
        (lambda: RDrop(alpha=-1.0), "alpha is 0 or above"),
        (lambda: Ordinal(head="a", levels=(1.0, 0.0)), "levels are two numbers or more that rise"),
        (lambda: Ordinal(head="a", levels=(0.0, 1.0), scale=0.0), "scale is above 0"),
        (lambda: SupervisedContrastive(tau=0.0), "tau is above 0"),
        (lambda: Trajectories(streams=("face",)), "streams are two different ones"),
    ],
)
def test_parameters_that_cannot_be(make: Callable[[], merc.Loss], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
