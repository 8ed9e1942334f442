"""Measures the recipes of recipes/survey: ``python bench/survey.py run tunings --seeds 0``, then ``show tunings``.

``run`` trains what results.jsonl does not have yet, on one thread, and adds a line for each run. ``steps``
trains a few steps of each method for the seconds of one, on a machine that does nothing else. ``show`` writes a table.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import merc

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "recipes" / "survey" / "results.jsonl"
HERE = merc.computed_in("bfloat16", "cpu")
MERC = Path(sys.executable).with_name("merc")

TUNINGS = "lora frozen full adapter prefix prompt p-tuning dora rslora qlora ia3 bitfit last-layers staged"
LOSSES = "focal class-balanced label-smoothing r-drop info-nce supervised-contrastive temporal trajectories equation-28"
CONNECTORS = "q-former resampler cross-attention gated-cross-attention projector-gate conditioned-prompt multi-scale"
FUSERS = (
    "feature-level cnn multimodal-lstm conversation-lstm cross-modal-attention modality-graph time-warp state-space "
    "segment-memory modality-experts"
)
DECODERS = (
    "zero-shot words words-neighbours words-model ensemble self-consistency calibrated rationale determinantal max-min"
)


def _recipes(prefix: str, names: str) -> dict[str, list[str]]:
    return {name: [f"survey/{prefix}-{name}"] for name in names.split()}


# MELD's words with 200 train dialogues, evaluated on dev; --data says what PATH is. The model is evaluated once, when
# training ends: runs that were evaluated after each epoch were all best after the last one.
SCREEN = ["meld-text-screen", "data_root=PATH", "stages.0.trainer.evaluate_every=1000"]
MELD = ["corpus={name: meld, root: PATH/meld, limit: 200}", "evaluate.splits=[dev]"]


def _tuned(tuning: str, lr: str) -> list[str]:
    return [*SCREEN, f"backbone.tuning={{name: {tuning}}}", f"stages.0.trainer.lr={lr}"]


def _with_losses(*losses: str) -> list[str]:
    return [*SCREEN, f"stages.0.trainer.losses=[{', '.join(f'{{name: {loss}}}' for loss in losses)}]"]


# Method: the words after `merc run`. The first of each table is what the others are compared with.
TABLES: dict[str, dict[str, list[str]]] = {
    "tunings": _recipes("tuning", TUNINGS),
    "losses": {"label-ce": ["quickstart"], **_recipes("loss", LOSSES)},
    "connectors": {"mlp": ["quickstart"], **_recipes("connector", CONNECTORS)},
    "fusers": _recipes("fuser", FUSERS)
    | {
        operator: ["survey/fuser-feature-level", f"fusers.fusion.operator={operator}"]
        for operator in ("bilinear", "tensor")
    }
    | {"cnn over time": ["survey/fuser-cnn", "fusers.fusion.kernel=[3,1]", "fusers.fusion.channels=8"]},
    "decoders": _recipes("decode", DECODERS)
    | {
        "length normalisation": ["survey/decode-zero-shot", "evaluate.decoder.normalize=tokens"],
        "evidence": ["survey/decode-evidence"],  # after `merc annotate survey/decode-evidence`
        "retrieved": ["survey/decode-max-min", "evaluate.demonstrations={name: retrieved, embedder: minilm, k: 4}"],
        "random": ["survey/decode-max-min", "evaluate.demonstrations={name: random, k: 4}"],
    },
    # What needs faces or voices is left out here.
    "meld-tunings": {
        "lora": SCREEN,
        "full": _tuned("full", "5e-5"),
        "adapter": _tuned("adapter, width: 64", "1e-3"),
        "prefix": _tuned("prefix, tokens: 20, start: zero", "1e-2"),
        "prompt": _tuned("prompt, tokens: 20", "1e-2"),
        "p-tuning": _tuned("p-tuning, tokens: 20", "1e-3"),
        "dora": _tuned("lora, r: 16, alpha: 32, dora: true", "5e-4"),
        "rslora": _tuned("lora, r: 64, alpha: 32, rank_stabilized: true", "5e-4"),
        "qlora": _tuned("qlora, r: 16, alpha: 32", "5e-4"),
        "ia3": _tuned("ia3", "1e-2"),
        "bitfit": _tuned("bitfit, missing: add", "1e-3"),
        "last-layers": _tuned("last-layers, layers: 4", "1e-4"),
    },
    "meld-losses": {
        "token-nll": SCREEN,
        "label-ce": _with_losses("label-ce"),
        "logit-adjusted, τ 0.5": _with_losses("logit-adjusted, tau: 0.5"),
        "logit-adjusted, τ 1": _with_losses("logit-adjusted, tau: 1.0"),
        "focal": _with_losses("focal, gamma: 1.0"),
        "class-balanced": _with_losses("class-balanced, beta: 0.999"),
        "label-smoothing": _with_losses("label-smoothing, epsilon: 0.1"),
        "r-drop": [*_with_losses("r-drop, alpha: 1"), "backbone.tuning.dropout=0.1"],
        "supervised-contrastive": _with_losses("token-nll", "supervised-contrastive, weight: 0.1"),
        "temporal": _with_losses("label-ce", "temporal, weight: 0.1"),
    },
    "meld-decoders": {name: [*words, *MELD] for name, words in _recipes("decode", DECODERS).items()},
}


STEPS = ("tunings", "losses", "connectors", "fusers")
"""The tables whose recipes train on skits."""


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "steps", "show"))
    parser.add_argument("tables", nargs="+", choices=TABLES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", nargs="+", help="these alone")
    parser.add_argument("--runs", type=Path, default=Path("runs/survey"), help="where run directories are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--data", default="data", help="what PATH stands for in the commands: the folder of meld")
    parser.add_argument(
        "--computed-in",
        choices=("bfloat16", "float32"),
        default=HERE,
        help="the lines that are shown: the recipes ask for bfloat16, which not every CPU has (this one: %(default)s)",
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for every recipe, after --")
    options = parser.parse_args()
    if options.action != "show":
        options.computed_in = HERE
    if options.action == "steps" and (others := [table for table in options.tables if table not in STEPS]):
        parser.error(f"steps trains on skits; it measures {', '.join(STEPS)}, not {', '.join(others)}")
    for table in options.tables:
        if options.action == "show":
            print(table_of(table, list(_lines(options)), options.overrides))
            continue
        for seed in options.seeds:
            for method, words in TABLES[table].items():
                if not options.methods or method in options.methods:
                    _measure(options, [*words, *options.overrides, f"seed={seed}"])


def _command(words: list[str]) -> str:
    """The command as it is given to a shell."""
    return shlex.join(["merc", "run", *words])


def _lines(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The lines that count."""
    if options.results.is_file():
        lines = map(json.loads, options.results.read_text(encoding="utf-8").splitlines())
        yield from (line for line in lines if line["computed_in"] == options.computed_in)


def _measure(options: argparse.Namespace, words: list[str]) -> None:
    """Run what results do not have yet, and add its line."""
    steps = options.action == "steps"
    command = _command(words)
    key = "seconds_per_step" if steps else "dev_weighted_f1"
    if any(line["command"] == command and key in line for line in _lines(options)):
        return
    print(f"{time.strftime('%H:%M:%S')}  {command}", flush=True)
    words = [word.replace("PATH", options.data) for word in words]
    few = ["corpus.conversations={train: 12, dev: 2, test: 2}"] if steps else []
    folder = options.runs / re.sub(r"[^\w.=-]+", "_", " ".join([command, *few]))
    run = [str(MERC), "run", *words, *few, "strategy.threads=1", "--run-dir", str(folder), "--resume"]
    folder.parent.mkdir(parents=True, exist_ok=True)
    began_before = folder.exists()  # then this process does a part of the run, and its memory says nothing
    with Path(f"{folder}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(run, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        print(f"  failed: {folder}.log", flush=True)
        return
    line: dict[str, Any] = {"command": command, "computed_in": options.computed_in}
    if steps:
        line["seconds_per_step"] = round(_seconds(folder), 3)
    else:
        memory = {} if began_before else {"peak_memory_gb": round(usage.ru_maxrss / 2**20, 2)}
        line |= _quality(folder) | memory | _counted(words)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    with options.results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(f"  {line}", flush=True)


def _seconds(folder: Path) -> float:
    """Seconds a step: the median over all but the first two."""
    log = map(json.loads, (folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
    steps = [event for event in log if event["event"] == "step"]
    return statistics.median(float(event["seconds"]) for event in steps[2:])


def _quality(folder: Path) -> dict[str, float]:
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    names = {"test": "weighted_f1", "dev": "dev_weighted_f1"}
    return {name: round(metrics[split]["weighted_f1"], 4) for split, name in names.items() if split in metrics}


def _counted(words: list[str]) -> dict[str, int]:
    """Parameters that learn, as `merc params` counts them; nothing for recipes that train nothing."""
    result = subprocess.run([str(MERC), "params", *words, "--json"], capture_output=True, text=True)
    if result.returncode:
        return {}
    parts = json.loads(result.stdout)["parts"]
    return {"trainable": sum(part["trainable"] for part in parts.values() if part["trainable"])}


def table_of(table: str, results: list[dict[str, Any]], overrides: list[str]) -> str:
    """The Markdown table of what results have of a table's methods."""
    rows = ["| method | seeds | weighted F1, test | dev | trainable | peak memory, GB | seconds a step |"]
    rows.append("|---|---|---|---|---|---|---|")
    for method, words in TABLES[table].items():
        start = _command([*words, *overrides, "seed="])
        own = [line for line in results if line["command"].startswith(start)]
        quality = [line for line in own if "dev_weighted_f1" in line]
        if not quality:
            continue
        seconds = [f"{line['seconds_per_step']:.2f}" for line in own if "seconds_per_step" in line][:1]
        trainable = quality[0].get("trainable")
        memory = [line["peak_memory_gb"] for line in quality if "peak_memory_gb" in line]
        cells = [
            method,
            str(len(quality)),
            _spread([line["weighted_f1"] for line in quality if "weighted_f1" in line]),
            _spread([line["dev_weighted_f1"] for line in quality]),
            "" if trainable is None else f"{trainable:,}",
            f"{max(memory):.1f}" if memory else "",
            *(seconds or [""]),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _spread(values: list[float]) -> str:
    """The mean, and the standard deviation of several."""
    if not values:
        return ""
    mean = f"{100 * statistics.mean(values):.1f}"
    return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
