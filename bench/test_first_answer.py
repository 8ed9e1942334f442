"""The first answer of ``merc predict ready/meld-text --text``: seconds of CPU in a new process, and of what it imports,
beside the same with nothing left out, the model built once to see that it can be, the backbone probed, and its weights
read in float32."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

COMMAND = """\
sys.argv = ["merc", "predict", "ready/meld-text", "--text", "We won!"]
from merc.cli.main import main
main()
"""
MINE = f"import sys\n{COMMAND}"
PLAIN = f"""\
import contextlib, sys
import merc.cli.lean, merc.components.peft_tuning, merc.model.kept_probe
merc.model.kept_probe._file = lambda model, backbone: None
merc.cli.lean.import_for_prediction = lambda: None
merc.components.peft_tuning._without_bitsandbytes = contextlib.nullcontext
import merc.session.session as session
import merc_embedded.smollm2 as smollm2
converted = smollm2.converted
smollm2.converted = lambda dtype="float32": converted()
whole = session.check_run
session.check_run = lambda run, say, loads=False: whole(run, say)
{COMMAND}
"""
ROUNDS = int(os.environ.get("MERC_BENCH_ROUNDS", "5"))


def cpu_seconds(code: str) -> tuple[float, str]:
    """User and system time of a Python that runs ``code``, and what it wrote."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def test_first_answer(benchmark, say):
    mine: list[float] = []
    plain: list[float] = []
    answers = {cpu_seconds(MINE)[1], cpu_seconds(PLAIN)[1]}  # writes the byte code

    def once() -> None:
        mine.append(cpu_seconds(MINE)[0])

    def other() -> None:
        plain.append(cpu_seconds(PLAIN)[0])

    benchmark.pedantic(once, setup=other, rounds=ROUNDS)
    assert len(answers) == 1, "the two answers differ"
    one, two = statistics.median(mine), statistics.median(plain)
    imports = "import sys\nfrom merc.cli.lean import import_for_prediction; import_for_prediction()"
    parts = {
        "import torch": cpu_seconds("import torch")[0],
        "torch, transformers and peft": cpu_seconds(imports)[0],
        "the same in whole": cpu_seconds("import peft, transformers; from transformers import LlamaForCausalLM")[0],
    }
    benchmark.extra_info.update(cpu_seconds=mine, plain_cpu_seconds=plain, ratio=two / one, parts=parts)
    listed = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items())
    say(f"first answer: {one:.2f} s of CPU, {two:.2f} s the plain way: {two / one:.2f} times; of these {listed}")
