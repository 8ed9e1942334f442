"""What every component must keep, whatever its kind."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any, ClassVar

from merc.components import Component
from merc.errors import MercError
from merc.recipe.describe import meaning_of
from merc.registry import Registry
from merc.registry.check import class_fault
from merc.testing.servers import Guard

HEAVY = ("torch", "transformers", "tensorflow", "jax", "deepspeed")

_PROBE = """
import importlib.util, sys
path, name, file, *heavy = sys.argv[1:]
sys.path[:] = path.split("\\n")
if importlib.util.find_spec(name.partition(".")[0]) is not None:
    importlib.import_module(name)
else:
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
print(*[one for one in heavy if one in sys.modules])
"""


def require(condition: object, message: str) -> None:
    """Fail the running test with a message unless the condition holds."""
    __tracebackhide__ = True
    if not condition:
        raise AssertionError(message)


class ComponentContract:
    """The base of the contracts."""

    kind: ClassVar[str]
    """The kind whose contract it is."""
    component: ClassVar[Any]
    """What is checked: an instance of the component's class."""
    name: ClassVar[str | None] = None
    """The name under which an installed plugin must have registered it (``plugin/name`` where two plugins claim one);
    None leaves that out."""

    def setup_method(self) -> None:
        """Before each check: watch what the component connects to and which variables it reads."""
        self._guard = Guard(lambda: self.component)
        self._guard.start()

    def teardown_method(self) -> None:
        """After each check: fail where it used a server or a variable that it does not name."""
        others = self._guard.stop()
        require(
            not others,
            f"{self.title} uses {', '.join(others)}, which neither its servers() nor its variables() name; name it "
            "there, so that merc sees that the user allows it before a recipe can send anything",
        )

    @property
    def title(self) -> str:
        """How messages name the component."""
        return type(self.component).__name__

    def test_class_keeps_the_contract_of_its_kind(self) -> None:
        """A frozen dataclass that derives from its kind's contract and has its methods."""
        require(isinstance(self.component, Component), "component is an instance: component = YourClass()")
        fault = class_fault(type(self.component), self.kind)
        require(fault is None, str(fault))

    def test_parameters_have_defaults(self) -> None:
        """It can be made without parameters, or with only those that have no default."""
        cls = type(self.component)
        bare = {f.name: getattr(self.component, f.name) for f in fields(cls) if _is_required(f)}
        try:
            component = cls(**bare)
        except (TypeError, ValueError, MercError) as error:
            raise AssertionError(
                f"{self.title}({', '.join(bare)}) fails with its own defaults: {type(error).__name__}: {error}"
            ) from error
        require(component == cls(**bare), f"two {self.title} made with the same parameters are not equal")

    def test_parameters_are_plain_values(self) -> None:
        """Defaults and values are what YAML can hold, so that recipe.yaml reproduces a run."""
        for field in fields(self.component):
            value = getattr(self.component, field.name)
            require(
                _is_plain(value),
                f"parameter {field.name!r} of {self.title} holds {value!r}; parameters are numbers, strings, booleans, "
                "None, components, and lists and mappings of these",
            )

    def test_parameters_are_documented(self) -> None:
        """The docstring of the class names each parameter, or a string beneath the field describes it."""
        cls = type(self.component)
        missing = [f.name for f in fields(cls) if not meaning_of(cls, f.name)]
        require(
            not missing,
            f"{self.title} does not describe {', '.join(missing)}; name each parameter in the docstring of the class, "
            "with what it is and its unit",
        )

    def test_module_imports_without_torch(self) -> None:
        """Importing the component's module imports nothing heavy, so that recipes are checked quickly."""
        require_light(inspect.getmodule(type(self.component)), self.title, "method")

    def test_is_registered_under_its_name(self) -> None:
        """The installed plugin has registered this class under ``name``."""
        if self.name is None:
            return
        try:
            registered = Registry.discover().resolve(self.kind, self.name)
        except MercError as error:
            raise AssertionError(f"{error}\nIs the plugin installed (pip install -e .)?") from error
        cls = type(self.component)
        require(
            (registered.__module__, registered.__qualname__) == (cls.__module__, cls.__qualname__),
            f"{self.kind} {self.name!r} is {registered.__module__}:{registered.__qualname__}, not "
            f"{cls.__module__}:{cls.__qualname__}",
        )


def require_light(module: ModuleType | None, title: str, place: str) -> None:
    """Fail the running test unless a module can be imported in a process of its own without anything heavy. ``place``
    is where a heavy import belongs."""
    require(module is not None and module.__file__, f"the module of {title} is not a file")
    assert module is not None
    path = "\n".join(entry or str(Path.cwd()) for entry in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, path, module.__name__, str(module.__file__), *HEAVY],
        capture_output=True,
        text=True,
    )
    require(done.returncode == 0, f"{module.__name__} cannot be imported in a process of its own:\n{done.stderr}")
    heavy = done.stdout.split()
    require(
        not heavy,
        f"importing {module.__name__} imports {' and '.join(heavy)}; move that import into the {place} that needs "
        f"it (python -X importtime -c 'import {module.__name__}' shows where it comes from)",
    )


def _is_required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(one) for one in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, Component):
        return all(_is_plain(getattr(value, field.name)) for field in fields(value))
    return value is None or isinstance(value, bool | int | float | str | PurePath)
