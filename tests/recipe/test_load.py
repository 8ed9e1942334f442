from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from merc.builtin.tunings import LoRA
from merc.components import Frozen
from merc.conversation import LabelSpace
from merc.recipe import load_recipe


def test_every_section_becomes_its_part(here: Path) -> None:
    recipe = load_recipe("small.yaml")
    assert (recipe.name, recipe.title, recipe.seed) == ("small", "A small recipe", 3)
    assert recipe.labels == LabelSpace(("joy", "anger"))
    assert recipe.data_root == here / "data"
    assert recipe.corpus.component.path == here / "data/talks.jsonl"  # type: ignore[attr-defined]
    assert recipe.corpus.params == {
        "path": str(here / "data/talks.jsonl"), "rank": 3, "limit": None, "limit_seed": None,
    }  # fmt: skip
    assert recipe.tuning == LoRA(r=8)
    assert list(recipe.encoders) == ["video", "audio"] and recipe.encoders["audio"].params == {"window": 0.25}
    assert recipe.fusers["both"].params == {"inputs": ["video", "audio"], "normalize": "none", "heads": 1}
    align, merc = recipe.stages
    assert (align.id, align.trainable, align.tasks[0].data.limit) == ("align", ("connectors.*",), None)
    assert align.trainer.params["lr"] == 2e-4
    assert (merc.trainable, merc.tasks[0].data.limit, merc.trainer.params["schedule"]) == (None, 10, "linear")
    assert recipe.evaluate is not None and recipe.evaluate.splits == ("test",) and recipe.evaluate.prompter is None
    assert recipe.evaluate.metrics["toy-metric"].params == {"top": 2, "reads": []}
    assert (recipe.strategy.name, recipe.features.store) == ("torch", None)


def test_least_recipe_has_defaults(here: Path) -> None:
    (here / "least.yaml").write_text("corpus: {name: toy-corpus, path: a}\n")
    recipe = load_recipe("least.yaml")
    assert (recipe.seed, recipe.stages, recipe.evaluate, recipe.backbone) == (0, (), None, None)
    assert recipe.tuning == Frozen()


def test_metrics_default_to_classification(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["evaluate={splits: [dev]}"])
    assert recipe.evaluate is not None and list(recipe.evaluate.metrics) == ["classification"]
    assert recipe.sources["evaluate.metrics.0.name"] == "default of evaluate"


def test_labels_with_words(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["labels={joy: [joy, happiness], anger: mad, fear: null}"])
    assert recipe.labels == LabelSpace(("joy", "anger", "fear"), {"joy": ("joy", "happiness"), "anger": ("mad",)})


def test_sources_say_where_each_value_came_from(here: Path) -> None:
    (here / "child.yaml").write_text("extends: small.yaml\nseed: 9\n")
    recipe = load_recipe("child.yaml", ["stages.1.trainer.epochs=2", "encoders.video.size=[4, 5]"])
    assert recipe.sources["seed"] == "child.yaml:2"
    assert recipe.sources["title"] == "parent small.yaml:1"
    assert recipe.sources["encoders.audio.window"] == "parent small.yaml:13"
    assert recipe.sources["stages.1.trainer.epochs"] == "command line"
    assert recipe.sources["encoders.video.size"] == "command line"
    assert recipe.sources["stages.1.trainer.lr"] == "default of trainer 'toy-trainer'"
    assert recipe.sources["strategy.device"] == "default of strategy"


def test_a_list_with_a_changed_item_says_so(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["stages.1.prompter.uses.0=both"])
    assert recipe.stages[1].prompter.params["uses"] == ["both", "both"]
    assert recipe.sources["stages.1.prompter.uses"] == "small.yaml:26, changed on the command line"


@pytest.mark.parametrize("overrides", [[], ["stages.0.trainer.lr=fast", "corpsu=1"]])
def test_neither_loading_nor_failing_imports_torch(here: Path, toys: Path, overrides: list[str]) -> None:
    script = (
        f"import sys\nsys.path.insert(0, {str(toys)!r})\n"
        "from merc.errors import MercError\nfrom merc.recipe import load_recipe\n"
        f"try:\n    print(load_recipe('small.yaml', {overrides!r}).name)\n"
        "except MercError as error:\n    print(error)\n"
        "heavy = {'torch', 'transformers', 'peft', 'sklearn', 'cv2', 'decord'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("2 errors in small.yaml" if overrides else "small")


def test_files_from_windows(here: Path) -> None:
    (here / "w.yaml").write_bytes(b"\xef\xbb\xbfcorpus: {name: toy-corpus, path: a}\r\nseed: 5\r\n")
    recipe = load_recipe("w.yaml")
    assert (recipe.seed, recipe.sources["seed"]) == (5, "w.yaml:2")
