"""merc push and merc pull: a folder, and a hub over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from merc_hub.pull import command as pull_command
from merc_hub.push import command as push_command
from merc_hub.repository import _is_plain
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

import merc.testing
from merc.cli.main import app


class TestPush(merc.testing.CommandContract):
    component = push_command
    name = "push"


class TestPull(merc.testing.CommandContract):
    component = pull_command
    name = "pull"


def call(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def mistake(ended: Result) -> str:
    """The sentence of a mistake of the user."""
    assert ended.exit_code == 2, ended.output
    assert len(ended.output.splitlines()) <= 5 and "Traceback" not in ended.output
    return ended.output


def same_run(one: Path, other: Path) -> bool:
    """Whether two directories hold the same trained run, for all that using it needs."""
    names = ("labels.json", "metrics.json", "stages/words/done.json", "stages/words/adapter/adapter_model.safetensors")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def check_repository(files: dict[str, bytes]) -> None:
    """PEFT's files at the top, a card with numbers in its head, no word of the data and no place of the machine."""
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors", "run/recipe.yaml"} <= files.keys()
    head = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert head["library_name"] == "peft" and head["license"] == "mit" and head["base_model"] == "someone/tiny-llama"
    (result,) = head["model-index"][0]["results"]
    assert {one["type"]: one["value"] for one in result["metrics"]} == {"weighted_f1": 0.75, "accuracy": 0.75}
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == "someone/tiny-llama"
    texts = [content.decode() for name, content in files.items() if not name.endswith(".safetensors")]
    assert not [text for text in texts if "/home/ann" in text or "Rome" in text or '"u1"' in text]


def test_a_run_goes_through_a_folder(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("push", run, "./out", "--licence", "mit").exit_code == 0
    files = {file.relative_to("out").as_posix(): file.read_bytes() for file in Path("out").rglob("*") if file.is_file()}
    check_repository(files)
    pulled = call("pull", "./out", "back")
    assert pulled.exit_code == 0 and "back holds the run" in pulled.output, pulled.output
    assert same_run(run, Path("back")) and (Path("back") / "README.md").is_file()
    again = call("push", "back", "./again", "--licence", "mit")
    assert again.exit_code == 0, again.output
    assert (Path("again") / "README.md").read_text().replace("again", "out") == (Path("out") / "README.md").read_text()


@pytest.mark.parametrize(
    ("backbone", "plain"),
    [("name: hf, path: a/b", True), ("name: hf, path: a/b, attention: utterance", False), ("name: mine", False)],
)
def test_the_card_shows_peft_alone_where_it_computes_the_same(tmp_path: Path, backbone: str, plain: bool) -> None:
    (tmp_path / "recipe.yaml").write_text(f"backbone: {{{backbone}}}\n")
    assert _is_plain(tmp_path, None) is plain


def test_a_run_goes_through_the_hub(run: Path, hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pushed = call("push", run, "ann/talks", "--licence", "mit", "--private")
    assert pushed.exit_code == 0 and "ann/talks holds the run" in pushed.output, pushed.output
    check_repository(hub.repositories["ann/talks"])
    assert hub.private == {"ann/talks"}
    pulled = call("pull", "ann/talks")
    assert pulled.exit_code == 0, pulled.output
    assert same_run(run, Path("runs/talks"))
    state = load_file("runs/talks/stages/words/adapter/adapter_model.safetensors")
    assert state["lora_A"].sum() == pytest.approx(sum(range(40_000)))
    assert "talks is there already; give another directory" in mistake(call("pull", "ann/talks"))


def test_nothing_that_could_hold_code_is_taken(run: Path, hub: Any, tmp_path: Path) -> None:
    call("push", run, "ann/talks")
    hub.repositories["ann/talks"] |= {
        "pytorch_model.bin": b"\x80\x04",
        "run/steal.py": b"import os",
        ".gitattributes": b"",
    }
    pulled = call("pull", "ann/talks", tmp_path / "got")
    assert pulled.exit_code == 0 and "note: 2 of 11 files are left, since they could hold code" in pulled.output
    assert not [file for file in (tmp_path / "got").rglob("*") if file.suffix in (".bin", ".py")]


def test_what_the_hub_refuses_is_a_sentence(
    run: Path, hub: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no repository ann/nothing" in mistake(call("pull", "ann/nothing"))
    assert "is no name of a repository: write OWNER/NAME" in mistake(call("pull", "ann/a b"))
    call("push", run, "ann/talks", "--private")
    assert "ann/talks has no such revision" in mistake(call("pull", "ann/talks", "--revision", "v9"))
    monkeypatch.setenv("HF_TOKEN", "wrong-token-of-ann")
    refused = mistake(call("push", run, "ann/talks"))
    assert "refuses that ann/talks is pushed (403): the token of HF_TOKEN does not allow it" in refused
    assert "wrong-token-of-ann" not in refused
    monkeypatch.delenv("HF_TOKEN")
    assert "put a token that may into HF_TOKEN" in mistake(call("pull", "ann/talks"))
    assert "put a token into HF_TOKEN" in mistake(call("push", run, "ann/talks"))
    hub.broken = True
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert "the disk of the hub is full" in mistake(call("push", run, "ann/other"))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_no_network_is_a_sentence(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "right")
    for ended in (call("pull", "ann/talks", tmp_path / "got"), call("push", run, "ann/talks")):
        assert "http://127.0.0.1:9 cannot be reached" in mistake(ended)
    assert not (tmp_path / "got").exists()


def test_what_is_no_run_or_was_changed_is_said(run: Path, tmp_path: Path) -> None:
    call("push", run, f"{tmp_path}/out")
    (tmp_path / "empty").mkdir()
    assert "holds no run of merc" in mistake(call("pull", tmp_path / "empty", tmp_path / "got"))
    weights = tmp_path / "out" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert "not as it was pushed" in mistake(call("pull", tmp_path / "out", tmp_path / "got"))
    assert not (tmp_path / "got").exists()


def test_a_stage_that_names_another_folder_is_refused(run: Path, tmp_path: Path) -> None:
    call("push", run, f"{tmp_path}/out")
    recipe = tmp_path / "out" / "run" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("id: words", "id: ../../../outside"))
    assert "is no name of a folder" in mistake(call("pull", tmp_path / "out", tmp_path / "got"))
    assert not (tmp_path.parent / "outside").exists()
