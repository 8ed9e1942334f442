"""Decision-level fusion against its equation, and its weights against a grid."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from merc_decoding import late_fusion
from merc_decoding.late_fusion import LateFusion, likeliest_weights

import merc
from merc.builtin.prompters import ConversationPrompter
from merc.model.emotion_model import EmotionModel
from merc.session.evaluation import evaluate_again
from merc.session.reporter import Silent
from tests.decoding import LABELS, alone, check_of_no_company, every_query, plain, predicted
from tests.tiny_backbone import write_tiny_recipe

OTHERS = (ConversationPrompter(question="{speaker} sounds"), ConversationPrompter(instruction="{labels}?\n", history=0))
WEIGHED = LateFusion(prompters_=OTHERS, weights=(0.2, 0.5, 0.3))


def by_hand(model: EmotionModel, weights: tuple[float, ...]) -> list[list[float]]:
    asked, found = plain(model), []
    for query in every_query():
        each = [alone(asked, query, p.prompt(query)) for p in (ConversationPrompter(), *OTHERS)]
        found.append([sum(w * row[i] for w, row in zip(weights, each, strict=True)) for i in range(3)])
    return found


@pytest.mark.parametrize("weights", [None, (0.2, 0.5, 0.3), (0.0, 1.0, 0.0)])
def test_the_weighted_mean_of_separate_prompts(model: EmotionModel, weights: tuple[float, ...] | None) -> None:
    """Before it is fitted all weigh alike."""
    wanted = by_hand(model, weights or (1 / 3,) * 3)
    for one, row in zip(predicted(model, LateFusion(prompters_=OTHERS, weights=weights)), wanted, strict=True):
        assert [(one.probabilities or {})[label] for label in LABELS.labels] == pytest.approx(row, rel=1e-4)
        assert one.label == LABELS.labels[row.index(max(row))]
        assert len(one.details["votes"]) == 3


def test_weights_under_which_the_labels_are_likeliest() -> None:
    """No weights of a grid of 1/50 make them likelier."""
    torch.manual_seed(0)
    right = torch.rand(40, 3, dtype=torch.float64) ** 2
    weights = likeliest_weights(right)
    assert sum(weights) == pytest.approx(1) and min(weights) >= 0

    def likelihood(some: tuple[float, ...]) -> float:
        return float((right @ torch.tensor(some, dtype=torch.float64)).log().sum())

    grid = [(i / 50, j / 50, 1 - (i + j) / 50) for i, j in itertools.product(range(51), repeat=2) if i + j <= 50]
    best = max(map(likelihood, grid))
    assert best - 1e-9 <= likelihood(weights) < best + 0.05
    assert likelihood(weights) > likelihood((1 / 3,) * 3) + 1e-3


def test_a_member_that_is_always_right_has_all_the_weight() -> None:
    assert likeliest_weights(torch.tensor([[0.9, 0.3], [0.8, 0.1]], dtype=torch.float64)) == pytest.approx(
        (1, 0), abs=1e-6
    )


def test_fit_reads_labelled_queries_alone(model: EmotionModel) -> None:
    decoder = LateFusion(prompters_=OTHERS)
    assert decoder.fits_on() == "dev" and WEIGHED.fits_on() is None
    fitted = decoder.fit(plain(model), every_query())
    assert fitted.weights != (1 / 3,) * 3 and fitted.fits_on() is None
    talk = merc.Conversation(id="x", utterances=(merc.Utterance(id="x0", text="Hm."),))
    unlabelled = merc.Query(conversation=talk, index=0, labels=LABELS)
    assert decoder.fit(plain(model), [*every_query(), unlabelled]).weights == pytest.approx(fitted.weights)
    with pytest.raises(merc.MercError, match="late-fusion fits its weights on the dev split, which has no labels"):
        decoder.fit(plain(model), [unlabelled])


def test_answers_depend_on_nothing_beside_the_query(model: EmotionModel) -> None:
    check_of_no_company(model, WEIGHED)


@pytest.mark.parametrize(
    ("wrong", "holds"),
    [
        ({"prompters_": ()}, "nothing to fuse"),
        ({"prompters_": OTHERS, "weights": (0.5, 0.5)}, "one for each of 3 members, not 2"),
        ({"prompters_": OTHERS, "weights": (0.5, 0.7, -0.2)}, "at least 0 and have the sum 1"),
        ({"prompters_": OTHERS, "weights": (0.5, 0.5, float("nan"))}, "at least 0 and have the sum 1"),
        ({"prompters_": OTHERS, "weights": (float("nan"), 0.5, 0.5)}, "at least 0 and have the sum 1"),
    ],
)
def test_values_that_cannot_be(wrong: dict[str, object], holds: str) -> None:
    with pytest.raises(ValueError, match=holds):
        LateFusion(**wrong)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_recipe(tmp_path_factory.mktemp("tiny"), trainer="epochs: 1")


@pytest.fixture(scope="module")
def runs(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two runs of other seeds."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        merc.run(recipe, run_dir=folder / f"run{seed}", seed=seed)
    return [str(folder / f"run{seed}") for seed in (1, 2)]


def fusing(runs: list[str]) -> str:
    share = 1 / len(runs)
    decoder = {"name": "late-fusion", "prompters": [], "own": False, "runs": runs, "weights": [share] * len(runs)}
    return f"evaluate.decoder={json.dumps(decoder)}"


def test_segments_of_a_conversation_are_conversations_to_each_run(runs: list[str]) -> None:
    """All of them are answered, each as the run answers the segment alone."""
    segments = ["evaluate.splits=[test]", "evaluate.segments=[1, 2]"]
    place, _ = evaluate_again(Path(runs[0]), [*segments, fusing(runs)], "fused", Silent())
    fused = json_lines(place / "predictions.jsonl")
    each = [json_lines(evaluate_again(Path(run), segments, "alone", Silent())[0] / "predictions.jsonl") for run in runs]
    assert len({one["conversation"] for one in fused}) < len(fused)
    for one, *by_run in zip(fused, *each, strict=True):
        assert {row["id"] for row in by_run} == {one["id"]}
        for label, share in one["probabilities"].items():
            assert share == pytest.approx(sum(row["probabilities"][label] for row in by_run) / 2, rel=1e-4)


def test_a_run_is_loaded_once_however_many_there_are(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    links = [str(Path(runs[0]).parent / f"link{number}") for number in range(9)]
    for link in links:
        Path(link).symlink_to(runs[0])
    loaded: list[Path] = []
    real = merc.load

    def load(run: Path) -> merc.Session:
        loaded.append(run)
        return real(run)

    monkeypatch.setattr(merc, "load", load)
    talk = merc.Conversation(id="t", utterances=tuple(merc.Utterance(id=f"t{n}", text="Stop it.") for n in range(3)))
    session = asked_by(Path(runs[0]), fusing(links).removeprefix("evaluate.decoder="))
    assert len(session.predict(talk)) == 3
    session.predict(talk)
    assert sorted(map(str, loaded)) == links


def test_what_a_run_did_not_see_is_missing_in_the_answer(model: EmotionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name of the run, or its path where two have the same name."""

    class Deaf:
        labels, media = LABELS, ("voice",)

        def predict(self, talk: merc.Conversation) -> list[merc.Prediction]:
            even = dict.fromkeys(LABELS.labels, 1 / 3)
            return [
                merc.Prediction(id=u.id, conversation=talk.id, probabilities=even, missing={"voice": "no sound"})
                for u in talk.utterances
            ]

        looks_ahead = 0

    monkeypatch.setattr(late_fusion, "_session", lambda run: Deaf())
    decoder = LateFusion(prompters_=(), runs=(Path("a/one"), Path("b/one"), Path("two")), weights=(0.25,) * 4)
    assert decoder.reads_media() == ("voice of a/one", "voice of b/one", "voice of two")
    for one in predicted(model, decoder):
        assert one.missing == dict.fromkeys(["voice of a/one", "voice of b/one", "voice of two"], "no sound")


@pytest.mark.parametrize("history", ["gold", "predicted"])
def test_a_run_and_an_evaluation_fit_the_same_weights(recipe: Path, history: str, tmp_path: Path) -> None:
    """Prompts of the fit show the labels of before that the evaluation's show."""
    other = {"name": "conversation", "instruction": "{labels}?\n", "history": 1}
    decoder = {"name": "late-fusion", "prompters": [other]}
    run = tmp_path / "run"
    merc.run(recipe, run_dir=run, evaluate={"label_history": history, "splits": ["test"], "decoder": decoder})
    fitted = json.loads((run / "decoder.json").read_text())["fitted"]
    (run / "decoder.json").unlink()
    place, _ = evaluate_again(run, [], "again", Silent())
    again = json.loads((place / "decoder.json").read_text())["fitted"]
    assert again["weights"] == pytest.approx(fitted["weights"], abs=1e-6) and len(set(fitted["weights"])) == 2
    assert (place / "predictions.jsonl").read_text() == (run / "predictions.jsonl").read_text()


def json_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_whole_runs_are_fused_and_used_without_the_data(recipe: Path, runs: list[str], tmp_path: Path) -> None:
    """Two runs, and a third that weighs them on dev beside its own prompts; then the corpus is gone."""
    decoder = {"name": "late-fusion", "prompters": ["conversation"], "runs": runs}
    decoder["prompters"] = [{"name": "conversation", "question": "{speaker} sounds"}]
    session = merc.run(recipe, run_dir=tmp_path / "fused", seed=3, evaluate={"decoder": decoder, "splits": ["test"]})
    kept = json.loads((tmp_path / "fused" / "decoder.json").read_text())
    weights = kept["fitted"]["weights"]
    assert list(kept["fitted"]) == ["weights"] and len(weights) == 4 and sum(weights) == pytest.approx(1)
    assert kept["settings"]["decoder"]["weights"] is None
    hashes = json.loads((tmp_path / "fused" / "provenance.json").read_text())["files"]["evaluate.decoder"]
    assert {f"{run}/stages/merc/done.json" for run in runs} < set(hashes) and all(hashes.values())
    lines = (tmp_path / "fused" / "predictions.jsonl").read_text().splitlines()
    predictions = [json.loads(line) for line in lines]
    assert all(len(one["details"]["votes"]) == 4 for one in predictions)
    # The same by hand from the runs' own sessions.
    talk = session_talk(recipe, predictions[0]["conversation"])
    parts = [merc.load(run).predict(talk)[0].probabilities for run in runs]
    own = asked_by(tmp_path / "fused", "{name: verbalizer}").predict(talk)[0].probabilities
    for label in ("joy", "anger", "sadness"):
        rest = weights[0] * own[label] + weights[2] * parts[0][label] + weights[3] * parts[1][label]
        other = predictions[0]["probabilities"][label] - rest
        assert -1e-6 <= other <= weights[1] + 1e-6
    data = recipe.parent / "talk.jsonl"
    shutil.move(data, tmp_path / "gone.jsonl")
    try:
        again = merc.load(tmp_path / "fused").predict(talk)
        assert again[0].probabilities == pytest.approx(predictions[0]["probabilities"], rel=1e-4)
        assert session.predict(talk)[0].label == again[0].label
        other = {"name": "late-fusion", "prompters": [], "runs": runs[:1]}
        # Other settings: nothing was fitted with these.
        with pytest.raises(merc.MercError) as caught:
            merc.load(
                tmp_path / "fused", evaluate={"decoder": {"name": "late-fusion", "prompters": [], "runs": runs[:1]}}
            )
        assert "evaluate.decoder: 'late-fusion' is fitted on the dev split when a run is made" in str(caught.value)
        assert asked_by(tmp_path / "fused", json.dumps({**other, "weights": [0.5, 0.5]})).predict(talk)[0].label
        kept["fitted"]["weights"] = "much"
        (tmp_path / "fused" / "decoder.json").write_text(json.dumps(kept))
        with pytest.raises(merc.MercError, match=r"decoder\.json is damaged: 'weights' of the decoder 'late-fusion'"):
            merc.load(tmp_path / "fused")
    finally:
        shutil.move(tmp_path / "gone.jsonl", data)


def asked_by(run: Path, decoder: str) -> merc.Session:
    """The run with another decoder."""
    from merc.session.api import Logging, open_session
    from merc.session.journal import Journal

    return open_session(run, [f"evaluate.decoder={decoder}"], Journal(Logging()))


def session_talk(recipe: Path, name: str) -> merc.Conversation:
    lines = (recipe.parent / "talk.jsonl").read_text().splitlines()
    (found,) = [one for one in map(json.loads, lines) if one["id"] == name]
    said = tuple(merc.Utterance(id=u["id"], speaker=u["speaker"], text=u["text"]) for u in found["utterances"])
    return merc.Conversation(id=name, utterances=said)


def test_what_a_run_leaves_unanswered_is_decided_by_the_others(
    model: EmotionModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short:
        labels, media, looks_ahead = LABELS, (), 0

        def predict(self, talk: merc.Conversation) -> list[merc.Prediction]:
            even = dict.fromkeys(LABELS.labels, 1 / 3)
            answers = [merc.Prediction(id=u.id, conversation=talk.id, probabilities=even) for u in talk.utterances]
            last = merc.Prediction(id=answers[-1].id, conversation=talk.id, unanswered="its prompt is too long")
            return [*answers[:-1], last]

    monkeypatch.setattr(late_fusion, "_session", lambda run: Short())
    fused = predicted(model, LateFusion(prompters_=(), runs=(Path("one"),), weights=(0.5, 0.5)))
    plain_answers = predicted(model, merc.Verbalizer())
    lacking = [at for at, one in enumerate(fused) if one.missing]
    assert [fused[at].id for at in lacking] == ["a1", "b4"]
    for at in lacking:
        assert fused[at].missing == {"answer of one": "its prompt is too long"}
        assert fused[at].details["votes"] == [plain_answers[at].label, None]
        assert fused[at].probabilities == pytest.approx(plain_answers[at].probabilities, rel=1e-6)
    with pytest.raises(merc.MercError, match=r"no member that answers a1, b4, since cues are missing or runs leave"):
        predicted(model, LateFusion(prompters_=(), own=False, runs=(Path("one"), Path("two")), weights=(0.5, 0.5)))


def test_a_run_with_other_labels_is_refused(recipe: Path, tmp_path: Path, model: EmotionModel) -> None:
    labels = ["anger", "joy", "sadness", "fear"]
    merc.run(recipe, run_dir=tmp_path / "other", labels=labels)
    with pytest.raises(merc.MercError) as caught:
        predicted(model, LateFusion(prompters_=(), runs=(tmp_path / "other",), weights=(0.5, 0.5)))
    assert "evaluate.decoder.runs: " in str(caught.value) and "answers with other labels" in str(caught.value)


def test_a_run_that_is_not_there_is_found_before_training(recipe: Path, tmp_path: Path) -> None:
    fuses = {"name": "late-fusion", "prompters": [], "runs": [str(tmp_path / "gone")], "weights": [0.5, 0.5]}
    with pytest.raises(merc.MercError, match=r"^evaluate\.decoder: .*gone is not there"):
        merc.run(recipe, run_dir=tmp_path / "run", evaluate={"decoder": fuses})
    assert not (tmp_path / "run").exists()


def test_a_split_that_is_measured_and_fitted_on_is_noted(recipe: Path) -> None:
    fuses = "evaluate.decoder={name: late-fusion, prompters: [{name: conversation, history: 0}]}"
    noted = "dev is measured, and evaluate.decoder is fitted on it"
    assert any(noted in note for note in merc.load_recipe(recipe, [fuses]).notes)
    assert not any(noted in note for note in merc.load_recipe(recipe, [fuses, "evaluate.splits=[test]"]).notes)
