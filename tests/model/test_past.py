"""Fusers that look at the past: computed once a conversation, equal to the equations, exact on the tree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import merc.testing
from merc.builtin.connectors import Linear
from merc.components import Answer, FeatureSpec, Missing, Prompt, Query, Segment, Slot, Stream, Text
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.past import InPast, with_past
from merc.model.tuning import tune
from merc.prompting import EncodedPrompt
from tests.model.alone import key, together
from tests.model.tiny import tiny_llama
from tests.prompting.tokenizers import byte_level
from tests.toys.listener import Listener
from tests.tunings import tuning_of

SPECS = {"face": FeatureSpec(6), "voice": FeatureSpec(4)}
COUNTS = {
    ("face", "u0"): 2, ("voice", "u0"): 1, ("face", "u1"): 1, ("voice", "u2"): 3, ("face", "u4"): 2, ("voice", "u4"): 1,
}  # fmt: skip
"""u1 has no voice, u2 no face, u3 nothing."""
LABELS = LabelSpace(("joy", "anger"))
TALK = Conversation(
    id="c",
    utterances=tuple(
        Utterance(id=f"u{i}", text=text, speaker=who, label="joy")
        for i, (text, who) in enumerate((("a", "Ann"), ("b", "Bo"), ("c", "Bo"), ("d", None), ("e", "Ann")))
    ),
)


class TestListener(merc.testing.FuserContract):
    component = Listener(width=8)


def model_of(tuning: str = "frozen", width: int = 5) -> EmotionModel:
    tokenizer = byte_level()
    llm = tiny_llama(vocab_size=len(tokenizer))
    torch.manual_seed(1)
    media = MediaTokens(SPECS, {"heard": Linear()}, {"heard": Listener(width=width)}, 32)
    with torch.no_grad():
        media.fusers["heard"].changed.normal_()
    rng = np.random.default_rng(2)
    table = {at: rng.standard_normal((n, SPECS[at[0]].dim)).astype("float32") for at, n in COUNTS.items()}
    media.source = lambda stream, utterance, draw: table.get((stream, utterance), Missing("not there"))
    model = EmotionModel(tune(llm, tuning_of(tuning)), tokenizer, media)
    model.probe()
    return model.eval()


def prompt(conversation: Conversation, index: int, history: int) -> Prompt:
    """The target and so many utterances before it, each with what was heard up to it."""
    segments: list[Segment] = []
    for utterance in conversation.utterances[max(0, index - history) : index + 1]:
        segments += [Slot("heard", utterance.id), Text(utterance.text + "\n")]
    return Prompt((*segments, Answer()), conversation.utterances[index].id)


def encoded(model: EmotionModel, conversation: Conversation, history: int) -> list[EncodedPrompt]:
    queries = [Query(conversation=conversation, index=i, labels=LABELS) for i in range(len(conversation.utterances))]
    return [model.encode(prompt(conversation, q.index, history), q, "labels") for q in queries]


def heard_by_hand(model: EmotionModel, conversation: Conversation, index: int) -> Tensor:
    """The token of one utterance by the equations of a GRU, written out."""
    media = model.media
    fuser = media.fusers["heard"]
    cell = fuser.cell
    state = torch.zeros(fuser.changed.shape)
    before = None
    for place in range(index + 1):
        utterance = conversation.utterances[place]
        given = torch.zeros_like(state)
        if place and utterance.speaker != before:
            given = given + fuser.changed
        before = utterance.speaker
        for stream in SPECS:
            features = media.source(stream, utterance.id, 0)  # type: ignore[misc]
            if not isinstance(features, Missing):
                given = given + fuser.layers[stream](torch.from_numpy(features).mean(0))
        r_in, z_in, n_in = (cell.weight_ih_l0 @ given + cell.bias_ih_l0).chunk(3)
        r_state, z_state, n_state = (cell.weight_hh_l0 @ state + cell.bias_hh_l0).chunk(3)
        reset, update = torch.sigmoid(r_in + r_state), torch.sigmoid(z_in + z_state)
        state = (1 - update) * torch.tanh(n_in + reset * n_state) + update * state
    connector = media.connectors["heard"]
    return connector.network(state)  # type: ignore[no-any-return]


def test_the_equations_are_those_of_a_gru_over_all_that_was_said() -> None:
    model = model_of()
    for index in (0, 1, 2, 4):
        (found,) = model.media([("heard", InPast.of(TALK, index), 1)])
        torch.testing.assert_close(found, heard_by_hand(model, TALK, index), rtol=1e-5, atol=1e-6)


def test_an_utterance_without_media_has_no_token_though_others_were_heard() -> None:
    model = model_of()
    assert [model.media.length("heard", f"u{i}") for i in range(5)] == [1, 1, 1, 0, 1]


@pytest.mark.parametrize("history", [0, 1, 9])
def test_every_prompt_has_the_past_of_the_conversation_and_not_of_the_prompt(history: int) -> None:
    """Log-probabilities on the tree are those of each prompt alone, with tokens written out by hand."""
    model = model_of()
    prompts = encoded(model, TALK, history)
    found = together(model, [prompts])
    embed = model.base.get_input_embeddings()
    for one in prompts:
        for answer in one.answers:
            items = [*one.context, *answer.tokens[:-1]]
            rows = [
                embed(torch.tensor(item)) if isinstance(item, int) else heard_by_hand(model, TALK, int(item[1][1]))
                for item in items
            ]
            logits = model.base(inputs_embeds=torch.stack(rows)[None]).logits[0, len(one.context) - 1 :]
            wanted = logits.log_softmax(-1).gather(1, torch.tensor(answer.tokens)[:, None]).sum()
            torch.testing.assert_close(found[key(one, answer)], wanted, rtol=1e-5, atol=1e-5)


def test_a_conversation_is_computed_once_in_a_pass() -> None:
    model = model_of()
    calls: list[int] = []
    model.media.fusers["heard"].register_forward_pre_hook(lambda module, given: calls.append(len(given[1])))
    together(model, [encoded(model, TALK, 9)])
    assert calls == [5]


def test_a_segment_has_no_past_of_its_conversation() -> None:
    """The same words in a segment and in the whole conversation are other prompts, also in one tree."""
    model = model_of()
    segment = Conversation(id="c", utterances=TALK.utterances[1:])
    whole, cut = encoded(model, TALK, 0)[1], encoded(model, segment, 0)[0]
    assert whole.context != cut.context and [i for i in whole.context if isinstance(i, int)] == [
        i for i in cut.context if isinstance(i, int)
    ]
    one, two = together(model, [[whole]]), together(model, [[cut]])
    both = together(model, [[whole, EncodedPrompt("cut", cut.context, cut.answers)]])
    for name, value in one.items():
        torch.testing.assert_close(both[name], value)
        torch.testing.assert_close(both["cut", *name[1:]], two[name])
        assert not torch.isclose(value, two[name], atol=1e-4)
    (token,) = model.media([("heard", InPast.of(segment, 0), 1)])
    torch.testing.assert_close(token, heard_by_hand(model, segment, 0), rtol=1e-5, atol=1e-6)


def test_the_gradient_goes_through_all_that_was_heard() -> None:
    """The loss of the last prompt reaches the features' layers through utterances that it does not show."""
    model = model_of()
    last = encoded(model, TALK, 0)[4]
    (batch,) = model.batches([last], 1000)
    model.log_probabilities(batch).sum().backward()
    layer = model.media.fusers["heard"].layers["voice"].weight
    found = layer.grad.clone()
    model.zero_grad()
    prompts = [EncodedPrompt(last.target, last.context, (answer,)) for answer in last.answers]
    embed = model.base.get_input_embeddings()
    total = torch.zeros(())
    for one in prompts:
        (answer,) = one.answers
        rows = [
            embed(torch.tensor(i)) if isinstance(i, int) else heard_by_hand(model, TALK, 4)
            for i in (*one.context, *answer.tokens[:-1])
        ]
        logits = model.base(inputs_embeds=torch.stack(rows)[None]).logits[0, len(one.context) - 1 :]
        total = total + logits.log_softmax(-1).gather(1, torch.tensor(answer.tokens)[:, None]).sum()
    total.backward()
    torch.testing.assert_close(found, layer.grad, rtol=1e-4, atol=1e-5)
    assert bool(layer.grad.any())


class LastRow(nn.Module):
    """Gives one row, whatever was said."""

    def forward(self, streams: dict[str, Stream], speakers: Tensor) -> Stream:
        return Stream(torch.zeros(1, 1, 5), torch.ones(1, 1, dtype=torch.bool))


def test_a_fuser_that_gives_other_rows_than_utterances_is_named() -> None:
    model = model_of()
    model.media.fusers["heard"] = LastRow()
    with pytest.raises(MercError, match=r"fusers\.heard: forward\(\) gives 1 rows for 3 utterances"):
        model.media.tokens([("heard", InPast.of(TALK, 2))])


def test_demonstrations_have_their_own_past() -> None:
    shown = Conversation(id="d", utterances=TALK.utterances[2:4])
    other = Conversation(id="c", utterances=TALK.utterances[4:])
    asked = Query(conversation=other, index=0, labels=LABELS,
                  demonstrations=(Query(conversation=shown, index=1, labels=LABELS),))  # fmt: skip
    slots = EncodedPrompt("u4", (("heard", "u2", 0), ("heard", "u4", 0), ("face", "u4", 0), 3), ())
    one, two, three, four = with_past(slots, asked, {"heard"}).context
    assert (one[1].conversation, one[1].place, two[1].conversation) == (shown, 0, other)  # type: ignore[index, union-attr]
    assert (three, four) == (("face", "u4", 0), 3)


def test_a_slot_of_an_utterance_that_the_query_does_not_show_is_named() -> None:
    asked = Query(conversation=TALK, index=0, labels=LABELS)
    with pytest.raises(MercError) as caught:
        with_past(EncodedPrompt("u0", (("heard", "x7", 0),), ()), asked, {"heard"})
    assert "'u0'" in str(caught.value) and "'heard'" in str(caught.value) and "'x7'" in str(caught.value)


def test_what_a_connector_is_fitted_to_has_its_past() -> None:
    model = model_of()
    media = MediaTokens(SPECS, {"heard": Linear(normalize="train")}, {"heard": Listener(width=5)}, 32)
    media.fusers.load_state_dict(model.media.fusers.state_dict())
    media.source = model.media.source
    shown = [InPast.of(TALK, i) for i in range(5)]
    assert media.fit(shown) == ["connectors.heard"]
    states = [media._given("heard", [u], 0).values[0] for u in shown if u.place != 3]
    torch.testing.assert_close(media.connectors["heard"].mean, torch.cat(states).detach().mean(0), rtol=1e-4, atol=1e-6)
