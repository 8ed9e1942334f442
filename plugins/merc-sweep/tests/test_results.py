"""The table: settings sorted by dev, seeds together, folds by their mean, and the folder that keeps it."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from merc_sweep.folder import SweepFolder
from merc_sweep.results import beside_in_words, is_finished, rows, shown
from merc_sweep.settings import Range, settings

from merc import MercError


def finished(folder: Path, **splits: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(splits))
    return folder


def test_settings_are_sorted_by_dev_with_their_seeds_together(tmp_path: Path) -> None:
    runs = {}
    for number, (lr, seed, dev) in enumerate([("1", 0, 0.2), ("1", 1, 0.4), ("2", 0, 0.5), ("3", 0, None)]):
        folder = tmp_path / f"{number}"
        if dev is not None:
            finished(folder, dev={"macro_f1": dev, "mae": dev}, test={"macro_f1": 1 - dev})
        runs[f"{number}"] = ({"lr": lr, "seed": str(seed)}, folder)
    best, second, last = rows(runs, "macro_f1", False)
    assert [best.setting, second.setting, last.setting] == [{"lr": "2"}, {"lr": "1"}, {"lr": "3"}]
    assert (second.runs, second.finished, last.finished) == (["0", "1"], 2, 0)
    assert shown(second.dev["macro_f1"]) == "0.3000 ± 0.1414" and shown(best.test["macro_f1"]) == "0.5000"
    assert [row.setting["lr"] for row in rows(runs, "mae", True)] == ["1", "2", "3"]
    with pytest.raises(MercError, match="has no number 'maa' on dev; --by names one of: macro_f1, mae"):
        rows(runs, "maa", False)


def test_dev_of_several_folds_is_their_mean(tmp_path: Path) -> None:
    folder = finished(tmp_path / "1", test={"uar": 0.7})
    (folder / "folds.json").write_text(json.dumps({"folds": {}, "dev": {"uar": {"mean": 0.6, "by_fold": {}}}}))
    (row,) = rows({"1": ({"lr": "1"}, folder)}, "uar", False)
    assert (row.dev["uar"], row.test["uar"]) == ([0.6], [0.7])
    (folder / "metrics.json").write_text("{")
    with pytest.raises(MercError, match=r"metrics\.json is damaged"):
        rows({"1": ({"lr": "1"}, folder)}, "uar", False)


def test_numbers_of_further_metrics_have_means_over_folds(tmp_path: Path) -> None:
    def mean(value: float) -> dict[str, object]:
        return {"mean": value, "std": None, "by_fold": {"1": value}}

    dev = {"following": 1, "weighted_f1": mean(0.5), "reweighted": {"of": "all", "weighted_f1": mean(0.25)}}
    (tmp_path / "folds.json").write_text(json.dumps({"folds": {"1": ""}, "dev": dev}))
    runs = {"1": ({"lr": "1"}, tmp_path)}
    (row,) = rows(runs, "reweighted.weighted_f1", False)
    assert row.dev["reweighted.weighted_f1"] == [0.25] and row.beside == {"following": 1}
    with pytest.raises(MercError, match=r"--by names one of: weighted_f1, reweighted\.weighted_f1"):
        rows(runs, "reweighted.uar", False)


def test_what_prompts_show_beside_the_conversation_so_far_is_said(tmp_path: Path) -> None:
    history = [{}, {"following": 1}, {"following": 1, "label_history": "gold"}]
    runs = {
        f"{n}": ({"lr": f"{n}"}, finished(tmp_path / f"{n}", dev={"uar": 0.1 * n, **beside}))
        for n, beside in enumerate(history)
    }
    assert beside_in_words(rows(runs, "uar", False)) == [
        "Offline, since prompts show up to 1 following utterance: 1, 2.",
        "Prompts show gold labels of earlier utterances: 2.",
    ]
    assert beside_in_words(rows({n: runs[n] for n in "12"}, "uar", False))[0].endswith(": all runs.")


def test_folds_without_test_are_finished_by_their_means(tmp_path: Path) -> None:
    alone, both = (SimpleNamespace(evaluate=SimpleNamespace(splits=names)) for names in (["dev"], ["dev", "test"]))
    assert not is_finished(tmp_path, alone)
    (tmp_path / "folds.json").touch()
    assert is_finished(tmp_path, alone) and not is_finished(tmp_path, both)
    (tmp_path / "metrics.json").touch()
    assert is_finished(tmp_path, both)


def test_a_folder_belongs_to_one_sweep_that_may_grow(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    runs = folder.open({"recipe": "a"}, [{"lr": "1"}])
    assert runs == {"001": ({"lr": "1"}, tmp_path / "sweep" / "001")}
    assert list(folder.open({"recipe": "a"}, [{"lr": "1"}, {"lr": "2"}])) == ["001", "002"]
    for about, some, said in (
        ({"recipe": "b"}, [{"lr": "1"}, {"lr": "2"}], "recipe"),
        ({"recipe": "a"}, [{"lr": "1"}, {"lr": "3"}], "the values (run 002 has {'lr': '2'}, now {'lr': '3'})"),
        ({"recipe": "a"}, [{"lr": "1"}], "the values (run 002 has {'lr': '2'}, now nothing)"),
    ):
        with pytest.raises(MercError, match=re.escape(f"another sweep: {said} differ; give another --sweep-dir")):
            folder.open(about, some)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(MercError, match="is not empty and holds no sweep"):
        SweepFolder(tmp_path / "full").open({}, [])
    (tmp_path / "sweep" / "sweep.json").write_text("[")
    with pytest.raises(MercError, match=r"sweep\.json cannot be read"):
        folder.open({"recipe": "a"}, [])


def test_a_sweep_whose_whole_numbers_were_drawn_otherwise_is_not_gone_on_with(tmp_path: Path) -> None:
    """An earlier version rounded a number that it drew between the ends."""
    axes = [Range("r", 4, 64, False)]
    draw = random.Random(0)
    earlier = [{"r": str(round(draw.uniform(4, 64)))} for _ in range(4)]
    folder = SweepFolder(tmp_path / "sweep")
    folder.open({"random seed": 0}, earlier)
    with pytest.raises(MercError, match="holds another sweep: the values"):
        folder.open({"random seed": 0}, settings(axes, 4, 0))


def test_the_first_reading_of_test_stays(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path)
    assert folder.test_read() == ""
    folder.record_reading(3, 8)
    first = folder.test_read()
    folder.record_reading(8, 8)
    assert folder.test_read() == first and first.endswith("when 3 of 8 runs were finished")
