"""A trained run evaluated again, beside its own numbers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from merc.components import Prediction, Query
from merc.conversation import Conversation
from merc.cues import CueTable
from merc.errors import MercError
from merc.evaluation import (
    check_metrics,
    compute_metrics,
    read_predictions,
    write_metrics,
    write_predictions,
    write_report,
)
from merc.evaluation.corruption import with_corruptions
from merc.evaluation.projection import StatesById, write_states
from merc.files import write_text
from merc.recipe import write_recipe
from merc.session.backbone import recorded_date
from merc.session.corruption import CorruptedEvaluation
from merc.session.cues import cue_record, note_cues
from merc.session.data import Data
from merc.session.demonstrations import last_demonstrations, record_of
from merc.session.directory import RunDirectory
from merc.session.encoding import note_features
from merc.session.fitted import fitted_on, keep_fitted
from merc.session.heads import check_values
from merc.session.journal import Journal
from merc.session.media_hash import media_hashes
from merc.session.own_media import check_corrupted
from merc.session.provenance import data_hashes, provenance
from merc.session.read_files import check_decoder, file_hashes
from merc.session.reporter import Reporter
from merc.session.segmentation import measured
from merc.session.session import Prepared, Session
from merc.session.trained import TrainedRun, open_run
from merc.session.wiring import Material, Request, metrics_of


def evaluate_again(
    path: Path, overrides: Sequence[str], name: str | None, reporter: Reporter
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Evaluate a trained run with changes to its recipe; gives the folder below ``evaluations/`` and the metrics.

    The folder is there whole or not at all, and no other evaluation is touched. Where something fails after the
    predictions (a metric that asks a server, a full disk, Ctrl-C), these are kept in a hidden folder, and the same
    command goes on from them. Raises MercError for a name that is taken, a split without conversations, and labels that
    the run was not trained with.
    """
    started = time.monotonic()
    run = open_run(path, overrides, "evaluate")
    session = Session(run, Journal(reporter), keep=False)
    setup = session.setup
    place = run.directory.outputs / "evaluations"
    target = _target(place, name, setup.how.splits)
    check_decoder(setup.how.decoder, run.labels)
    check_corrupted(run.recipe, setup)
    data = session.wiring.data(run.labels)
    plain = [c for split in setup.how.splits for c in data.split(split)]
    check_metrics(plain, data.labels, metrics_of(run.recipe))
    check_values(run.recipe.heads, plain, data.labels)
    shown_talks = [*plain, *fitted_on(setup.how.decoder, data)]
    cues = session.wiring.cues([("evaluate.prompter", setup.prompter)], lambda fields: shown_talks, data.conversations)
    data = data.with_cues(cues)
    media = media_hashes(run.recipe, setup.prompter.streams(), plain, reporter)
    today = recorded_date(run.directory.provenance)
    files = file_hashes(run.recipe, [stage.id for stage in run.recipe.stages])
    record_of_cues = cue_record(run.recipe, cues)
    everything = data_hashes(data.conversations)  # demonstrations and a fitted decoder read further splits
    provenance_record = provenance(run.recipe, plain, record_of_cues, media=media, chat_date=today, files=files)
    place.mkdir(parents=True, exist_ok=True)
    aside = place / f".kept-{_key(run, provenance_record, everything)}"
    # Made under its own name in a hidden folder, for the report shows that name, and moved when all of it is there.
    making = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=place))
    folder = RunDirectory(making / target.name)
    try:
        predictions = _take(aside, folder, reporter)
        if predictions is None:
            predictions = _predict(session, data, plain, cues, folder)
        parts = metrics_of(run.recipe)
        rows = CorruptedEvaluation(run.recipe, setup.prompter, folder.path, session.journal).read()
        metrics = with_corruptions(compute_metrics(predictions, data.labels, parts), rows, data.labels, parts)
        write_metrics(folder.metrics, metrics)
        seconds = round(time.monotonic() - started, 1)
        record = {"evaluates": str(path.absolute()), **provenance_record, "seconds": seconds}
        write_text(folder.provenance, json.dumps(record, indent=1))
        with reporter.task("report"):
            write_report(folder.path, data.conversations, data.labels, place=target)
        if target.exists():
            raise MercError(f"{target} was made by somebody else meanwhile; give another --name")
        folder.path.rename(target)
    except BaseException as error:  # a fault in a metric and Ctrl-C while a judge is asked, too
        if not folder.predictions.exists():
            raise
        shutil.rmtree(aside, ignore_errors=True)
        folder.path.rename(aside)
        note = "The predictions are kept: the same command goes on from them"
        if isinstance(error, MercError):
            raise MercError(f"{error}\n{note}") from error
        reporter.say(note)
        raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty, as it should be
            place.rmdir()
    return target, metrics


def _key(run: TrainedRun, provenance_record: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """What predictions depend on: the recipe as it is changed, but for where and how fast it is done, the weights that
    its stages left, and the ``data`` of all splits, by their hashes."""
    parts = [
        run.recipe.content,
        run.directory.checksums(run.recipe),
        data,
        *(provenance_record.get(name) for name in ("media", "cues", "files", "backbone", "chat_date")),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _take(aside: Path, folder: RunDirectory, reporter: Reporter) -> list[Prediction] | None:
    """The predictions of the same evaluation that failed after them, with all that was written by then."""
    if not aside.is_dir():
        return None
    aside.rename(folder.path)
    try:
        predictions = read_predictions(folder.predictions)
    except MercError as error:
        reporter.say(f"{error}: predicted anew")
        shutil.rmtree(folder.path)
        return None
    reporter.say("predicted before: the predictions are read, not made again")
    return predictions


def _predict(
    session: Session, data: Data, plain: Sequence[Conversation], cues: CueTable, folder: RunDirectory
) -> list[Prediction]:
    """Predict the splits, and write the predictions before anything is made of them that may fail. ``plain`` are their
    conversations without the annotators' cues."""
    recipe, setup = session.recipe, session.setup
    chosen = [c for split in setup.how.splits for c in data.split(split)]
    folder.path.mkdir()
    write_recipe(folder.recipe_file, recipe)
    journal = Journal(session.journal.reporter, folder)
    session = session.changed(replace(setup, spaces=data.spaces), journal)
    session.check()
    for note in (*recipe.notes, *data.notes):
        journal.say(note)
    note_cues(recipe, [("evaluate.prompter", setup.prompter)], cues, lambda fields: plain, journal)
    prepared = session.prepared(measured(chosen, setup.how), cues)
    if (selector := last_demonstrations(recipe)) is not None:
        folder.log(record_of("evaluate", selector, prepared.groups))
    note_features(recipe, setup.prompter.streams(), prepared.material.table, journal)
    if learned := fitted_on(setup.how.decoder, data):
        decoder = session.fitted(session.prepared(measured(learned, setup.how), cues))
        journal.say(keep_fitted(folder.path, recipe, decoder))
        session = session.changed(replace(session.setup, how=replace(setup.how, decoder=decoder)), journal)
    states: StatesById | None = {} if setup.how.states else None
    predictions = [
        prediction
        for split in setup.how.splits
        for prediction in session.predictions(
            prepared, Request(groups=prepared.of(split), title=f"predict {split}", states=states)
        )
    ]

    def predict_again(groups: list[list[Query]], changed: Material, title: str) -> list[Prediction]:
        return session.predictions(Prepared(material=changed, groups=groups), Request(groups=groups, title=title))

    CorruptedEvaluation(recipe, setup.prompter, folder.path, journal).predict(
        prepared.groups, prepared.material, session.wiring, predict_again
    )
    if states is not None:
        write_states(folder.path, predictions, states)
    write_predictions(folder.predictions, predictions)
    return predictions


def _target(place: Path, name: str | None, splits: Sequence[str]) -> Path:
    """The folder of a new evaluation."""
    if name is None:
        base = "-".join(splits)
        names = (base if number == 1 else f"{base}-{number}" for number in range(1, 10_000))
        return next(place / name for name in names if not (place / name).exists())
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        which = repr(name) if len(name) <= 100 else f"{len(name)} of them"
        raise MercError(
            "--name becomes a folder's name, so it has letters, digits, '-', '_' and '.' only, at most 100; given "
            f"{which}"
        )
    if (place / name).exists():
        raise MercError(f"{place / name} is there already; give another --name")
    return place / name
