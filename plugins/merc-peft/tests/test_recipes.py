"""The survey's tunings at paper scale: each is counted on the meta device, by the equations' own arithmetic."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from merc.model.build import build_meta
from merc.recipe import load_recipe

README = Path(__file__).parents[3] / "recipes" / "survey" / "README.md"
HIDDEN, INNER, BLOCKS, BASE = 4096, 11_008, 32, 6_738_415_616
BLOCK = 4 * HIDDEN * HIDDEN + 3 * HIDDEN * INNER
IN_AND_OUT = 4 * 2 * HIDDEN + 3 * (HIDDEN + INNER)  # of all linear layers of a block
OUT = 4 * HIDDEN + 2 * INNER + HIDDEN
COUNTS = {
    "frozen": 0,
    "full": BASE,
    "adapter": BLOCKS * 2 * HIDDEN * 64,
    "prefix": BLOCKS * 2 * HIDDEN * 20,
    "prompt": HIDDEN * 20,
    "p-tuning": HIDDEN * 20 + 3 * (HIDDEN * HIDDEN + HIDDEN),
    "lora": BLOCKS * 16 * IN_AND_OUT,
    "dora": BLOCKS * (16 * IN_AND_OUT + OUT),
    "rslora": BLOCKS * 64 * IN_AND_OUT,
    "qlora": BLOCKS * 16 * IN_AND_OUT,
    "ia3": BLOCKS * (2 * HIDDEN + INNER),
    "bitfit": BLOCKS * OUT,
    "last-layers": 4 * (BLOCK + 2 * HIDDEN),
}
ROWS = re.findall(r"`merc run survey/tuning-([\w-]+)` \| `merc params (.*?)` \|", README.read_text(encoding="utf-8"))


def test_every_tuning_has_a_row() -> None:
    assert {name for name, _ in ROWS} == {*COUNTS, "staged"}
    small = {file.stem.removeprefix("tuning-") for file in README.parent.glob("tuning-*.yaml")} - {"paper"}
    assert small == {name for name, _ in ROWS}


@pytest.mark.parametrize(("name", "command"), ROWS, ids=[name for name, _ in ROWS])
def test_it_is_counted_at_paper_scale(name: str, command: str) -> None:
    recipe, *overrides = shlex.split(command)
    model = build_meta(load_recipe(recipe, ["data_root=.", *overrides]))
    learning = sum(p.numel() for n, p in model.learning().items() if n.startswith("llm."))
    assert learning == COUNTS.get(name, BASE)
    frozen = sum(p.numel() for p in model.llm.parameters() if not p.requires_grad)
    whole = learning if name in ("full", "staged") else frozen + (learning if name == "last-layers" else 0)
    assert whole == BASE
