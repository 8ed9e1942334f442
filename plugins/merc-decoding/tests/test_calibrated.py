"""Contextual calibration against its equation over separate prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from merc_decoding.calibrated import Calibrated

import merc
from merc.builtin.prompters import ConversationPrompter
from merc.model.emotion_model import EmotionModel
from tests.decoding import LABELS, alone, check_of_no_company, every_query, plain, predicted

CONTENTS = ("N/A", "")
DECODER = Calibrated(contents=CONTENTS)


def prior_by_hand(model: EmotionModel, query: merc.Query, normalize: str = "none") -> list[float]:
    """The mean over the prompts as they are written out here."""
    shown = "".join("Speaker: No way.\nSpeaker feels sadness\n\n" for _ in query.demonstrations)
    asked, each = plain(model), []
    for text in CONTENTS:
        start = f"Recognise the emotion of what is said. The emotions are: {', '.join(LABELS.labels)}.\n"
        parts = [merc.Text(start)]
        if shown:
            parts += map(merc.Text, ("Speaker:", " No way.\n", "Speaker feels", " sadness\n\n"))
        parts += map(merc.Text, ("Speaker:", f" {text}\n", "Speaker feels"))
        prompt = merc.Prompt((*parts, merc.Answer()), query.target.id)
        each.append(alone(asked, query, prompt, normalize))
    return [sum(values) / len(CONTENTS) for values in zip(*each, strict=True)]


@pytest.mark.parametrize("normalize", ["none", "tokens"])
def test_probabilities_over_their_prior(model: EmotionModel, normalize: str) -> None:
    asked = plain(model)
    found = predicted(model, replace(DECODER, normalize=normalize))  # type: ignore[arg-type]
    for one, query in zip(found, every_query(), strict=True):
        prior = prior_by_hand(model, query, normalize)
        own = alone(asked, query, asked.prompt(query), normalize)
        ratios = [p / q for p, q in zip(own, prior, strict=True)]
        wanted = [ratio / sum(ratios) for ratio in ratios]
        assert [(one.probabilities or {})[label] for label in LABELS.labels] == pytest.approx(wanted, rel=1e-4)
        assert one.label == LABELS.labels[wanted.index(max(wanted))]
        assert [one.details["prior"][label] for label in LABELS.labels] == pytest.approx(prior, rel=1e-4)


def test_demonstrations_belong_to_the_prior(model: EmotionModel) -> None:
    talk = merc.Conversation(id="t", utterances=(merc.Utterance(id="t0", text="No way.", label="sadness"),))
    shown = merc.Query(conversation=talk, index=0, labels=LABELS)
    some = [replace(query, demonstrations=(shown,) if n % 2 else ()) for n, query in enumerate(every_query())]
    found = DECODER.decode(plain(model), some)
    priors = []
    for one, query in zip(found, some, strict=True):
        priors.append(tuple(one.details["prior"].values()))
        assert priors[-1] == pytest.approx(prior_by_hand(model, query), rel=1e-4)
    assert len(set(priors)) == 2


def test_a_content_free_text_is_uniform(model: EmotionModel) -> None:
    """What says nothing is as likely to be any label: calibration is exact there."""
    query = every_query()[0]
    talk = merc.Conversation(id="e", utterances=(merc.Utterance(id="e0", text="N/A"),))
    (one,) = Calibrated(contents=("N/A",)).decode(plain(model), [replace(query, conversation=talk, index=0)])
    assert list((one.probabilities or {}).values()) == pytest.approx([1 / 3] * 3, rel=1e-4)


def test_labels_that_a_query_lacks_stay_out(model: EmotionModel) -> None:
    two = merc.LabelSpace(("joy", "anger"))
    for one in DECODER.decode(plain(model), [replace(query, labels=two) for query in every_query()]):
        assert set(one.probabilities or {}) == set(one.details["prior"]) == {"joy", "anger"}


def test_answers_depend_on_nothing_beside_the_query(model: EmotionModel) -> None:
    check_of_no_company(model, DECODER)


def test_places_for_media_are_taken_out(model: EmotionModel) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Shows(ConversationPrompter):
        def prompt(self, query):
            made = super().prompt(query)
            slot = merc.Slot("face", query.target.id, before=" The face:")
            return replace(made, segments=(*made.segments[:-1], slot, made.answer))

    asked = plain(model, Shows())
    query = every_query()[0]
    empty = merc.Conversation(id="content-free", utterances=(merc.Utterance(id="content-free", text="N/A"),))
    prompt = Calibrated._prompt(asked, replace(query, conversation=empty, index=0))
    assert not any(isinstance(part, merc.Slot) for part in prompt.segments)
    assert len(prompt.segments) == len(ConversationPrompter().prompt(replace(query, conversation=empty)).segments)


def test_a_prompter_without_a_content_free_form_is_refused(model: EmotionModel) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needs(ConversationPrompter):
        def prompt(self, query):
            if query.conversation.id == "content-free":
                raise merc.MercError("utterance has no cue 'face'; annotate it")
            return super().prompt(query)

    with pytest.raises(merc.MercError) as caught:
        predicted(model, DECODER, Needs())
    text = str(caught.value)
    assert text.startswith("evaluate.decoder: calibrated needs a prompter with a content-free form")
    assert "utterance has no cue 'face'; annotate it" in text and "{name: verbalizer}" in text


def test_contents_are_texts_each_once() -> None:
    for wrong in ((), ("N/A", "N/A")):
        with pytest.raises(ValueError, match="contents has one text at least, each once"):
            Calibrated(contents=wrong)
