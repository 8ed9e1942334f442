"""What READMEs tell a user to type: every command is right, and no two runs want one folder."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from merc.cli.main import app
from merc.components import Annotator
from merc.recipe import ComponentRef, load_recipe
from merc.recipe.runs import find_run, names_a_run
from merc.registry import get_registry
from merc.session.directory import differences
from tests.integration.readmes import READMES, Command, commands, recipe_block
from tests.letters import LETTERS
from tests.registry.distributions import Distribution, install
from tests.tiny_backbone import save_tiny_backbone

RECIPES = ("run", "annotate", "validate", "show", "params", "encode")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(recipe_block(READMES[0]))
    return tmp_path


@pytest.mark.usefixtures("here")
def test_every_command_is_right_and_every_row_has_a_folder() -> None:
    made: dict[Path, Command] = {}
    counts: dict[str, int] = {}
    for readme in READMES:
        for command in commands(readme):
            if len(command.words) < 2 or command.words[1].isupper():  # the name of a command, or of any run
                continue
            counts[command.name] = counts.get(command.name, 0) + 1
            _check(command, made)
    assert counts["run"] > 60 and {"evaluate", "compare", "benchmark", "annotate", "predict"} <= set(counts)


def _check(command: Command, made: dict[Path, Command]) -> None:
    if command.name in RECIPES:
        recipe = command.recipe()
        if recipe.init_from is not None:
            assert recipe.init_from.relative_to(Path.cwd()) in made, command
    if command.name == "run":
        first = made.setdefault(command.folder, command)
        assert differences(first.recipe().resolved, recipe.resolved) == [], (command.folder, first, command)
        assert first.options.get("--seeds") == command.options.get("--seeds"), (command.folder, first, command)
    elif command.name == "compare":
        for folder in command.words[1:]:
            assert Path(folder) in made, command
    elif command.name in ("evaluate", "predict", "benchmark"):
        run = Path(command.words[1])
        changes = [change for change in command.overrides if not change.startswith("wheels=")]
        if names_a_run(command.words[1]):
            load_recipe(str(find_run(run).folder / "recipe.yaml"), changes, use="evaluate")
            return
        assert run in made, command
        trained = made[run]
        load_recipe(trained.words[1], ["data_root=PATH", *trained.overrides, *changes], use="evaluate")


PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("letters", "merc_letters.parts:Letters")

@merc.hookimpl
def register_annotators(register):
    register("writes", "merc_letters.parts:Writes")
"""
PARTS = (
    LETTERS
    + """
from collections.abc import Mapping
from dataclasses import field


@dataclass(frozen=True, kw_only=True)
class Writes(merc.Annotator):
    cues: tuple[str, ...] = ()
    template: Mapping[str, str] = field(default_factory=dict)

    def fields(self):
        return self.cues

    def load(self, device):
        cues = dict.fromkeys(self.cues, "a word")
        return lambda many: ((one.query.target.id, merc.Annotation(cues=cues)) for one in many)
"""
)
WORDS = {"joy": "yes, wonderful", "anger": "enough of this", "sadness": "so alone"}


def save_talks(path: Path, ids: Sequence[str]) -> None:
    """Nine conversations to learn from, in which the ids stand, and two of dev and of test each."""
    names, labels, rows = list(ids), itertools.cycle(WORDS), []
    for number, split in enumerate([*["train"] * 9, *["dev"] * 2, *["test"] * 2]):
        said = [
            {"id": names.pop() if names and i == 0 and split == "train" else f"c{number}_{i}", "speaker": "Ann",
             "text": f"{WORDS[label]} {number}", "label": label, "valence": 0.5,
             "open_labels": ["glad"], "cues": {"multimodal": "She smiles while she says it."}}
            for i, label in zip(range(2), labels, strict=False)
        ]  # fmt: skip
        rows.append(json.dumps({"id": f"c{number}", "split": split, "utterances": said}))
    path.write_text("\n".join(rows) + "\n")


def tiny(command: Command, corpus: Path, backbone: Path) -> list[str]:
    """Changes that make a run small: its parts are those of the test, and it learns from two conversations."""
    recipe = command.recipe()
    changes = [
        f"corpus={{name: jsonl, path: {corpus}}}", f"backbone={{name: hf, path: {backbone}}}",
        f"labels=[{', '.join(WORDS)}]", "strategy={name: torch, device: cpu, threads: 1}", "evaluate.limit=1",
        *(f"encoders.{name}={{name: letters}}" for name in recipe.encoders),
        *(f"annotators.{name}={_teacher(part)}" for name, part in recipe.annotators.items()),
    ]  # fmt: skip
    for index, stage in enumerate(recipe.stages):
        changes.append(f"stages.{index}.trainer.epochs=1")
        for task in stage.tasks:
            changes += [f"{task.path}.data.limit=2", f"{task.path}.data.datasets=null"]
    selector = recipe.evaluate.demonstrations if recipe.evaluate is not None else None
    if selector is not None and selector.params.get("embedder"):
        changes.append("evaluate.demonstrations.embedder=letters")
    return changes


def _teacher(part: ComponentRef) -> str:
    """A teacher that writes what another one would, as its section; its template, which prompters refer to, stays."""
    assert isinstance(part.component, Annotator)
    teacher = {"name": "writes", "cues": list(part.component.fields()), "template": part.params.get("template") or {}}
    return json.dumps(teacher)


def _must_work(words: Sequence[str], or_says: str | None = None) -> None:
    done = CliRunner().invoke(app, list(words))
    excused = or_says is not None and or_says in done.output
    assert done.exit_code == 0 or excused, (words, done.output[-2000:])


@pytest.mark.slow
@pytest.mark.parametrize("paper", ["farcer", "bemerc", "emotion-llama-v2"])
def test_a_papers_commands_run_in_their_order(
    paper: str, here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path_factory.mktemp("parts")
    site = install([Distribution("letters", PLUGIN, {"parts.py": PARTS})], tmp_path_factory.mktemp("site"))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("MERC_CACHE", str(parts / "cache"))
    get_registry.cache_clear()
    torch.set_num_threads(1)
    save_tiny_backbone(parts / "backbone", hidden=16, layers=1, context=4096)
    ids = load_recipe("farcer/meld-small-text").evaluate.demonstrations.params["ids"]  # type: ignore[union-attr]
    save_talks(parts / "talk.jsonl", ids)
    made: set[Path] = set()
    try:
        for command in commands(READMES[0].parent / f"recipes/{paper}/README.md"):
            # Benchmarks and imports want what only their users have; what they are given is checked above.
            if len(command.words) < 2 or command.name in ("benchmark", "corpus", "encode"):
                continue
            words, options = list(command.words), dict(command.options)
            if command.name == "run":
                if command.folder in made:  # the same row, named again
                    continue
                made.add(command.folder)
                words += tiny(command, parts / "talk.jsonl", parts / "backbone")
                if command.recipe().annotators:  # of which a row may read none
                    _must_work(["annotate", *words[1:]], or_says="nobody is asked")
                options |= {"--run-dir": str(command.folder)} | ({"--seeds": "2"} if "--seeds" in options else {})
            if command.name == "annotate":
                words += tiny(command, parts / "talk.jsonl", parts / "backbone")
            _must_work([*words, *itertools.chain(*options.items())])
    finally:
        get_registry.cache_clear()
    assert len(made) > 15 and all(folder.is_dir() for folder in made)
