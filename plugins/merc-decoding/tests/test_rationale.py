"""Rationales and the labels after them, against prompts asked one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from merc_decoding.rationale import RationaleThenVerbalizer, SelfConsistency

import merc
from merc.model.emotion_model import EmotionModel
from tests.decoding import LABELS, alone, check_of_no_company, every_query, plain, predicted

DRAWN = SelfConsistency(
    count=3, temperature=1.5, top_p=0.9, seed=5, max_new_tokens=4, explain=" because", incomplete="use"
)
LIKELIEST = RationaleThenVerbalizer(max_new_tokens=4, incomplete="use", conclude=" so", normalize="tokens")


def test_equation_26_over_separate_prompts(model: EmotionModel) -> None:
    """Each rationale is drawn alone and followed by labels alone; the probabilities are the mean of theirs."""
    asked = plain(model)
    for one, query in zip(predicted(model, DRAWN), every_query(), strict=True):
        prompt = asked.prompt(query)
        asks = replace(prompt, segments=(*prompt.segments[:-1], merc.Text(" because"), prompt.answer))
        (drawn,) = asked.generate(
            [query], max_new_tokens=4, count=3, temperature=1.5, top_p=0.9, seed=5, prompts=[asks]
        )
        texts = [written.text.strip() for written in drawn]
        each = []
        for text in texts:
            written = merc.Text(f" {text}\nSo the emotion is")
            each.append(alone(asked, query, replace(asks, segments=(*asks.segments[:-1], written, prompt.answer))))
        mean = [sum(values) / 3 for values in zip(*each, strict=True)]
        assert [(one.probabilities or {})[label] for label in LABELS.labels] == pytest.approx(mean, rel=1e-4)
        assert one.label == LABELS.labels[mean.index(max(mean))]
        assert one.details["rationales"] == texts
        assert one.details["votes"] == [LABELS.labels[row.index(max(row))] for row in each]
        assert len(set(texts)) > 1  # at this temperature they differ


def test_the_seed_and_the_temperature_make_the_rationales(model: EmotionModel) -> None:
    first = [one.details["rationales"] for one in predicted(model, DRAWN)]
    assert first != [one.details["rationales"] for one in predicted(model, replace(DRAWN, seed=6))]
    assert first != [one.details["rationales"] for one in predicted(model, replace(DRAWN, temperature=0.5))]
    # Of more rationales the first are the same.
    more = [one.details["rationales"][:3] for one in predicted(model, replace(DRAWN, count=5))]
    assert more == first


def test_rationale_then_verbalizer_over_separate_prompts(model: EmotionModel) -> None:
    asked = plain(model)
    for one, query in zip(predicted(model, LIKELIEST), every_query(), strict=True):
        ((written,),) = asked.generate([query], max_new_tokens=4)
        assert one.answer == written.text.strip()
        chances = alone(asked, query, asked.prompt(query).after(f"{one.answer} so"), "tokens")
        assert [(one.probabilities or {})[label] for label in LABELS.labels] == pytest.approx(chances, rel=1e-4)
        assert one.label == LABELS.labels[chances.index(max(chances))]


@pytest.mark.parametrize("decoder", [DRAWN, LIKELIEST])
def test_answers_depend_on_nothing_beside_the_query(model: EmotionModel, decoder: merc.Decoder) -> None:
    check_of_no_company(model, decoder)


def test_a_rationale_that_never_ends_is_an_error(model: EmotionModel) -> None:
    with pytest.raises(merc.MercError) as caught:
        predicted(model, replace(DRAWN, incomplete="error"))
    text = str(caught.value)
    assert text.startswith("evaluate.decoder: ") and "of 21 rationales are incomplete" in text
    assert "does not end: raise max_new_tokens (now 4)" in text and "incomplete: use" in text
    assert "'a0'" in text


class Writes:
    """A model that writes what it is given, and scores as another does."""

    def __init__(self, model: merc.Model, text: str, ended: bool) -> None:
        self.model, self.text, self.ended = model, text, ended
        self.labels, self.prompt, self.score = model.labels, model.prompt, model.score

    def generate(self, queries, *, count=1, **how):
        one = merc.components.Generation(self.text, (1,), (-1.0,), self.ended)
        return [[one] * count for _ in queries]


@pytest.mark.parametrize("text", ["", "  \n", "\nAnn: No."])
def test_an_empty_rationale_is_an_error(model: EmotionModel, text: str) -> None:
    writes = Writes(plain(model), text, ended=True)
    decoder = replace(LIKELIEST, stop=("Ann:",), incomplete="error")
    with pytest.raises(merc.MercError, match=r"'a0', is empty: ask for one with explain, or set incomplete: use"):
        decoder.decode(writes, every_query())  # type: ignore[arg-type]
    used = replace(decoder, incomplete="use").decode(writes, every_query())  # type: ignore[arg-type]
    assert {one.text for one in used} == {""}
    assert all(one.details == {"incomplete": "is empty"} for one in used)


def test_a_stop_ends_a_rationale(model: EmotionModel) -> None:
    writes = Writes(plain(model), " He laughs. \nAnn: No.\nBo: So.", ended=False)
    found = replace(LIKELIEST, stop=("Bo:", "Ann:"), incomplete="error").decode(writes, every_query())  # type: ignore[arg-type]
    assert {one.text for one in found} == {"He laughs."}
    assert all(one.details == {} for one in found)


def test_incomplete_rationales_are_told(model: EmotionModel) -> None:
    writes = Writes(plain(model), "He", ended=False)
    found = replace(DRAWN, count=2).decode(writes, every_query())  # type: ignore[arg-type]
    assert all(one.details["incomplete"] == ["1 does not end", "2 does not end"] for one in found)


@pytest.mark.parametrize(
    ("wrong", "holds"),
    [
        ({"count": 0}, "count counts from 1"),
        ({"temperature": 0.0}, "temperature is above 0"),
        ({"top_p": 0.0}, "top_p is above 0"),
        ({"max_new_tokens": 0}, "max_new_tokens counts from 1"),
        ({"stop": ("",)}, "stop holds an empty text"),
    ],
)
def test_values_that_cannot_be(wrong: dict[str, object], holds: str) -> None:
    with pytest.raises(ValueError, match=holds):
        SelfConsistency(**wrong)  # type: ignore[arg-type]
