"""A number added to each label's log-probability: against the equation, and chosen by what it reaches."""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from merc_decoding.ensemble import Ensemble
from merc_decoding.late_fusion import LateFusion
from merc_decoding.offsets import GRID, Offsets, PriorAdjusted, best_offsets
from merc_decoding.rationale import SelfConsistency
from sklearn.metrics import f1_score

import merc
import merc.testing
from merc.builtin.prompters import ConversationPrompter
from merc.model.emotion_model import EmotionModel
from merc.recipe import load_recipe
from merc.session.evaluation import evaluate_again
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from merc.session.trained import trained_run
from tests.decoding import LABELS, every_query, plain, predicted, rows
from tests.tiny_backbone import write_tiny_recipe

PRIOR = dict(zip(LABELS.labels, (0.7, 0.2, 0.1), strict=True))


class TestPriorAdjusted(merc.testing.DecoderContract):
    component = PriorAdjusted()
    name = "prior-adjusted"


class TestOffsets(merc.testing.DecoderContract):
    component = Offsets()
    name = "offsets"


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_probabilities_without_their_prior(model: EmotionModel, tau: float) -> None:
    found = rows(predicted(model, PriorAdjusted(tau=tau, prior=PRIOR)))
    for own, row in zip(rows(predicted(model, merc.Verbalizer())), found, strict=True):
        wanted = [p / PRIOR[label] ** tau for p, label in zip(own, LABELS.labels, strict=True)]
        assert row == pytest.approx([one / sum(wanted) for one in wanted], rel=1e-6)


def test_the_prior_is_counted(model: EmotionModel) -> None:
    queries = every_query()
    fitted = PriorAdjusted().fit(plain(model), queries)
    labels = [query.target.label for query in queries]
    numbers = {label: max(1, labels.count(label)) for label in LABELS.labels}
    assert fitted.prior == {label: n / sum(numbers.values()) for label, n in numbers.items()}
    assert (PriorAdjusted().fits_on(), fitted.fits_on()) == ("train", None)


def test_over_another_decoder(model: EmotionModel) -> None:
    other = Ensemble(prompters_=(ConversationPrompter(question="{speaker} sounds"),))
    by = {label: 0.3 * number for number, label in enumerate(LABELS.labels)}
    found = rows(predicted(model, Offsets(decoder=other, offsets=by)))
    for own, row in zip(rows(predicted(model, other)), found, strict=True):
        wanted = [p * math.exp(by[label]) for p, label in zip(own, LABELS.labels, strict=True)]
        assert row == pytest.approx([one / sum(wanted) for one in wanted], rel=1e-6)
    assert len(Offsets(decoder=other).prompters()) == 1


def test_offsets_reach_what_no_single_change_betters() -> None:
    torch.manual_seed(0)
    truth = [0] * 30 + [1] * 8 + [2] * 4
    log_probs = (
        torch.randn(42, 3, dtype=torch.float64) + torch.eye(3)[truth] + torch.tensor([1.5, 0.0, -0.5])
    ).log_softmax(-1)

    def reached(offsets: list[float]) -> float:
        moved = (log_probs + torch.tensor(offsets, dtype=torch.float64)).argmax(-1).tolist()
        return float(f1_score(truth, moved, average="macro"))

    chosen = best_offsets(log_probs, truth, "macro_f1")
    assert reached(chosen) > reached([0.0, 0.0, 0.0])
    for label, step in itertools.product(range(3), GRID):
        other = [step if at == label else one for at, one in enumerate(chosen)]
        assert reached(other) <= reached(chosen) + 1e-12
    assert best_offsets(log_probs[:30] * 0 + torch.tensor([0.0, -9.0, -9.0]), truth[:30], "accuracy") == [0.0] * 3


def test_of_equal_offsets_the_nearest_to_0_is_taken_in_each_round() -> None:
    """What an offset was needed for may be reached by a later one too: then it goes back."""
    for seed in range(20):
        torch.manual_seed(seed)
        truth = torch.randint(4, (24,)).tolist()
        log_probs = torch.randn(24, 4, dtype=torch.float64) + torch.tensor([1.5, 0.0, -0.5, -1.0])

        def reached(offsets: list[float], log_probs: torch.Tensor = log_probs, truth: list[int] = truth) -> float:
            moved = (log_probs + torch.tensor(offsets, dtype=torch.float64)).argmax(-1).tolist()
            return float(f1_score(truth, moved, average="macro"))

        chosen = best_offsets(log_probs, truth, "macro_f1")
        for label, step in itertools.product(range(4), GRID):
            other = [step if at == label else one for at, one in enumerate(chosen)]
            assert (reached(other), -abs(step)) <= (reached(chosen), -abs(chosen[label]))


def test_labels_count_as_commonly_as_the_shares_say(model: EmotionModel) -> None:
    """Whole shares are what as many copies of each utterance reach; a label without a share does not count."""
    torch.manual_seed(1)
    truth = torch.randint(3, (30,)).tolist()
    log_probs = torch.randn(30, 3, dtype=torch.float64).log_softmax(-1)
    copies = [at for at, label in enumerate(truth) for _ in range(label + 1)]
    for by in ("weighted_f1", "macro_f1", "accuracy"):
        weights = [label + 1.0 for label in truth]
        assert best_offsets(log_probs, truth, by, weights) == best_offsets(
            log_probs[copies], [truth[at] for at in copies], by
        )
    queries = every_query()
    labels = [str(query.target.label) for query in queries]
    as_it_is = {label: labels.count(label) for label in LABELS.labels}
    asked = plain(model)
    assert Offsets(shares=as_it_is).fit(asked, queries).offsets == Offsets().fit(asked, queries).offsets
    alone = Offsets(shares={"joy": 1.0}).fit(asked, queries)
    joyful = [query for query in queries if query.target.label == "joy"]
    assert all(one.label == "joy" for one in alone.decode(asked, joyful))
    with pytest.raises(merc.MercError, match="dev, which has no label with a share"):
        Offsets(shares={"joy": 1.0}).fit(asked, [query for query in queries if query.target.label != "joy"])


@pytest.mark.parametrize(
    "decoder", [Offsets(shares={"joi": 1}), Offsets(offsets={"joi": 1}), PriorAdjusted(prior={"joi": 1})]
)
def test_a_number_of_a_label_that_is_not_there(decoder: merc.Decoder) -> None:
    with pytest.raises(merc.MercError, match=r"evaluate\.decoder\.\w+: there is no label 'joi'; the labels are: "):
        decoder.check(LABELS)


def test_what_the_other_decoder_reads_and_lacks_is_said(model: EmotionModel) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Deaf(merc.Verbalizer):
        def reads_media(self):
            return ("voice",)

        def decode(self, model, queries):
            return [replace(one, missing={"voice": "no sound"}) for one in super().decode(model, queries)]

    decoder = Offsets(decoder=Deaf(), offsets={})
    assert list(decoder.reads_media()) == ["voice"] and not list(Offsets().reads_media())
    assert all(one.missing == {"voice": "no sound"} for one in predicted(model, decoder))


@pytest.mark.parametrize("how", [{"offsets": {"joy": 9.0}}, {"prior": PRIOR}])
def test_what_else_the_other_decoder_gives_stays(model: EmotionModel, how: dict[str, Any]) -> None:
    other = SelfConsistency(count=2, max_new_tokens=4, incomplete="use")
    decoder = Offsets(decoder=other, **how) if "offsets" in how else PriorAdjusted(decoder=other, **how)
    for one, inner in zip(predicted(model, decoder), predicted(model, other), strict=True):
        assert one.details == inner.details and len(one.details["rationales"]) == 2
        assert one.probabilities != inner.probabilities
        assert one.label == "joy" or "prior" in how

    @dataclass(frozen=True, kw_only=True)
    class Writes(merc.Verbalizer):
        def decode(self, model, queries):
            return [replace(one, text="Hm.") for one in super().decode(model, queries)]

    assert all(one.answer == "Hm." for one in predicted(model, replace(decoder, decoder=Writes())))


def test_a_prior_of_some_labels() -> None:
    with pytest.raises(merc.MercError, match=r"evaluate\.decoder\.prior: there is no share of .*anger.*each label"):
        PriorAdjusted(prior={"joy": 0.5}).check(LABELS)
    PriorAdjusted(prior=PRIOR).check(LABELS)
    PriorAdjusted().check(LABELS)


def test_offsets_are_chosen_on_dev_and_kept(model: EmotionModel) -> None:
    queries = every_query()
    fitted = Offsets(by="accuracy").fit(plain(model), queries)
    assert fitted.offsets is not None and list(fitted.offsets) == list(LABELS.labels)
    right = [
        sum(one.label == one.truth for one in predicted(model, decoder)) for decoder in (merc.Verbalizer(), fitted)
    ]
    assert right[1] >= right[0]
    unlabelled = [replace(q, conversation=replace(q.conversation, utterances=tuple(
        replace(u, label=None) for u in q.conversation.utterances))) for q in queries]  # fmt: skip
    for decoder, words in ((Offsets(), "offsets are chosen on dev"), (PriorAdjusted(), "counts labels of train")):
        with pytest.raises(merc.MercError, match=words):
            decoder.fit(plain(model), unlabelled)


def test_what_cannot_be_moved() -> None:
    with pytest.raises(ValueError, match="decoder has to be fitted itself; give what is fitted"):
        Offsets(decoder=LateFusion(prompters_=(ConversationPrompter(),)))
    with pytest.raises(ValueError, match=re.escape("tau is 0 or above, not -1")):
        PriorAdjusted(tau=-1)
    with pytest.raises(ValueError, match="shares are 0 or above, one of them above"):
        Offsets(shares={"joy": 0.0})
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="offsets are finite numbers"):
            Offsets(offsets={"joy": value})
    with pytest.raises(ValueError, match="prior has shares above 0"):
        PriorAdjusted(prior={"joy": 0.0})


def test_a_finished_run_is_evaluated_with_what_is_fitted_then(tmp_path: Path) -> None:
    """And is asked to predict so with the parameters that were fitted, not before."""
    run = tmp_path / "run"
    run_recipe(load_recipe(write_tiny_recipe(tmp_path, trainer="epochs: 1"), ["evaluate.splits=[dev]"]), run, Silent())
    change = ["evaluate.decoder={name: prior-adjusted}", "evaluate.splits=[test]"]
    with pytest.raises(merc.MercError) as refused:
        trained_run(run, change)
    assert "'merc evaluate' with the same evaluate.decoder fits it" in str(refused.value)
    folder, metrics = evaluate_again(run, change, "prior", Silent())
    prior = json.loads((folder / "decoder.json").read_text())["fitted"]["prior"]
    assert sum(prior.values()) == pytest.approx(1) and min(prior.values()) > 0
    assert "evaluate.decoder was fitted on train" in (folder / "report.html").read_text()
    given = [f"evaluate.decoder={{name: prior-adjusted, prior: {json.dumps(prior)}}}", *change[1:]]
    assert evaluate_again(run, given, "given", Silent())[1] == metrics
    assert trained_run(run, given).recipe.evaluate is not None
    assert not (run / "decoder.json").exists()


def test_fitting_wants_the_split(tmp_path: Path) -> None:
    run = tmp_path / "run"
    file = write_tiny_recipe(tmp_path, trainer="epochs: 1")
    run_recipe(load_recipe(file, ["evaluate.splits=[test]"]), run, Silent())
    talks = Path(str(load_recipe(file).corpus.params["path"]))
    talks.write_text("".join(f"{line}\n" for line in talks.read_text().splitlines() if '"dev"' not in line))
    with pytest.raises(merc.MercError, match=r"no conversation in the split 'dev'.*evaluate\.decoder asks for it"):
        evaluate_again(run, ["evaluate.decoder={name: offsets}"], None, Silent())


@pytest.mark.parametrize("decoder", ["offsets", "prior-adjusted", "dynamic-verbalizer"])
def test_a_split_without_labels_is_found_before_anything_is_computed(decoder: str, tmp_path: Path) -> None:
    file = write_tiny_recipe(tmp_path, trainer="epochs: 1")
    change = [f"evaluate.decoder={{name: {decoder}}}", "evaluate.splits=[test]", "labels=[joy, anger, sadness]"]
    split = "dev" if decoder == "offsets" else "train"
    talks = Path(str(load_recipe(file).corpus.params["path"]))
    lines = [json.loads(line) for line in talks.read_text().splitlines()]
    for talk in lines:
        for utterance in talk["utterances"] if talk["split"] == split else ():
            del utterance["label"]
    talks.write_text("".join(f"{json.dumps(talk)}\n" for talk in lines))
    words = rf"evaluate\.decoder: '{decoder}' is fitted to labels of the split '{split}', of which no utterance has one"
    with pytest.raises(merc.MercError, match=words):
        run_recipe(load_recipe(file, change), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()
