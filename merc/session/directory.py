"""The run directory: what stands where, and to which recipe it belongs."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from merc.consent import hide
from merc.conversation import LabelSpace
from merc.errors import MercError, first_names, shown
from merc.files import check_name, damaged, parse_json, read_json, write_text
from merc.recipe import Recipe, Use, load_recipe, write_recipe
from merc.recipe.content import PLACE_AND_SPEED, is_part_of
from merc.recipe.runs import find_run, near_runs
from merc.session.lock import NAME as LOCK_NAME
from merc.session.lock import FolderLock

NOT_THE_WORK = ("title", "description", "extends", "trackers", "workers", *PLACE_AND_SPEED)
"""What may differ between two runs of the same work: words about it, who is shown it, where and how fast it is done."""


NO_CORPUS = "corpus={name: merc/jsonl, path: conversations.jsonl}"
"""The change to a run's recipe for a use that does not read its corpus, so that neither it nor its plugin is needed."""


class RunDirectory:
    """A folder with ``recipe.yaml``, ``provenance.json``, ``labels.json``, ``stages/<id>/``, ``predictions.jsonl``,
    ``metrics.json``, ``report.html``, ``log.jsonl``, ``split.json`` where the recipe divides the conversations, and
    ``retrieval/`` where demonstrations are found by an index.

    ``outputs`` is where what is made with a trained run goes: the folder itself, unless a plugin brings the run.
    """

    def __init__(self, path: Path, outputs: Path | None = None) -> None:
        check_name(path)
        self.path = path
        self.outputs = outputs or path
        self.recipe_file = path / "recipe.yaml"
        self.metrics = path / "metrics.json"
        self.predictions = path / "predictions.jsonl"
        self.log_file = path / "log.jsonl"
        self.provenance = path / "provenance.json"
        self.labels = path / "labels.json"
        self.split = path / "split.json"
        self.report = path / "report.html"
        self.retrieval = self.outputs / "retrieval"
        self._lock = FolderLock(path)

    @classmethod
    def find(cls, run: Path) -> RunDirectory:
        """The directory of a run, or of one that a plugin brings, by its name. Raises MercError where that cannot be
        used."""
        place = find_run(run)
        return cls(place.folder, place.outputs)

    def stage(self, name: str) -> Path:
        """The folder of a stage."""
        return self.path / "stages" / name

    def check(self, recipe: Recipe, resume: bool) -> None:
        """Raise MercError if the folder is no place for the recipe: it is another recipe's, has a run that nobody
        asked to resume, or cannot be written to. Nothing is written that stays."""
        if self.path.exists() and not self.path.is_dir():
            raise MercError(f"{self.path} is a file, not a folder for a run; give another --run-dir")
        if self.recipe_file.exists():
            different = differences(self._recorded().resolved, recipe.resolved)
            if different:
                keys = first_names(different)
                raise MercError(
                    f"{self.path} belongs to another recipe: {keys} differ{'s' if len(different) == 1 else ''}; "
                    f"give another --run-dir, or the values of {self.recipe_file}"
                )
            if not resume:
                state = "a finished" if self.is_finished(recipe) else "an unfinished"
                raise MercError(
                    f"{self.path} already holds {state} run of this recipe; add --resume to go on, or give another "
                    "--run-dir"
                )
        elif self.path.exists() and not all(p.name == LOCK_NAME or _is_temporary(p) for p in self.path.iterdir()):
            raise MercError(f"{self.path} is not empty and holds no run; give another --run-dir")
        there = next(folder for folder in (self.path, *self.path.absolute().parents) if folder.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise MercError(
                f"the run directory {self.path} cannot be written to ({there}: {error.strerror}); give another "
                "--run-dir"
            ) from None

    def _recorded(self) -> Recipe:
        """The recipe that the folder was made for."""
        try:
            return load_recipe(recipe_name(self.path))
        except MercError as error:
            raise MercError(
                f"{self.path} holds a run whose recipe cannot be read: {error}\nBring {self.recipe_file} back, or give "
                "another --run-dir"
            ) from None

    def is_done(self, stage: str) -> bool:
        """Whether a stage was trained to its end."""
        return (self.stage(stage) / "done.json").is_file()

    def trained(self, overrides: Sequence[str] = (), use: Use = "predict") -> Recipe:
        """The recipe of a run that was trained to its end, with ``key=value`` changes, as far as its use needs it.
        Raises MercError for a folder that holds no such run."""
        self.check_usable()
        recipe = load_recipe(recipe_name(self.path), overrides, use)
        if recipe.split is not None and recipe.split.folds is not None and recipe.split.fold is None:
            raise MercError(f"{self.path} holds several folds, each a run of its own; give one: {self.path / 'fold-1'}")
        for stage in recipe.stages:
            if not self.is_done(stage.id):
                raise MercError(
                    f"{self.path} is unfinished: stage {stage.id!r} was not trained to its end; go on with "
                    + shlex.join(["merc", "run", str(self.recipe_file), "--run-dir", str(self.path), "--resume"])
                )
        return recipe

    def check_usable(self) -> None:
        """Raise MercError where no run is in the folder, or another process works in it."""
        if not self.recipe_file.is_file():
            what = "is not a folder" if self.path.exists() and not self.path.is_dir() else "holds no run"
            what = what if self.path.exists() else "is not there"
            inside = sorted(self.path.glob("*-*/recipe.yaml"))
            if inside:
                raise MercError(f"{self.path} holds several runs; give one of them, such as {inside[0].parent}")
            near = near_runs(self.path) if what == "is not there" else ""
            raise MercError(f"{self.path} {what}; give the directory of a run, as merc run has made it{near}")
        if self._lock.is_taken():
            raise MercError(f"another process is running in {self.path}; wait for it to end, then use the run")

    def is_finished(self, recipe: Recipe) -> bool:
        """Whether all that a recipe asks for was done, but for the report."""
        return self.is_trained(recipe) and (recipe.evaluate is None or self.metrics.exists())

    def is_trained(self, recipe: Recipe) -> bool:
        """Whether all stages of a recipe were trained to their end."""
        return all(self.is_done(stage.id) for stage in recipe.stages)

    def checksums(self, recipe: Recipe) -> Any:
        """The checksums of the weights that a trained run predicts with, those of its last stage, which holds all of
        them; None where it has no stage, or an earlier merc trained it."""
        if not recipe.stages:
            return None
        return read_json(self.stage(recipe.stages[-1].id) / "done.json", "bring it back").get("files")

    def hold(self) -> None:
        """Keep other processes from running in the folder until ``release``, or until this process ends. Raises
        MercError where another is at it. A folder that is not there yet is held by ``open``."""
        try:
            held = not self.path.is_dir() or self._lock.take()
        except OSError:  # ``check`` says why the folder cannot be written to
            return
        if not held:
            raise MercError(
                f"another process is running in {self.path}; wait for it or end it, then --resume goes on, or give "
                "another --run-dir"
            )

    def release(self) -> None:
        """Let other processes run in the folder."""
        self._lock.release()

    def open(self, recipe: Recipe, resume: bool) -> bool:
        """Take the folder for a recipe, after the same checks, and hold it; gives whether the run is new."""
        self.check(recipe, resume)
        self.path.mkdir(parents=True, exist_ok=True)
        self.hold()
        self.mend()
        if self.recipe_file.exists():
            return False
        write_recipe(self.recipe_file, recipe)
        return True

    def abandon(self) -> None:
        """Remove what a run has written that ended before its first step, so that the mended recipe can take the
        folder. A folder with anything trained or predicted in it is left as it is."""
        stages = self.path / "stages"
        trained = any(path.is_file() for path in stages.rglob("*")) or any(
            r.get("event") == "step" for r in self.records()
        )
        if trained or self.predictions.exists():
            return
        shutil.rmtree(self.retrieval, ignore_errors=True)
        for file in (self.labels, self.split, self.provenance, self.log_file, self.recipe_file):
            file.unlink(missing_ok=True)
        self.release()
        for folder in (*sorted(stages.glob("*")), stages, self.path):
            with contextlib.suppress(OSError):  # what somebody else put there stays, and so does its folder
                folder.rmdir()

    def log(self, record: Mapping[str, Any]) -> None:
        """Append a record to ``log.jsonl``."""
        stamped = {**record, "time": datetime.now(UTC).isoformat(timespec="seconds")}
        with self.log_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(shown(json.dumps(stamped, ensure_ascii=False)) + "\n")

    def note(self, sentence: str) -> None:
        """Log a sentence for the user, unless the log has it: a resumed run says the same things again."""
        sentence = hide(sentence)
        if not any(r.get("event") == "note" and r.get("text") == sentence for r in self.records()):
            self.log({"event": "note", "text": sentence})

    def records(self) -> list[dict[str, Any]]:
        """The log's records; lines that are damaged, as a sudden end tears the last one, are left out."""
        return self._read_log()[0]

    def _read_log(self) -> tuple[list[dict[str, Any]], int]:
        """The log's records, and how many other lines there are, but for an unfinished last one."""
        if not self.log_file.exists():
            return [], 0
        try:
            content = self.log_file.read_bytes()
        except OSError as error:
            raise MercError(
                f"{self.log_file} cannot be read: {error.strerror}; bring it back, or take it away: a run goes on "
                "without it"
            ) from None
        records, damaged = [], 0
        *lines, last = content.split(b"\n")  # a text may hold other separators, and a tear lie within a letter
        for line in (*lines, last):
            try:
                record = parse_json(line.decode())
            except ValueError:
                record = None
            if isinstance(record, dict):
                records.append(record)
            elif line.strip() and line is not last:
                damaged += 1
        return records, damaged

    def rewind(self, stage: str, step: int) -> None:
        """Drop a stage's records of steps after ``step``, and of its end: training goes on from there."""

        def stands(record: Mapping[str, Any]) -> bool:
            if record.get("stage") != stage:
                return True
            at = record.get("step", 0)
            return record.get("event") != "stage" and isinstance(at, int) and at <= step

        self._write_log([record for record in self.records() if stands(record)])

    def mend(self) -> None:
        """Take away what a sudden end left: files that were never renamed, and lines of the log that cannot be read, so
        that the next record has a line of its own. More than a torn last line is noted in the log."""
        for path in [p for p in self.path.rglob("*") if _is_temporary(p)]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        records, damaged = self._read_log()
        if self.log_file.exists() and (damaged or not self.log_file.read_bytes().endswith(b"\n")):
            self._write_log(records)
        if damaged:
            every = len(records) + damaged
            self.note(
                f"{self.log_file.name} was damaged: {damaged} of its {every} lines could not be read and are gone"
            )

    def _write_log(self, records: Iterable[Mapping[str, Any]]) -> None:
        write_text(self.log_file, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))

    def write_labels(self, labels: LabelSpace) -> None:
        """Keep the label space that the run was trained with."""
        words = {label: list(labels.words_of(label)) for label in labels.labels}
        write_text(self.labels, json.dumps(words, ensure_ascii=False, indent=1))

    def read_labels(self) -> LabelSpace:
        """The label space that the run was trained with."""
        if not self.labels.is_file():
            raise MercError(
                f"{self.path} holds no run: {self.labels.name} is not there; give a folder that merc run has made"
            )
        remedy = f"bring it back: without it the labels of {self.path} are unknown"
        words = read_json(self.labels, remedy)
        if not all(isinstance(own, list) and all(isinstance(word, str) for word in own) for own in words.values()):
            raise damaged(self.labels, "a list of words for each label was expected", remedy)
        try:
            return LabelSpace(tuple(words), {label: tuple(w) for label, w in words.items()})
        except MercError as error:
            raise damaged(self.labels, str(error), remedy) from None


def recipe_name(run: Path) -> str:
    """The recipe of a run as ``load_recipe`` takes it: a folder whose name begins with ``~`` is nobody's home."""
    file = run / "recipe.yaml"
    return str(file.absolute() if str(file).startswith("~") else file)


def _is_temporary(path: Path) -> bool:
    """Whether a file or folder has the name that merc gives to what it has not finished writing."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted paths whose values differ, but for what is not the work itself."""
    return sorted(
        path
        for path in _paths(before, now)
        if not is_part_of(path, NOT_THE_WORK) and _at(before, path) != _at(now, path)
    )


def _paths(*trees: Mapping[str, Any]) -> Iterable[str]:
    paths: dict[str, None] = {}
    for tree in trees:
        for key, value in tree.items():
            if isinstance(value, Mapping) and value:
                others = [t[key] for t in trees if isinstance(t.get(key), Mapping)]
                paths.update((f"{key}.{p}", None) for p in _paths(*others))
            else:
                paths[key] = None
    return paths


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
