"""Demonstrations that several conversations show are computed once: in a step, and in a pass of scoring."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from merc.builtin.prompters import ConversationPrompter
from merc.builtin.selectors import Random
from merc.components import Example, Pool, Query
from merc.conversation import Conversation
from merc.model.emotion_model import EmotionModel
from merc.prompting import EncodedPrompt, build_tree
from merc.recipe import Evaluate
from merc.session.data import queries
from merc.session.predicting import Predictor
from merc.training.groups import Group, joined, shots_of
from merc.training.settings import Settings
from merc.training.steps import StepSchedule
from tests.training.jobs import LABELS, context_of, model_of

SETS = 10
SHOTS = 7


@pytest.fixture(scope="module")
def model(backbone: Path) -> EmotionModel:
    return model_of(backbone)


def shown(talks: list[Conversation], sets: int = SETS, k: int = SHOTS) -> dict[int, list[list[Query]]]:
    """The queries of all conversations with each of several fixed draws of shots."""
    groups = queries(talks, LABELS)
    pool = Pool([query for group in groups for query in group])
    select = Random(k=k, sets=sets).load(pool)
    found = {}
    for draw in range(sets):
        found[draw] = [
            [
                Query(**{**vars(q), "demonstrations": tuple(pool.queries[p] for p in places)})
                for q, places in zip(group, select(group, None, draw), strict=True)
            ]
            for group in groups
        ]
    return found


def encoded(model: EmotionModel, group: list[Query]) -> tuple[EncodedPrompt, ...]:
    prompter = ConversationPrompter(history=2)
    return tuple(model.prompts.encode(prompter.prompt(q), lambda *_: 0, LABELS, q.target.label) for q in group)


def test_ten_prompts_of_seven_shots_are_each_computed_once(model, talks):
    """Nodes of the trees: each shot prefix once, and each conversation's own tokens once, not a prefix more."""
    every = shown(talks)
    # Those whose own conversation is among the shots see another one in its place, and share less.
    usual = {d: Counter(map(shots_of, groups)).most_common(1)[0][0] for d, groups in every.items()}
    groups = [g for d, some in every.items() for g in some if shots_of(g) == usual[d]]
    assert len(groups) > 4 * SETS and len(set(usual.values())) == SETS
    alike = [Group(encoded(model, g), shots_of(g)) for g in groups]
    trees = [build_tree(prompts) for prompts in joined(alike)]
    assert len(trees) == SETS
    own = sum(len(build_tree(group.prompts)) for group in alike)
    bare = {g[0].conversation.id: [Query(**{**vars(q), "demonstrations": ()}) for q in g] for g in groups}
    for tree, shots in zip(trees, dict.fromkeys(map(shots_of, groups)), strict=True):
        mine = [g for g in groups if shots_of(g) == shots]
        whole, alone = encoded(model, mine[0])[0], encoded(model, bare[mine[0][0].conversation.id])[0]
        prefix = len(whole.context) - len(alone.context)
        assert prefix > 100
        head = _common([encoded(model, bare[g[0].conversation.id])[0].context for g in mine])
        least = sum(len(build_tree(encoded(model, bare[g[0].conversation.id]))) for g in mine)
        # The head stands once, before the shots; what else conversations share by chance counts for nothing.
        assert len(tree) <= prefix + least - (len(mine) - 1) * head
        assert len(tree) > prefix + head
    total = sum(map(len, trees))
    separate = sum(len(p.context) + len(p.answers[0].tokens) - 1 for group in alike for p in group.prompts)
    assert total < own / 2.5 and total < separate / 6


def _common(contexts: list[tuple[object, ...]]) -> int:
    """How many items all contexts begin with."""
    count = 0
    for items in zip(*contexts, strict=False):
        if len(set(items)) > 1:
            break
        count += 1
    return count


def test_without_demonstrations_or_with_different_ones_conversations_stay_apart(model, talks):
    plain = [Group(encoded(model, g), shots_of(g)) for g in queries(talks, LABELS)]
    assert joined(plain) == [list(g.prompts) for g in plain]
    first, second = (shown(talks, 2)[d][0] for d in range(2))
    mixed = [first[0], *second[1:]]
    assert shots_of(mixed) == () and shots_of([]) == () and len(shots_of(first)) == SHOTS


def drawing(model: EmotionModel, talks: list[Conversation], folder: Path, sets: int):
    """A context whose conversations take fixed draws in turn."""
    every = shown(talks, sets, k=2)
    made, _ = context_of(model, talks, folder)
    fields = dict(vars(made))
    asks = ConversationPrompter()
    fields["examples"] = lambda epoch: [
        [Example(query, asks) for query in every[(n + epoch) % sets][n]] for n in range(len(every[0]))
    ]
    return type(made)(**fields)


@pytest.mark.parametrize("conversations", [1, 2, 3, None])
@pytest.mark.parametrize("sets", [1, 3])
def test_a_step_shows_one_set_where_conversations_fill_it(model, talks, tmp_path, conversations, sets):
    made = drawing(model, talks, tmp_path, sets)
    chosen = Settings(epochs=3, batch_conversations=conversations, batch_tokens=4096)
    schedule = StepSchedule(made, chosen, {"gold"})
    every = list(schedule.after(0))
    assert len(every) == schedule.total
    for epoch in range(3):
        mine = [scheduled for scheduled in every if scheduled.epoch == epoch]
        targets = Counter(p.target for t in mine for trees, _ in t.step.micro for tree in trees for p in tree.prompts)
        assert targets == Counter(u.id for c in talks for u in c.utterances)
    shots = {
        (g[0].query.conversation.id, e): shots_of([q.query for q in g]) for e in range(3) for g in made.examples(e)
    }
    if conversations is not None and sets == 3:
        full = [
            scheduled
            for scheduled in every
            if len({shots[t.rpartition("_")[0], scheduled.epoch] for t in _targets(scheduled)}) == 1
            and len({t.rpartition("_")[0] for t in _targets(scheduled)}) == conversations
        ]
        counts = [Counter(shots[c.id, e] for c in talks) for e in range(3)]
        assert len(full) >= sum(n // conversations for count in counts for n in count.values())
    # The same number of steps as without demonstrations.
    if conversations is not None:
        plain, _ = context_of(model, talks, tmp_path)
        assert schedule.counts == StepSchedule(plain, chosen, {"gold"}).counts


def _targets(scheduled) -> list[str]:
    return [p.target for trees, _ in scheduled.step.micro for tree in trees for p in tree.prompts]


def test_scores_are_those_of_each_prompt_alone(model, talks):
    groups = shown(talks[:5], 1, k=2)[0]
    predictor = Predictor(model, ConversationPrompter(), LABELS, Evaluate(), 4096)
    together = predictor.predict(groups)
    alone = [predictor.predict([[query]])[0] for group in groups for query in group]
    assert [p.id for p in together] == [p.id for p in alone]
    for mine, other in zip(together, alone, strict=True):
        assert mine.probabilities == pytest.approx(other.probabilities, abs=1e-5)
