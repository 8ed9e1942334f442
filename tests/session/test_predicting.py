from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from merc.builtin.decoders import Generate
from merc.builtin.metrics import LastUtterance
from merc.builtin.prompters import ConversationPrompter
from merc.components import (
    Answer,
    Frozen,
    Metric,
    Prediction,
    Prompt,
    Prompter,
    Query,
    Text,
    Verbalizer,
    likeliest,
)
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.tuning import tune
from merc.recipe import ComponentRef, Evaluate
from merc.session import predicting
from merc.session.data import queries
from merc.session.label_history import with_gold
from merc.session.predicting import Predictor, check_prompts, check_room, encode_group
from merc.session.shared_model import KeptBetween
from tests.tiny_backbone import save_tiny_backbone

LABELS = LabelSpace(("joy", "anger", "sadness"), {"joy": ("joy", "happy")})
TALK = [
    Conversation(
        id=name,
        split="dev",
        utterances=tuple(
            Utterance(id=f"{name}{i}", text=f"I said {i} {name * (5 * (i + 1))}", label="joy") for i in range(length)
        ),
    )
    for name, length in (("a", 2), ("b", 5), ("c", 1))
]


class Describe(Prompter):
    def prompt(self, query):
        return Prompt((Text("Describe it:"), Answer(text=query.target.text)), query.target.id)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> EmotionModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    folder: Path = save_tiny_backbone(tmp_path_factory.mktemp("backbone"))
    llm = AutoModelForCausalLM.from_pretrained(folder).eval()
    model = EmotionModel(tune(llm, Frozen()), AutoTokenizer.from_pretrained(folder), MediaTokens({}, {}, {}, 32))
    model.probe()
    return model


def predictor(model: EmotionModel, budget: int = 4096, prompter: Prompter | None = None, **how) -> Predictor:
    missing = {"b3": {"seen": "dark"}}
    return Predictor(
        model, prompter or ConversationPrompter(), LABELS, Evaluate(**how), budget, lambda u: missing.get(u, {})
    )


def groups():
    return queries(TALK, LABELS)


def test_predictions_come_in_the_order_of_the_queries(model):
    found = predictor(model, budget=64).predict(groups())
    assert [p.id for p in found] == [u.id for c in TALK for u in c.utterances]
    assert [(p.conversation, p.split, p.truth) for p in found] == [
        (c.id, "dev", "joy") for c in TALK for _ in c.utterances
    ]
    assert {p.id: p.missing for p in found if p.missing} == {"b3": {"seen": "dark"}}


def test_probabilities_do_not_depend_on_the_budget_or_on_the_company(model):
    together = {p.id: p.probabilities for p in predictor(model).predict(groups())}
    small = {p.id: p.probabilities for p in predictor(model, budget=64).predict(groups())}
    alone = {q.target.id: predictor(model).predict([[q]])[0].probabilities for g in groups() for q in g}
    assert len({tuple(p.values()) for p in together.values()}) == len(together)
    for name, found in together.items():
        assert list(found) == list(LABELS.labels) and sum(found.values()) == pytest.approx(1)
        assert small[name] == pytest.approx(found, abs=1e-5) and alone[name] == pytest.approx(found, abs=1e-5)


def test_the_label_is_the_likeliest(model):
    for prediction in predictor(model).predict(groups()):
        assert prediction.probabilities[prediction.label] == max(prediction.probabilities.values())
        assert prediction.answer is None


@dataclass(frozen=True, kw_only=True)
class Valence(Metric):
    def truths(self):
        return ("label", "valence")

    def compute(self, predictions, labels):
        return {}


def test_a_prediction_carries_the_truths_that_a_metric_asks_for(model):
    told = Utterance(id="t0", text="Hi.", label="joy", valence=0.5, open_labels=("glad",))
    asked = queries([Conversation(id="t", utterances=(told,))], LABELS)
    metrics = {"valence": ComponentRef(name="valence", params={}, component=Valence())}
    assert predictor(model, metrics=metrics).predict(asked)[0].truths == {"valence": 0.5}
    assert predictor(model).predict(asked)[0].truths == {}


def test_a_prediction_says_whether_it_is_the_last_of_its_dialogue(model):
    metrics = {"last-utterance": ComponentRef(name="last-utterance", params={}, component=LastUtterance())}
    found = predictor(model, metrics=metrics).predict(groups())
    assert [p.id for p in found if p.truths["last"]] == ["a1", "b4", "c0"] and len(found) == 8


@dataclass(frozen=True, kw_only=True)
class Told(Prompter):
    """Keeps what it is told, and asks something whose answer depends on it."""

    def prompt(self, query):
        TOLD.append(query)
        past = " ".join(str(label) for label in query.label_history or ())
        return Prompt((Text(f"{query.target.text} {past}"), Answer()), query.target.id)


TOLD: list[Query] = []
SHOWN = Query(conversation=TALK[0], index=1, labels=LABELS)


def told(model, kind) -> tuple[list[Prediction], dict[str, Query]]:
    TOLD.clear()
    asked = [[replace(query, demonstrations=(SHOWN,)) for query in group] for group in groups()]
    found = predictor(model, prompter=Told(), label_history=kind).predict(asked)
    assert [p.label_history for p in found] == [kind] * 8
    assert [p.id for p in found] == [u.id for c in TALK for u in c.utterances]
    return found, {query.target.id: query for query in TOLD}


def test_nothing_is_told_of_past_labels_unless_asked(model):
    _, queries = told(model, None)
    assert {q.label_history for q in queries.values()} == {None}
    assert {shown.label_history for q in queries.values() for shown in q.demonstrations} == {None}


def test_gold_labels_are_those_of_the_corpus(model):
    _, queries = told(model, "gold")
    assert queries["b3"].label_history == ("joy",) * 3 + (None, None)
    assert {shown.label_history for q in queries.values() for shown in q.demonstrations} == {("joy", None)}


def test_predicted_labels_are_those_of_the_turns_before_and_no_gold_one(model):
    found, queries = told(model, "predicted")
    for talk in TALK:
        labels = [p.label for p in found if p.conversation == talk.id]
        for index, utterance in enumerate(talk.utterances):
            past = queries[utterance.id].label_history
            assert past == (*labels[:index], *[None] * (len(labels) - index))
    assert {p.label for p in found} != {"joy"}
    # Demonstrations are told the gold labels before them in any case.
    assert {shown.label_history for q in queries.values() for shown in q.demonstrations} == {("joy", None)}


def test_turn_by_turn_is_as_one_utterance_after_the_other(model):
    found, _ = told(model, "predicted")
    for talk in TALK:
        past: list[str | None] = []
        for index, utterance in enumerate(talk.utterances):
            labels = (*past, *[None] * (len(talk.utterances) - index))
            one = Query(conversation=talk, index=index, labels=LABELS, label_history=labels)
            (alone,) = predictor(model, prompter=Told()).predict([[one]])
            together = next(p for p in found if p.id == utterance.id)
            assert alone.label == together.label
            assert alone.probabilities == pytest.approx(together.probabilities, abs=1e-5)
            past.append(alone.label)


@pytest.mark.parametrize("kind", [None, "predicted"])
def test_progress_ends_at_one(model, kind):
    shares: list[float] = []
    predictor(model, budget=64, label_history=kind).predict(groups(), lambda share, text: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_an_answer_that_is_generated_is_read_by_the_policy(model):
    found = predictor(model, decoder=Generate(max_new_tokens=4, parser="strict")).predict(groups())
    assert [p.id for p in found] == [u.id for c in TALK for u in c.utterances]
    assert all(isinstance(p.answer, str) and p.probabilities is None for p in found)
    # A random model does not happen to write a label.
    assert all(p.label is None for p in found)


def test_a_prompt_that_asks_for_a_text_cannot_be_scored(model):
    with pytest.raises(
        MercError, match=r"asks for a text, not for a label, .*; set evaluate\.decoder=\{name: generate\}, or"
    ):
        predictor(model, prompter=Describe()).predict(groups())
    found = predictor(model, prompter=Describe(), decoder=Generate(max_new_tokens=1)).predict(groups())
    assert len(found) == 8


@dataclass(frozen=True, kw_only=True)
class Fits(Verbalizer):
    """Keeps the labels of before that the queries show which it is fitted to."""

    shown: tuple[tuple[str | None, ...] | None, ...] | None = None

    def fit(self, model, queries):
        return replace(self, shown=tuple(query.label_history for query in queries))


@pytest.mark.parametrize("kind", [None, "gold", "predicted"])
def test_a_decoder_is_fitted_to_the_labels_of_before_that_it_is_used_with(model, kind):
    given = groups() if kind is None else with_gold(groups())
    how = {"decoder": Fits(), "prompter": Told(), "label_history": kind}
    fitted = predictor(model, **how).fitted(given, lambda share, text: None)
    if kind is None:
        assert set(fitted.shown) == {None}
        return
    labels = [p.label if kind == "predicted" else "joy" for p in predictor(model, **how).predict(groups())]
    own = iter(labels)
    for talk, shown in zip(TALK, (fitted.shown[:2], fitted.shown[2:7], fitted.shown[7:]), strict=True):
        before = [next(own) for _ in talk.utterances]
        for index, history in enumerate(shown):
            assert history == (*before[:index], *[None] * (len(before) - index))
    assert kind == "gold" or set(labels) != {"joy"}


@pytest.mark.parametrize("decoder", [Verbalizer(), Generate(max_new_tokens=2)])
@pytest.mark.parametrize("label_history", [None, "predicted"])
def test_what_is_too_long_is_left_out_and_nothing_else_changes(model, decoder, label_history):
    how = {"decoder": decoder, "label_history": label_history}
    asker = ConversationPrompter(history=1)
    plain = {p.id: p for p in predictor(model, prompter=asker, **how).predict(groups())}
    long = Conversation(id="l", utterances=(Utterance(id="l0", text="so " * 600), Utterance(id="l1", text="Oh.")))
    asks = predictor(model, prompter=asker, **how)
    asks.unanswered = {}
    found = {p.id: p for p in asks.predict(queries([TALK[0], long, *TALK[1:]], LABELS))}
    assert set(asks.unanswered) == {"l0", "l1"} and asks.unanswered["l0"] > 512
    assert found["l0"].label is None and found["l0"].probabilities is None and found["l0"].answer is None
    assert [p for name, p in found.items() if name not in asks.unanswered] == list(plain.values())


@dataclass(frozen=True, kw_only=True)
class Twice(Verbalizer):
    """Keeps what a second prompter says of each query."""

    second: ConversationPrompter

    def prompters(self):
        return [self.second]

    def decode(self, model, queries):
        other = model.score(queries, prompts=[self.second.prompt(query) for query in queries]).values
        return [
            replace(one, details={"second": row})
            for one, row in zip(super().decode(model, queries), other.tolist(), strict=True)
        ]


def test_what_is_too_long_for_another_prompter_is_left_out(model):
    """The recipe's own prompter shows the utterance alone, the decoder's the one before it as well."""
    said = ["Hm.", "so " * 250, "so " * 250, "Oh."]
    long = Conversation(id="l", utterances=tuple(Utterance(id=f"l{i}", text=t) for i, t in enumerate(said)))
    decoder = Twice(second=ConversationPrompter(history=1))
    asks = predictor(model, prompter=ConversationPrompter(history=0), decoder=decoder)
    asks.unanswered = {}
    found = {p.id: p for p in asks.predict(queries([long, *TALK], LABELS))}
    assert list(asks.unanswered) == ["l2"] and asks.unanswered["l2"] > 512
    assert found["l2"].label is None and not found["l2"].details
    assert found["l1"].label and len(found["l1"].details["second"]) == 3
    asks.unanswered = None
    with pytest.raises(MercError, match="l2"):
        asks.predict(queries([long], LABELS))


def test_what_is_written_has_to_fit_into_the_context_too(model):
    """A text that would go on beyond it is not begun; the others are what they are alone."""
    lengths = {
        q.target.id: len(predictor(model)._shared().encode(q, None, "none").context) for g in groups() for q in g
    }
    room = 512 - sorted(lengths.values())[2]
    long = {name for name, length in lengths.items() if length + room > 512}
    asks = predictor(model, decoder=Generate(max_new_tokens=room))
    with pytest.raises(
        MercError, match=rf"has \d+, {room} of which may be written \(max_new_tokens\)\. .*smaller max_new"
    ):
        asks.predict(groups())
    with pytest.raises(MercError, match=r"may be written"):
        check_prompts(model, ConversationPrompter(), groups(), room)
    with pytest.raises(MercError, match=r"may be written"):
        asks._shared().generate([q for g in groups() for q in g], max_new_tokens=room)
    asks.unanswered = {}
    found = {p.id: p for p in asks.predict(groups())}
    assert 0 < len(long) < len(found) and set(asks.unanswered) == long
    assert all(found[name].answer is None for name in long)
    short = [q for g in groups() for q in g if q.target.id not in long]
    alone = [asks._shared().generate([query], max_new_tokens=room)[0][0].text for query in short]
    assert [found[query.target.id].answer for query in short] == alone


@dataclass(frozen=True, kw_only=True)
class Afterwards(Verbalizer):
    """Asks a second time, after a text that is longer than the context for one of the utterances."""

    def decode(self, model, queries):
        texts = ["so " * (600 if query.target.id == "b2" else 2) for query in queries]
        prompts = [model.prompt(query).after(text) for query, text in zip(queries, texts, strict=True)]
        return likeliest(queries, model.score(queries, prompts=prompts).values, model.labels)


def test_what_a_decoder_asks_afterwards_may_be_too_long_as_well(model):
    asks = predictor(model, decoder=Afterwards())
    with pytest.raises(MercError, match=r"1 prompt is longer than .*'b2'"):
        asks.predict(groups())
    asks.unanswered = {}
    found = {p.id: p for p in asks.predict(groups())}
    assert list(asks.unanswered) == ["b2"] and found["b2"].label is None
    assert all(one.label for name, one in found.items() if name != "b2")


@dataclass(frozen=True, kw_only=True)
class Both(Verbalizer):
    """The mean of two prompts that begin with other words."""

    def decode(self, model, queries):
        other = ConversationPrompter(instruction="Which of these is it, {labels}?\n")
        prompts = [model.prompt(query) for query in queries] + [other.prompt(query) for query in queries]
        values = model.score([*queries, *queries], prompts=prompts).values
        return likeliest(queries, (values[: len(queries)] + values[len(queries) :]) / 2, model.labels)


def test_prompts_that_share_no_beginning_are_scored_in_a_conversation_that_goes_on(model):
    own = predictor(model, decoder=Both(), prompter=ConversationPrompter(instruction="He says:\n"))
    wanted = own.predict(groups())
    own.between = KeptBetween()
    found = [own.predict([[query]])[0] for group in groups() for query in group]
    for one, other in zip(found, wanted, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, rel=1e-4)


def test_many_utterances_cost_no_square_of_their_number(model, monkeypatch):
    """Twenty thousand utterances, a million letters, each prompt with all that was said before."""
    talk = Conversation(id="l", utterances=tuple(Utterance(id=f"l{i}", text="I said it " * 5) for i in range(20_000)))
    prompts = []
    real = ConversationPrompter.prompt
    monkeypatch.setattr(ConversationPrompter, "prompt", lambda self, q: prompts.append(q.index) or real(self, q))
    asks = predictor(model)
    asks.unanswered = {}
    group = queries([talk], LABELS)[0]
    encoded = encode_group(group, asks._shared().encode, model.context)
    assert len(encoded) == len(group) and [p.target for p in encoded[-2:]] == ["l19998", "l19999"]
    assert len(prompts) < 100 and prompts[-1] == 19_999
    assert encoded[-1].depth > 500_000 and not encoded[-1].context  # counted, not put together


def test_prompts_that_do_not_grow_are_all_looked_at(model):
    """A window over what was said: one long utterance is in some of the prompts, and no others are taken to be long."""
    said = ["so " * 600 if i == 3 else "Oh." for i in range(60)]
    talk = Conversation(id="l", utterances=tuple(Utterance(id=f"l{i}", text=t) for i, t in enumerate(said)))
    asks = predictor(model, prompter=ConversationPrompter(history=30))
    asks.unanswered = {}
    asks.predict(queries([talk], LABELS))
    assert list(asks.unanswered) == [f"l{i}" for i in range(3, 34)]


def test_a_prompt_longer_than_the_context_is_found_before_anything_is_computed(model):
    question = "so " * 600
    with pytest.raises(MercError, match=r"8 prompts are longer than the model's context of 512 tokens; .*'b4'"):
        predictor(model, prompter=ConversationPrompter(question=question)).predict(groups())
    with pytest.raises(MercError, match="8 prompts are longer than the model's context of 512 tokens"):
        check_prompts(model, ConversationPrompter(question=question), groups())
    check_prompts(model, ConversationPrompter(), groups())
    check_prompts(model, Describe(), groups())
    long = Conversation(id="l", utterances=(Utterance(id="l0", text="so " * 600),))
    with pytest.raises(MercError, match="1 prompt is longer"):  # the text that it should say counts
        check_prompts(model, Describe(), queries([long], LABELS))


FACES, VOICES = LabelSpace(("joy", "fear")), LabelSpace(("calm", "joy", "anger"), {"joy": ("glad",)})
JOINED = LabelSpace.joined([FACES, VOICES])


class Listing(Prompter):
    """Lists the labels that the query has."""

    def prompt(self, query):
        return Prompt((Text(f"{query.target.text} {', '.join(query.labels.labels)}:"), Answer()), query.target.id)


def of_two_sets() -> list[list[Query]]:
    def of(dataset: str, text: str) -> Conversation:
        said = Utterance(id=dataset, text=text, label="joy")
        return Conversation(id=dataset, dataset=dataset, split="dev", utterances=(said,))

    spaces = {"faces": FACES, "voices": VOICES}
    return queries([of("faces", "Oh!"), of("voices", "Oh no!"), of("others", "Oh?")], JOINED, spaces=spaces)


def test_each_set_is_scored_among_its_own_labels_as_if_alone(model):
    groups = of_two_sets()
    assert [q.labels for g in groups for q in g] == [FACES, VOICES, JOINED]
    together = Predictor(model, Listing(), JOINED, Evaluate(), 4096).predict(groups)
    for prediction, group, space in zip(together, groups, (FACES, VOICES, JOINED), strict=True):
        (alone,) = Predictor(model, Listing(), space, Evaluate(), 4096).predict([group])
        assert list(prediction.probabilities) == list(space.labels)
        assert sum(prediction.probabilities.values()) == pytest.approx(1)
        assert prediction.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
        assert prediction.label == alone.label == max(alone.probabilities, key=alone.probabilities.__getitem__)


def test_what_is_written_is_read_among_the_labels_of_its_set(model, monkeypatch):
    written = lambda model, prompts, how, rows: [[("anger", (1,), (0.0,), True)] for _ in prompts]  # noqa: E731
    monkeypatch.setattr("merc.session.shared_model.generate", written)
    found = Predictor(model, Listing(), JOINED, Evaluate(decoder=Generate()), 4096).predict(of_two_sets())
    assert {p.id: p.label for p in found} == {"faces": None, "voices": "anger", "others": "anger"}


@pytest.mark.parametrize(("dtype", "blamed"), [("float32", "features"), ("float16", "float16 overflows")])
def test_scores_that_are_no_numbers_are_blamed_on_what_they_were_computed_in(
    model: EmotionModel, dtype: str, blamed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = EmotionModel.score_with_states

    def spoiled(self, *args):
        scores, states = real(self, *args)
        scores[0] = float("nan")
        return scores, states

    monkeypatch.setattr(EmotionModel, "score_with_states", spoiled)
    with pytest.raises(MercError) as caught:
        predictor(copy.deepcopy(model).to(getattr(torch, dtype))).predict(groups())
    message = str(caught.value)
    assert "1 of 8 utterances are no numbers" in message and blamed in message
    assert ("float16" in message) is (dtype == "float16")


def test_labels_that_are_longer_than_may_be_written(model):
    long = LabelSpace(("joy", "anger"), {"anger": ("a very great anger",)})
    asked = queries(TALK, long)
    with pytest.raises(MercError, match=r"max_new_tokens: 2 is too small: the label 'anger' has \d+ tokens") as caught:
        check_room(model, ConversationPrompter(), Evaluate(decoder=Generate(max_new_tokens=2)), asked)
    needed = int(str(caught.value).rpartition("max_new_tokens=")[2].split()[0])
    assert needed == len(model.prompts.tokenizer(" a very great anger", add_special_tokens=False)["input_ids"])
    check_room(model, ConversationPrompter(), Evaluate(decoder=Generate(max_new_tokens=needed)), asked)
    check_room(model, ConversationPrompter(), Evaluate(), asked)
    check_room(model, Describe(), Evaluate(decoder=Generate(max_new_tokens=1)), asked)


def test_too_little_memory_names_the_key(model: EmotionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(self, *args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    monkeypatch.setattr(EmotionModel, "score_with_states", short)
    with pytest.raises(MercError, match=r"predicting: out of memory \(CUDA.*strategy\.batch_tokens \(now 77\)"):
        predictor(model, budget=77).predict(groups())


def test_words_that_nobody_understood_are_missing() -> None:
    talk = Conversation(
        id="c",
        utterances=(
            Utterance(id="a", text="", missing={"text": "it fits no English words"}),
            Utterance(id="b", text="so", missing={"text": "the end of it was not understood"}),
            Utterance(id="c", text=""),
        ),
    )
    queries = [Query(conversation=talk, index=at, labels=LabelSpace(("joy",))) for at in range(3)]
    assert [predicting._why_without_words(one) for one in queries] == [{"text": "it fits no English words"}, {}, {}]
