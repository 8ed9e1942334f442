"""Each test is a Python of its own: what is imported can be imported once."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from types import ModuleType

import pytest

from merc.cli.lean import compile_when_used


@pytest.fixture
def run(tmp_path):
    """Runs code with a cache of its own, and gives the values that it prints as JSON, one a line."""

    def runs(code: str) -> list[object]:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "MERC_CACHE": str(tmp_path / "cache")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return runs


SHAPES = """
import json, sys
from merc.cli.late_shapes import import_torch
import_torch()
import torch
print(json.dumps([name in sys.modules for name in ("torch._refs", "sympy")]))
with torch.device("meta"):
    torch.nn.Linear(3, 4), torch.arange(3), torch.nn.Embedding(5, 2)
print(json.dumps("torch._refs" in sys.modules))
with torch.device("meta"):
    print(json.dumps(list(torch.fft.rfft(torch.empty(2, 9)).shape)))
print(json.dumps("torch._refs" in sys.modules))
print(json.dumps(list(torch.fft.rfft(torch.empty(2, 9, device="meta")).shape)))
with torch.device("meta"):
    try:
        torch.empty(2).tolist()
    except NotImplementedError as error:
        print(json.dumps(str(error)[:20]))
"""


def test_shapes_come_when_an_operation_needs_them(run) -> None:
    before, built, shape, loaded, later, message = run(SHAPES)
    assert before == [False, False] and built is False, "networks are built without them"
    assert shape == [2, 5] and loaded is True
    assert later == [2, 5], "and stay for all"
    assert message, "what has no shape fails as ever"


FOLLOWED = """
import json
from merc.cli.lean import import_for_prediction
import_for_prediction()
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode():
    print(json.dumps(list(torch.cdist(torch.empty(3, 4), torch.empty(5, 4)).shape)))
import torch._dynamo
print(json.dumps(torch.compile(lambda x: x + 1, backend="eager")(torch.zeros(2)).tolist()))
"""


def test_a_compiler_finds_them(run) -> None:
    assert run(FOLLOWED) == [[3, 5], [1.0, 1.0]]


MEDIA = """
import json, sys
from merc.cli.lean import import_for_prediction
import_for_prediction()
from merc.media.container import Unreadable, opened
from pathlib import Path
print(json.dumps("av.container" in sys.modules))
try:
    with opened(Path(sys.executable)):
        pass
except Unreadable as error:
    print(json.dumps(str(error)))
"""


def test_media_are_read_as_ever(run) -> None:
    imported, message = run(MEDIA)
    assert imported is False and message


EXPORTS = """
import json, sys
from merc.cli.lean import import_for_prediction
from merc.cli import kept_exports
read = []
import builtins
opened = builtins.open
def watched(file, *arguments, **options):
    read.append(str(file))
    return opened(file, *arguments, **options)
builtins.open = watched
import_for_prediction()
builtins.open = opened
print(json.dumps(sum("/transformers/models/" in file and "/bert/" in file for file in read)))
import transformers
from transformers.utils import import_utils
from pathlib import Path
here = Path(transformers.__file__).parent / "models"
plain = import_utils.create_import_structure_from_path(str(here))
plain = {k: {f"models.{m}": v for m, v in modules.items()}
         for k, modules in import_utils.spread_import_structure(plain).items()}
print(json.dumps(import_utils.define_import_structure(here, prefix="models") == plain))
bert = import_utils.define_import_structure(here / "bert")
print(json.dumps([transformers.BertConfig.__name__, type(bert).__name__]))
"""


def test_exports_of_models_are_looked_for_once(run, tmp_path) -> None:
    """And are those that transformers finds itself, the first time and later."""
    first, same, works = run(EXPORTS)
    assert first > 0 and same and works == ["BertConfig", "dict"]
    again, same, works = run(EXPORTS)
    assert again == 0 and same and works == ["BertConfig", "dict"]
    (kept,) = (tmp_path / "cache" / "transformers").iterdir()
    for damaged in ("", "[1]", '{"a": 1}', '[["torch"]]'):
        kept.write_text(damaged)
        later, same, works = run(EXPORTS)
        assert later > 0 and same and works == ["BertConfig", "dict"], damaged


def test_patterns_are_compiled_when_they_are_used() -> None:
    module = ModuleType("some")
    module.re = re
    compile_when_used(module)
    patterns = module.re.compile("(a+"), module.re.compile("A+b", re.IGNORECASE)
    assert module.re.sub("a", "b", "ca") == "cb" and module.re.IGNORECASE is re.IGNORECASE
    with pytest.raises(re.error):
        patterns[0].match("a")
    for one in (patterns[1], copy.copy(patterns[1]), copy.deepcopy(patterns[1])):
        assert one.fullmatch("aab") and not one.search("ac") and one.pattern == "A+b"


def test_a_cache_that_cannot_be_written_is_none(run, tmp_path) -> None:
    (tmp_path / "cache").write_text("a file")
    first, same, _ = run(EXPORTS)
    assert first > 0 and same
