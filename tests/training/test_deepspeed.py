"""The strategy deepspeed learns what the strategy torch learns, in one process and in two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from merc.errors import MercError
from merc.model.state import trained_state
from merc.recipe import Strategy as EngineChoice
from merc.training.processes import Processes
from merc.training.strategies import make_strategy
from merc.training.strategy import TorchStrategy
from tests.training import share_steps
from tests.training.share_steps import Case, arguments, model_of, prepare, train

ROOT = Path(__file__).parents[2]

# What is trained, by name; with two parts, one stage behind the other.
KINDS: dict[str, dict[str, Any]] = {
    "lora": {},
    "full": {"tuning": "full", "l2": 0.01, "max_norm": None},
    "stages": {"parts": ("connectors.*", "*")},
    "compares": {"compares": True},
    "bfloat16": {"dtype": "bfloat16", "precision": "bfloat16", "checkpointing": True},
    "glance": {"glance": True, "parts": ("connectors.*", "*"), "checkpointing": True},
}
SHARED = [Case(f"{kind}{zero}", zero=zero, **KINDS[kind]) for zero in (0, 1, 2, 3) for kind in KINDS]
# Weights so large that ZeRO-3 fetches them from all processes for each pass: it keeps small ones whole.
WIDE = Case("wide", zero=3, hidden=352, parts=("connectors.*", "*"))
GLANCE_WIDE = Case("glancewide", zero=3, hidden=352, parts=("connectors.*", "*"), glance=True)
# A copy of a backbone's weights, as they were before a stage.
COPIED = [Case(f"copied{zero}", zero=zero, tuning="full", compares=True) for zero in (0, 1, 2)]
REFUSED = Case("copied3", zero=3, tuning="full", compares=True)
HALF = [Case(f"half{zero}", zero=zero, dtype="float16") for zero in (0, 1, 2, 3)]
LORA, KEPT = ([c for c in SHARED if c.name[:4] in names] for names in (("lora",), ("lora", "full")))
IN_TWO = {
    "run": [*SHARED, WIDE, GLANCE_WIDE, *HALF, *COPIED],
    "resume": [*KEPT, *HALF],
    "spoil": [*LORA, *HALF],
    "fail": LORA[1:2],
    "refuse": [REFUSED],
}
IN_ONE = {"run": [Case(f"alone{zero}", zero=zero) for zero in (0, 1, 2, 3)]}


@pytest.fixture(scope="module")
def torch_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the strategy torch makes of each kind."""
    folder = tmp_path_factory.mktemp("torch")
    for kind, fields in KINDS.items():
        share_steps.run(Case(kind, strategy="torch", **fields), TorchStrategy(), folder)
    for case in (WIDE, GLANCE_WIDE, HALF[0], COPIED[0]):
        share_steps.run(replace(case, strategy="torch"), TorchStrategy(), folder)
    return folder


def launch(count: int, folder: Path, work: dict[str, list[Case]]) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "tests.training.share_steps", *arguments(folder, work)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]


@pytest.fixture(scope="module")
def in_two(backbone: Path, talk_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("deepspeed")
    folder = tmp_path_factory.mktemp("two")
    (folder / "backbone").symlink_to(backbone)
    (folder / "talk.jsonl").symlink_to(talk_file)
    launch(2, folder, IN_TWO)
    return folder


@pytest.fixture(scope="module")
def in_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("deepspeed")
    folder = tmp_path_factory.mktemp("one")
    launch(1, folder, IN_ONE)
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
        if tolerance < 1e-2:
            assert torch.allclose(value, found[name], rtol=tolerance, atol=tolerance), name
        else:  # AdamW takes a whole step for a gradient that is nothing but rounding
            assert (value - found[name]).norm() < 0.25 * value.norm(), name


@pytest.mark.slow
@pytest.mark.parametrize("case", SHARED, ids=lambda case: case.name)
def test_two_processes_learn_what_one_learns(case: Case, in_two: Path, torch_results: Path) -> None:
    # In bfloat16 sums taken in another order differ in the third digit, as does ZeRO-3's own way with linear layers,
    # and four steps of AdamW at a high rate carry that on.
    same(torch_results / case.name[:-1], in_two / case.name, 0.1 if case.dtype == "bfloat16" else 1e-3)


@pytest.mark.slow
def test_passes_with_media_and_without_fetch_the_same_weights(in_two: Path, torch_results: Path) -> None:
    """One process's pass has media while another's has none, and a step must not wait for ever."""
    kinds = [bool(batch.slots) for batch in share_steps.batches_of(model_of(WIDE))]
    assert kinds[:3] == [True, True, False]  # the first process computes the first and the third
    same(torch_results / "wide", in_two / "wide", 1e-3)


@pytest.mark.slow
def test_what_layers_look_at_is_whole_in_every_process(in_two: Path, torch_results: Path) -> None:
    """Modules before layers whose own weights ZeRO-3 shares out, in passes some of which have media to look at. The
    gradient of attention to three tokens is small: of 124,000 weights, four take another step for its rounding."""
    batches = share_steps.batches_of(model_of(GLANCE_WIDE))
    kinds = [any(stream == "face" for stream, _ in batch.seen) for batch in batches]
    assert kinds[:3] == [True, False, False]
    same(torch_results / "glancewide", in_two / "glancewide", 1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("case", COPIED, ids=lambda case: case.name)
def test_a_copy_of_the_backbone_before_a_stage(case: Case, in_two: Path, torch_results: Path) -> None:
    same(torch_results / "copied0", in_two / case.name, 1e-3)


@pytest.mark.slow
def test_a_copy_that_zero_3_would_have_to_share_out_is_refused(in_two: Path) -> None:
    said = json.loads((in_two / REFUSED.name / "said.json").read_text())["said"]
    assert len(said) == 2 and all("set strategy.zero=2, or begin the stage with adapters" in one for one in said)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_one_process_needs_no_launcher(zero: int, in_one: Path, torch_results: Path) -> None:
    same(torch_results / "lora", in_one / f"alone{zero}", 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*KEPT, *HALF], ids=lambda case: case.name)
def test_a_checkpoint_goes_on_to_the_same_digits(case: Case, in_two: Path) -> None:
    found = json.loads((in_two / case.name / "resumed.json").read_text())
    assert found["rows"] == found["again"] and found["same"]


@pytest.mark.slow
@pytest.mark.parametrize("case", HALF, ids=lambda case: case.name)
def test_float16(case: Case, in_two: Path, torch_results: Path) -> None:
    same(torch_results / "half0", in_two / case.name, 5e-2)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*LORA, *HALF], ids=lambda case: case.name)
def test_a_gradient_that_is_no_number_changes_nothing(case: Case, in_two: Path, torch_results: Path) -> None:
    """All processes hear of what one of them met, and the next step is as if there had been none."""
    found = json.loads((in_two / case.name / "spoiled.json").read_text())
    assert found["finite"] == [False, False] and found["same"]
    assert found["scale"] == (32768.0 if case in HALF else None)
    kind, tolerance = ("half0", 5e-2) if case in HALF else ("lora", 1e-3)
    rows = json.loads((torch_results / kind / "found.json").read_text())["rows"]
    assert found["then"][0] == pytest.approx(rows[1], rel=tolerance)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_all_processes_alike(in_two: Path) -> None:
    found = json.loads((in_two / LORA[1].name / "said.json").read_text())
    one, two = found["said"]
    assert one == two and found["steps"] == 0
    assert one.startswith("stages.merc: the loss ")
    assert " is nan at step 1. In the batch were the utterances train" in one
    # Those of the process that met it, and not all of the step.
    assert 1 <= one.count("train") < 8


@pytest.mark.slow
def test_no_pickle(in_two: Path) -> None:
    written = {path.suffix for folder in in_two.iterdir() if folder.is_dir() and not folder.is_symlink()
               for path in folder.rglob("*") if path.is_file()}  # fmt: skip
    assert written == {".json", ".safetensors"}


@pytest.mark.slow
def test_nothing_is_compiled(tmp_path: Path) -> None:
    """It needs no compiler, and leaves no lock that a process which is killed meanwhile would leave for ever."""
    pytest.importorskip("deepspeed")
    environment = {**os.environ, "PATH": str(tmp_path), "TORCH_EXTENSIONS_DIR": str(tmp_path / "extensions")}
    program = (
        "from merc.training.deepspeed_strategy import DeepSpeedStrategy\n"
        "from merc.training.deepspeed_start import start_deepspeed\n"
        "DeepSpeedStrategy(1, 'cpu')\n"
        "start_deepspeed('cpu')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_connector_gets_a_gradient() -> None:
    case = Case("torch", strategy="torch")
    model, strategy = model_of(case), TorchStrategy()
    prepare(case, strategy, model, "connectors.voice")
    before = trained_state(model)
    for batch in share_steps.batches_of(model)[2:3]:  # no media in it
        strategy.backward(-strategy.loss_values(batch, 0).sum(), last=True)
    assert all(p.grad is not None and not p.grad.any() for p in model.media.connectors["voice"].parameters())
    strategy.step(1.0, None)
    train(case, strategy, model, 2)
    after = trained_state(model)
    changed = {name.split(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"voice"}


def test_the_penalty_is_the_gradient_of_its_square() -> None:
    found = []
    for l2 in (0.0, 0.01):
        case = Case("torch", strategy="torch", l2=l2, max_norm=None)
        model, strategy = model_of(case), TorchStrategy()
        prepare(case, strategy, model, "*")
        learning = [p for g in strategy.groups for p in g["params"]]
        squares = float(sum(p.square().sum() for p in learning))
        for batch in share_steps.batches_of(model)[:3]:
            strategy.backward(strategy.loss_values(batch, 0).sum(), last=True)
        gradients = [p.grad.clone() for p in learning]
        found.append((strategy.step(0.0, None), gradients, [p.detach().clone() for p in learning], squares))
    (_, plain, weights, squares), (norm, _, _, _) = found
    assert squares > 0
    wanted = torch.stack([(g + 0.02 * w).square().sum() for g, w in zip(plain, weights, strict=True)]).sum().sqrt()
    assert norm == pytest.approx(float(wanted), rel=1e-5)


def test_deepspeed_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(MercError, match=r"install it with: pip install merc\[deepspeed\]"):
        make_strategy(EngineChoice(name="deepspeed", device="cpu"))


def test_half_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MercError, match="has WORLD_SIZE but not RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT"):
        Processes("cpu")


def test_torch_under_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MercError, match="strategy torch runs in one process, and 2 were started"):
        make_strategy(EngineChoice(name="torch"))
