"""``init_from``: a run that starts from the weights of another one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from merc.files import checksums_of
from tests.integration.comparing import log_of
from tests.integration.forking import Forks

SHORT = ("stages.0.trainer.epochs=1", "evaluate.splits=[dev]")


@pytest.fixture(scope="module")
def first(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a recipe and its run, ``first``."""
    from tests.integration.conftest import lay_out

    folder = lay_out(parts, tmp_path_factory.mktemp("first"))
    ended = merc(folder, "run", "text.yaml", *SHORT, "--run-dir", "first")
    assert ended.code == 0, ended.err
    return folder


def test_a_run_starts_from_another_ones_weights(merc: Forks, first: Path) -> None:
    # Nothing moves at such a rate, so what comes out is what went in.
    still = (*SHORT, "stages.0.trainer.lr=1e-12", "init_from=first")
    ended = merc(first, "run", "text.yaml", *still, "--run-dir", "second")
    assert ended.code == 0, ended.err
    said = f"starts from the weights of {first / 'first'}, stage merc: backbone"
    assert said in ended.err
    assert said in [note["text"] for note in log_of(first / "second", "note")]
    weights = [load_file(first / run / "stages/merc/adapter/adapter_model.safetensors") for run in ("first", "second")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-9) for name in weights[0])
    assert any(value.abs().max() > 1e-6 for name, value in weights[0].items() if "lora_B" in name)  # B begins at 0
    told = json.loads((first / "second" / "provenance.json").read_text())["init_from"]
    assert (told["run"], told["stage"], len(told["sha256"])) == (str(first / "first"), "merc", 64)
    assert "init_from" not in json.loads((first / "first" / "provenance.json").read_text())
    # The run is whole: predictions from it need the other no more.
    shutil.move(first / "first", first / "away")
    try:
        ended = merc(first, "evaluate", "second", "--split", "dev")
        assert ended.code == 0, ended.err
        ended = merc(first, "run", "text.yaml", *still, "--run-dir", "second", "--resume")
        assert ended.code == 0 and "holds this run, finished" in ended.err
        assert merc(first, "validate", "text.yaml", "init_from=first").code == 0
        assert merc(first, "params", "text.yaml", "init_from=first").code == 0
    finally:
        shutil.move(first / "away", first / "first")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("init_from=nowhere",), "init_from: FOLDER/nowhere is not there; give the directory of a run"),
        (("init_from=backbone",), "init_from: FOLDER/backbone holds no run; give the directory of a run"),
        (("init_from=unfinished",), "init_from: FOLDER/unfinished is unfinished: stage 'merc' was not trained to its "
         "end"),
        (("init_from=seeds",), "init_from: FOLDER/seeds holds runs of several seeds; give one of them, such as "
         "FOLDER/seeds/seed-0"),
        (("init_from=bare",), "init_from: FOLDER/bare trained nothing, since its recipe has no stages"),
        (("init_from=first", "backbone.revision=other"), "init_from: FOLDER/first was trained with another backbone: "),
        (("init_from=first", "backbone.tuning.alpha=16"), "init_from: the run FOLDER/first does not fit: it has LoRA "
         "with alpha 8, and this recipe has 16; its adapter would weigh otherwise, so set backbone.tuning.alpha=8"),
        (("init_from=first", "backbone.tuning.r=2"), "init_from: the run FOLDER/first does not fit: what the tuning "
         "learned has another size there: "),
    ],
)  # fmt: skip
def test_a_run_that_does_not_serve(
    merc: Forks, first: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    folder = first
    if not (first / "unfinished").exists():
        shutil.copytree(first / "first", first / "unfinished")
        (first / "unfinished" / "stages" / "merc" / "done.json").unlink()
        shutil.copytree(first / "first", first / "seeds" / "seed-0")
        shutil.copytree(first / "first", first / "bare")
        text = (first / "bare" / "recipe.yaml").read_text()
        (first / "bare" / "recipe.yaml").write_text(text[: text.index("stages:")])
    ended = merc(folder, "run", "text.yaml", *SHORT, *arguments, "--run-dir", str(tmp_path / "run"))
    assert ended.code == 2 and "Traceback" not in ended.err
    assert says.replace("FOLDER", str(folder)) in " ".join(ended.err.split())
    assert not (tmp_path / "run").exists()


def test_weights_that_were_trained_again_are_refused_by_a_resumed_run(merc: Forks, first: Path, tmp_path: Path) -> None:
    start = Path(shutil.copytree(first / "first", tmp_path / "start"))
    going = (*SHORT, f"init_from={start}")
    assert merc(first, "run", "text.yaml", *going, "--run-dir", str(tmp_path / "run")).code == 0
    (tmp_path / "run" / "stages" / "merc" / "done.json").unlink()
    file = start / "stages" / "merc" / "adapter" / "adapter_model.safetensors"
    save_file({name: value + 1 for name, value in load_file(file).items()}, file)
    ended = merc(first, "run", "text.yaml", *going, "--run-dir", str(tmp_path / "run"), "--resume")
    assert ended.code == 2 and f"init_from: {file} is damaged: its content has changed" in ended.err
    done = start / "stages" / "merc" / "done.json"
    done.write_text(json.dumps({**json.loads(done.read_text()), "files": checksums_of(done.parent, "adapter/*.safe*")}))
    ended = merc(first, "run", "text.yaml", *going, "--run-dir", str(tmp_path / "run"), "--resume")
    assert ended.code == 2
    said = f"the weights that {tmp_path / 'run'} started from have changed since it began: {start} was trained again"
    assert said in " ".join(ended.err.split())
