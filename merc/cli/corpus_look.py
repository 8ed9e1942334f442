"""``merc corpus look``: what a file or folder is, what it holds, and the section of a recipe that reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from merc.recipe.recognise import Match


def look(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file or folder of conversations, in any form.")],
    corpus: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="The corpus to read it as, where several can.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of sentences.")] = False,
) -> None:
    """Say what a file or folder is (format, encoding, columns and what they seem to mean), what it holds (labels by
    split, labels that look alike, media that are there), and how it comes in: the section of a recipe to paste.

    Nothing is written. Of a folder that is no corpus as a whole, every file is counted and named by its kind.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.builtin.looking import files_by_kind, unknown
    from merc.errors import MercError, did_you_mean
    from merc.recipe.recognise import matches

    recognised, faults = matches(path)
    for sentence in faults:
        typer.echo(f"note: {sentence}", err=True)
    if corpus is not None:
        names = [one.corpus for one in recognised]
        recognised = [one for one in recognised if one.corpus == corpus]
        if not recognised:
            raise MercError(
                f"corpus {corpus!r} does not recognise {path}.{did_you_mean(corpus, names)} "
                f"Those that do: {', '.join(names) or 'none'}"
            )
    kinds: dict[str, list[str]] = {}
    if path.is_dir() and (not recognised or recognised[0].recognised.general):
        kinds, _ = files_by_kind(path)
    if not recognised and not kinds:
        raise MercError(unknown(path))
    fault = _json(path, recognised, kinds, results) if as_json else _show(path, recognised, kinds, results)
    if fault is not None:
        raise fault


def _show(path: Path, recognised: list[Match], kinds: dict[str, list[str]], results: TextIO) -> Exception | None:
    """Print what was found; what is wrong with the conversations is given back, to be told last."""
    from merc.builtin.looking import one_spelling, overview, shown
    from merc.errors import MercError

    def say(line: str = "") -> None:
        typer.echo(line, results)

    if kinds:
        say(f"{path}: a folder of {sum(map(len, kinds.values())):,} files")
        for kind, names in kinds.items():
            say(f"  {kind}: {len(names):,} ({shown(names)})")
    if not recognised:
        say("no corpus reads the folder as a whole; look at one of its files")
        return None
    best, *others = recognised
    say(f"{path}: {best.recognised.what}")
    for line in best.recognised.details:
        say(f"  {line}")
    fault: Exception | None = None
    relabel: dict[str, str] = {}
    try:
        data = best.component().load()
    except MercError as error:
        fault = error
    else:
        relabel = one_spelling(data)
        for note in data.notes:
            say(f"· {note}")
        for line in overview(data):
            say(line)
    say("the section of a recipe that reads it; correct what is guessed wrong:" if best.recognised.details
        else "the section of a recipe that reads it:")  # fmt: skip
    say()
    say(best.section(relabel).rstrip())
    if others:
        say()
        say(
            "it can be read otherwise, too: "
            + "; ".join(f"--as {one.corpus} ({one.recognised.what})" for one in others)
        )
    return fault


def _json(path: Path, recognised: list[Match], kinds: dict[str, list[str]], results: TextIO) -> Exception | None:
    import json

    from merc.builtin.looking import overview
    from merc.errors import MercError

    record: dict[str, Any] = {"path": str(path), "files": kinds, "read_by": [
        {"corpus": one.corpus, "what": one.recognised.what, "details": list(one.recognised.details),
         "section": one.section()}
        for one in recognised]}  # fmt: skip
    fault: Exception | None = None
    try:
        data = recognised[0].component().load() if recognised else None
    except MercError as error:
        fault = error
    else:
        if data is not None:
            record |= {"notes": list(data.notes), "overview": list(overview(data))}
    typer.echo(json.dumps(record, indent=1, ensure_ascii=False, default=str), results)
    return fault
