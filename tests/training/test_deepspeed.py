"""The engine deepspeed learns what the engine torch learns, in one process and in two."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from merc.errors import MercError
from merc.model.state import trained_state
from merc.recipe import Engine as EngineChoice
from merc.training.deepspeed_start import check_installed
from merc.training.engine import TorchEngine
from merc.training.engines import make_engine
from merc.training.processes import Processes
from tests.training import share_steps
from tests.training.share_steps import Case, arguments, model_of, prepare, train

ROOT = Path(__file__).parents[2]

# What is trained, by name; with two parts, one stage behind the other.
KINDS: dict[str, dict[str, Any]] = {
    "lora": {},
    "full": {"tuning": "full", "l2": 0.01, "max_norm": None},
    "stages": {"parts": ("connectors.*", "*")},
    "bfloat16": {"dtype": "bfloat16", "precision": "bfloat16", "checkpointing": True},
}
IN_TWO = [Case(f"{kind}{zero}", zero=zero, **KINDS[kind]) for zero in (0, 1, 2, 3) for kind in KINDS]
IN_ONE = [Case(f"alone{zero}", zero=zero) for zero in (0, 1, 2, 3)] + [Case("half", dtype="float16", zero=2)]


@pytest.fixture(scope="module")
def torch_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the engine torch makes of each kind."""
    folder = tmp_path_factory.mktemp("torch")
    for kind, fields in KINDS.items():
        share_steps.run(Case(kind, engine="torch", **fields), TorchEngine(), folder)
    return folder


def launch(count: int, folder: Path, cases: list[Case], resumed: list[Case]) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "tests.training.share_steps", *arguments(folder, cases, resumed)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]


@pytest.fixture(scope="module")
def in_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("deepspeed")
    folder = tmp_path_factory.mktemp("two")
    launch(2, folder, IN_TWO, [case for case in IN_TWO if case.name[:4] in ("lora", "full")])
    return folder


@pytest.fixture(scope="module")
def in_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("deepspeed")
    folder = tmp_path_factory.mktemp("one")
    launch(1, folder, IN_ONE, IN_ONE)
    return folder


def same(one: Path, two: Path, tolerance: float) -> None:
    """The same losses and gradient norms step by step, the same weights, the same scores."""
    mine, other = (json.loads((folder / "found.json").read_text()) for folder in (one, two))
    assert len(mine["rows"]) == len(other["rows"]) >= 4
    for first, second in zip(mine["rows"], other["rows"], strict=True):
        assert second == pytest.approx(first, rel=tolerance)
    for first, second in zip(mine["scores"], other["scores"], strict=True):
        assert second == pytest.approx(first, rel=tolerance, abs=tolerance)
    state, found = load_file(one / "state.safetensors"), load_file(two / "state.safetensors")
    assert state.keys() == found.keys()
    for name, value in state.items():
        assert torch.allclose(value, found[name], rtol=tolerance, atol=tolerance), name


@pytest.mark.slow
@pytest.mark.parametrize("case", IN_TWO, ids=lambda case: case.name)
def test_two_processes_learn_what_one_learns(case: Case, in_two: Path, torch_results: Path) -> None:
    # In bfloat16 sums taken in another order differ in the third digit.
    same(torch_results / case.name[:-1], in_two / case.name, 5e-2 if case.dtype == "bfloat16" else 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_one_process_needs_no_launcher(zero: int, in_one: Path, torch_results: Path) -> None:
    same(torch_results / "lora", in_one / f"alone{zero}", 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"{kind}{zero}" for zero in (0, 1, 2, 3) for kind in ("lora", "full")])
def test_a_checkpoint_goes_on_to_the_same_digits(name: str, in_two: Path) -> None:
    found = json.loads((in_two / name / "resumed.json").read_text())
    assert found["rows"] == found["again"] and found["same"]


@pytest.mark.slow
def test_float16_scales_its_loss(in_one: Path, tmp_path: Path) -> None:
    share_steps.run(Case("half", engine="torch", dtype="float16"), TorchEngine(), tmp_path)
    same(tmp_path / "half", in_one / "half", 5e-2)
    found = json.loads((in_one / "half" / "resumed.json").read_text())
    assert found["rows"] == found["again"] and found["same"]


@pytest.mark.slow
def test_no_pickle(in_two: Path) -> None:
    written = {path.suffix for path in in_two.rglob("*") if path.is_file()}
    assert written == {".json", ".safetensors"}


def test_every_connector_gets_a_gradient() -> None:
    case = Case("torch", engine="torch")
    model, engine = model_of(case), TorchEngine()
    prepare(case, engine, model, "connectors.voice")
    before = trained_state(model)
    for batch in share_steps.batches_of(model)[2:3]:  # no media in it
        engine.backward(engine.log_probabilities(batch, 0).sum(), last=True)
    assert all(p.grad is not None and not p.grad.any() for p in model.media.connectors["voice"].parameters())
    engine.step(1.0, None)
    train(case, engine, model, 2)
    after = trained_state(model)
    changed = {name.split(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"voice"}


def test_the_penalty_is_the_gradient_of_its_square() -> None:
    found = []
    for l2 in (0.0, 0.01):
        case = Case("torch", engine="torch", l2=l2, max_norm=None)
        model, engine = model_of(case), TorchEngine()
        prepare(case, engine, model, "*")
        learning = [p for g in engine.groups for p in g["params"]]
        squares = float(sum(p.square().sum() for p in learning))
        for batch in share_steps.batches_of(model)[:3]:
            engine.backward(-engine.log_probabilities(batch, 0).sum(), last=True)
        gradients = [p.grad.clone() for p in learning]
        found.append((engine.step(0.0, None), gradients, [p.detach().clone() for p in learning], squares))
    (_, plain, weights, squares), (norm, _, _, _) = found
    assert squares > 0
    wanted = torch.stack([(g + 0.02 * w).square().sum() for g, w in zip(plain, weights, strict=True)]).sum().sqrt()
    assert norm == pytest.approx(float(wanted), rel=1e-5)


def test_deepspeed_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(MercError, match=r"install it with: pip install merc\[deepspeed\]"):
        make_engine(EngineChoice(name="deepspeed", device="cpu"))


def test_ninja_is_found_beside_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    beside = tmp_path / "bin"
    beside.mkdir()
    (tmp_path / "tools").mkdir()
    compiler = tmp_path / "tools" / "c++"
    ninja = beside / "ninja"
    for program in (compiler, ninja):
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(beside))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(compiler.parent))
    check_installed("cpu")
    assert shutil.which("ninja") == str(ninja)
    compiler.unlink()
    with pytest.raises(MercError, match="finds no C\\+\\+ compiler"):
        check_installed("cpu")
    ninja.unlink()
    with pytest.raises(MercError, match=r"needs the program ninja.*pip install merc\[deepspeed\]"):
        check_installed("cpu")


def test_half_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MercError, match="has WORLD_SIZE but not RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT"):
        Processes("cpu")


def test_torch_under_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MercError, match="engine torch runs in one process, and 2 were started"):
        make_engine(EngineChoice(name="torch"))
