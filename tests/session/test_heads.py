"""Heads in a run: what they learn from is checked and counted, and what they give comes with every decoder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch

from merc.builtin.decoders import Generate
from merc.builtin.heads import MultiLabel, Regression
from merc.builtin.losses import HeadLoss, TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.sft import SupervisedFineTuning
from merc.components import Decoded, Decoder, Text, Verbalizer, likeliest
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.heads import Heads
from merc.recipe import ComponentRef, Recipe, Stage, Task
from merc.session.data import queries
from merc.session.heads import check_values, known_counts, teaches
from merc.session.shared_model import SharedModel
from tests.session.test_predicting import LABELS, TALK, groups, model, predictor

__all__ = ["model"]

AFFECT = Regression(outputs={"valence": (-1, 1), "arousal": (0, 4)})
TAGS = MultiLabel(labels=("joy", "fear"), field="tags")


def ref(component: Any) -> ComponentRef:
    return ComponentRef(name="", params={}, component=component)


HEADS = {"affect": ref(AFFECT), "tagger": ref(TAGS)}


def talk(*values: dict[str, Any], **more: Any) -> Conversation:
    said = (Utterance(id=f"u{i}", text="Hi.", values=one, origin=f"t.jsonl, line {i + 1}", **more)
            for i, one in enumerate(values))  # fmt: skip
    return Conversation(id="c", split="train", utterances=tuple(said))


def stage(*losses: Any) -> Stage:
    task = Task(prompter=ref(ConversationPrompter()))
    return Stage(id="learn", tasks=(task,), trainer=ref(SupervisedFineTuning(losses=losses)))


def recipe(*stages: Stage) -> Recipe:
    return Recipe(name="r", corpus=ref(None), heads=HEADS, stages=stages)


def test_values_are_checked_with_their_place() -> None:
    check_values(HEADS, [talk({"valence": 1.0, "tags": ("joy",)}, {})], LABELS)
    with pytest.raises(MercError) as caught:
        check_values(HEADS, [talk({"valence": 2.0}, {"tags": ("rage",)})], LABELS)
    first, second = str(caught.value).splitlines()
    for word in ("t.jsonl, line 1", "'u0'", "valence is 2", "from -1 to 1", "heads.affect"):
        assert word in first
    for word in ("t.jsonl, line 2", "'u1'", "'rage'", "joy, fear", "heads.tagger"):
        assert word in second


def test_many_faults_are_counted() -> None:
    with pytest.raises(MercError) as caught:
        check_values(HEADS, [talk(*[{"valence": 2.0}] * 9)], LABELS)
    assert str(caught.value).splitlines()[-1] == "and 6 more"


def test_a_head_named_like_a_label_is_refused_where_the_corpus_brings_the_labels() -> None:
    with pytest.raises(MercError, match=r"heads\.tagger: 'tags' .* label 'tags'"):
        check_values(HEADS, [], LabelSpace(("joy", "tags")))


def test_what_is_known_is_counted() -> None:
    (own,) = queries([talk({"valence": 0.0}, {"valence": 1.0, "tags": ()}, {})], LABELS)
    learns = stage(TokenNLL(), HeadLoss(head="affect"), HeadLoss(head="tagger"))
    assert known_counts(learns, recipe(learns), own) == (
        "heads learn from what is known: 2 of 3 utterances have 'valence', 0 of 3 utterances have 'arousal', "
        "1 of 3 utterances have 'tags'"
    )
    assert known_counts(stage(TokenNLL()), recipe(), own) == ""


def test_a_head_that_has_nothing_to_learn_is_refused() -> None:
    (own,) = queries([talk({"valence": 0.0}, {})], LABELS)
    learns = stage(TokenNLL(), HeadLoss(head="tagger"))
    with pytest.raises(MercError) as caught:
        known_counts(learns, recipe(learns), own)
    for word in ("stage learn", "none of the 2 utterances", "'tags'", "heads.tagger has nothing to learn"):
        assert word in str(caught.value)


def test_heads_alone_learn_from_utterances_without_a_label() -> None:
    (own,) = queries([talk({"valence": 0.0}, {}, {"tags": ()})], LABELS)
    only = teaches(stage(HeadLoss(head="affect")), HEADS)
    assert only is not None and [only(query) for query in own] == [True, False, False]
    assert teaches(stage(TokenNLL(), HeadLoss(head="affect")), HEADS) is None


@pytest.fixture
def heads(model: EmotionModel) -> Iterator[EmotionModel]:
    torch.manual_seed(5)
    model.heads = Heads({"affect": AFFECT, "tagger": TAGS}, 32)
    yield model
    model.heads = Heads({}, 0)


def values_alone(model: EmotionModel) -> dict[str, dict[str, Any]]:
    """The values of each utterance, of prompts computed one by one through the backbone's own forward."""
    found = {}
    for query in (query for group in groups() for query in group):
        prompt = model.prompts.encode(ConversationPrompter().prompt(query), lambda *slot: 0, answers="none")
        with torch.no_grad():
            rows = model.llm(input_ids=torch.tensor([prompt.context]), output_hidden_states=True).hidden_states[-1]
        found[query.target.id] = model.heads.values_of(model.heads.rows(rows[0, -1:])[0])
    return found


@dataclass(frozen=True, kw_only=True)
class Twice(Decoder):
    """Scores other prompts than the queries' own, and then their own for half of the queries."""

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities"})

    def decode(self, model, queries):
        prompts = [replace(p, segments=(Text("Now:"), p.answer)) for p in map(model.prompt, queries)]
        scores = model.score(queries, prompts=prompts)
        model.score(queries[: len(queries) // 2])
        return likeliest(queries, scores.values, model.labels)


@dataclass(frozen=True, kw_only=True)
class Mute(Decoder):
    """Asks the model nothing."""

    def decode(self, model, queries):
        return [Decoded(label="joy") for _ in queries]


@pytest.mark.parametrize(
    "decoder", [Verbalizer(), Generate(max_new_tokens=2), Twice(), Mute()], ids=lambda d: type(d).__name__
)
def test_values_come_with_every_decoder(heads: EmotionModel, decoder: Decoder) -> None:
    found = {p.id: p.values for p in predictor(heads, decoder=decoder).predict(groups())}
    wanted = values_alone(heads)
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert list(found[name]) == ["valence", "arousal", "tags"]
        assert found[name]["tags"]["labels"] == values["tags"]["labels"]
        for field in ("valence", "arousal"):
            assert found[name][field] == pytest.approx(values[field], abs=1e-5)
        assert found[name]["tags"]["probabilities"] == pytest.approx(values["tags"]["probabilities"], abs=1e-5)


def test_states_that_were_scored_are_not_computed_again(heads: EmotionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[set[str]] = []
    plain = heads.outputs
    monkeypatch.setattr(heads, "outputs", lambda batch, needs, draw=0: passes.append(set(needs)) or plain(batch, needs))
    predictor(heads).predict(groups())
    assert passes == []
    predictor(heads, decoder=Mute()).predict(groups())
    assert passes and all(needs == {"states"} for needs in passes)


def test_predictions_carry_what_is_true_of_the_heads_fields(heads: EmotionModel) -> None:
    said = replace(TALK[0].utterances[0], valence=0.5, values={"tags": ("joy",), "other": 3.0})
    one = replace(TALK[0], utterances=(said, *TALK[0].utterances[1:]))
    first, second = predictor(heads).predict(queries([one], LABELS))
    assert first.truths == {"valence": 0.5, "tags": ["joy"]} and second.truths == {}


def test_a_model_without_heads_gives_no_values(model: EmotionModel) -> None:
    assert all(p.values == {} for p in predictor(model).predict(groups()))


def test_outputs_that_are_no_numbers_name_the_head_and_utterances(heads: EmotionModel) -> None:
    with torch.no_grad():
        heads.heads["affect"].layers.bias.fill_(math.nan)  # type: ignore[union-attr, operator]
    (own, *_) = groups()
    shared = SharedModel(model=heads, prompter=ConversationPrompter(), labels=LABELS)
    with pytest.raises(MercError, match=r"heads\.affect gives no numbers for 2 of 2 utterances: a0, a1"):
        shared.values(own)
