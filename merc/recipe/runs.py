"""Where trained runs are: folders, and the runs that plugins bring, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from merc.components import Run
from merc.errors import MercError, did_you_mean
from merc.registry import get_registry


@dataclass(frozen=True)
class RunPlace:
    """Where a run lies, and where what is made with it goes: the same folder, but for a run that a plugin brings."""

    folder: Path
    outputs: Path


def find_run(run: Path) -> RunPlace:
    """The run of a folder, or of a name (``plugin/name``, or the name alone where one plugin has it). A folder comes
    first, as a file does among recipes. What is neither is taken for a folder that is not there.

    Raises MercError for a run of a plugin that cannot be used.
    """
    name = _name(run)
    if not name or run.exists():
        return RunPlace(run, run)
    registry = get_registry()
    component = registry.resolve("run", name)()
    assert isinstance(component, Run)
    folder = component.folder()
    if not folder.is_dir():
        owner = registry.owner("run", name)
        raise MercError(f"run {name!r} of plugin {owner.label} is not in {folder}; install {owner.distribution} anew")
    return RunPlace(folder, Path("runs") / registry.owner("run", name).name / name.rpartition("/")[2])


def names_a_run(text: str) -> bool:
    """Whether a text is ``plugin/name`` of a run that a plugin brings."""
    return "/" in text and bool(_name(Path(text)))


def near_runs(run: Path) -> str:
    """The end of a sentence about a run that is not there: the names that it may have meant; empty where no plugin
    brings a run."""
    known = _names()
    if not known:
        return ""
    meant = did_you_mean(run.as_posix(), known) or did_you_mean(run.name, {name.rpartition("/")[2] for name in known})
    return f".{meant} The runs that plugins bring are: {', '.join(sorted(n for n in known if '/' in n))}"


def _name(run: Path) -> str:
    text = run.as_posix()
    return text if text in _names() else ""


def _names() -> set[str]:
    """Every name of a run: ``plugin/name``, and the name alone where it means one run."""
    registry = get_registry()
    whole = {f"{p.name}/{one.name}" for p in registry.plugins() for one in p.components if one.kind == "run"}
    return whole | set(registry.names("run"))
