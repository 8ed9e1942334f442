"""``merc corpus``: what a file holds, and corpora into files of merc's own form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from merc.cli.corpus_look import look as look_command

if TYPE_CHECKING:
    from merc.components import CorpusData
    from merc.conversation import Conversation


class CorpusCommands(TyperGroup):
    """The commands of ``merc corpus``: merc's own, and those that plugins registered as ``corpus-NAME``."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Both, merc's own first."""
        return [*super().list_commands(ctx), *plugins_of_corpus()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now where it is a plugin's."""
        known = super().get_command(ctx, cmd_name)
        if known is not None or cmd_name not in plugins_of_corpus():
            return known
        from merc.registry import get_registry

        loaded = get_registry().command(PREFIX + cmd_name)
        loaded.name = cmd_name
        return loaded


PREFIX = "corpus-"


def plugins_of_corpus() -> list[str]:
    """The names of plugins' commands that belong to ``merc corpus``, without the prefix."""
    from merc.registry import get_registry

    names = get_registry().names("command")
    return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))


command = typer.Typer(cls=CorpusCommands, add_completion=False, no_args_is_help=True)


@command.callback()
def corpus() -> None:
    """See what a file of conversations is, and bring a corpus into a file of merc's own form."""


command.command("look")(look_command)


@command.command("import")
def import_(
    name: Annotated[str, typer.Argument(help="The name of a corpus that is installed; merc plugins lists them.")],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Where it lies: the corpus's root, or its path.")],
    target: Annotated[Path, typer.Argument(metavar="DEST", help="The file to write, .jsonl or .parquet.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="key=value…", help="Other parameters of the corpus.")
    ] = None,
    look: Annotated[bool, typer.Option(help="Open each clip to see whether it holds pictures and sound.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of sentences.")] = False,
) -> None:
    """Read a published corpus, look at its clips, compare its counts with those that are reported, and write it as JSON
    Lines or Parquet, by the name of DEST.

    What a clip lacks (pictures, sound, words) is counted and named, and is no error; so is a count that differs.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.builtin.importing import MediaCheck, check, spaces_of, writer_of
    from merc.cli.progress import TerminalReporter
    from merc.errors import MercError
    from merc.recipe.recognise import corpus_at

    write = writer_of(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise MercError(f"{target} would be written over what is read; give another DEST")
    corpus = corpus_at(name, source, overrides or [])
    if corpus.limit is not None:
        raise MercError("limit is of a recipe's corpus, and an import keeps every conversation; leave it out")
    reporter = TerminalReporter()
    with reporter.task("corpus") as progress:
        data = corpus.load()
        check(data)
        progress(1.0, f"{len(data.conversations)} conversations")
    looks = MediaCheck()
    talks: list[Conversation] = list(data.conversations)
    if look:
        from dataclasses import replace

        with reporter.task("clips") as progress:
            for index, talk in enumerate(talks):
                talks[index] = replace(talk, utterances=tuple(map(looks.at, talk.utterances)))
                progress((index + 1) / len(talks), talk.id)
    write(target, talks, spaces_of(data))
    notes = [*data.notes, *looks.notes(), *(str(count) for count in data.counts if count.found != count.reported)]
    _show(target, data, notes, as_json, results)


def _show(target: Path, data: CorpusData, notes: list[str], as_json: bool, results: TextIO) -> None:
    from collections import Counter

    from merc.builtin.importing import spaces_of

    splits, sizes = Counter[str](), Counter[str | None]()
    for talk in data.conversations:
        splits[talk.split or "none"] += len(talk.utterances)
        sizes[talk.dataset] += len(talk.utterances)
    spaces = {name: list(space.labels) for name, space in spaces_of(data).items()}
    datasets = {name: {"utterances": size, "labels": spaces.get(name, [])} for name, size in sizes.items() if name}
    if as_json:
        import json

        counts = [{"what": c.what, "found": c.found, "reported": c.reported, "source": c.source} for c in data.counts]
        labels = list(data.label_space().labels) if spaces else []
        record: dict[str, Any] = {
            "file": str(target), "utterances": splits, "labels": labels, "datasets": datasets, "counts": counts,
        }  # fmt: skip
        typer.echo(json.dumps({**record, "notes": notes}, indent=1, ensure_ascii=False), results)
        return
    for note in notes:
        typer.echo(f"· {note}", results)
    typer.echo(
        f"{target}: " + ", ".join(f"{count:,} utterances of {split}" for split, count in splits.items()), results
    )
    kind = {".jsonl": "jsonl", ".parquet": "parquet"}[target.suffix]
    typer.echo(f"corpus: {{name: {kind}, path: {target}}}", results)
    for name, known in spaces.items():
        typer.echo(f"the labels{f' of {name}' if name else ''}, kept in it: {', '.join(known)}", results)
