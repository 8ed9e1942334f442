"""``merc quantize``: a copy of a run whose language model has eight bits."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

import merc

MODEL = "model"
_OF_THE_WHOLE = ("metrics.json", "intervals.json", "README.md")
"""What is true of the run in all its bits alone."""


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A trained run: its directory, or a name.")],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The new directory.")],
) -> None:
    """Make a copy of a trained run whose language model holds and computes whole numbers of eight bits, for small
    machines. What was tuned is merged into it first.

    The copy has no numbers of its own: merc evaluate DEST measures what it lost.
    """
    from merc_hub.int8 import Int8, write_int8

    if dest.exists():
        raise merc.MercError(f"{dest} is there already; give the name of a new directory")
    dest.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{dest.name}.", dir=dest.parent) as temporary:
        merged, made = Path(temporary) / "merged", Path(temporary) / "run"
        if merc.export_run(merc.load(run), merged) != "model":
            raise merc.MercError(
                f"what {run} learned stands beside its language model and cannot be merged, so it cannot be quantised"
            )
        merc.pack_run(run, made, base=str(dest))
        sizes = write_int8(merged, made / MODEL)
        _rewrite(made, Int8(path=str((made / MODEL).absolute())))
        for name in _OF_THE_WHOLE:
            (made / name).unlink(missing_ok=True)
        made.rename(dest)
    after, before = sizes["after"] / 1e6, sizes["before"] / 1e6
    typer.echo(f"{dest} holds the run in eight bits: {after:,.0f} MB of weights, {before:,.0f} before")


def _rewrite(made: Path, backbone: merc.Backbone) -> None:
    """Have the run's recipe name the quantised model, and its stages nothing that is merged into it."""
    import yaml

    file = made / "recipe.yaml"
    recipe = yaml.safe_load(file.read_text(encoding="utf-8"))
    recipe["backbone"] = {"name": "int8", "path": f"./{MODEL}"}
    for stage in recipe["stages"]:
        if stage.get("trainable"):  # nothing of the backbone learns any more
            left = [name for name in stage["trainable"] if name.partition(".")[0] != "backbone"]
            stage["trainable"] = left or None
    file.write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), encoding="utf-8")
    for done in made.glob("stages/*/done.json"):
        state = json.loads(done.read_text(encoding="utf-8"))
        for folder in ("adapter", "backbone"):
            shutil.rmtree(done.parent / folder, ignore_errors=True)
        files = state.get("files") or {}
        state["files"] = {name: hash for name, hash in files.items() if (done.parent / name).is_file()}
        done.write_text(json.dumps(state), encoding="utf-8")
    record = made / "provenance.json"
    if record.is_file():
        known = json.loads(record.read_text(encoding="utf-8"))
        before = known.get("backbone")
        known["backbone"] = {"path": f"./{MODEL}", "bits": 8, "of": before, "weights": dict(backbone.weights())}
        record.write_text(json.dumps(known, indent=1), encoding="utf-8")
