"""Where a run goes by default."""

from __future__ import annotations

import pytest

from merc.session.naming import default_folder


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "rows"),
        (["seed=1"], "rows+seed=1"),
        (["b.c=2", "a=[x, y]"], "rows+a=x-y+b.c=2"),
        (["a=1", "a=2"], "rows+a=2"),
        (["a={name: random, k: 3}"], "rows+a=name-random-k-3"),
        (["a=''"], "rows+a="),
        (["init_from=runs/base-pl"], "rows+init_from=runs-base-pl"),
        # The same work on another device, or with the data elsewhere, is the same run.
        (["strategy.device=cuda", "features.workers=9", "title=x", "data_root=/data/meld"], "rows"),
        (["features={workers: 9, store: /features}"], "rows"),
        # Other frames, or other media that are missing, are not.
        (["features.seed=1", "features.store=/features"], "rows+features.seed=1"),
        (["features.decode_seconds=9"], "rows+features.decode_seconds=9"),
        (["features={workers: 9, seed: 1}"], "rows+features.seed=1"),
    ],
)
def test_the_changes_stand_after_the_recipe(overrides: list[str], name: str) -> None:
    assert default_folder("paper/rows", overrides).as_posix() == f"runs/paper/{name}"


def test_several_seeds_go_beside_a_single_run() -> None:
    assert default_folder("r", [], seeds=True).as_posix() == "runs/r+seeds"
    assert default_folder("r", ["a=1"], seeds=True).as_posix() == "runs/r+a=1+seeds"


def test_the_order_of_changes_does_not_count() -> None:
    assert default_folder("r", ["a=1", "b=2"]) == default_folder("r", ["b=2", "a=1"])


def test_long_names_are_cut_and_differ() -> None:
    folders = [default_folder("r", [f"evaluate.demonstrations=[{'x' * 200}]", f"seed={n}"]) for n in range(20)]
    assert len(set(folders)) == 20
    assert all(len(folder.name) == 120 and folder.name.startswith("r+evaluate.dem") for folder in folders)
