"""``merc report``: make the report of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.errors import MercError

if TYPE_CHECKING:
    from merc.conversation import Conversation


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Changes to the run's recipe, where its data moved (corpus.path=...)."
        ),
    ] = None,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="Do without the corpus: predictions are shown without their texts.")
    ] = False,
    frames: Annotated[
        bool,
        typer.Option("--frames", help="Also write three frames of each predicted utterance beside the report."),
    ] = False,
) -> None:
    """Make report.html of a run directory again, from what the directory holds.

    The texts of the utterances, and where their media are, are read from the corpus that the run's recipe names.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.cli.progress import TerminalReporter
    from merc.conversation import LabelSpace
    from merc.evaluation.media import write_pictures
    from merc.evaluation.report import write_report
    from merc.evaluation.run_files import labels_of, read_run
    from merc.recipe.runs import find_run

    if find_run(run).folder != run:
        raise MercError(
            f"{run} is brought by a plugin, and nobody writes into it; merc evaluate {run} measures it, with a report"
        )
    if frames and no_texts:
        raise MercError("--frames takes the videos from the corpus, which --no-texts does without; give one of them")
    files = read_run(run)
    conversations = [] if no_texts else conversations_of(run, overrides or [])
    if frames:
        reporter = TerminalReporter()
        with reporter.task("frames") as progress:
            note = write_pictures(run, files.predictions, conversations, progress)
        reporter.say(note)
    path = write_report(run, conversations, LabelSpace(labels_of(files)))
    typer.echo(str(path), results)


def conversations_of(run: Path, overrides: list[str]) -> list[Conversation]:
    """The conversations of the corpus that a run's recipe names; MercError, with what to do, if they are not there."""
    from merc.components import Corpus
    from merc.recipe import load_recipe
    from merc.recipe.sections import leaves
    from merc.session.cues import known_cues
    from merc.session.directory import recipe_name

    if not (run / "recipe.yaml").is_file():
        raise MercError(f"{run}/recipe.yaml is not there, so the corpus is unknown; --no-texts does without it")
    places: list[str] = []
    try:
        recipe = load_recipe(recipe_name(run), overrides, "predict")
        # A run's recipe has its paths in full, so data_root says nothing there any more.
        places = [f"{key}=..." for key, value in leaves({"corpus": recipe.resolved["corpus"]}) if _is_path(value)]
        corpus = recipe.corpus.component
        assert isinstance(corpus, Corpus)
        return known_cues(recipe, corpus.load().conversations)
    except MercError as error:
        changes = " ".join(places or ["corpus={name: ...}"])
        raise MercError(
            f"{error}\nThe report takes its texts from the corpus. If that moved, say where: merc report {run} "
            f"{changes}; --no-texts makes the report without them."
        ) from error


def _is_path(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and Path(text).is_absolute() for text in texts)
