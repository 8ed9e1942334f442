"""A copy of what using a trained run needs, which says nothing of the machine that made it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from merc.consent import with_inner
from merc.errors import MercError
from merc.files import check_name, move_folder, read_json, read_text, write_text
from merc.recipe import leaves
from merc.recipe.runs import find_run
from merc.recipe.yaml_text import write_yaml
from merc.session.card import INTERVALS, intervals_of
from merc.session.directory import NO_CORPUS
from merc.session.fitted import FILE as FITTED
from merc.session.places import PLACE, nowhere
from merc.session.trained import TrainedRun, open_run

_OF_THE_MACHINE = ("platform", "machine", "git", "resumed")
_BESIDE = ("labels.json", "metrics.json")


def pack_run(run: Path | str, folder: Path, base: str | None = None) -> Path:
    """Copy what using a trained run needs into a new folder, whole or not at all: recipe, labels, numbers, provenance
    and the weights that its last stage left. Its predictions and log stay behind, since these hold words of its data.

    Absolute paths become their last name, and what provenance.json tells of the machine is left out.

    Args:
        run: The directory of a trained run, or the name of one that a plugin brings.
        folder: The new folder.
        base: What the backbone is called elsewhere, such as its name on the model hub, where the recipe names a folder.

    Returns:
        The new folder.

    Raises:
        MercError: There is no such run, the folder is there already, the backbone is a folder of this machine and
            ``base`` does not say what it is elsewhere, or the decoder reads files or runs of this machine.
    """
    opened = open_run(Path(run), [NO_CORPUS])
    check_name(folder)
    if folder.exists() or folder.is_symlink():
        raise MercError(f"{folder} is there already; give the name of a new folder, so that nothing is overwritten")
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of a copy that was killed
    temporary.mkdir(parents=True)
    try:
        _copy(opened, temporary, base)
        move_folder(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _copy(run: TrainedRun, target: Path, base: str | None) -> None:
    source = run.directory
    recipe = yaml.safe_load(read_text(source.recipe_file))
    backbone = recipe["backbone"]
    if base is not None:  # a backbone without a path is found by its name
        backbone |= {"path": base} if "path" in backbone else {}
    elif places := [value for value in _leaves(backbone) if _is_place(value)]:
        raise MercError(
            f"the backbone of {source.path} is in a folder of this machine ({places[0]}), so the run could be used "
            "nowhere else; give its name on the model hub as base (merc push: --base NAME)"
        )
    _check_decoder(run, recipe)
    recipe["features"]["store"] = None
    for part in recipe.keys() & {"encoders", "annotators"}:
        recipe[part] = _each_text(recipe[part], _named_here)
    write_text(target / "recipe.yaml", write_yaml({**_each_text(recipe, nowhere), "backbone": backbone}))
    for name in _BESIDE:
        if (source.path / name).is_file():
            shutil.copyfile(source.path / name, target / name)
    if (source.path / FITTED).is_file():  # like the recipe, whose settings it has to be found by
        write_text(target / FITTED, json.dumps(_each_text(read_json(source.path / FITTED), nowhere), indent=1))
    if intervals := intervals_of(source):
        write_text(target / INTERVALS, json.dumps(intervals))
    if source.provenance.is_file():
        record = read_json(source.provenance)
        public = _each_text({key: value for key, value in record.items() if key not in _OF_THE_MACHINE}, nowhere)
        if base is not None and isinstance(public.get("backbone"), dict):
            public["backbone"] |= {"path": base} if "path" in public["backbone"] else {}
        write_text(target / "provenance.json", json.dumps(public, indent=1))
    stages = run.recipe.stages
    for stage in stages:
        folder, done = target / "stages" / stage.id, source.stage(stage.id) / "done.json"
        folder.mkdir(parents=True)
        if stage is not stages[-1]:
            write_text(folder / "done.json", json.dumps({**read_json(done), "files": {}}))
            continue
        shutil.copyfile(done, folder / "done.json")
        files = read_json(done).get("files") or _weights(source.stage(stage.id))
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.stage(stage.id) / name, folder / name)
            for config in (source.stage(stage.id) / name).parent.glob("*_config.json"):
                # What has a checksum stays as it is.
                if config.relative_to(source.stage(stage.id)).as_posix() not in files:
                    _copy_config(config, (folder / name).with_name(config.name), run, base)


def _check_decoder(run: TrainedRun, recipe: Mapping[str, Any]) -> None:
    """Raise MercError for a decoder that reads files or runs of this machine; runs that plugins bring are elsewhere
    too."""
    if run.recipe.evaluate is None:
        return
    for file in [file for one in with_inner(run.recipe.evaluate.decoder) for file in one.reads_files()]:
        if find_run(file).folder == file:
            every = leaves(recipe["evaluate"]["decoder"], "evaluate.decoder")
            keys = (key for key, value in every if str(file) in (value if isinstance(value, list) else [value]))
            raise MercError(
                f"{next(keys, 'evaluate.decoder')} of {run.directory.path} names {file}, which is on this machine "
                "alone, so the run could be used nowhere else; name runs that a plugin brings, or train with another "
                "evaluate.decoder"
            )


def _named_here(text: str) -> str:
    """A place as a name beside the recipe: its last name alone may be that of a stranger's model on a hub."""
    return f"./{nowhere(text)}" if _is_place(text) else text


def _weights(stage: Path) -> list[str]:
    """The files of a stage of an older merc, which public no checksums."""
    return [str(file.relative_to(stage)) for file in sorted(stage.rglob("*.safetensors"))]


def _copy_config(config: Path, target: Path, run: TrainedRun, base: str | None) -> None:
    """An adapter's configuration, whose model is named as anybody knows it."""
    values = _each_text(read_json(config), nowhere)
    assert run.recipe.backbone is not None
    if "base_model_name_or_path" in values:
        identity = run.recipe.backbone.component.identity()  # type: ignore[attr-defined]
        values["base_model_name_or_path"] = base or str(identity.get("path") or identity.get("package") or "unknown")
    write_text(target, json.dumps(values, indent=2))


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and PLACE.fullmatch(value) is not None


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for one in value.values() for leaf in _leaves(one)]
    return [leaf for one in value for leaf in _leaves(one)] if isinstance(value, list) else [value]


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        changed: dict[str, Any] = {}
        for key, one in value.items():
            name, number = change(key), 1
            while name in changed:  # files of one name, in the list of what was read
                number += 1
                name = f"{change(key)} ({number})"
            changed[name] = _each_text(one, change)
        return changed
    if isinstance(value, list):
        return [_each_text(one, change) for one in value]
    return change(value) if isinstance(value, str) else value
