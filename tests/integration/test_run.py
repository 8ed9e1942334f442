"""Whole runs of ``merc run``: what they leave, what they are reproduced by, what they do not look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.integration.comparing import files_of, log_of, same_numbers
from tests.integration.conftest import lay_out
from tests.integration.forking import Forks


@pytest.fixture(scope="module")
def media_run(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the two-stage recipe with encoders, a fuser and connectors."""
    folder = lay_out(parts, tmp_path_factory.mktemp("media"))
    ended = merc(folder, "run", "media.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    assert "stage align: its prompts ask for texts, not for labels, so its last state is kept" in ended.err
    assert "stage merc: best dev weighted_f1" in ended.err
    assert ended.out.rstrip().endswith("report: run/report.html")
    return folder / "run"


def _said(folder: Path) -> dict[str, dict[str, Any]]:
    talks = [json.loads(line) for line in (folder / "talk.jsonl").read_text().splitlines()]
    return {u["id"]: {**u, "split": talk["split"]} for talk in talks for u in talk["utterances"]}


def _predictions(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]


def test_what_a_run_leaves(media_run: Path) -> None:
    stage = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors", "connectors.safetensors",
             "fusers.safetensors", "done.json")  # fmt: skip
    assert files_of(media_run) == {
        "recipe.yaml", "provenance.json", "labels.json", "log.jsonl", "predictions.jsonl", "metrics.json",
        "report.html", *(f"stages/{name}/{file}" for name in ("align", "merc") for file in stage),
    }  # fmt: skip
    done = json.loads((media_run / "stages" / "merc" / "done.json").read_text())
    assert (done["steps"], done["epochs"], done["stopped_early"]) == (8, 2.0, False)
    assert done["best"]["step"] in (3, 6, 8) and done["best"]["metric"] == "weighted_f1"
    assert [(record["stage"], record["steps"]) for record in log_of(media_run, "stage")] == [("align", 4), ("merc", 8)]
    metrics = json.loads((media_run / "metrics.json").read_text())
    dev = {record["step"]: record["metrics"] for record in log_of(media_run, "dev")}
    # The state that was the best on dev is the one that is evaluated.
    assert metrics["dev"]["weighted_f1"] == dev[done["best"]["step"]]["weighted_f1"] == done["best"]["value"]
    assert done["best"]["value"] == max(numbers["weighted_f1"] for numbers in dev.values())


def test_modalities_that_are_missing_are_counted(media_run: Path) -> None:
    said = _said(media_run.parent)
    counted = {"words": 0, "voice": 0}
    for prediction in _predictions(media_run):
        utterance = said[prediction["id"]]
        reasons = {}
        if "house" in utterance["text"].split()[:3]:
            reasons["words"] = "a house has no letters"
        if "audio" not in utterance:
            reasons["voice"] = prediction["missing"].get("voice", "")
            assert reasons["voice"]
        assert prediction["missing"] == reasons
        for name in reasons:
            counted[name] += 1
    assert all(counted.values())
    for record in log_of(media_run, "encode"):
        lacking = {entry["utterance"] for entry in record["missing"]}
        assert len(lacking) + record["encoded"] == len(said)
        mine = {p["id"] for p in _predictions(media_run) if record["stream"] in p["missing"]}
        assert mine == {i for i in lacking if said[i]["split"] != "train"}


def test_each_stage_trains_its_own_parts(media_run: Path, merc: Forks) -> None:
    align, last = (media_run / "stages" / name for name in ("align", "merc"))
    adapter = load_file(align / "adapter" / "adapter_model.safetensors")
    assert all(value.eq(0).all() for name, value in adapter.items() if "lora_B" in name)
    trained = load_file(last / "adapter" / "adapter_model.safetensors")
    assert any(value.ne(0).any() for name, value in trained.items() if "lora_B" in name)
    before, after = load_file(align / "connectors.safetensors"), load_file(last / "connectors.safetensors")
    assert before.keys() == after.keys() and any(name.startswith("both.") for name in before)
    for name, value in before.items():
        # What was fitted on the train split stays; all that learns has learned by the end.
        assert value.equal(after[name]) == name.endswith((".mean", ".deviation")), name
    assert before["words.mean"].ne(0).any()
    assert not load_file(align / "fusers.safetensors")["both.absent.voice"].any()
    assert load_file(last / "fusers.safetensors")["both.absent.voice"].any()


def test_the_adapter_is_pefts_own(media_run: Path, parts: Path) -> None:
    folder = media_run / "stages" / "merc" / "adapter"
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(parts / "backbone"), folder)
    config = model.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout) == (4, 8, 0.1)
    mine = load_file(folder / "adapter_model.safetensors")
    loaded = {n.replace(".default", ""): p for n, p in model.named_parameters() if "lora_" in n}
    assert mine.keys() == loaded.keys()
    assert all(value.equal(loaded[name]) for name, value in mine.items())


def test_the_resolved_recipe_reproduces_the_run(media_run: Path, merc: Forks, tmp_path: Path) -> None:
    ended = merc(tmp_path, "run", str(media_run / "recipe.yaml"), "--run-dir", "again")
    assert ended.code == 0, ended.err
    same_numbers(media_run, tmp_path / "again")
    texts = [(run / "recipe.yaml").read_text().splitlines() for run in (media_run, tmp_path / "again")]
    mine, other = ([line for line in lines if not line.startswith("#")] for lines in texts)
    assert mine == other


def test_another_seed_gives_other_numbers(media_run: Path, merc: Forks, work: Path) -> None:
    ended = merc(work, "run", "text.yaml", "--run-dir", "one")
    assert ended.code == 0, ended.err
    assert merc(work, "run", "text.yaml", "--run-dir", "two").code == 0
    same_numbers(work / "one", work / "two")
    assert merc(work, "run", "text.yaml", "--run-dir", "other", "seed=1").code == 0
    losses = [[record["loss"] for record in log_of(work / name, "step")] for name in ("one", "other")]
    assert all(one != other for one, other in zip(*losses, strict=True))


def test_several_seeds(media_run: Path, merc: Forks, work: Path) -> None:
    """Each is what it is alone; what is done is not done again; the numbers over them are kept."""
    ended = merc(work, "run", "media.yaml", "--seeds", "2", "--run-dir", "many")
    assert ended.code == 0, ended.err
    same_numbers(media_run, work / "many" / "seed-0")
    kept = json.loads((work / "many" / "seeds.json").read_text())
    alone = [json.loads((work / "many" / f"seed-{seed}" / "metrics.json").read_text()) for seed in (0, 1)]
    assert alone[0] != alone[1]
    accuracy = kept["test"]["accuracy"]
    assert accuracy["by_seed"] == {str(seed): alone[seed]["test"]["accuracy"] for seed in (0, 1)}
    assert "Mean ± sample standard deviation over 2 seeds." in ended.out
    logs = [(work / "many" / f"seed-{seed}" / "log.jsonl").read_bytes() for seed in (0, 1)]
    again = merc(work, "run", "media.yaml", "--seeds", "3", "--run-dir", "many")
    assert again.code == 0, again.err
    assert [(work / "many" / f"seed-{seed}" / "log.jsonl").read_bytes() for seed in (0, 1)] == logs
    assert json.loads((work / "many" / "seeds.json").read_text())["seeds"] == [0, 1, 2]
    other = merc(work, "run", "media.yaml", "backbone.tuning.r=2", "--seeds", "2", "--run-dir", "many")
    assert other.code == 2 and "belongs to another recipe" in other.err


def test_where_the_numbers_came_from(media_run: Path, parts: Path) -> None:
    found = json.loads((media_run / "provenance.json").read_text())
    assert {
        "merc", "python", "platform", "machine", "packages", "plugins", "git", "seed", "recipe", "backbone", "data",
        "media", "chat_date", "started", "command", "resumed", "seconds",
    } == set(found)  # fmt: skip
    assert {"name": "tiny", "distribution": "merc-tiny", "version": "0.1"} in found["plugins"]
    assert {"torch", "transformers", "peft"} <= set(found["packages"])
    assert found["command"] == "merc run media.yaml --run-dir run"
    assert (found["seed"], found["recipe"], found["resumed"]) == (0, "media", [])
    said = _said(parts).values()
    for split, numbers in found["data"].items():
        assert numbers["utterances"] == sum(u["split"] == split for u in said) > 0
        assert len(numbers["sha256"]) == 64
    assert found["backbone"]["path"].endswith("backbone")


def test_the_test_split_does_not_reach_the_weights(merc: Forks, work: Path) -> None:
    """With other labels and other words in the test split, all that is learned and chosen stays the same."""
    talks = [json.loads(line) for line in (work / "talk.jsonl").read_text().splitlines()]
    for talk in talks:
        if talk["split"] == "test":
            for utterance in talk["utterances"]:
                utterance["label"] = "joy"
                utterance["text"] = "hate, hate, hate"
    (work / "other.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    assert merc(work, "run", "text.yaml", "--run-dir", "one").code == 0
    assert merc(work, "run", "text.yaml", "--run-dir", "two", "corpus.path=other.jsonl").code == 0
    one, two = work / "one", work / "two"
    for name in ("step", "dev"):
        clock = {"time": "", "seconds": 0, "utterances_per_second": 0}
        fields = [[{**r, **clock} for r in log_of(run, name)] for run in (one, two)]
        assert fields[0] == fields[1] and fields[0]
    adapter = "stages/merc/adapter/adapter_model.safetensors"
    assert (one / adapter).read_bytes() == (two / adapter).read_bytes()
    first, second = (json.loads((run / "metrics.json").read_text()) for run in (one, two))
    assert first["dev"] == second["dev"] and first["test"] != second["test"]


def test_no_stages_evaluates_the_backbone_as_it_is(merc: Forks, work: Path) -> None:
    text = (work / "text.yaml").read_text()
    head, _, rest = text.partition("stages:\n")
    tail = rest[rest.index("evaluate:") :]
    (work / "zero.yaml").write_text(head + tail)
    ended = merc(work, "run", "zero.yaml", "--run-dir", "bad")
    assert (ended.code, ended.out) == (2, "")
    assert "evaluate.prompter (zero.yaml:4): is missing: there are no stages whose prompter it could take" in ended.err
    assert not (work / "bad").exists()
    ended = merc(work, "run", "zero.yaml", "--run-dir", "run", "evaluate.prompter={name: conversation}")
    assert ended.code == 0, ended.err
    assert files_of(work / "run") >= {"metrics.json", "predictions.jsonl", "report.html"}
    assert not (work / "run" / "stages").exists()
    said = [u for u in _said(work).values() if u["split"] != "train"]
    assert [p["id"] for p in _predictions(work / "run")] == [u["id"] for u in said]
    for prediction in _predictions(work / "run"):
        assert sum(prediction["probabilities"].values()) == pytest.approx(1)


def test_a_recipe_that_only_trains_still_chooses_on_dev(merc: Forks, work: Path) -> None:
    text = (work / "text.yaml").read_text().replace("evaluate: {metrics: [classification]}\n", "")
    (work / "train.yaml").write_text(text)
    ended = merc(work, "run", "train.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    assert "trained; the stages are in run/stages" in ended.err
    assert len(log_of(work / "run", "dev")) == 2
    assert not (work / "run" / "metrics.json").exists()
    again = merc(work, "run", "train.yaml", "--run-dir", "run", "--resume")
    assert again.code == 0 and "finished: there is nothing to go on with" in again.err


def test_an_evaluation_that_leaves_dev_out(merc: Forks, work: Path) -> None:
    """Training is evaluated on dev all the same, with its features."""
    ended = merc(work, "run", "media.yaml", "--run-dir", "run", "evaluate.splits=[test]")
    assert ended.code == 0, ended.err
    assert len(log_of(work / "run", "dev")) == 3
    assert list(json.loads((work / "run" / "metrics.json").read_text())) == ["test"]


def _without_dev(work: Path) -> None:
    lines = (work / "talk.jsonl").read_text().splitlines(keepends=True)
    (work / "nodev.jsonl").write_text("".join(line for line in lines if '"split": "dev"' not in line))


def test_without_a_dev_split_the_last_state_is_kept(merc: Forks, work: Path) -> None:
    _without_dev(work)
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", "corpus.path=nodev.jsonl", "evaluate.splits=[test]")
    assert ended.code == 0, ended.err
    told = "stage merc: the corpus has no dev split, so its last state is kept, not its best"
    assert f"· {told}\n" in ended.err
    assert told in [record["text"] for record in log_of(work / "run", "note")]
    assert json.loads((work / "run" / "stages" / "merc" / "done.json").read_text())["best"] is None
    assert log_of(work / "run", "dev") == []


def test_a_split_that_is_not_there(merc: Forks, work: Path) -> None:
    _without_dev(work)
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", "corpus.path=nodev.jsonl")
    assert ended.code == 2 and "Traceback" not in ended.err
    assert ended.err.splitlines()[-1] == (
        "error: the corpus has no conversation in the split 'dev'; the splits with some are: train (12), test (4); "
        "evaluate.splits asks for it, and can be set to others"
    )
    assert not (work / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run(merc: Forks, work: Path) -> None:
    change = ("stages.0.trainer.lr=1e30", "stages.0.trainer.checkpoint_every=1")
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", *change)
    assert ended.code == 2 and "Traceback" not in ended.err
    assert "stages.merc: the loss 'token-nll' is nan at step 2. In the batch were the utterances train" in ended.err
    assert (work / "run" / "stages" / "merc" / "checkpoint-00000001" / "model.safetensors").exists()
    assert [record["step"] for record in log_of(work / "run", "step")] == [1]


def test_a_metric_that_dev_does_not_have(merc: Forks, work: Path) -> None:
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", "stages.0.trainer.select_by=weighted_f2")
    assert ended.code == 2 and "Traceback" not in ended.err
    assert (
        "stages.0.trainer.select_by (command line): the evaluation's metrics have no number 'weighted_f2'" in ended.err
    )
    assert "Did you mean 'weighted_f1'?" in ended.err
    assert not (work / "run").exists()


def test_labels_missing_in_train(merc: Forks, work: Path) -> None:
    talks = [json.loads(line) for line in (work / "talk.jsonl").read_text().splitlines()]
    for talk in talks:
        for utterance in talk["utterances"]:
            if talk["split"] == "train":
                del utterance["label"]
    (work / "bare.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", "corpus.path=bare.jsonl")
    assert ended.code == 2 and "Traceback" not in ended.err
    assert ended.err.splitlines()[-1] == (
        "error: stages.0: there is nothing to learn: no utterance of its data has a label, or what else its prompter "
        "asks for; look at the spelling in the prompter, and at the data"
    )


def test_a_connector_that_no_prompt_shows_is_not_fitted(merc: Forks, work: Path) -> None:
    idle = ("encoders.words={name: letters}", "connectors.words={name: linear, normalize: train}")
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", *idle, "stages.0.trainer.epochs=1")
    assert ended.code == 0, ended.err
    assert "no prompter shows the stream 'words'" in ended.err


def test_nothing_to_do(merc: Forks, work: Path) -> None:
    (work / "nothing.yaml").write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nbackbone: {name: hf, path: ./backbone}\n"
    )
    ended = merc(work, "run", "nothing.yaml")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == (
        "error: nothing: there is nothing to do: give stages to train, or evaluate, or both"
    )
    assert not (work / "runs").exists()


def test_full_tuning_keeps_the_whole_backbone(merc: Forks, work: Path) -> None:
    change = ("backbone.tuning={name: full}", "stages.0.trainer.epochs=1")
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", *change)
    assert ended.code == 0, ended.err
    saved = work / "run" / "stages" / "merc" / "backbone"
    tuned = AutoModelForCausalLM.from_pretrained(saved).state_dict()
    plain = AutoModelForCausalLM.from_pretrained(work / "backbone").state_dict()
    assert tuned.keys() == plain.keys() and any(not value.equal(plain[name]) for name, value in tuned.items())
    assert not [path for path in (work / "run").rglob("*") if path.suffix in (".pt", ".bin", ".pkl", ".pth")]
