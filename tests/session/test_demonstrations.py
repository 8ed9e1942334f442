"""Demonstrations in the queries of a run: whose turn it is, what is shown, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.selectors import Fixed, Random, Retrieved
from merc.components import Answer, Prompt, Prompter, Query, Selector, Text
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.recipe import ComponentRef, Recipe
from merc.session.data import queries
from merc.session.demonstrations import Demonstrations, check_length, check_shown, draws_of, record_of
from merc.session.journal import Journal
from merc.session.reporter import Progress, Silent
from tests.tiny_backbone import save_tiny_backbone
from tests.training.jobs import model_of

LABELS = LabelSpace(("joy", "anger", "sadness"))


def talk(name: str, count: int = 2, split: str = "train") -> Conversation:
    said = tuple(Utterance(id=f"{name}{i}", text=f"turn {i} of {name}", label="joy") for i in range(count))
    return Conversation(id=name, split=split, utterances=said)


TRAIN = [talk(name) for name in "abcdefgh"]
ASKED = queries([talk(name, split="test") for name in "tuvwx"], LABELS)


def part(selector: Selector) -> ComponentRef:
    return ComponentRef(name="tried", params={}, component=selector)


@pytest.fixture
def of(tmp_path: Path) -> Callable[..., Demonstrations]:
    corpus = ComponentRef(name="jsonl", params={}, component=JsonlCorpus(path="talk.jsonl"))

    def make(train: list[Conversation] = TRAIN, reporter: Silent | None = None) -> Demonstrations:
        recipe, seen = Recipe(name="tried", corpus=corpus, seed=3), Journal(reporter or Silent())
        return Demonstrations(recipe, queries(train, LABELS), tmp_path / "retrieval", "cpu", seen)

    return make


def names(groups: list[list[Query]]) -> list[set[tuple[str, ...]]]:
    """What the queries of each group show."""
    return [{tuple(shown.target.id for shown in query.demonstrations) for query in group} for group in groups]


def test_without_a_selector_queries_stay_as_they_are(of) -> None:
    assert of().fill(None, "stage s", ASKED) == ASKED and draws_of(None) == 1


def test_draws_are_taken_in_turn_from_conversation_to_conversation_and_from_epoch_to_epoch(of) -> None:
    shows, chooses = of(), part(Random(k=3, sets=4))
    assert draws_of(chooses) == 4
    first = [names(shows.fill(chooses, "stage s", ASKED, turn=epoch)) for epoch in range(5)]
    assert all(len(each) == 1 for epoch in first for each in epoch)  # all queries of a conversation show the same
    drawn = [next(iter(each)) for each in first[0]]
    assert len(set(drawn)) == 4 and drawn[4] == drawn[0]
    for epoch in range(5):
        assert [next(iter(each)) for each in first[epoch]] == [drawn[(i + epoch) % 4] for i in range(5)]
    # An evaluation sees the first draw, whatever the epoch.
    assert names(shows.fill(chooses, "evaluate", ASKED)) == [{drawn[0]}] * 5


def test_all_draws_are_chosen_under_one_bar(of) -> None:
    class Counting(Silent):
        def __init__(self) -> None:
            self.bars: list[tuple[str, list[float]]] = []

        @contextmanager
        def task(self, title: str) -> Iterator[Progress]:
            self.bars.append((title, []))
            yield lambda share, text: self.bars[-1][1].append(share)

    shows, chooses = of(reporter=(seen := Counting())), part(Random(k=3, sets=10))
    for epoch in range(12):
        shows.fill(chooses, "stages.0.demonstrations", ASKED, turn=epoch)
    assert [title for title, _ in seen.bars] == [
        "labelled utterances for stages.0.demonstrations",
        "demonstrations of stages.0",
    ]
    shares = seen.bars[-1][1]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    shows.fill(chooses, "evaluate.demonstrations", ASKED)  # the first draw, which is known
    assert len(seen.bars) == 2


def test_a_run_s_seed_says_what_is_drawn(of) -> None:
    chooses = part(Random(k=3))
    other = of()
    other.recipe = replace(other.recipe, seed=4)
    assert names(of().fill(chooses, "s", ASKED)) == names(of().fill(chooses, "s", ASKED))
    assert names(other.fill(chooses, "s", ASKED)) != names(of().fill(chooses, "s", ASKED))


def test_never_the_query_s_own_conversation(of) -> None:
    own = queries(TRAIN, LABELS)
    for turn in range(3):
        for group in of().fill(part(Random(k=7, sets=3)), "stage s", own, turn=turn):
            for query in group:
                assert len(query.demonstrations) == 7
                assert query.conversation.id not in {shown.conversation.id for shown in query.demonstrations}


def test_more_shots_than_the_train_split_has(of) -> None:
    with pytest.raises(
        MercError,
        match=r"^stage s: k: 9 wants more demonstrations than there are: the train split has 16 labelled utterances in "
        r"8 conversations, and each demonstration comes from another one; lower k, or set distinct: utterances$",
    ):
        of().fill(part(Random(k=9)), "stage s", ASKED)
    with pytest.raises(MercError, match=r"^stage s: k: 17 wants .* has 16 labelled utterances .*; lower k$"):
        of().fill(part(Random(k=17, distinct="utterances")), "stage s", ASKED)
    with pytest.raises(MercError, match=r"^stage s: k: 8 wants .* for 'a0', whose own conversation is never shown"):
        of().fill(part(Random(k=8)), "stage s", queries(TRAIN, LABELS))


def test_a_train_split_without_labels(of) -> None:
    bare = [replace(c, utterances=tuple(replace(u, label=None) for u in c.utterances)) for c in TRAIN]
    for train in (bare, []):
        with pytest.raises(
            MercError, match=r"^evaluate: there is nothing to show: no utterance of the train split has"
        ):
            of(train).fill(part(Fixed(ids=("a0",))), "evaluate", ASKED)


def test_what_is_shown_has_its_cues_and_a_name_of_its_own(of) -> None:
    shows, chooses = of(), part(Fixed(ids=("b1", "c0")))
    shows.fill(chooses, "evaluate", ASKED)
    assert [c.id for c in shows.shown] == ["b", "c"]
    with_cue = tuple(replace(u, cues={"face": "a smile"}) for u in TRAIN[1].utterances)
    # Somebody else's conversation has an utterance of the same id as one that is shown, and another of the same words.
    beside = [Conversation(id="new", utterances=(Utterance(id="b1", text="other words"), TRAIN[2].utterances[0]))]
    shows.use([replace(TRAIN[1], utterances=with_cue), TRAIN[2]], beside)
    query = shows.fill(chooses, "evaluate", ASKED)[0][0]
    assert [shown.target.id for shown in query.demonstrations] == ["b1 (demonstration)", "c0"]
    assert query.demonstrations[0].target.cues == {"face": "a smile"}


class Silently(Prompter):
    """Shows no demonstration."""

    def prompt(self, query: Query) -> Prompt:
        return Prompt((Text(query.target.text), Answer()), query.target.id)


def test_a_prompter_that_shows_none(of) -> None:
    shown = of().fill(part(Random(k=2)), "stage s", ASKED)
    check_shown("stages.0.prompter", ConversationPrompter(), shown)
    check_shown("stages.0.prompter", Silently(), ASKED)
    with pytest.raises(
        MercError, match=r"^stages\.0\.prompter: the prompter shows no demonstrations \(Silently\); take"
    ):
        check_shown("stages.0.prompter", Silently(), shown)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> EmotionModel:
    return model_of(save_tiny_backbone(tmp_path_factory.mktemp("backbone")))


def test_a_demonstration_that_alone_is_longer_than_the_context_is_named(of, model: EmotionModel) -> None:
    assert model.context == 512
    long = Utterance(id="long0", text="so very " * 600, label="joy")
    train = [*TRAIN, Conversation(id="long", split="train", utterances=(long,))]
    fits = of(train).fill(part(Fixed(ids=("a0", "b0", "c0"))), "evaluate", ASKED)
    check_length("evaluate", model, ConversationPrompter(), fits)
    shown = of(train).fill(part(Fixed(ids=("a0", "long0"))), "evaluate", ASKED)
    with pytest.raises(
        MercError,
        match=r"^evaluate: the demonstration 'long0' alone has \d{4} tokens, more than the model's context of 512;",
    ) as told:
        check_length("evaluate", model, ConversationPrompter(), shown)
    assert "demonstrations are not cut" in str(told.value)


def test_the_log_keeps_the_sets_that_prompts_share(of) -> None:
    chooses = part(Random(k=2, sets=2))
    shown = of().fill(chooses, "stage s", ASKED, turn=0)
    record = record_of("stages.0", chooses, shown)
    assert (record["of"], record["selector"], record["sets"]) == ("stages.0", "tried", 2)
    assert [shared["prompts"] for shared in record["shared"]] == [6, 4]  # three conversations of two, and two
    own = record_of("stages.0", chooses, of().fill(part(Random(k=4, sets=None)), "stage s", ASKED))
    assert own["sets"] == 10 and own["shared"] == []


def test_an_index_is_kept_where_the_run_says(of, tmp_path: Path) -> None:
    pytest.importorskip("merc_embedded.minilm")
    try:
        shown = of().fill(part(Retrieved(embedder="minilm", k=2)), "evaluate", ASKED)
    except MercError as error:
        pytest.skip(str(error))
    assert all(len(query.demonstrations) == 2 for group in shown for query in group)
    assert len(list((tmp_path / "retrieval").glob("*.safetensors"))) == 1
