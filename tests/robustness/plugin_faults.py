"""Plugins that do what no plugin should: a table of faults, each a distribution of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.registry.distributions import Distribution

Where = Literal["plugin", "component", "recipe"]
HOOK = "import merc\n\n@merc.hookimpl\ndef register_encoders(register):\n    "

EXCEPTIONS = {
    "exit0": "raise SystemExit(0)",
    "exittext": "raise SystemExit('bye')",
    "interrupt": "raise KeyboardInterrupt",
    "generator": "raise GeneratorExit",
    "base": "raise BaseException('nothing less')",
    "cancelled": "import asyncio; raise asyncio.CancelledError",
    "group": "raise BaseExceptionGroup('several', [KeyboardInterrupt(), SystemExit(0)])",
    "own": "raise type('Odd', (BaseException,), {'__str__': lambda self: 1 / 0, '__repr__': lambda self: 1 / 0})()",
    "text": "raise type('Odd', (Exception,), {'__str__': lambda self: exit(0)})()",
    "recursion": "f = lambda: f(); f()",
    "memory": "raise MemoryError",
    "stop": "raise StopIteration",
}  # fmt: skip
"""What is raised, by name."""

ENCODER = """\
from dataclasses import dataclass
import merc


@dataclass(frozen=True, kw_only=True)
class Thing(merc.Encoder):
    \"\"\"Says nothing.\"\"\"

    modality = "audio"

    def __post_init__(self):
        {post_init}

    def sampling(self):
        return merc.Waveform(rate=16_000)

    def spec(self):
        return merc.FeatureSpec(dim=1)

    def load(self, device):
        return lambda clips: []
"""
CORPUS = """\
from dataclasses import dataclass
import merc


@dataclass(frozen=True, kw_only=True)
class Thing(merc.Corpus):
    \"\"\"Gives nothing.\"\"\"

    def load(self):
        {load}
"""


@dataclass(frozen=True)
class PluginFault:
    """A distribution, and where its fault is met: when the plugin is found (``plugin``), when its component
    ``encoder thing`` is asked for (``component``), or when a recipe makes one (``recipe``). ``damage`` changes what pip
    installed. ``isolated_as`` are the states that the plugin may be in, and ``says`` is in its error."""

    distribution: Distribution
    where: Where = "plugin"
    damage: Callable[[Path], None] | None = None
    states: tuple[str, ...] = ("failed", "faulty")
    says: str = ""
    named: str = field(default="")

    @property
    def plugin(self) -> str:
        """The name that the plugin goes by."""
        return self.named or self.distribution.plugin


def registered(arguments: str) -> str:
    return HOOK + f"register({arguments})\n"


def faults() -> list[PluginFault]:
    """The table."""
    made: list[PluginFault] = []
    target = '"merc_{}.thing:Thing"'
    for name, code in EXCEPTIONS.items():
        made.append(PluginFault(Distribution(f"import{name}", code + "\n")))
        made.append(PluginFault(Distribution(f"hook{name}", HOOK + code.replace("; ", "\n    ") + "\n")))
        for where, files in (
            ("component", {"thing.py": code + "\n"}),
            ("recipe", {"thing.py": ENCODER.format(post_init=code.replace("; ", "\n        "))}),
        ):
            plugin = f"{where}{name}"
            hook = registered(f'"thing", {target.format(plugin)}')
            made.append(PluginFault(Distribution(plugin, hook, files), where, states=("ok",)))  # type: ignore[arg-type]
    for index, arguments in enumerate(
        [
            '"a", "m:A", needs=None', '"a", "m:A", needs=""', '"a", "m:A", needs=[""]', '"a", "m:A", needs=["."]',
            '"a", "m:A", needs=["a..b"]', '"a", "m:A", needs=[".a"]', '"a", "m:A", needs=[None]', '"a", "m:A", needs=1',
            '"a", "m:A", needs={"a": 1}', '"a", "m:A", needs=(exit(0) for _ in "a")', '"a", "m:A", needs=object()',
            '"a", "m:A", needs=["a b"]', 'None, "m:A"', '"", "m:A"', 'b"a", "m:A"', '"a", None', '"a", ""', '"a", "m"',
            '"a", ":A"', '"a", "m:"', '"a", "m:A:B"', '"a", "m n:A"', '"a", "m:A", extra=1', '"a", "m:A", extra="\\n"',
            'type("S", (str,), {"__eq__": lambda *a: exit(0), "__hash__": lambda s: exit(0)})("a"), "m:A"', "", '"a"',
            '"a", "m:A", None, None, None', '"a", "m:A", kind="x"',
            '"a", "m:A", needs=type("L", (list,), {"__iter__": lambda s: exit(0)})()',
        ]
    ):  # fmt: skip
        made.append(
            PluginFault(Distribution(f"registers{index}", registered(arguments)), says="hook register_encoders")
        )
    weird = "import sys\nclass Weird:\n    {}\nsys.modules[__name__] = Weird()\n"
    for name, body in {
        "getattr": "def __getattr__(self, name): exit(0)",
        "getattribute": "def __getattribute__(self, name): raise KeyboardInterrupt",
        "dir": "def __dir__(self): raise GeneratorExit",
        "dirtext": "def __dir__(self): return [1, None]",
        "every": "def __getattr__(self, name): return self",
        "equal": "def __eq__(self, other): exit(0)\n    __hash__ = None",
    }.items():
        made.append(PluginFault(Distribution(f"weird{name}", weird.format(body))))
    for name, source in {
        "meta": "class M(type):\n    def __getattribute__(cls, name): raise KeyboardInterrupt\n"
                "class Thing(metaclass=M): pass\n",
        "repr": "class R:\n    def __repr__(self): exit(0)\nThing = R()\n",
        "mro": "class M(type):\n    def mro(cls): exit(0)\nclass Thing(metaclass=M): pass\n",
        "subclass": "class M(type):\n    def __subclasscheck__(cls, other): exit(0)\n"
                    "class Thing(metaclass=M): pass\n",
        "modality": ENCODER.format(post_init="pass").replace(
            'modality = "audio"', "modality = type('D', (), {'__get__': lambda *a: exit(0)})()"),
        "module": "import sys\nclass W:\n    def __getattr__(self, name): exit(0)\nsys.modules[__name__] = W()\n",
        "none": "import sys\nsys.modules[__name__] = None\n",
    }.items():  # fmt: skip
        plugin = f"class{name}"
        hook = registered(f'"thing", {target.format(plugin)}')
        made.append(PluginFault(Distribution(plugin, hook, {"thing.py": source}), "component", states=("ok",)))
    for name, default in {"factory": "field(default_factory=lambda: exit(0))", "type": "exit"}.items():
        source = ENCODER.format(post_init="pass").replace("import dataclass", "import dataclass, field")
        plugin = f"field{name}"
        kind = "int" if name == "factory" else "exit(0)"
        source = "from __future__ import annotations\n" + source.replace(
            "    def __post", f"    odd: {kind} = {default}\n\n    def __post"
        )
        hook = registered(f'"thing", {target.format(plugin)}')
        made.append(PluginFault(Distribution(plugin, hook, {"thing.py": source}), "recipe", states=("ok",)))
    writes = {
        "oswrite": "import os\nos.write(1, b'not JSON')\n",
        "printed": "print('not JSON', flush=True)\n",
        "c": "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.puts(b'not JSON')\nlibc.fflush(None)\n",
        "child": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1)'])\n",
        "closes": "import os\nos.close(1)\n",
        "atexit": "import atexit, os\natexit.register(lambda: os.write(1, b'not JSON'))\n",
        "thread": "import os, threading\nthreading.Thread(target=lambda: os.write(1, b'not JSON')).start()\n",
        "stdout": "import sys\nsys.__stdout__.write('not JSON')\nsys.__stdout__.flush()\n",
    }  # fmt: skip
    for name, source in writes.items():
        made.append(PluginFault(Distribution(f"writes{name}", source + HOOK + "pass\n"), states=("ok",)))
    own = registered('"thing", "m:A"') + (
        "\n@merc.hookimpl\ndef register_corpora(register):\n    register('jsonl', 'm:A')\n"
        "\n@merc.hookimpl\ndef register_metrics(register):\n    register('classification', 'm:A')\n"
    )
    made.append(PluginFault(Distribution("builtinname", own), states=("faulty",), says="has the name of merc's own"))
    same = Distribution(
        "samemodule", HOOK + "pass\n", entry='merc_samemodule.plugin"\nsamemoduletoo = "merc_samemodule.plugin'
    )
    made.append(PluginFault(same, states=("failed",), named="samemoduletoo", says="'samemodule' already"))
    made.append(PluginFault(Distribution("later", "import merc\nKEPT = []\n\n@merc.hookimpl\n"
        "def register_encoders(register):\n    KEPT.append(register)\n    register('a', 'm:A')\n"
        "\n@merc.hookimpl\ndef register_fusers(register):\n    KEPT[0]('late', 'm:A')\n"), states=("ok",)))  # fmt: skip
    for name, source in {
        "wrapper": "import merc\n\n@merc.hookimpl(wrapper=True)\ndef register_encoders(register):\n"
                   "    exit(0)\n    yield\n",
        "noyield": "import merc\n\n@merc.hookimpl(hookwrapper=True)\ndef register_encoders(register):\n    pass\n",
        "decorated": "import merc\nclass C:\n    def __call__(self, register): exit(0)\n    __name__ = 'x'\n"
                     "register_encoders = merc.hookimpl(C())\n",
        "api": "class I(int):\n    def __eq__(self, other): exit(0)\n    __hash__ = None\nMERC_PLUGIN_API = I(2)\n"
               + HOOK + "pass\n",
        "returns": "import merc\n\n@merc.hookimpl\ndef register_encoders(register):\n    exit(0)\n",
    }.items():  # fmt: skip
        made.append(PluginFault(Distribution(f"hooks{name}", source)))
    made += _damaged()
    return made


def _damaged() -> list[PluginFault]:
    """Distributions whose description was damaged after pip installed them."""

    def change(file: str, content: bytes | None) -> Callable[[Path], None]:
        def damage(folder: Path) -> None:
            if content is None:
                (folder / file).unlink()
            else:
                (folder / file).write_bytes(content)

        return damage

    good = HOOK + "pass\n"
    names = {
        "nometadata": change("METADATA", None),
        "emptymetadata": change("METADATA", b""),
        "noname": change("METADATA", b"Metadata-Version: 2.1\nVersion: 0.1\n"),
        "noversion": change("METADATA", b"Metadata-Version: 2.1\nName: merc-noversion\n"),
        "binarymetadata": change("METADATA", b"\xff\xfe\x00Name: \xff\n"),
    }
    made = [
        PluginFault(Distribution(name, good), damage=damage, says="install it again") for name, damage in names.items()
    ]
    entries = {"entrybytes": b"[merc]\nentrybytes = \xff\xfe\n", "entryless": b"[merc]\nentryless\n"}
    for name, content in entries.items():
        made.append(
            PluginFault(Distribution(name, good), damage=change("entry_points.txt", content), named=f"merc-{name}")
        )
    values = ["", ":", "1a", "a b", ".x", "x:", "x.plugin:attribute", "no_such_module_at_all", "os", "a/b", "é.plugin"]
    for index, value in enumerate(values):
        name = f"entryvalue{index}"
        content = f"[merc]\n{name} = {value}\n".encode()
        made.append(PluginFault(Distribution(name, good), damage=change("entry_points.txt", content)))
    made.append(
        PluginFault(Distribution("gone", good), damage=lambda folder: shutil.rmtree(folder.parent / "merc_gone"))
    )
    return made
