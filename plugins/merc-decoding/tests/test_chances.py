"""Probabilities as cues, and the decoder that takes them as a member."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from merc_decoding.chances import Beside, ClassChances, chances_in
from merc_decoding.late_fusion import LateFusion

import merc
import merc.testing
from merc.builtin.prompters import ConversationPrompter
from merc.model.emotion_model import EmotionModel
from tests.decoding import LABELS, alone, every_query, plain
from tests.tiny_backbone import write_tiny_recipe


@dataclass(frozen=True, kw_only=True)
class Loudness(merc.Encoder):
    """Two numbers that say nothing, then how likely it is loud and how likely it is not."""

    modality = "audio"

    def sampling(self) -> merc.Waveform:
        return merc.Waveform()

    def spec(self) -> merc.FeatureSpec:
        return merc.FeatureSpec(dim=4, tokens=1)

    def load(self, device: str) -> merc.EncodeFunction:
        def encode(clips):  # type: ignore[no-untyped-def]
            loud = [min(1.0, float(np.abs(clip.samples).mean())) for clip in clips]
            return [np.array([[7.0, 7.0, one, 1 - one]], "float32") for one in loud]

        return encode


class TestClassChances(merc.testing.AnnotatorContract):
    component = ClassChances(encoder=Loudness(), classes=("anger", "joy"))
    name = None


class TestBeside(merc.testing.PrompterContract):
    component = Beside(prompter=ConversationPrompter(), cues=("chances",))


def test_the_last_numbers_are_those_of_the_classes_and_a_label_may_have_two() -> None:
    clip = merc.AudioClip(samples=np.full(1600, 0.25, "float32"), rate=16_000)
    talk = merc.Conversation(id="c", utterances=(merc.Utterance(id="u", text="Hm."),))
    query = merc.Query(conversation=talk, index=0, labels=LABELS)
    shown = merc.Observation(query=query, video=merc.Missing("none"), audio=clip)

    def said(classes: tuple[str, ...]) -> str:
        annotator = ClassChances(encoder=Loudness(), classes=classes)
        return dict(annotator.load("cpu")([shown]))["u"].cues["chances"]

    assert said(("anger", "joy")) == "anger 0.2500, joy 0.7500"
    assert said(("joy", "joy")) == "joy 1.0000"
    missing = replace(shown, audio=merc.Missing("it has no sound"))
    assert (
        dict(ClassChances(encoder=Loudness(), classes=("joy",)).load("cpu")([missing]))["u"].reason == "it has no sound"
    )


def refusal(classes: tuple[str, ...], encoder: merc.Encoder | None = None) -> str:
    """What the user reads when a second of sound is annotated."""
    clip = merc.AudioClip(samples=np.full(1600, 0.25, "float32"), rate=16_000)
    query = every_query()[0]
    annotator = ClassChances(encoder=encoder or Loudness(), classes=classes)
    with pytest.raises(merc.MercError) as caught:
        list(annotator.load("cpu")([merc.Observation(query=query, video=merc.Missing("none"), audio=clip)]))
    return str(caught.value)


def test_features_that_hold_no_probabilities_of_the_classes_are_refused() -> None:
    """Also where some classes are left out, so that each name would stand for another class."""
    fault = refusal(("anger", "joy", "sadness", "fear", "anger"))
    assert "class-chances: the encoder Loudness gives 4 numbers, and classes names 5" in fault
    assert "Loudness gives features whose last 1 numbers are 0.75: no probabilities" in refusal(("joy",))
    assert "last 3 numbers are 7, 0.25, 0.75: no probabilities" in refusal(("fear", "anger", "joy"))

    class Below(Loudness):
        def load(self, device: str) -> merc.EncodeFunction:
            return lambda clips: [np.array([[0, 0, -0.5, 1.5]], "float32") for _ in clips]

    assert "no probabilities with the sum 1" in refusal(("anger", "joy"), Below())


def test_an_encoder_that_sees_and_hears_nothing_is_refused() -> None:
    class Reads(Loudness):
        modality = "text"

    class LooksUp(Loudness):
        def sampling(self) -> Any:
            return merc.Named()

    with pytest.raises(ValueError, match="encoder reads words; name one of picture or of sound"):
        ClassChances(encoder=Reads(), classes=("joy",))
    assert "the encoder LooksUp reads neither picture nor sound" in refusal(("joy",), LooksUp())


def test_where_tokens_lie_is_no_probability() -> None:
    class Placed(Loudness):
        def spec(self) -> merc.FeatureSpec:
            return merc.FeatureSpec(dim=4, axes=("seconds",))

        def load(self, device: str) -> merc.EncodeFunction:
            return lambda clips: [np.array([[7, 7, 0.4, 0.6, 12.0]], "float32") for _ in clips]

    clip = merc.AudioClip(samples=np.full(1600, 0.25, "float32"), rate=16_000)
    shown = merc.Observation(query=every_query()[0], video=merc.Missing("none"), audio=clip)
    ((_, said),) = ClassChances(encoder=Placed(), classes=("anger", "joy")).load("cpu")([shown])
    assert said.cues == {"chances": "anger 0.4000, joy 0.6000"}


def test_other_weights_are_another_annotator() -> None:
    weights = ["first"]

    class Weighted(Loudness):
        def identity(self) -> dict[str, str]:
            return {"weights": weights[0]}

    annotator = ClassChances(encoder=Weighted(), classes=("anger", "joy"))
    before = annotator.identity()
    assert before == annotator.identity()
    weights[0] = "second"
    assert before != annotator.identity()
    assert "of" not in ClassChances(encoder=Loudness(), classes=("joy",)).identity()  # answers made before are found


def with_cue(query: merc.Query, text: str) -> merc.Query:
    said = list(query.conversation.utterances)
    said[query.index] = replace(query.target, cues={"chances": text})
    return replace(query, conversation=replace(query.conversation, utterances=tuple(said)))


def test_a_cue_is_a_member_where_there_is_one(model: EmotionModel) -> None:
    first, second = every_query()[:2]
    labels = LABELS.labels
    face = {labels[0]: 0.1, labels[1]: 0.7, labels[2]: 0.2}
    asked = plain(model)
    text = ", ".join(f"{name} {value}" for name, value in face.items())
    decoder = LateFusion(prompters_=(), cues=("chances",), weights=(0.25, 0.75))
    fused, words = decoder.decode(asked, [with_cue(first, text), second])
    own = alone(asked, first, ConversationPrompter().prompt(first))
    wanted = [0.25 * one + 0.75 * face[label] for one, label in zip(own, labels, strict=True)]
    assert [(fused.probabilities or {})[label] for label in labels] == pytest.approx(wanted, rel=1e-4)
    assert len(fused.details["votes"]) == 2 and fused.details["votes"][1] == labels[1]
    own = alone(asked, second, ConversationPrompter().prompt(second))
    assert [(words.probabilities or {})[label] for label in labels] == pytest.approx(own, rel=1e-4)
    assert fused.missing == {} and list(words.missing) == ["cue chances"]
    assert len(words.details["votes"]) == 2 and words.details["votes"][1] is None


def test_weights_are_fitted_where_all_members_are(model: EmotionModel) -> None:
    queries = [query for query in every_query() if query.target.label is not None]
    sure = [with_cue(query, f"{query.target.label} 1.0") for query in queries[:-1]]
    fitted = LateFusion(prompters_=(), cues=("chances",)).fit(plain(model), [*sure, queries[-1]])
    assert fitted.weights == pytest.approx((0, 1), abs=1e-3)
    with pytest.raises(merc.MercError, match="the dev split has none; give weights"):
        LateFusion(prompters_=(), cues=("chances",)).fit(plain(model), queries)


@pytest.mark.parametrize("text", ["a smile", "rage 0.5, joy 0.5"])
def test_a_cue_that_holds_something_else_is_named(model: EmotionModel, text: str) -> None:
    with pytest.raises(merc.MercError, match=r"chances of .* probabilities of .* were expected"):
        LateFusion(prompters_=(), cues=("chances",)).decode(plain(model), [with_cue(every_query()[0], text)])


def test_what_is_no_list_of_probabilities() -> None:
    assert chances_in("joy 2") is None and chances_in("joy") is None and chances_in("joy 0.5, 0.2") is None


def test_a_cue_that_the_prompter_does_not_request_is_an_error_of_the_recipe(tmp_path: Path) -> None:
    recipe = write_tiny_recipe(tmp_path)
    prompter = "evaluate.prompter={name: beside, prompter: {name: conversation}, cues: [chances]}"

    def fusing(cue: str) -> str:
        return f"{{name: late-fusion, prompters: [], cues: [{cue}], weights: [0.5, 0.5]}}"

    def over(cue: str) -> str:
        return f"{{name: offsets, offsets: {{}}, decoder: {fusing(cue)}}}"

    for decoder in (fusing, over):
        with pytest.raises(merc.MercError, match=r"reads the cue 'chancse', .* Did you mean 'chances'\?"):
            merc.load_recipe(recipe, [prompter, f"evaluate.decoder={decoder('chancse')}"])
        merc.load_recipe(recipe, [prompter, f"evaluate.decoder={decoder('chances')}"])
    with pytest.raises(merc.MercError, match=r"evaluate\.prompter does not request.*requests: none.*beside"):
        merc.load_recipe(recipe, [f"evaluate.decoder={fusing('chances')}"])
