import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

README = Path(__file__).parents[1] / "README.md"
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.S)]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_recipes_of_the_readme_are_valid(tmp_path, number):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(BLOCKS[number]))
    command = [sys.executable, "-m", "merc", "validate", "recipe.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_it_imports_nothing_heavy():
    code = (
        "import sys, merc_farcer.plugin, merc_farcer.prompter\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
