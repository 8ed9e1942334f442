"""The commands as a user meets them, and what they say of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from merc_annotation import commands

import merc
import merc.testing


def test_a_table_of_raters_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("item,ann,bo\n1,1,1\n2,2,3\n3,5,4\n4,1,\n")
    commands.agreement(tmp_path / "t.csv", scale="interval", order="", as_json=True)
    (measures,) = json.loads(capsys.readouterr().out).values()
    names = {one["name"]: one for one in measures}
    assert names["ICC(2,1)"]["items"] == 3 and names["ICC(2,1)"]["value"] > 0.8
    assert all(one["words"] for one in measures)
    commands.agreement(tmp_path / "t.csv", scale="nominal", order="", as_json=False)
    assert "Cohen's kappa, ann and bo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "scale", "order", "message"),
    [
        ("item,ann\n1,2\n", "nominal", "", "has 2 columns; the first names the item"),
        ("item,a,b\n1,x\n", "nominal", "", "line 2: 2 cells"),
        ("item,a,b\n1,x,y\n1,x,y\n", "nominal", "", "line 3: a second row for '1'"),
        ("item,a,b\n1,x,y\n", "interval", "", "--scale interval needs numbers, or --order"),
        ("item,a,b\n1,low,mid\n", "ordinal", "low,high", "--order lacks 'mid'"),
        ("item,a,b\n1,1,2\n", "ratio", "", "--scale ratio: it is nominal, ordinal or interval"),
    ],
)
def test_mistakes_in_tables_are_named(tmp_path: Path, table: str, scale: str, order: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(merc.MercError, match=message):
        commands.agreement(tmp_path / "t.csv", scale=scale, order=order)


def test_folders_that_hold_no_release_are_named(tmp_path: Path) -> None:
    for command in (commands.rationales, commands.sample, commands.export):
        more = {commands.rationales: (), commands.sample: (2,), commands.export: ("merr", tmp_path / "out")}[command]
        with pytest.raises(merc.MercError, match="holds no released data set"):
            command(tmp_path, *more)
    with pytest.raises(merc.MercError, match="holds no recording"):
        commands.release("annotation/offline", tmp_path / "out", recordings=tmp_path)


class TestRelease(merc.testing.CommandContract):
    component = staticmethod(commands.release)
    name = "release"


class TestAgreement(merc.testing.CommandContract):
    component = staticmethod(commands.agreement)
    name = "agreement"
