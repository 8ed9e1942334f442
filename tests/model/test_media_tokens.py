"""Media as tokens: what is missing is left out, and no utterance touches another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from merc.builtin.connectors import Linear, Mlp
from merc.builtin.fusers import Concat, NoFusion
from merc.components import Connector, FeatureSpec, Missing, Stream
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.media_tokens import MediaTokens
from merc.prompting import EncodedPrompt
from tests.model.tiny import FEATURES, SPECS, tiny_media, tuned_model


def test_lengths_are_those_of_the_features_and_zero_where_they_are_missing() -> None:
    media = tiny_media()
    for utterance in ("u0", "u1", "u2", "u3", "u4"):
        for stream in ("face", "voice"):
            assert media.length(stream, utterance) == FEATURES.get((stream, utterance), 0)
        assert media.length("both", utterance) == (0 if utterance == "u4" else 1)


def test_tokens_come_in_the_order_of_the_slots_and_do_not_depend_on_the_batch() -> None:
    media = tiny_media()
    slots = [
        ("voice", "u1", 2),
        ("face", "u2", 3),
        ("both", "u2", 1),
        ("face", "u0", 2),
        ("both", "u0", 1),
        ("voice", "u0", 1),
    ]
    whole = media(slots)
    assert whole.shape == (10, 32)
    offset = 0
    for slot in slots:
        alone = media([slot])
        torch.testing.assert_close(whole[offset : offset + slot[2]], alone, rtol=1e-5, atol=1e-6)
        offset += slot[2]


def test_what_other_utterances_hold_does_not_matter() -> None:
    """NaN in one utterance's features stays with it, in the tokens and in the gradient of the others."""
    media = tiny_media()
    slots = [("face", "u0", 2), ("voice", "u0", 1), ("both", "u0", 1)]
    wanted = media(slots)
    source = media.source
    assert source is not None

    def spoiled(stream: str, utterance: str, draw: int) -> Any:
        found = source(stream, utterance, draw)
        return np.full_like(found, np.nan) if utterance == "u1" and isinstance(found, np.ndarray) else found

    media.source = spoiled
    found = media([*slots, ("face", "u1", 1), ("voice", "u1", 2), ("both", "u1", 1)])
    torch.testing.assert_close(found[:4], wanted)
    assert found[4:].isnan().all()


def test_the_draw_reaches_the_features() -> None:
    media = tiny_media()
    asked = []
    source = media.source
    media.source = lambda s, u, draw: asked.append(draw) or source(s, u, draw)  # type: ignore[misc]
    media.length("face", "u0", 3)
    media([("face", "u0", 2)], 5)
    assert asked == [3, 5]


def test_a_stream_that_lacks_a_connector_is_named() -> None:
    media = MediaTokens(SPECS, {"voice": Linear()}, {"both": Concat()}, 8)
    media.source = lambda s, u, d: Missing("no face")
    for stream in ("face", "both", "gaze"):
        with pytest.raises(MercError) as caught:
            media.length(stream, "u0")
        assert str(caught.value) == (
            f"a prompt has a slot for {stream!r}, which has no connector; add connectors.{stream} to the recipe"
        )


def test_the_slots_of_no_fusion_are_left_out() -> None:
    media = MediaTokens(SPECS, {"both": Linear()}, {"both": NoFusion()}, 8)
    assert media.length("both", "u0") == 0
    assert list(media.parameters()) == []


def test_a_fuser_of_a_stream_that_is_not_there() -> None:
    with pytest.raises(MercError, match=r"fusers\.both\.inputs: there is no encoder 'gaze'; there are: face, voice"):
        MediaTokens(SPECS, {}, {"both": Concat(inputs=("face", "gaze"))}, 8)


def test_a_fuser_that_cannot_take_its_inputs_says_why() -> None:
    class Picky(Concat):
        def spec(self, inputs: Any) -> FeatureSpec:
            raise ValueError("the streams must have one dimension, not 6 and 4")

    with pytest.raises(MercError, match=r"^fusers\.both: the streams must have one dimension, not 6 and 4$"):
        MediaTokens(SPECS, {}, {"both": Picky()}, 8)


def test_a_connector_that_cannot_be_built_for_these_widths_says_why() -> None:
    class Picky(Linear):
        def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
            raise ValueError(f"width is a multiple of heads (5), not {hidden}")

    with pytest.raises(MercError, match=r"^connectors\.face: width is a multiple of heads \(5\), not 8$"):
        MediaTokens(SPECS, {"face": Picky()}, {}, 8)


def test_without_features_the_model_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"set media\.source first"):
        MediaTokens(SPECS, {"face": Linear()}, {}, 8).length("face", "u0")


@dataclass(frozen=True, kw_only=True)
class Wrong(Connector):
    """Gives one token more than it says."""

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        class Module(nn.Module):
            def forward(self, stream: Stream) -> Stream:
                values = torch.zeros(len(stream.values), stream.values.shape[1] + 1, hidden)
                return Stream(values, torch.ones(values.shape[:2], dtype=torch.bool))

        return Module()


def test_a_connector_that_gives_other_tokens_than_it_says_is_found() -> None:
    media = MediaTokens(SPECS, {"face": Wrong()}, {}, 8)
    media.source = lambda s, u, d: np.zeros((2, 6), "float32")
    with pytest.raises(MercError) as caught:
        media([("face", "u0", media.length("face", "u0"))])
    assert str(caught.value) == (
        "the connector or fuser of 'face' said that it gives 2 tokens for 'u0' and gave 3: its tokens() and forward() "
        "disagree"
    )


def test_fit_shows_every_token_of_the_train_split_once() -> None:
    media = MediaTokens(
        SPECS,
        {"face": Linear(normalize="train"), "voice": Mlp(), "both": Linear(normalize="train")},
        {"both": Concat(width=3)},
        8,
    )
    media.source = tiny_media().source
    media.train()
    assert media.fit(["u0", "u1", "u2", "u4"]) == ["connectors.face", "connectors.both"]
    assert media.training
    assert media.source is not None
    shown = np.concatenate([media.source("face", u, 0) for u in ("u0", "u1", "u2")])
    face = media.connectors["face"]
    np.testing.assert_allclose(face.mean.numpy(), shown.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(face.deviation.numpy(), shown.std(0), rtol=1e-5, atol=1e-6)
    fused = torch.cat([media._given("both", [u], 0).values[0] for u in ("u0", "u1", "u2")])
    np.testing.assert_allclose(
        media.connectors["both"].mean.numpy(), fused.detach().mean(0).numpy(), rtol=1e-4, atol=1e-6
    )


def test_a_fuser_gets_its_inputs_normalized_by_the_train_split() -> None:
    media = MediaTokens(SPECS, {"both": Linear()}, {"both": Concat(width=3, normalize="train")}, 8)
    plain = MediaTokens(SPECS, {"both": Linear()}, {"both": Concat(width=3)}, 8)
    media.source = plain.source = tiny_media().source
    assert media.fit(["u0", "u1", "u2", "u4"], but=["fusers.both"]) == []
    assert media.fit(["u0", "u1", "u2", "u4"]) == ["fusers.both"]
    fuser = media.fusers["both"]
    plain.fusers["both"].load_state_dict(fuser.network.state_dict())

    def normalized(stream: str, utterance: str, draw: int) -> Any:
        assert media.source is not None
        shown = np.concatenate(
            [f for u in ("u0", "u1", "u2") if not isinstance(f := media.source(stream, u, 0), Missing)]
        )
        features = media.source(stream, utterance, draw)
        return features if isinstance(features, Missing) else (features - shown.mean(0)) / shown.std(0)

    for utterance in ("u0", "u1", "u2"):
        fused = media._given("both", [utterance], 0)
        plain.source = normalized
        by_hand = plain._given("both", [utterance], 0)
        torch.testing.assert_close(fused.values, by_hand.values, rtol=1e-4, atol=1e-5)
        assert torch.equal(fused.mask, by_hand.mask)


def test_what_was_fitted_is_saved(tmp_path: Any) -> None:
    from merc.model.state import load_stage, save_stage

    model = tuned_model()
    save_stage(model, tmp_path)
    other = tuned_model()
    for name in ("mean", "deviation"):
        other.media.connectors["face"].get_buffer(name).zero_()
    load_stage(other, tmp_path)
    for name in ("mean", "deviation"):
        one, two = (m.media.connectors["face"].get_buffer(name) for m in (model, other))
        assert torch.equal(one, two) and bool((one != 0).any())


def test_missing_media_are_left_out_and_never_zeros() -> None:
    """The prompt of an utterance without a voice is the prompt that never spoke of one."""
    from merc.components import Answer, Prompt, Slot, Text
    from merc.prompting import PromptEncoder
    from tests.prompting.tokenizers import byte_level

    model = tuned_model()
    encoder = PromptEncoder(byte_level())
    spoken = (Text("Ann:"), Slot("face", "u2"), Slot("voice", "u2", " hears ", "!"), Text(" hi"), Answer("joy"))
    silent = tuple(s for s in spoken if s != spoken[2])
    one, two = (encoder.encode(Prompt(s, "u2"), model.media.length) for s in (spoken, silent))
    assert one == two
    assert [i for i in one.context if isinstance(i, tuple)] == [("face", "u2", n) for n in range(3)]


def test_slots_enter_at_their_places() -> None:
    model = tuned_model()
    batch = make_batch_of((4, ("voice", "u1", 0), ("voice", "u1", 1), 5, ("face", "u1", 0)))
    with torch.no_grad():
        row = model.embed(batch)[0]
        voice, face = model.media([("voice", "u1", 2)]), model.media([("face", "u1", 1)])
        words: Tensor = model.base.get_input_embeddings()(torch.tensor([4, 5]))
    torch.testing.assert_close(row, torch.stack([words[0], voice[0], voice[1], words[1], face[0]]))


def make_batch_of(context: tuple[Any, ...]) -> Any:
    from merc.prompting import build_tree

    return make_batch([build_tree([EncodedPrompt("u", context, ())])])
