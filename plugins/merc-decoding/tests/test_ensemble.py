"""Ensembles against their prompts asked one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from merc_decoding.ensemble import Ensemble

import merc
from merc.builtin.prompters import ConversationPrompter
from merc.model.emotion_model import EmotionModel
from tests.decoding import LABELS, alone, check_of_no_company, every_query, plain, predicted, rows
from tests.tiny_backbone import write_tiny_recipe

VARIANTS = (
    ConversationPrompter(question="{speaker} sounds"),
    ConversationPrompter(instruction="Is it {labels}? Say so.\n", history=1),
)
FOUR = (*VARIANTS, ConversationPrompter(question="The mood:"), ConversationPrompter(instruction="{labels}\n"))


def by_hand(
    model: EmotionModel, prompters: tuple[merc.Prompter, ...], normalize: str = "none"
) -> list[list[list[float]]]:
    """For each query, the probabilities by each prompter."""
    asked = plain(model)
    return [[alone(asked, query, p.prompt(query), normalize) for p in prompters] for query in every_query()]


@pytest.mark.parametrize("normalize", ["none", "tokens"])
@pytest.mark.parametrize("own", [True, False])
def test_the_mean_of_separate_prompts(model: EmotionModel, own: bool, normalize: str) -> None:
    decoder = Ensemble(prompters_=VARIANTS, own=own, normalize=normalize)  # type: ignore[arg-type]
    found = predicted(model, decoder)
    prompters = (ConversationPrompter(), *VARIANTS) if own else VARIANTS
    for one, each in zip(found, by_hand(model, prompters, normalize), strict=True):
        mean = [sum(values) / len(prompters) for values in zip(*each, strict=True)]
        assert [(one.probabilities or {})[label] for label in LABELS.labels] == pytest.approx(mean, rel=1e-4)
        assert one.label == LABELS.labels[mean.index(max(mean))]
        assert one.details == {"votes": [LABELS.labels[row.index(max(row))] for row in each]}


def test_the_majority_of_separate_prompts(model: EmotionModel) -> None:
    found = predicted(model, Ensemble(prompters_=FOUR, own=False, vote="majority"))
    ties = 0
    for one, each in zip(found, by_hand(model, FOUR), strict=True):
        votes = Counter(LABELS.labels[row.index(max(row))] for row in each)
        assert one.probabilities == {label: votes[label] / 4 for label in LABELS.labels}
        most = [label for label in LABELS.labels if votes[label] == max(votes.values())]
        ties += len(most) > 1
        sums = {label: sum(row[LABELS.labels.index(label)] for row in each) for label in most}
        assert one.label == max(sums, key=lambda label: sums[label])


def test_of_equally_many_votes_the_likelier_label_wins() -> None:
    from merc_decoding.ensemble import _majority

    mean = merc.Decoded(label="joy", probabilities={"anger": 0.2, "joy": 0.5, "sadness": 0.3})
    assert _majority(mean, ["sadness", "anger"]).label == "sadness"
    assert _majority(mean, ["anger", "anger", "joy"]).label == "anger"
    assert _majority(mean, ["sadness", "anger"]).probabilities == {"anger": 0.5, "joy": 0.0, "sadness": 0.5}


@pytest.mark.parametrize("vote", ["mean", "majority"])
def test_answers_depend_on_nothing_beside_the_query(model: EmotionModel, vote: str) -> None:
    check_of_no_company(model, Ensemble(prompters_=VARIANTS, vote=vote))  # type: ignore[arg-type]


def test_the_conversation_is_computed_once(model: EmotionModel) -> None:
    """Three questions about a conversation cost little more than one."""
    places: list[int] = []
    first = model.base.model.layers[0]
    hook = first.register_forward_hook(lambda layer, given, out: places.append(given[0].shape[:2].numel()))
    questions = tuple(ConversationPrompter(question="{speaker} " + word) for word in ("is", "sounds"))
    totals = []
    for decoder in (merc.components.Verbalizer(), Ensemble(prompters_=questions)):
        places.clear()
        predicted(model, decoder)
        totals.append(sum(places))
    hook.remove()
    assert totals[0] < totals[1] < 2 * totals[0]


def test_an_ensemble_is_of_two() -> None:
    with pytest.raises(ValueError, match="two at least"):
        Ensemble(prompters_=(ConversationPrompter(),), own=False)


def test_a_prompter_that_shows_what_the_recipe_does_not(tmp_path: Path) -> None:
    recipe = write_tiny_recipe(tmp_path)
    decoder = "{name: ensemble, prompters: [conversation, {name: conversation, cues: [face]}]}"
    with pytest.raises(merc.MercError) as caught:
        merc.load_recipe(recipe, [f"evaluate.decoder={decoder}"])
    text = str(caught.value)
    assert "evaluate.decoder" in text and "prompter 2 of 'ensemble' shows the cue 'face'" in text
    assert "let evaluate.prompter show it too" in text


def test_what_is_said_of_its_prompters_before_a_run(tmp_path: Path) -> None:
    """They may look ahead, and have to say which words are an utterance's, as the recipe's own has to."""
    recipe = write_tiny_recipe(tmp_path)
    ahead = "{name: ensemble, prompters: [{name: conversation, following: 1}]}"
    notes = merc.load_recipe(recipe, [f"evaluate.decoder={ahead}"]).notes
    assert any("evaluate.decoder" in note and "offline: prompts show 1 following utterance" in note for note in notes)
    pytest.importorskip("merc_benchmarks")
    other = "{name: ensemble, prompters: [{name: question, labels: true}]}"
    with pytest.raises(merc.MercError, match=r"evaluate\.decoder.*'question' does not say which words belong"):
        merc.load_recipe(recipe, [f"evaluate.decoder={other}", "backbone.attention=utterance"])


def test_probabilities_of_a_label_that_a_query_lacks(model: EmotionModel) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Without(Ensemble):
        """Asks with two labels alone."""

        def decode(self, model, queries):
            from dataclasses import replace

            two = merc.LabelSpace(("joy", "anger"))
            found = super().decode(model, [replace(query, labels=two) for query in queries])
            assert all(set(one.probabilities) == {"joy", "anger"} for one in found)
            return [replace(one, probabilities={**one.probabilities, "sadness": 0.0}) for one in found]

    assert all(row[2] == 0 for row in rows(predicted(model, Without(prompters_=VARIANTS))))
