"""report.html: one file that needs no network, made from what a run directory holds."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.conversation import Conversation, LabelSpace
from merc.evaluation.breakdown import breakdowns, spreads
from merc.evaluation.browse import browse_data
from merc.evaluation.curves import duration, stage_curves
from merc.evaluation.folds import fold_tables
from merc.evaluation.intervals import FEW, Ends
from merc.evaluation.media import Links
from merc.evaluation.metrics import UNSPLIT
from merc.evaluation.projection import FILE as STATES_FILE
from merc.evaluation.projection import Projection, project, read_states
from merc.evaluation.ranking import ranking
from merc.evaluation.run_files import RunFiles, labels_of, read_run
from merc.evaluation.values import values_views
from merc.evaluation.views import label_space, missing_rows, split_views
from merc.files import write_text

if TYPE_CHECKING:
    from jinja2 import Environment


def write_report(
    run: Path, conversations: Sequence[Conversation], labels: LabelSpace, place: Path | None = None
) -> Path:
    """Write ``report.html`` into a run directory, whole or not at all, and give its path.

    It is made from ``metrics.json``, ``predictions.jsonl``, ``log.jsonl``, ``provenance.json`` and ``recipe.yaml``, or
    ``folds.json`` in place of the log and the provenance, which each fold has of its own; the report names each of
    these that is not there. ``conversations`` give the texts, speakers and cues of the predictions (others among them
    are left out); their media are linked to where the report will stand, which is ``place`` if the run directory is
    moved there, and the pictures in the folder ``frames`` are shown. The same files give the same report.

    Raises MercError for a folder that is no run directory and for a file in it that is broken.
    """
    files = read_run(run)
    space = label_space(labels, labels_of(files))
    views = split_views(files)
    planes, not_drawn = _planes(run, files, space)
    browse = browse_data(files.predictions, conversations, space, Links.of(run, place or run))
    notes = [str(record["text"]) for record in files.events("note") if record.get("text")]
    recipe = files.recipe
    environment = page_environment()
    script = page_source("report.js")
    html = environment.get_template("report.html.j2").render(
        title=str(recipe.get("title") or recipe.get("name") or run.resolve().name),
        description=str(recipe.get("description") or "").strip(),
        run=run.resolve().name,
        splits=views,
        head=views[0] if views else None,
        spreads=spreads(files.predictions, space),
        few=FEW,
        rankings={view.name: ranking(view.predictions, space) for view in views if view.classified},
        breakdowns=breakdowns(files.predictions, conversations, space),
        folds=fold_tables(files.folds, ("weighted_f1", "accuracy", "macro_f1", "uar")),
        values=values_views(files.predictions),
        stages=stage_curves(files.log),
        missing=missing_rows(files, views),
        notes=list(dict.fromkeys(notes)),
        absent=[*files.absent, *not_drawn, *browse.notes],
        provenance=files.provenance,
        recipe_text=files.recipe_text,
        planes=planes,
        browse=browse.data if files.predictions else None,
        style=page_source("report.css"),
        script=script,
        # The page may run this one script and load nothing: a text from a corpus can't become code.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    path = run / "report.html"
    write_text(path, html)
    return path


def _planes(run: Path, files: RunFiles, space: LabelSpace) -> tuple[dict[str, Projection], list[str]]:
    """The pictures of the hidden states by split, and a sentence for each that could not be drawn."""
    planes: dict[str, Projection] = {}
    faults: list[str] = []
    for name, states in read_states(run).items():
        truths = [p.truth for p in files.predictions if (p.split or UNSPLIT) == name]
        if len(truths) != len(states):
            faults.append(
                f"{STATES_FILE} has {len(states):,} states of the {name} split for {len(truths):,} predictions, so "
                "they are not drawn."
            )
        elif plane := project(states, truths, space.labels):
            planes[name] = plane
    return planes, faults


def page_environment() -> Environment:
    """What the pages' templates are read and filled in with."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("merc.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "count": _count,
        "measured": _measured,
        "duration": duration,
        "ends": _ends,
    }
    environment.tests["a_mapping"] = lambda value: isinstance(value, dict)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment


def _percent(value: Any, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}%" if isinstance(value, int | float) else "–"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def _ends(ends: Ends | None, times: int = 100, digits: int = 1) -> str:
    """An interval, in per cent unless ``times`` is 1; a dash where there is none."""
    if ends is None or isinstance(ends, str):
        return "–"
    return " to ".join(f"{times * end:.{digits}f}" for end in ends)


def _measured(numbers: Mapping[str, Any]) -> str:
    """How many utterances numbers are of, and of how many where some were not measured."""
    n, unmeasured = numbers.get("n"), numbers.get("unlabelled")
    if isinstance(n, int) and isinstance(unmeasured, int) and unmeasured:
        return f"{n:,} of {n + unmeasured:,}"
    return _count(n)


def page_source(name: str) -> Any:
    """A style sheet or script that stands in a page as it is."""
    from markupsafe import Markup

    return Markup((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))
