"""``merc score``: the answers of any models, measured as a benchmark measures, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_SUFFIXES = (".json", ".csv", ".md", ".txt")


def command(
    answers: Annotated[
        list[str],
        typer.Argument(
            metavar="ANSWERS... [key=value...]",
            help="Files of answers, .jsonl or .csv, one a model: id, and text, label or probabilities. Behind them "
            "parameters of the benchmark.",
        ),
    ],
    benchmark: Annotated[
        str, typer.Option("--benchmark", "--suite", help="The benchmark; merc plugins lists those that are installed.")
    ],
    data: Annotated[
        Path, typer.Option(help="The folder of the sets: a file each, as merc corpus import writes it.", metavar="SETS")
    ],
    unanswered: Annotated[
        Literal["wrong", "left-out"],
        typer.Option(help="How an utterance without an answer counts: as wrong, or not at all."),
    ] = "wrong",
    draws: Annotated[
        int,
        typer.Option(min=0, help="Draws of conversations for the 95 % interval of each number; 0 gives none."),
    ] = 0,
    write: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Write the table to a .json (every number, raw answers of judges), .csv (every number), .md or .txt "
            "file too; may be given again.",
        ),
    ] = None,
) -> None:
    """Measure answers that any model gave, merc's own predictions.jsonl among them, by the numbers of a benchmark.

    An answer is found by its id. A file's name, or its field `model`, says whose the answers are; where columns ask
    several things of one utterance, the field `task` says which is answered, by a column's title. Ids that no set has,
    two answers to one question and labels that the set does not have are errors.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    import json

    from merc.cli.progress import TerminalReporter
    from merc.components import Benchmark
    from merc.errors import MercError
    from merc.evaluation.answers import models_of
    from merc.evaluation.benchmark_table import Cell
    from merc.evaluation.score_table import ScoreTable
    from merc.files import write_text
    from merc.recipe.single import load_part
    from merc.session.benchmark_columns import find_columns, notes_of
    from merc.session.benchmark_sets import Sets
    from merc.session.journal import Journal
    from merc.session.scoring import questions_of, score
    from merc.version import __version__

    for path in write or ():
        if path.suffix not in _SUFFIXES:
            raise MercError(f"--write {path}: a name that ends in {', '.join(_SUFFIXES)} was expected")
    if not data.is_dir():
        raise MercError(f"--data {data} is not a folder; give the one that holds the imported sets")
    parameters = [one for one in answers if "=" in one and not Path(one).exists()]
    files = [Path(one) for one in answers if one not in parameters]
    if not files:
        raise MercError("no file of answers is given; name one for each model")
    part = load_part("benchmark", benchmark, {}, parameters)
    assert isinstance(part.component, Benchmark)
    models, notes = models_of(files)
    journal = Journal(TerminalReporter())
    sets = Sets(data, part.component)
    with journal.task("sets") as progress:
        columns, absent = find_columns(part, sets, progress)
    for note in [*notes, *sets.strays(), *notes_of(columns.values())]:
        journal.say(note)
    titles = [task.title for task in part.component.columns()]
    questions = questions_of(columns.values())
    blank = {title: Cell(title=title, absent=reason) for title, reason in absent.items()}
    scored = {}
    with journal.task("scores") as progress:
        for number, (model, answered) in enumerate(models.items()):
            try:
                scored[model] = score(questions, absent, answered, unanswered, draws)
            except MercError as error:
                raise MercError(f"{model}: {error}" if len(models) > 1 else str(error)) from None
            progress((number + 1) / len(models), model)
    table = ScoreTable(
        titles=titles,
        averages=part.component.averages(),
        cells={model: {**blank, **one.cells} for model, one in scored.items()},
        notes={model: one.notes for model, one in scored.items()},
    )
    for model, one in scored.items():
        for note in one.notes:
            journal.say(f"{model}: {note}")
    typer.echo(table.text(), results, nl=False)
    record = {
        "benchmark": part.name, "parameters": json.loads(json.dumps(part.params, default=str)), "merc": __version__,
        "root": str(data.absolute()), "unanswered": unanswered, "draws": draws, "files": [str(file) for file in files],
        "models": table.record(),
    }  # fmt: skip
    for path in write or ():
        content = {
            ".json": lambda: json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            ".csv": table.csv,
            ".md": table.markdown,
            ".txt": table.text,
        }
        write_text(path, content[path.suffix]())
        typer.echo(f"table: {path}", results)
