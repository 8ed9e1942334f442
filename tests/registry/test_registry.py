"""What a user reads of plugins that work and plugins that don't, each a distribution that pip installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from merc.components import AudioClip, Encoder
from merc.errors import MercError
from merc.registry import KINDS, PluginStatus, Registration, Registry

Discover = Callable[[str], Registry]


def status(registry: Registry, plugin: str) -> PluginStatus:
    return next(p for p in registry.plugins() if p.name == plugin)


def said(registry: Registry, kind: str, name: str) -> str:
    with pytest.raises(MercError) as caught:
        registry.resolve(kind, name)
    return str(caught.value)


def test_installed_encoder_is_found_by_name_and_works(registry: Discover) -> None:
    found = registry("sound")
    loudness = found.resolve("encoder", "loudness")
    assert issubclass(loudness, Encoder) and loudness.__module__ == "merc_sound.loudness"
    clip = AudioClip(samples=np.ones(16_000, "float32"), rate=16_000)
    assert loudness(window=1.0).load("cpu")([clip])[0].tolist() == [[1.0]]  # type: ignore[call-arg]
    assert found.owner("encoder", "loudness").label == "'sound' (merc-sound 0.1)"
    assert found.resolve("encoder", "sound/loudness") is loudness


def test_listing_imports_no_component(registry: Discover) -> None:
    sys.modules.pop("merc_sound.loudness", None)
    found = registry("sound")
    found.names("encoder"), found.plugins(), found.owner("encoder", "loudness")
    assert "merc_sound.loudness" not in sys.modules


def test_built_in_plugin_always_loads_and_stands_first(registry: Discover) -> None:
    for only in ("", "sound"):
        first = registry(only).plugins()[0]
        assert (first.name, first.distribution, first.status) == ("merc", "merc", "ok")
        assert "linear" in registry(only).names("connector")


def test_every_hook_is_called(registry: Discover) -> None:
    brought = {one.kind for one in status(registry(""), "merc").components}
    assert brought >= {"connector", "fuser", "prompter", "trainer", "corpus", "backbone", "metric"}
    others = {"encoder", "annotator", "benchmark", "reward", "corruption", "segmenter", "tracker", "transcriber", "run"}
    assert set(KINDS) - brought == others


@pytest.mark.parametrize(
    ("plugin", "state", "error"),
    [
        (
            "importfails",
            "failed",
            "ModuleNotFoundError: No module named 'a_module_that_is_not_there' (merc_importfails.plugin, line 1)",
        ),
        ("syntax", "failed", "SyntaxError: invalid syntax (plugin.py, line 1)"),
        ("exits", "failed", "SystemExit: bye (merc_exits.plugin, line 2)"),
        ("raises", "faulty", "hook register_encoders: raised ValueError: no licence (merc_raises.plugin, line 6)"),
        ("misspelled", "faulty", "'register_encoder' is no hook of merc. Did you mean 'register_encoders'?"),
        ("farfromany", "faulty", f"'startup' is no hook of merc. The hooks are: {', '.join(KINDS.values())}"),
        ("undecorated", "faulty", "'register_encoders' has no @merc.hookimpl above it, so it is not called; add it"),
        (
            "nohooks",
            "faulty",
            f"merc_nohooks.plugin implements no hook of merc. The hooks are: {', '.join(KINDS.values())}",
        ),
        (
            "future",
            "failed",
            "it was written for plugin API 99 and this merc has 2; upgrade with: pip install --upgrade merc",
        ),
        (
            "past",
            "failed",
            "it was written for plugin API 1 and this merc has 2; upgrade with: pip install --upgrade merc-past, or "
            "change it as docs/plugins.md says (From API 1 to 2)",
        ),
        ("oddapi", "failed", "MERC_PLUGIN_API is '1'; it must be a whole number (this merc has 2)"),
        (
            "badname",
            "faulty",
            "hook register_encoders: the encoder name 'My Encoder' does not serve; use small letters, digits, '-', "
            "'_' and '.', beginning with a letter or digit",
        ),
        (
            "badtarget",
            "faulty",
            "hook register_encoders: the target of encoder 'a' is 'merc_badtarget.a.A'; write it as 'module:Class'",
        ),
        (
            "badneeds",
            "faulty",
            "hook register_encoders: needs of encoder 'a' is the string 'json'; write a list: needs=['json']",
        ),
        (
            "twice",
            "faulty",
            "hook register_encoders: encoder 'a' is registered twice, for merc_twice.a:A and merc_twice.b:B",
        ),
    ],
)
def test_a_fault_stays_with_its_plugin(registry: Discover, plugin: str, state: str, error: str) -> None:
    found = registry(f"{plugin},sound")
    assert (status(found, plugin).status, status(found, plugin).error) == (state, error)
    assert status(found, "sound").status == "ok"
    assert found.resolve("encoder", "loudness").__name__ == "Loudness"
    verb = "failed to load" if state == "failed" else "has a fault"
    assert f"note: plugin '{plugin}' (merc-{plugin} 0.1) {verb}: {error}" in said(found, "encoder", "loudnes")


def test_wrong_arguments_of_a_hook(registry: Discover) -> None:
    found = registry("arguments,sound")
    broken = status(found, "arguments")
    assert broken.status == "failed"
    assert "Argument(s) {'config'} are declared in the hookimpl but can not be found in the hookspec" in str(
        broken.error
    )
    assert found.names("encoder") == ["loudness"]


def test_a_hook_that_raises_keeps_nothing_and_harms_no_other_hook(registry: Discover) -> None:
    found = registry("raises")
    assert status(found, "raises").components == (Registration("connector", "whole", "merc_raises.whole:Whole"),)


def test_all_plugins_at_once_still_work(registry: Discover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MERC_PLUGINS", raising=False)
    found = Registry.discover()
    assert status(found, "rightapi").status == "ok"
    assert found.resolve("encoder", "noise/loudness").__module__ == "merc_noise.loudness"


def test_unknown_name_has_the_close_match_and_the_names(registry: Discover) -> None:
    lines = said(registry("sound"), "encoder", "loudnes").splitlines()
    assert lines[0] == "unknown encoder 'loudnes'. Did you mean 'loudness'? The encoders are: loudness"
    assert any(line.startswith("note: MERC_PLUGINS leaves out the plugins ") and "noise" in line for line in lines)


def test_unknown_name_of_another_kind(registry: Discover) -> None:
    first = said(registry("sound"), "encoder", "linear").splitlines()[0]
    assert first == "unknown encoder 'linear'. ('linear' is the name of a connector.) The encoders are: loudness"


def test_nothing_of_a_kind_is_installed(registry: Discover) -> None:
    assert said(registry(""), "annotator", "x").splitlines()[0] == "unknown annotator 'x'. No annotator is installed"


def test_unknown_kind(registry: Discover) -> None:
    assert said(registry(""), "encodr", "x").startswith("unknown kind 'encodr'. Did you mean 'encoder'?")


def test_name_claimed_twice_names_both_plugins(registry: Discover) -> None:
    found = registry("sound,noise")
    assert said(found, "encoder", "loudness") == (
        "encoder 'loudness' is registered by 'noise' (merc-noise 0.2) and by 'sound' (merc-sound 0.1); "
        "say which: 'noise/loudness' or 'sound/loudness'"
    )
    assert found.resolve("encoder", "noise/loudness").__module__ == "merc_noise.loudness"
    assert found.resolve("encoder", "sound/loudness").__module__ == "merc_sound.loudness"
    assert found.names("encoder") == ["noise/loudness", "sound/loudness"]


def test_plugin_prefix_that_is_wrong(registry: Discover) -> None:
    found = registry("sound,needy")
    assert said(found, "encoder", "sund/loudness").splitlines()[0] == (
        "unknown plugin 'sund' in encoder 'sund/loudness'. Did you mean 'sound'?"
    )
    assert said(found, "encoder", "needy/whispr").splitlines()[0] == (
        "unknown encoder 'needy/whispr'. Did you mean 'needy/whisper'? The encoders are: needy/plain, needy/whisper"
    )
    assert said(found, "fuser", "sound/x").splitlines()[0] == "plugin 'sound' (merc-sound 0.1) brings no fuser."
    moved = said(found, "encoder", "sound/whisper").splitlines()[0]
    assert moved == "plugin 'sound' (merc-sound 0.1) brings no encoder 'whisper'; write 'needy/whisper'"


def test_two_distributions_with_one_plugin_name(registry: Discover) -> None:
    first, second = (p for p in registry("sound").plugins() if p.name == "sound")
    assert (first.distribution, first.status) == ("merc-sound", "ok")
    assert (second.distribution, second.status, second.error) == (
        "zzz-sound",
        "failed",
        "the plugin name 'sound' is taken by merc-sound 0.1; uninstall one of them",
    )


def test_missing_dependency_says_what_to_install(registry: Discover) -> None:
    found = registry("needy")
    assert said(found, "encoder", "whisper") == (
        "encoder 'whisper' needs 'not_there'; install it with: pip install merc-needy[whisper]"
    )
    assert said(found, "encoder", "plain") == (
        "encoder 'plain' needs 'not_there.sub'; install it with: pip install not_there"
    )
    assert status(found, "needy").status == "ok"


def test_dotted_needs_are_found_without_importing_the_parent() -> None:
    program = (
        "import sys; from merc.registry import Registration\n"
        "one = Registration('encoder', 'a', 'm:A', needs=('xml.dom', 'xml.no', 'json.decoder.deeper'))\n"
        "print(one.missing(), 'xml' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert shown == "['xml.no', 'json.decoder.deeper'] False\n"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (
            "gone",
            " cannot be imported from 'merc_classes.gone': ModuleNotFoundError: No module named 'merc_classes.gone'",
        ),
        ("absent", ": 'merc_classes.absent' has no class 'Thinf'. Did you mean 'Thing'?"),
        (
            "importerror",
            " cannot be imported from 'merc_classes.importerror': ModuleNotFoundError: No module named "
            "'also_not_there'; install what it needs with: pip install merc-classes[all]",
        ),
        ("wrongkind", ": Thing is not a merc.Encoder; write: class Thing(merc.Encoder)"),
        (
            "notfrozen",
            ": Thing is not a frozen dataclass; write @dataclass(frozen=True, kw_only=True) above it",
        ),
        ("abstract", ": Thing lacks what a merc.Encoder must have: load(), sampling()"),
        ("modality", ": Thing does not say its modality; write one of: modality = 'video', 'audio' or 'text'"),
        (
            "oddmodality",
            ": Thing says modality = 'sound'; write one of: modality = 'video', 'audio' or 'text'",
        ),
    ],
)
def test_a_class_that_does_not_keep_the_contract(registry: Discover, name: str, fault: str) -> None:
    assert said(registry("classes"), "encoder", name) == (
        f"encoder '{name}' of plugin 'classes' (merc-classes 0.1){fault}"
    )


def test_a_target_that_is_no_class(registry: Discover) -> None:
    message = said(registry("classes"), "encoder", "function")
    assert message.startswith("encoder 'function' of plugin 'classes' (merc-classes 0.1): <function thing at ")
    assert message.endswith("is not a class; register a class that derives from merc.Encoder")


def test_registration_is_idempotent(registry: Discover) -> None:
    assert status(registry("again"), "again").components == (Registration("encoder", "a", "merc_again.a:A"),)
    assert registry("sound,noise").plugins() == registry("sound,noise").plugins()


def test_merc_plugins_takes_distribution_names_and_refuses_unknown_ones(registry: Discover) -> None:
    assert status(registry("merc-noise"), "noise").status == "ok"
    with pytest.raises(MercError) as caught:
        registry("soundd")
    message = str(caught.value)
    assert message.startswith(
        "MERC_PLUGINS names 'soundd', which is not installed. Did you mean 'sound'? The installed"
    )


def test_what_a_plugin_prints_does_not_reach_standard_output(
    registry: Discover, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.modules.pop("merc_prints.plugin", None)
    registry("prints")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "hello from a plugin\n")
