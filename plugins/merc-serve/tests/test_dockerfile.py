"""The steps of the Dockerfile, in a fresh virtual environment: what they install serves a run and hears."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.senses import install_senses

ROOT = Path(__file__).parents[3]
STEPS = re.findall(r"^([A-Z]+) (.+)$", (ROOT / "plugins/merc-serve/Dockerfile").read_text(encoding="utf-8"), re.M)


def steps(kind: str) -> list[str]:
    return [text for name, text in STEPS if name == kind]


def test_the_files_that_it_names_are_here() -> None:
    named = {word for step in steps("RUN") for word in step.split() if "/" in word or word.endswith(".txt")}
    assert len(named) > 4 and all((ROOT / word).exists() for word in named)
    (command,) = steps("CMD")
    assert json.loads(command)[:2] == ["merc", "serve"]


@pytest.mark.slow
def test_its_steps_make_a_server(trained: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = f"{venv / 'bin'}:{environment['PATH']}"
    for step in steps("RUN"):
        ended = subprocess.run(step, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
    for step in steps("ENV"):
        environment |= {name: value.replace("/tmp", str(tmp_path)) for name, value in re.findall(r"(\S+)=(\S+)", step)}
    (tmp_path / "site").mkdir()
    environment["PYTHONPATH"] = str(install_senses(tmp_path / "site"))  # the components of the run
    words = json.loads(steps("CMD")[0])
    command = [str(venv / "bin" / words[0]), words[1], str(trained), "--port", "0"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stderr is not None
        (address,) = next(filter(None, (re.findall(r"http://\S+", line) for line in process.stderr)))
        run = httpx.get(f"{address}/v1/run").json()
        assert run["hears"] and run["sees"]
        answer = httpx.post(f"{address}/v1/predict", json={"text": "You came!"}, timeout=120).json()
        assert answer["predictions"][0]["label"] in run["labels"]
        assert "merc" in httpx.get(address).text
    finally:
        process.terminate()
        process.wait(60)
