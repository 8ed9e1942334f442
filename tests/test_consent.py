"""What a recipe may reach: servers and variables that the user allows, and no others."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import merc
from merc.cli.main import load_command
from merc.components.peft_tuning import save_pretrained
from merc.consent import forget, hide, hide_in, require
from merc.files import HashMemory, cache_folder
from merc.recipe import load_recipe
from merc.session.directory import RunDirectory
from merc.session.journal import Journal
from merc.session.reporter import Silent
from merc.session.wiring import Wiring


@dataclass(frozen=True, kw_only=True)
class Sender(merc.Metric):
    """A metric of somebody else's plugin that says where it sends."""

    base_url: str = "https://judge.example.org/v1"
    key: str | None = None

    def servers(self) -> tuple[str, ...]:
        return (self.base_url,)

    def variables(self) -> tuple[str, ...]:
        return (self.key,) if self.key else ()

    def compute(self, predictions, labels):  # type: ignore[no-untyped-def]
        return {"sent": 1.0}


@pytest.fixture(autouse=True)
def nothing_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MERC_ALLOW", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    forget()
    yield
    forget()


def refusal(url: str) -> str:
    with pytest.raises(merc.MercError) as caught:
        merc.require_server(url, "metric 'x'")
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("https://judge.example.org/v1", "--allow judge.example.org "),
        ("https://judge.example.org:8443/v1", "--allow judge.example.org:8443 "),
        ("http://127.0.0.1:8765/v1", "--allow 127.0.0.1:8765 "),
        ("http://localhost/v1", "--allow localhost "),
        ("http://[::1]:8000/v1", "--allow [::1]:8000 "),
        ("http://gpu-box:8000/v1", "--allow http://gpu-box:8000 "),
        ("http://localhost.example.org/v1", "--allow http://localhost.example.org "),
        ("https://JUDGE.example.org./v1", "--allow judge.example.org "),
    ],
)
def test_what_is_refused_is_allowed_by_what_the_error_says(
    url: str, option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refusal(url)
    assert "metric 'x'" in message and url in message and option in message and "MERC_ALLOW=" in message
    monkeypatch.setenv("MERC_ALLOW", option.removeprefix("--allow ").strip())
    merc.require_server(url, "metric 'x'")
    merc.require_server(url, "metric 'x'")
    assert capsys.readouterr().err == f"· metric 'x' sends to {url}, which you allowed\n"


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("judge.example.org", "http://judge.example.org/v1"),  # without encryption
        ("judge.example.org:8443", "https://judge.example.org/v1"),
        ("example.org", "https://judge.example.org/v1"),
        ("judge.example.org", "https://judge.example.org.evil.example/v1"),
        ("127.0.0.1:8000", "http://127.0.0.1:8001/v1"),
        ("localhost", "http://127.0.0.1/v1"),
        ("env:SERVER", "https://server/v1"),
    ],
)
def test_one_server_allows_no_other(allowed: str, url: str) -> None:
    merc.allow(allowed)
    assert "--allow " in refusal(url)


@pytest.mark.parametrize(
    "url",
    ["ftp://a/x", "https://user@judge.example.org", "http://a\\@b/", "https://", "http://a:99999/", "https://éx.org/",
     "x", "https://a b/", "http://[::1/"],
)  # fmt: skip
def test_an_address_that_clients_read_in_several_ways_is_none(url: str) -> None:
    merc.allow("judge.example.org", "http://a", "http://b")
    assert "no address of a server" in refusal(url)


def test_the_file_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "merc").mkdir()
    (tmp_path / "merc" / "allow").write_text(
        "# mine\njudge.example.org  env:JUDGE_KEY  # both\n\nhttp://gpu-box:8000/v1\n"
    )
    merc.require_server("https://judge.example.org/v1", "metric 'x'")
    merc.require_server("http://gpu-box:8000/v1", "metric 'x'")
    assert merc.read_variable("JUDGE_KEY", "metric 'x'") is None
    (tmp_path / "merc" / "allow").write_text("judge example/org:x:y")
    assert "merc/allow" in refusal("https://a.example.org") and "example/org:x:y" in refusal("https://a.example.org")


def test_a_user_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MERC_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(merc.MercError, match=r"--allow-env A_KEY \(or set MERC_ALLOW=env:A_KEY\)"):
        merc.read_variable("A_KEY", "metric 'x'")
    with pytest.raises(merc.MercError, match="set MERC_CACHE"):
        cache_folder("features")


@pytest.mark.parametrize("item", ["env:", "env:a b", "a:b:c", "ftp://a", "user@a", "*", "http://"])
def test_items_that_are_neither(item: str) -> None:
    with pytest.raises(merc.MercError) as caught:
        merc.allow(item)
    assert repr(item) in str(caught.value)


def test_a_component_of_any_plugin_is_asked_for_at_once() -> None:
    sender = Sender(key="JUDGE_KEY")
    with pytest.raises(merc.MercError) as caught:
        require(sender, "metric 'sender'")
    message = str(caught.value)
    assert "metric 'sender'" in message and "--allow judge.example.org --allow-env JUDGE_KEY" in message
    merc.allow("judge.example.org", "env:JUDGE_KEY")
    require(sender, "metric 'sender'")


def test_a_component_within_another_is_asked_for_too() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Outer(merc.Metric):
        inner: Sender
        several: tuple[Sender, ...] = ()

        def compute(self, predictions, labels):  # type: ignore[no-untyped-def]
            return {}

    both = Outer(inner=Sender(), several=(Sender(base_url="https://other.example.org", key="OTHER_KEY"),))
    with pytest.raises(merc.MercError) as caught:
        require(both, "metric 'outer'")
    assert "--allow judge.example.org --allow other.example.org --allow-env OTHER_KEY" in str(caught.value)


@dataclass(frozen=True, kw_only=True)
class Asking(merc.Decoder):
    """A decoder that asks somebody else."""

    def servers(self) -> tuple[str, ...]:
        return ("https://judge.example.org/v1",)

    def decode(self, model, queries):  # type: ignore[no-untyped-def]
        return [merc.Decoded(label=None) for _ in queries]


def test_a_decoder_is_asked_for_before_the_model_is_loaded(tmp_path: Path) -> None:
    recipe = load_recipe("quickstart-text")
    assert recipe.evaluate is not None
    asking = replace(recipe, evaluate=replace(recipe.evaluate, decoder=Asking()))
    wiring = Wiring(asking, RunDirectory(tmp_path), "cpu", Journal(Silent()))
    with pytest.raises(merc.MercError, match=r"decoder .* wants to send to .*--allow judge\.example\.org"):
        wiring.model()


def test_a_variable_is_read_by_consent_and_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "hunter2hunter2")
    monkeypatch.setenv("SHORT", "ab")
    with pytest.raises(merc.MercError, match="--allow-env A_KEY") as caught:
        merc.read_variable("A_KEY", "metric 'x'")
    assert "hunter2" not in str(caught.value)
    merc.allow("env:A_KEY", "env:SHORT")
    assert hide("hunter2hunter2") == "hunter2hunter2"
    assert (merc.read_variable("A_KEY", "m"), merc.read_variable("SHORT", "m")) == ("hunter2hunter2", "ab")
    assert hide("key hunter2hunter2! 'ab' about") == "key ${env:A_KEY}! '${env:SHORT}' about"
    data = {"a": ["x/ab", 3], "hunter2hunter2": "hunter2hunter2"}
    assert hide_in(data) == {"a": ["x/${env:SHORT}", 3], "hunter2hunter2": "${env:A_KEY}"}


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("data", "data_root: a database at data/x", "data_root: a database at ${env:V}/x"),
        ("x-y.z12", "x-y.z12, ax-y.z12", "${env:V}, ax-y.z12"),
        ("/mine", "at /mine/a or b/mine, not /mines", "at ${env:V}/a or b${env:V}, not /mines"),
        ("\\1g", "a \\1g", "a ${env:V}"),
        ("longword", "alongwords", "a${env:V}s"),
    ],
)
def test_a_short_value_is_hidden_where_it_stands_by_itself(
    value: str, text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V", value)
    merc.allow("env:V")
    merc.read_variable("V", "m")
    assert hide(text) == shown


def test_files_hold_no_place_that_came_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a-folder-of-mine"
    folder.mkdir()
    monkeypatch.setenv("MY_FOLDER", folder.name)
    merc.allow("env:MY_FOLDER")
    merc.read_variable("MY_FOLDER", "the recipe")
    weights = folder / "weights"
    weights.write_text("w")
    os.utime(weights, (0, 0))
    memory = HashMemory(tmp_path / "memory.json")
    monkeypatch.setattr("merc.files._SETTLED_SECONDS", -1e9)
    memory.of(weights)
    memory.write()
    assert "a-folder-of-mine" not in (tmp_path / "memory.json").read_text()
    assert HashMemory(tmp_path / "memory.json").of(weights) == merc.hash_file(weights)

    class Network:
        def save_pretrained(self, target: Path, **options: object) -> None:
            target.mkdir()
            (target / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder), "r": 4}))

    save_pretrained(Network(), tmp_path / "adapter")
    saved = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert saved == {"base_model_name_or_path": str(tmp_path / "${env:MY_FOLDER}"), "r": 4}


def test_every_command_that_reads_a_run_takes_what_is_allowed() -> None:
    for name in ("evaluate", "export", "predict", "report", "run"):
        options = {option for parameter in load_command(name).params for option in parameter.opts}
        assert {"--allow", "--allow-env"} <= options, name
