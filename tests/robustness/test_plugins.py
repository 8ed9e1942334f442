"""Faulty plugins, installed as wheels: each is kept beside itself, the others and merc work on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.registry.distributions import GOOD_ENCODER, Distribution, install
from tests.robustness.plugin_faults import CORPUS, EXCEPTIONS, HOOK, PluginFault, faults

WORKER = Path(__file__).with_name("plugin_worker.py")
SOUND = Distribution(
    "sound", HOOK + 'register("loudness", "merc_sound.loudness:Loudness")\n', {"loudness.py": GOOD_ENCODER}
)
LOADS = [
    Distribution(
        f"loads{name}",
        HOOK.replace("encoders", "corpora") + f"register('c', 'merc_loads{name}.c:Thing')\n",
        {"c.py": CORPUS.format(load=code.replace("; ", "\n        "))},
    )
    for name, code in EXCEPTIONS.items()
]
SLEEPS = Distribution("sleeps", "import sys, time\nprint('asleep', file=sys.stderr, flush=True)\ntime.sleep(300)\n")
"""Corpora that raise when a run reads them."""


@pytest.fixture(scope="session")
def table(rounds: Callable[[int, int], int]) -> list[PluginFault]:
    """The faults to try: all of them, or some from everywhere in the table."""
    every = faults()
    return every[:: max(1, len(every) // rounds(40, len(every)))]


@pytest.fixture(scope="session")
def site(table: list[PluginFault], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the faults are installed, and a plugin that works."""
    made = install([SOUND, *LOADS, *(one.distribution for one in table)], tmp_path_factory.mktemp("faults"))
    for one in table:
        if one.damage is not None:
            (folder,) = made.glob(f"merc_{one.distribution.plugin}-*.dist-info")
            one.damage(folder)
    return made


def variables(site: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", **more}


def only(fault: PluginFault) -> str:
    """What MERC_PLUGINS names: the two plugins of one module together."""
    return "samemodule,samemoduletoo" if fault.plugin == "samemoduletoo" else fault.plugin


def _not_isolated(fault: PluginFault, ended: dict[str, Any]) -> str:
    """What is wrong with how merc takes a fault; empty when nothing is."""
    if "fault" in ended:
        return str(ended["fault"])
    error = ended["error"]
    clear = ended["state"] == "ok" or (error and "\n" not in error and len(error) < 2000)
    told = fault.where == "plugin" or "thing" in ended["component"].lower()
    if ended["state"] in fault.states and ended["others"] == ["ok", "ok"] and fault.says in error and clear and told:
        return ""
    return str(ended)


def test_no_fault_gets_further_than_its_plugin(table: list[PluginFault], site: Path, tmp_path: Path) -> None:
    process: subprocess.Popen[str] | None = None
    wrong: list[str] = []
    for fault in table:
        if process is None or process.poll() is not None:
            process = subprocess.Popen(
                [sys.executable, str(WORKER), str(tmp_path)], env=variables(site), text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"plugin": fault.plugin, "only": only(fault), "where": fault.where}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line.startswith("{"):
            wrong.append(f"{fault.plugin}: the process ended with {process.wait()}")
            continue
        if why := _not_isolated(fault, json.loads(line)):
            wrong.append(f"{fault.plugin}: {why}")
        if fault.plugin == "writescloses":  # what is closed stays closed, for the plugins after it too
            process.kill()
            process.wait()
    if process is not None:
        process.kill()
    print(f"plugins: {len(table)} faults, {len(wrong)} not isolated")
    assert not wrong, "\n".join(wrong)


def test_every_fault_at_once(table: list[PluginFault], site: Path, tmp_path: Path) -> None:
    """With all of them installed, a table and JSON come out whole, and a recipe is read."""
    listed = subprocess.run(
        [sys.executable, "-m", "merc", "plugins", "--json"], env=variables(site), capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr[-2000:]
    found = {one["name"]: one for one in json.loads(listed.stdout)["plugins"]}
    assert {fault.plugin for fault in table} <= set(found)
    assert found["merc"]["status"] == found["sound"]["status"] == "ok"
    strict = subprocess.run(
        [sys.executable, "-m", "merc", "plugins", "--json", "--strict"], env=variables(site), capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert strict.returncode == 2 and json.loads(strict.stdout)
    (tmp_path / "r.yaml").write_text("corpus: {name: jsonl, path: a.jsonl}\nencoders: {a: {name: sound/loudness}}\n")
    checked = subprocess.run(
        [sys.executable, "-m", "merc", "validate", "r.yaml"], env=variables(site), cwd=tmp_path, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr[-2000:]
    assert checked.stdout == "r.yaml is valid: corpus jsonl; encoders a\n"


def test_what_a_component_raises_in_a_run_is_no_success(
    site: Path, tmp_path: Path, rounds: Callable[[int, int], int]
) -> None:
    for name in list(EXCEPTIONS)[: rounds(3, len(EXCEPTIONS))]:
        (tmp_path / "r.yaml").write_text("corpus: {name: c}\nencoders: {a: {name: loudness}}\n")
        ended = subprocess.run(
            [sys.executable, "-m", "merc", "encode", "r.yaml"], env=variables(site, MERC_PLUGINS=f"sound,loads{name}"),
            cwd=tmp_path, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert ended.returncode in (1, 2), (name, ended)
        assert ended.stdout == "" and f"merc_loads{name}" in ended.stderr, (name, ended.stderr[-2000:])


def test_a_ctrl_c_of_the_user_is_still_one(tmp_path: Path) -> None:
    site = install([SLEEPS], tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "merc", "plugins"], env=variables(site, MERC_PLUGINS="sleeps"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None and process.stdout is not None
        assert process.stderr.readline() == "asleep\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert (process.stdout.read(), process.stderr.read()) == ("", "interrupted\n")
