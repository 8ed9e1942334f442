"""``merc plugins`` as a user meets it: a process, with distributions that pip installed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from tests.registry.conftest import merc, site

__all__ = ["merc", "site"]

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_table_lists_plugins_versions_components_and_status(merc: Run) -> None:
    shown = merc("sound,raises", "plugins")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0] == ["plugin", "version", "components", "status"]
    assert any(line[:3] == ["merc", "0.1.0", "connectors:"] and "mlp" in " ".join(line) for line in lines)
    assert ["sound", "0.1", "encoder:", "loudness", "ok"] in lines and ["merc-sound"] in lines
    assert ["raises", "0.1", "connector:", "whole", "faulty"] in lines
    assert ["noise", "0.2", "left", "out"] in lines


def test_errors_stand_below_the_table_whole(merc: Run) -> None:
    shown = merc("importfails,raises,misspelled,future,needy,sound,noise", "plugins")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[-8:] == [
        "plugin 'future' (merc-future 0.1): it was written for plugin API 99 and this merc has 2; upgrade with: "
        "pip install --upgrade merc",
        "plugin 'importfails' (merc-importfails 0.1): ModuleNotFoundError: No module named "
        "'a_module_that_is_not_there' (merc_importfails.plugin, line 1)",
        "plugin 'misspelled' (merc-misspelled 0.1): 'register_encoder' is no hook of merc. "
        "Did you mean 'register_encoders'?",
        "plugin 'raises' (merc-raises 0.1): hook register_encoders: raised ValueError: no licence "
        "(merc_raises.plugin, line 6)",
        "plugin 'sound' (zzz-sound 0.1): the plugin name 'sound' is taken by merc-sound 0.1; uninstall one of them",
        "encoder 'loudness' is registered by 'noise' (merc-noise 0.2) and by 'sound' (merc-sound 0.1); "
        "say which: noise/loudness or sound/loudness",
        "encoder 'whisper' needs 'not_there'; install it with: pip install merc-needy[whisper]",
        "encoder 'plain' needs 'not_there.sub'; install it with: pip install not_there",
    ]


def test_json_has_everything(merc: Run) -> None:
    shown = merc("needy,raises,sound,noise", "plugins", "--json")
    told = json.loads(shown.stdout)
    assert told["api"] == 2
    plugins = {(p["name"], p["distribution"]): p for p in told["plugins"]}
    assert plugins["needy", "merc-needy"] == {
        "name": "needy",
        "distribution": "merc-needy",
        "version": "0.1",
        "status": "ok",
        "error": None,
        "components": [
            {
                "kind": "encoder",
                "name": "whisper",
                "target": "merc_needy.a:A",
                "needs": ["not_there", "json"],
                "missing": ["not_there"],
                "extra": "merc-needy[whisper]",
            },
            {
                "kind": "encoder",
                "name": "plain",
                "target": "merc_needy.a:A",
                "needs": ["not_there.sub"],
                "missing": ["not_there.sub"],
                "extra": None,
            },
        ],
    }
    assert plugins["raises", "merc-raises"]["error"].startswith("hook register_encoders: raised ValueError")
    assert plugins["past", "merc-past"]["status"] == "left out"
    assert told["ambiguous"] == [{"kind": "encoder", "name": "loudness", "plugins": ["noise", "sound"]}]


def test_json_stays_json_when_a_plugin_prints(merc: Run) -> None:
    shown = merc("prints", "plugins", "--json")
    assert json.loads(shown.stdout)["api"] == 2
    assert shown.stderr == "hello from a plugin\n"


def test_strict_lists_every_fault_and_exits_with_2(merc: Run) -> None:
    shown = merc("raises,classes", "plugins", "--strict", "--json")
    assert shown.returncode == 2
    assert len(json.loads(shown.stdout)["plugins"]) > 20
    assert "plugin 'raises' (merc-raises 0.1): hook register_encoders: raised ValueError: no licence" in shown.stderr
    assert "encoder 'wrongkind' of plugin 'classes' (merc-classes 0.1): Thing is not a merc.Encoder" in shown.stderr


def test_strict_does_not_mind_an_extra_that_is_not_installed(merc: Run) -> None:
    shown = merc("needy", "plugins", "--strict", "--json")
    assert "needy" not in shown.stderr


def test_unknown_name_in_merc_plugins_is_the_users_mistake(merc: Run) -> None:
    shown = merc("soundd", "plugins")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.startswith("error: MERC_PLUGINS names 'soundd', which is not installed. Did you mean 'sound'?")
