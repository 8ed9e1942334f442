"""Where recipes are: files, and the recipes that come with merc, by name."""

from __future__ import annotations

import errno
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from merc.errors import MercError, did_you_mean
from merc.recipe.document import brief, short
from merc.recipe.references import home
from merc.recipe.yaml_text import unfit_character

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Place:
    """A recipe's file, the name it goes by, how messages show it, and the folder that its relative paths mean.

    That is the file's own, except for a shipped recipe: nobody keeps data inside an installed package, so its paths
    mean the current folder.
    """

    file: Path
    name: str
    title: str
    base: Path


def shipped_folder() -> Path | None:
    """The folder of the recipes that come with merc: inside the installed package, or ``recipes/`` of a checkout."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent
    if (package / "shipped_recipes").is_dir():
        return package / "shipped_recipes"
    # Any folder called recipes beside an installed package could be anyone's; a checkout has its pyproject.toml.
    return checkout / "recipes" if (checkout / "recipes").is_dir() and (checkout / "pyproject.toml").is_file() else None


def shipped_recipes() -> Mapping[str, Path]:
    """The shipped recipes by name: the path below the folder without its suffix, such as ``quickstart``."""
    folder = shipped_folder()
    if folder is None:
        return {}
    files = sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def locate(name: str, beside: Path | None = None) -> Place:
    """The file of a recipe: a path (relative to ``beside``, or to the current folder), or a shipped recipe's name.

    Raises MercError for one that is not there, with the close match.
    """
    if unfit := unfit_character(name):
        raise MercError(f"no recipe {brief(name)}: the character {unfit} stands in no file's name")
    shipped = shipped_recipes()
    path = (beside or Path()) / home(name)
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return _place(path, shipped)
        is_folder = path.is_dir()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR) and name not in shipped:
            raise MercError(f"no recipe {brief(name)}: {error.strerror}") from error
        is_folder = False
    if name in shipped:
        return _place(shipped[name], shipped)
    if is_folder:
        inside = path / "recipe.yaml"
        hint = f" Did you mean '{short(inside)}'?" if inside.is_file() else ""
        raise MercError(f"{name!r} is a folder, not a recipe.{hint}")
    beside_it = [str(Path(name).parent / file.name) for file in path.parent.glob("*") if file.suffix in SUFFIXES]
    bare = name.removesuffix(".yaml").removesuffix(".yml")
    hint = did_you_mean(bare, [bare] if bare in shipped else []) or did_you_mean(name, beside_it)
    hint = hint or did_you_mean(bare, shipped)
    listed = " The shipped recipes are listed by: merc recipes" if shipped and not hint else ""
    raise MercError(f"no recipe {name!r}: there is no such file, and no shipped recipe of that name.{hint}{listed}")


def _place(file: Path, shipped: Mapping[str, Path]) -> Place:
    file = file.absolute()
    folder = shipped_folder()
    if folder is not None and file.resolve().is_relative_to(folder.resolve()):
        inside = file.resolve().relative_to(folder.resolve())
        return Place(file.resolve(), inside.with_suffix("").as_posix(), f"recipes/{inside.as_posix()}", Path.cwd())
    # A run keeps its recipe as recipe.yaml; the run's own name says more.
    name = file.parent.name if file.stem == "recipe" else file.stem
    return Place(file, name, short(file), file.parent)
