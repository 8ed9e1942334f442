"""A trained run evaluated again, beside its own numbers."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merc.consent import hide_in
from merc.errors import MercError
from merc.evaluation import check_metrics, compute_metrics, write_metrics, write_predictions, write_report
from merc.evaluation.projection import StatesById, write_states
from merc.files import write_text
from merc.recipe import write_recipe
from merc.run.annotating import cue_record, note_cues, read_cues
from merc.run.backbone import recorded_date
from merc.run.data import load_data
from merc.run.demonstrating import last_demonstrations, record_of
from merc.run.directory import RunDirectory
from merc.run.encoding import note_features
from merc.run.inference import ask, check_run, encode_for, load_model, open_run, predict
from merc.run.parts import measured
from merc.run.pipeline import metrics_of
from merc.run.provenance import provenance
from merc.run.reporter import Reporter


def evaluate_again(
    path: Path, overrides: Sequence[str], name: str | None, reporter: Reporter
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Evaluate a trained run with changes to its recipe; gives the folder below ``evaluations/`` and the metrics.

    The folder is there whole or not at all, and no other evaluation is touched. Raises MercError for a name that is
    taken, a split without conversations, and labels that the run was not trained with.
    """
    started = time.monotonic()
    run = open_run(path, overrides)
    place = run.directory.path / "evaluations"
    target = _target(place, name, run.how.splits)
    with reporter.task("conversations") as progress:
        data = load_data(run.recipe, run.labels)
        progress(1.0, f"{len(data.conversations)}")
    plain = [c for split in run.how.splits for c in data.split(split)]
    check_metrics(plain, data.labels, metrics_of(run.recipe))
    asking = [("evaluate.prompter", run.prompter)]
    cues = read_cues(run.recipe, asking, lambda fields: plain, data.conversations, reporter)
    data = data.with_cues(cues)
    chosen = [c for split in run.how.splits for c in data.split(split)]
    place.mkdir(exist_ok=True)
    # Made under its own name in a hidden folder, for the report shows that name, and moved when all of it is there.
    making = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=place))
    try:
        folder = RunDirectory(making / target.name)
        folder.path.mkdir()
        write_recipe(folder.recipe_file, run.recipe)

        def say(sentence: str) -> None:
            reporter.say(sentence)
            folder.note(sentence)

        check_run(run, say)
        for note in (*run.recipe.notes, *data.notes):
            say(note)
        note_cues(run.recipe, asking, cues, lambda fields: plain, say, folder.log)
        asked = ask(run, measured(chosen, run.how), reporter, say, data.spaces)
        if (selector := last_demonstrations(run.recipe)) is not None:
            folder.log(record_of("evaluate", selector, asked.groups))
        table = encode_for(run, chosen, reporter, asked.shown)
        note_features(run.recipe, run.prompter.streams(), table, say, folder.log)
        model = load_model(run, table, reporter, say)
        states: StatesById | None = {} if run.how.states else None
        predictions = [
            prediction
            for split in run.how.splits
            for prediction in predict(
                run, model, table, asked.of(split), reporter, f"predict {split}", cues, states, say
            )
        ]
        metrics = compute_metrics(predictions, data.labels, metrics_of(run.recipe))
        write_predictions(folder.predictions, predictions)
        if states is not None:
            write_states(folder.path, predictions, states)
        write_metrics(folder.metrics, metrics)
        today = recorded_date(run.directory.provenance)
        written = provenance(run.recipe, chosen, cue_record(run.recipe, cues), chat_date=today)
        made = {"evaluates": str(path.absolute()), **written}
        seconds = round(time.monotonic() - started, 1)
        write_text(folder.provenance, json.dumps({**hide_in(made), "seconds": seconds}, indent=1))
        with reporter.task("report"):
            write_report(folder.path, data.conversations, data.labels)
        if target.exists():
            raise MercError(f"{target} was made by somebody else meanwhile; give another --name")
        folder.path.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty, as it should be
            place.rmdir()
    return target, metrics


def _target(place: Path, name: str | None, splits: Sequence[str]) -> Path:
    """The folder of a new evaluation."""
    if name is None:
        base = "-".join(splits)
        names = (base if number == 1 else f"{base}-{number}" for number in range(1, 10_000))
        return next(place / name for name in names if not (place / name).exists())
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise MercError(
            f"--name becomes a folder's name, so it has letters, digits, '-', '_' and '.' only; given {name!r}"
        )
    if (place / name).exists():
        raise MercError(f"{place / name} is there already; give another --name")
    return place / name
