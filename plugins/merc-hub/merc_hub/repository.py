"""How a run lies in a repository of the model hub: what PEFT loads at the top, the rest of the run below ``run/``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

import merc

RUN = "run"
CARD = "README.md"
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
SAFE = (".safetensors", ".json", ".yaml", ".md")
"""The files that are taken from a repository: texts, and weights that hold nothing but numbers."""


def write_repository(run: Path, folder: Path, name: str, base: str | None = None, licence: str | None = None) -> None:
    """Write the files of a repository into a new folder.

    Args:
        run: The directory of a trained run, or the name of one that a plugin brings.
        folder: The new folder.
        name: What the repository is called, for the card.
        base: The model hub's name of the backbone, where the run has it from a folder or a package.
        licence: The licence of the weights, as the hub writes it.

    Raises:
        MercError: There is no such run, or its backbone is a folder of this machine and ``base`` is not given.
    """
    packed = merc.pack_run(run, folder / RUN, base)
    stage = _last_stage(packed)
    adapter = stage / "adapter" if stage is not None else None
    peft = adapter is not None and all((adapter / file).is_file() for file in ADAPTER)
    if peft:
        assert adapter is not None
        for file in ADAPTER:
            (adapter / file).rename(folder / file)
        adapter.rmdir()
    called = base or _base(packed)
    alone = peft and _is_plain(packed, base)
    usage = _USAGE.format(name=name, last=name.rpartition("/")[2]) + (
        _PEFT.format(name=name, base=called) if alone else ""
    )
    text = merc.CardText(base=called, usage=usage, library="peft" if alone else "merc", licence=licence)
    (folder / CARD).write_text(merc.model_card(run, text), encoding="utf-8")


def read_repository(folder: Path, target: Path, name: str) -> None:
    """Put the run of a repository's files together in a new folder, and see that its weights are whole.

    Raises:
        MercError: The files hold no run, or are not those that were pushed.
    """
    if not (folder / RUN / "recipe.yaml").is_file():
        peft = (folder / ADAPTER[0]).is_file()
        what = "an adapter of PEFT, and no run of merc" if peft else "no run of merc"
        raise merc.MercError(f"{name} holds {what}; give a repository that merc push has made")
    shutil.copytree(folder / RUN, target)
    stage = _last_stage(target)
    if stage is not None and all((folder / file).is_file() for file in ADAPTER):
        (stage / "adapter").mkdir(exist_ok=True)
        for file in ADAPTER:
            shutil.copyfile(folder / file, stage / "adapter" / file)
    if (folder / CARD).is_file():
        shutil.copyfile(folder / CARD, target / CARD)
    if stage is not None:
        _check_whole(stage, name)


def safe_files(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Of the files of a repository, those that are taken and those that are left: what could hold code, and what would
    lie outside of its folder.

    >>> safe_files(["README.md", "pytorch_model.bin", "run/recipe.yaml", "../x.json", ".gitattributes"])
    (['README.md', 'run/recipe.yaml'], ['../x.json', 'pytorch_model.bin'])
    """
    taken, left = [], []
    for name in names:
        path = PurePosixPath(name)
        inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name
        if inside and path.suffix in SAFE and not any(part.startswith(".") for part in path.parts):
            taken.append(name)
        elif not path.name.startswith("."):
            left.append(name)
    return sorted(taken), sorted(left)


def _last_stage(run: Path) -> Path | None:
    stages = _read_yaml(run / "recipe.yaml").get("stages") or []
    name = str(stages[-1]["id"]) if stages else None
    if name is None:
        return None
    if PurePosixPath(name).name != name:
        raise merc.MercError(f"the recipe of the run names a stage {name!r}, which is no name of a folder")
    return run / "stages" / name


def _base(packed: Path) -> str:
    backbone = _read_yaml(packed / "recipe.yaml")["backbone"]
    record = packed / "provenance.json"
    known = (json.loads(record.read_text(encoding="utf-8")).get("backbone") or {}) if record.is_file() else {}
    return str(backbone.get("path") or known.get("path") or known.get("package") or backbone["name"])


def _is_plain(packed: Path, base: str | None) -> bool:
    """Whether PEFT alone computes what merc does with the adapter: the base has a name on the model hub, and its
    attention is causal, as that of transformers is."""
    backbone = _read_yaml(packed / "recipe.yaml")["backbone"]
    return bool(base or backbone.get("path")) and backbone.get("attention", "causal") == "causal"


def _check_whole(stage: Path, name: str) -> None:
    done = stage / "done.json"
    if not done.is_file():
        raise merc.MercError(f"{name} lacks run/stages/{stage.name}/done.json: its run was not pushed whole")
    for file, checksum in (json.loads(done.read_text(encoding="utf-8")).get("files") or {}).items():
        if not (stage / file).is_file() or merc.hash_file(stage / file) != checksum:
            raise merc.MercError(f"{name}: {file} is not there or not as it was pushed; push the run again")


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise merc.MercError(f"{file.name} of the run is no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(read, dict):
        raise merc.MercError(f"{file.name} of the run is no recipe")
    return read


_USAGE = """\
    pip install merc merc-hub
    merc pull {name}
    merc predict runs/{last} --text "We won!"
    merc serve runs/{last}

`merc plugins` lists what else the recipe's parts need."""

_PEFT = """


The language model alone, with PEFT:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), "{name}")
```"""
