"""The commands of merc-annotation: release, export, agreement, sample."""

from __future__ import annotations

import json
import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

import merc


class _Shows:
    """Tells what happens on standard error."""

    def task(self, title: str) -> AbstractContextManager[Any]:
        """A step; its share is not shown."""
        typer.echo(f"· {title}", err=True)
        return nullcontext(lambda share, text: None)

    def say(self, sentence: str) -> None:
        """One sentence."""
        typer.echo(f"· {sentence}", err=True)


def release(
    recipe: Annotated[str, typer.Argument(help="A recipe whose annotators make the set.")],
    folder: Annotated[Path, typer.Argument(help="The folder to write.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="key=value…", help="Values to change.")] = None,
    recordings: Annotated[
        Path | None, typer.Option(help="A folder of recordings, in place of the recipe's corpus.")
    ] = None,
    hide_test: Annotated[bool, typer.Option(help="Keep test labels out, in FOLDER-hidden beside it.")] = False,
    copy_media: Annotated[bool, typer.Option(help="Copy the media files into the folder.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what asking would cost, by teacher, and ask nobody.")] = False,
) -> None:
    """Make a data set: recordings are heard, annotators are asked, and a folder is written with labels, rationales,
    evidence, quality, raw answers, a data card, and the forms of other projects. The recipe's title and description
    stand in the card; say there where the material is from and under which licence.

    Recordings are heard first, by the corpus "recordings"; corpus.segments=both corpus.denoise=true and the like change
    how they become utterances.

    Give the same command again after an interruption: what was done is not done again, and the result is the same.
    The exit code is 1, and nothing is released, while an annotator has utterances without a final answer.
    """
    from merc_annotation.release import Plan, write_release

    shows = _Shows()
    changes = list(overrides or [])
    if recordings is not None:
        corpus = {"name": "recordings", "path": str(recordings.resolve()), "folder": str(folder.resolve())}
        changes = [f"corpus={json.dumps(corpus)}", *changes]
    loaded = merc.load_recipe(recipe, changes)
    annotated = merc.annotate(loaded, every=True, ask=not dry_run, reporter=shows)
    if dry_run:
        typer.echo(merc.estimates_text(merc.estimates(annotated)))
        return
    if annotated.unfinished:
        counts = ", ".join(f"annotators.{name}: {count}" for name, count in annotated.unfinished.items())
        typer.echo(f"not released: utterances without a final answer ({counts}); give the same command again", err=True)
        raise typer.Exit(1)
    plan = Plan(
        folder=folder,
        title=loaded.title or loaded.name,
        about=loaded.description,
        hide_test=hide_test,
        copy_media=copy_media,
    )
    manifest = write_release(annotated, plan)
    typer.echo(f"{folder}: {manifest['records']} records, {len(manifest['files'])} files; read {folder / 'README.md'}")


def rationales(
    folder: Annotated[Path, typer.Argument(help="A released folder.")],
    references: Annotated[
        Path | None, typer.Option(help="Another released folder of the same utterances: ROUGE and BLEU against it.")
    ] = None,
    reader: Annotated[
        Path | None, typer.Option(help="A trained run that reads the evidence: causal sufficiency.")
    ] = None,
) -> None:
    """Measure the rationales of a released set, as JSON: cross-modal evidence coverage, ROUGE and BLEU of descriptions
    against references, and whether labels survive when a modality's evidence is removed."""
    from merc_annotation.rationale_measures import causal_sufficiency, mean_coverage, overlap, reader_of
    from merc_annotation.records import read_records

    records = read_records(folder)
    measured: dict[str, Any] = {"records": len(records), "coverage": mean_coverage(records)}
    if references is not None:
        known = {r["id"]: r["description"] for r in read_records(references) if r["description"]}
        pairs = [(r["description"], known[r["id"]]) for r in records if r["description"] and r["id"] in known]
        if not pairs:
            raise merc.MercError(f"{folder} and {references} have no utterance in common that both describe")
        texts, others = zip(*pairs, strict=True)
        measured["references"] = {"pairs": len(pairs), **overlap(texts, others)}
    if reader is not None:
        measured["causal sufficiency"] = causal_sufficiency(records, reader_of(merc.load(reader)))
    typer.echo(json.dumps(measured, indent=1))


def export(
    folder: Annotated[Path, typer.Argument(help="A released folder.")],
    form: Annotated[str, typer.Argument(help="llama-factory, ms-swift, sharegpt, merr or label-studio.")],
    target: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to write.")],
    split: Annotated[list[str] | None, typer.Option(help="The splits to write; all where none is named.")] = None,
    media: Annotated[str, typer.Option(help="What stands before the paths of media, for label-studio.")] = "",
    task: Annotated[
        list[str] | None,
        typer.Option(help="What is asked, once or more: reason, label, describe or evidence; reason without."),
    ] = None,
    templates: Annotated[
        Path | None, typer.Option(help="Instructions of your own, JSON: wordings by task, with {speaker} and {labels}.")
    ] = None,
) -> None:
    """Write a released set in the form that another project reads. Each record is paired with an instruction for each
    task, one of several wordings; records without a label are counted and left out."""
    from merc_annotation.exports import export as write
    from merc_annotation.exports import learnable
    from merc_annotation.instructions import TEMPLATES, paired, read_templates
    from merc_annotation.records import read_records

    records = [r for r in read_records(folder) if not split or r["split"] in split]
    if not records:
        raise merc.MercError(f"{folder} has no record in {', '.join(split or ())}")
    if form == "label-studio":
        names = _to_label_studio(folder, records, target, media)
        typer.echo(f"{target}: {', '.join(names)} ({len(records)} tasks)")
        return
    for record in records:  # paths in the target are the folder's
        for key in ("video", "audio"):
            if record.get(key) and not Path(record[key]).is_absolute():
                record[key] = str((folder / record[key]).resolve())
    labelled = learnable(records)
    pairs = labelled
    if task or templates is not None:
        if form == "merr":
            raise merc.MercError("merr has one entry a clip, and its own fields; leave out --task and --templates")
        wordings = TEMPLATES if templates is None else read_templates(templates)
        pairs = paired(labelled, task or ["reason"], wordings)
    names = write(form, target, pairs)
    more = "" if pairs is labelled else f", {len(pairs)} instructions"
    typer.echo(
        f"{target}: {', '.join(names)} ({len(labelled)} of {len(records)} records{more}; the others have no label)"
    )


def _to_label_studio(folder: Path, records: list[dict[str, Any]], target: Path, media: str) -> list[str]:
    from merc_annotation.ratings import label_studio_config, read_reviews, to_label_studio

    addresses = {r["id"]: f"{media}{r['video'] or r['audio']}" for r in records if r.get("video") or r.get("audio")}
    tasks = to_label_studio(records, addresses, read_reviews(folder))
    labels = sorted({r["label"] for r in records if r["label"]})
    clues = sorted({name for r in records for name in r["clues"]})
    target.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("tasks.json", json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"),
        ("config.xml", label_studio_config(labels, clues)),
    ):
        with merc.whole_file(target / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return ["tasks.json", "config.xml"]


def agreement(
    source: Annotated[
        Path, typer.Argument(help="A released folder with reviews, or a CSV table: an item a row, a rater a column.")
    ],
    scale: Annotated[str, typer.Option(help="Of a table: nominal, ordinal or interval.")] = "nominal",
    order: Annotated[
        str, typer.Option(help="Of an ordinal scale of words: its values from low to high, with commas.")
    ] = "",
    seed: Annotated[int, typer.Option(help="The seed of the resampling that intervals come from.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Say how far raters agree: rates, Cohen's and Fleiss' kappa, Krippendorff's alpha, ICC and Spearman, with 95 %
    intervals and what they mean."""
    from dataclasses import asdict

    from merc_annotation.ratings import read_reviews, read_table
    from merc_annotation.records import read_records
    from merc_annotation.release import agreement_of

    if scale not in ("nominal", "ordinal", "interval"):
        raise merc.MercError(f"--scale {scale}: it is nominal, ordinal or interval")
    if source.is_dir():
        compared = agreement_of(read_records(source), read_reviews(source))
    else:
        compared = {source.name: _of_table(read_table(source), scale, order, seed)}
    if not compared:
        raise merc.MercError(
            f"{source}: nothing is rated twice, so there is nothing to compare; see merc review {source}"
        )
    if as_json:
        plain = {
            what: [
                {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(m).items()}
                | {"words": m.words}
                for m in measures
            ]
            for what, measures in compared.items()
        }
        typer.echo(json.dumps(plain, indent=1, ensure_ascii=False))
        return
    for what, measures in compared.items():
        typer.echo(what)
        for m in measures:
            number = "–" if math.isnan(m.value) else f"{m.value:.3f} ({m.low:.3f} to {m.high:.3f})"
            typer.echo(f"  {m.name:38} {number:26} {m.items:5} items  {m.words}")


def _of_table(table: dict[str, dict[str, str]], scale: str, order: str, seed: int) -> Any:
    from merc_annotation.agreement import measures_of

    words = [one.strip() for one in order.split(",") if one.strip()]
    items: list[dict[str, Any]] = list(table.values())  # type: ignore[arg-type]
    if words:
        stray = next((v for item in items for v in item.values() if v not in words), None)
        if stray is not None:
            raise merc.MercError(f"--order lacks {stray!r}, which the table has; its values are {', '.join(words)}")
    elif scale != "nominal":
        try:
            items = [{name: float(value) for name, value in item.items()} for item in items]
        except ValueError as error:
            raise merc.MercError(f"--scale {scale} needs numbers, or --order: {error}") from None
    return measures_of(items, scale, words, seed)  # type: ignore[arg-type]


def sample(
    folder: Annotated[Path, typer.Argument(help="A released folder.")],
    count: Annotated[int, typer.Argument(min=1, help="How many clips of each data set.")],
    seed: Annotated[int, typer.Option(help="The seed of the draw.")] = 0,
    uncertain_first: Annotated[bool, typer.Option(help="Take those first that are uncertain.")] = False,
) -> None:
    """Draw clips of each data set for people to check, and write their ids, one a line."""
    from merc_annotation.records import read_records
    from merc_annotation.sampling import draw_sample

    for record in draw_sample(read_records(folder), count, seed, uncertain_first):
        typer.echo(record["id"])


_LOCAL = ("127.0.0.1", "localhost", "::1", "[::1]")


def review(
    folder: Annotated[Path, typer.Argument(help="A released folder; reviews are kept in it.")],
    count: Annotated[
        int | None, typer.Option(min=1, help="Show so many clips of each data set, drawn; all without.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of the draw.")] = 0,
    uncertain_first: Annotated[bool, typer.Option(help="Draw those first that are uncertain.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8100,
    take: Annotated[Path | None, typer.Option(help="Take in reviews of Label Studio's JSON export, and end.")] = None,
) -> None:
    """Let people check a released set, on a page: the clip, clues and description, five questions, and an edit.

    Several raters work side by side, each under a name, and none sees what others answered. Every answer is saved at
    once. Give merc release again afterwards: labels and descriptions of people then stand in the set.
    """
    from merc_serve import listen

    from merc_annotation.records import read_records
    from merc_annotation.review_app import Reviews, create_app
    from merc_annotation.sampling import draw_sample

    records = read_records(folder)
    if take is not None:
        taken = _take(Reviews(folder), take, {r["id"] for r in records})
        typer.echo(f"{folder}: {taken} reviews taken in from {take}")
        return
    if count is not None:
        records = draw_sample(records, count, seed, uncertain_first)
    import uvicorn

    with listen(host, port) as listening:
        local = host in _LOCAL
        app = create_app(folder, records, folder.resolve().name, list(_LOCAL) if local else None)
        where = f"http://{host}:{listening.getsockname()[1]}"
        typer.echo(f"{len(records)} clips to review at {where}  (Ctrl-C ends; every answer is saved)", err=True)
        if not local:
            typer.echo("anybody who reaches this machine can see the clips and rate them", err=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


def _take(reviews: Any, path: Path, known: set[str]) -> int:
    from merc_annotation.ratings import from_label_studio

    try:
        new = from_label_studio(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise merc.MercError(f"{path} cannot be taken in: {error}") from None
    stray = [one["id"] for one in new if one["id"] not in known]
    if stray:
        raise merc.MercError(
            f"{path}: {len(stray)} of {len(new)} reviews are of clips that this set has not ({stray[0]})"
        )
    for one in new:
        reviews.add(one)
    return len(new)
