"""``merc lmms-tasks``: a benchmark's questions as task files of lmms-eval, whose answers ``merc score`` measures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

import merc
from merc_benchmarks.prompter import question_of

FIELDS = ("id", "task", "question", "media", "target")
GROUP_FILE = "_merc_{name}.yaml"
UTILS = '''\
"""What lmms-eval calls for the tasks beside this file; written by merc."""

import json
import os


def doc_to_visual(doc):
    """The clip, where there is one."""
    return [doc["media"]] if doc["media"] else []


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    """The question."""
    more = lmms_eval_specific_kwargs or {}
    return more.get("pre_prompt", "") + doc["question"] + more.get("post_prompt", "")


def doc_to_target(doc):
    """The right answer, where it is a text."""
    return doc["target"]


def process_results(doc, results):
    """The answer, as merc score reads it."""
    return {"merc_answers": {"id": doc["id"], "task": doc["task"], "text": results[0]}}


def write_answers(results):
    """Write the answers, and give how many there are."""
    folder = os.path.abspath(os.environ.get("MERC_ANSWERS", "merc-answers"))
    os.makedirs(folder, exist_ok=True)
    model = os.path.basename(folder)
    task = "".join(one if one.isalnum() or one in "._-" else "-" for one in results[0]["task"]) if results else "none"
    with open(os.path.join(folder, task + ".jsonl"), "w", encoding="utf-8") as file:
        for row in results:
            file.write(json.dumps({**row, "model": model}, ensure_ascii=False) + "\\n")
    return len(results)
'''


def command(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write, which is not there yet.")],
    benchmark: Annotated[
        str, typer.Option("--benchmark", "--suite", help="The benchmark; merc plugins lists those that are installed.")
    ],
    data: Annotated[Path, typer.Option(help="The folder of the imported sets.", metavar="SETS")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="key=value...", help="Parameters of the benchmark.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="The most tokens of an answer.")] = 512,
) -> None:
    """Write a benchmark's questions as task files of lmms-eval: a YAML file and a JSONL file for each, and utils.py.

    Run them with `lmms-eval --include_path FOLDER --tasks merc_NAME`; the answers go to the folder that MERC_ANSWERS
    names, one a model, and `merc score FOLDER/*.jsonl` measures them. Columns that ask the same are one task. Nothing
    of lmms-eval is needed to write them.
    """
    if target.exists():
        raise merc.MercError(f"{target} is there already; give a folder that is not, or move it away")
    files, counts = task_files(merc.load_columns(benchmark, data, overrides or []), benchmark, target, max_new_tokens)
    target.mkdir(parents=True)
    for name, content in files.items():
        with merc.whole_file(target / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    for name, (count, clipless) in counts.items():
        lacking = f"; {clipless} of {count} have no clip" if clipless else ""
        typer.echo(f"{name}: {count:,} questions{lacking}")
    typer.echo(f"lmms-eval --include_path {target} --tasks merc_{plain(benchmark)} ...")


def task_files(
    columns: list[merc.BenchmarkColumn], benchmark: str, folder: Path, max_new_tokens: int
) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
    """The files by name, and by task how many questions it has and how many of them are without a clip."""
    import yaml

    questions: dict[tuple[object, ...], list[merc.BenchmarkColumn]] = {}
    for column in columns:
        questions.setdefault(column.question, []).append(column)
    group = f"merc_{plain(benchmark)}"
    files, counts = {"utils.py": UTILS}, {}
    for alike in questions.values():
        targets = {name: (one, column) for column in alike for name, one in column.targets.items()}
        task = alike[0].task
        name = f"{group}_{plain(alike[0].file.stem if len(alike) > 1 else task.title)}"
        while name in counts:
            name += "_"
        rows = [_row(one, column) for one, column in targets.values()]
        config: dict[str, Any] = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str((folder / f"{name}.jsonl").absolute())}},
            "test_split": "test",
            "output_type": "generate_until",
            "doc_to_visual": "!function utils.doc_to_visual",
            "doc_to_text": "!function utils.doc_to_text",
            "doc_to_target": "!function utils.doc_to_target",
            "generation_kwargs": {"max_new_tokens": max_new_tokens, "temperature": 0, "do_sample": False, "until": []},
            "process_results": "!function utils.process_results",
            "metric_list": [
                {"metric": "merc_answers", "aggregation": "!function utils.write_answers", "higher_is_better": True}
            ],
            "metadata": [{"version": 1.0}],
        }
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        files[f"{name}.yaml"] = re.sub(r"'(!function [\w.]+)'", r"\1", text)
        files[f"{name}.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        counts[name] = (len(rows), sum(not row["media"] for row in rows))
    files[GROUP_FILE.format(name=plain(benchmark))] = yaml.safe_dump(
        {"group": group, "task": list(counts)}, sort_keys=False
    )
    return files, counts


def _row(one: merc.Utterance, column: merc.BenchmarkColumn) -> dict[str, str]:
    clip = one.media("video") or one.media("audio")
    reasoning = bool(column.task.prompter.get("reasoning", False))
    held = one.extra.get("answer", "")
    return {
        "id": one.id,
        "task": column.task.title,
        "question": question_of(one, column.labels, reasoning),
        "media": str(clip.absolute()) if clip is not None else "",
        "target": one.label or (held if isinstance(held, str) else ""),
    }


def plain(name: str) -> str:
    """A name as lmms-eval's tasks have them: small letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
