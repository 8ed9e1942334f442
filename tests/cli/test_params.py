"""``merc params`` counts from configuration alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import LlamaConfig
from typer.testing import CliRunner

from merc.cli.main import app

HIDDEN, LAYERS, WIDE, WORDS = 4096, 32, 11008, 32000
BACKBONE = 2 * WORDS * HIDDEN + LAYERS * (4 * HIDDEN**2 + 3 * HIDDEN * WIDE + 2 * HIDDEN) + HIDDEN
LORA_8 = LAYERS * 8 * (4 * (HIDDEN + HIDDEN) + 3 * (HIDDEN + WIDE))

RECIPE = """\
corpus: {{name: jsonl, path: talk.jsonl}}
labels: [joy, anger]
backbone: {{name: hf, path: {folder}, tuning: {tuning}}}
"""


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """A folder with the configuration of Llama 2 7B and nothing else."""
    folder = tmp_path / "seven"
    LlamaConfig(
        vocab_size=WORDS, hidden_size=HIDDEN, intermediate_size=WIDE, num_hidden_layers=LAYERS,
        num_attention_heads=32, max_position_embeddings=4096, tie_word_embeddings=False,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(folder)  # fmt: skip
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    return folder


def _recipe(seven: Path, tuning: str) -> str:
    path = seven.parent / "seven.yaml"
    path.write_text(RECIPE.format(folder=seven, tuning=tuning))
    return str(path)


def test_seven_billion_without_weights(seven: Path) -> None:
    assert BACKBONE == 6_738_415_616
    recipe = _recipe(seven, "{name: lora, r: 8}")
    found = CliRunner().invoke(app, ["params", recipe, "--json"], catch_exceptions=False)
    assert found.exit_code == 0
    record = json.loads(found.stdout)
    del record["memory"]
    assert record == {
        "total": BACKBONE + LORA_8,
        "trainable": LORA_8,
        "parts": {
            "backbone": {"total": BACKBONE, "trainable": 0},
            "backbone.adapters": {"total": LORA_8, "trainable": LORA_8},
        },
    }


@pytest.mark.parametrize(("tuning", "trainable"), [("{name: frozen}", 0), ("{name: full}", BACKBONE)])
def test_other_tunings(seven: Path, tuning: str, trainable: int) -> None:
    found = CliRunner().invoke(app, ["params", _recipe(seven, tuning), "--json"], catch_exceptions=False)
    record = json.loads(found.stdout)
    assert (record["total"], record["trainable"], list(record["parts"])) == (BACKBONE, trainable, ["backbone"])


def test_the_table_has_a_row_for_each_part(seven: Path) -> None:
    recipe = _recipe(seven, "{name: lora, r: 8}")
    found = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["params", recipe], catch_exceptions=False)
    rows = [line.replace("│", " ").split() for line in found.stdout.splitlines()]
    assert ["backbone", f"{BACKBONE:,}", "0", "0.00"] in rows
    assert ["backbone.adapters", f"{LORA_8:,}", f"{LORA_8:,}", "100.00"] in rows
    assert ["all", f"{BACKBONE + LORA_8:,}", f"{LORA_8:,}", f"{100 * LORA_8 / (BACKBONE + LORA_8):.2f}"] in rows


def test_the_memory_of_training(seven: Path) -> None:
    recipe = _recipe(seven, "{name: lora, r: 8}")
    asked = ["params", recipe, "--processes", "4"]
    memory = json.loads(CliRunner().invoke(app, [*asked, "--json"], catch_exceptions=False).stdout)["memory"]
    assert (memory["tokens"], memory["activation_checkpointing"], memory["processes"]) == (4096, False, 4)
    found = {(one["bits"], one["zero"]): one for one in memory["bytes"]}
    assert list(found) == [(bits, zero) for bits in (16, 32) for zero in range(4)]
    assert found[16, 0]["weights"] == 2 * BACKBONE + 4 * LORA_8
    assert found[32, 0]["weights"] == 4 * (BACKBONE + LORA_8)
    assert found[16, 3]["weights"] == (2 * BACKBONE + 4 * LORA_8) // 4
    assert [found[16, zero]["gradients"] for zero in range(4)] == [4 * LORA_8, 4 * LORA_8, LORA_8, LORA_8]
    assert found[16, 1]["optimizer"] == 3 * LORA_8 + 4
    table = CliRunner(env={"COLUMNS": "120"}).invoke(app, asked, catch_exceptions=False).stdout
    assert (
        "16 bits, ZeRO-3" in table and "GB, 4 GPUs" in table and "13.56" in table and "a pass of 4,096 tokens" in table
    )
    alone = CliRunner().invoke(app, ["params", recipe, "--json", "--processes", "1"], catch_exceptions=False)
    assert [one["zero"] for one in json.loads(alone.stdout)["memory"]["bytes"]] == [0, 0]


def test_values_can_be_changed(seven: Path) -> None:
    recipe = _recipe(seven, "{name: lora, r: 8}")
    asked = ["params", recipe, "--json", "backbone.tuning.r=16", "backbone.tuning.targets=[q_proj]"]
    record = json.loads(CliRunner().invoke(app, asked, catch_exceptions=False).stdout)
    assert record["trainable"] == LAYERS * 16 * (HIDDEN + HIDDEN)


def test_a_target_that_is_no_layer(seven: Path) -> None:
    recipe = _recipe(seven, "{name: lora, targets: [q_prj]}")
    found = CliRunner().invoke(app, ["params", recipe], catch_exceptions=False)
    assert found.exit_code == 2 and "backbone.tuning.targets: " in found.stderr and "q_prj" in found.stderr


def test_a_soft_prompt(seven: Path) -> None:
    asked = ["params", _recipe(seven, "{name: frozen}"), "--json"]
    found = CliRunner().invoke(app, [*asked, "connectors={prompt: {name: soft, length: 20}}"], catch_exceptions=False)
    record = json.loads(found.stdout)
    assert record["trainable"] == 20 * HIDDEN and record["parts"]["connectors.prompt"]["total"] == 20 * HIDDEN
    long = "connectors={prompt: {name: soft, length: 4000}, other: {name: soft, length: 96}}"
    found = CliRunner().invoke(app, [*asked, long], catch_exceptions=False)
    assert found.exit_code == 2 and "Traceback" not in found.stderr
    message = " ".join(found.stderr.split())
    assert "connectors.prompt: its 4000 tokens (of 4096 " in message and "context of 4096 tokens" in message


def test_a_recipe_without_a_backbone(tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("corpus: {name: jsonl, path: talk.jsonl}\n")
    found = CliRunner().invoke(app, ["params", str(tmp_path / "bare.yaml")], catch_exceptions=False)
    assert found.exit_code == 2
    assert found.stderr == ("error: bare: there is no backbone; give the section, as in backbone={name: smollm2}\n")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path / "seven", "{name: frozen}")
    found = CliRunner().invoke(app, ["params", recipe], catch_exceptions=False)
    assert found.exit_code == 2
    assert found.stderr.startswith(f"error: backbone.path: there is no folder {tmp_path / 'seven'}; give the folder of")


def test_it_takes_no_memory(seven: Path) -> None:
    """In a process that may use 8 GB of addresses; the weights alone would take 27."""
    limit = "import resource as r; r.setrlimit(r.RLIMIT_AS, (8 << 30, 8 << 30)); from merc.cli.main import main; main()"
    recipe = _recipe(seven, "{name: lora, r: 8}")
    command = [sys.executable, "-c", limit, "params", recipe, "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MERC_PLUGINS": "merc"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["total"] == BACKBONE + LORA_8
