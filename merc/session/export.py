"""A trained run as a folder that transformers or PEFT load without merc."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc import __version__
from merc.components.peft_tuning import save_pretrained
from merc.consent import hide
from merc.errors import MercError
from merc.files import check_name, move_folder, user_path, write_text
from merc.model.emotion_model import EmotionModel
from merc.session.session import Session

_BESIDE = ("connectors", "fusers", "heads", "encoders")


@dataclass(frozen=True)
class Base:
    """What a model was trained from: its hub name or folder, or the package that its weights come from."""

    name: str
    revision: str | None = None

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Base:
        """The base that a backbone's ``identity`` tells of."""
        path = identity.get("path")
        if path is None:
            return cls(str(identity.get("package") or "unknown"))
        local = str(path).startswith(("/", "./", "../", "~"))
        name = str(user_path(str(path)).absolute()) if local else str(path)
        revision = identity.get("commit") or identity.get("revision")
        return cls(hide(name), None if local or revision is None else str(revision))


def export_run(session: Session, target: Path, adapter: bool = False) -> str:
    """Write a run's language model into a new folder, whole or not at all, with its tokenizer, a model card and, if it
    has them, the weights of connectors, fusers and heads beside; gives what it is: ``model`` or ``adapter``.

    What can be merged is merged into a model of transformers; ``adapter`` keeps it apart, as PEFT does. Raises
    MercError for a folder that is there already, and for what neither transformers nor PEFT know.
    """
    check_name(target)
    if target.exists() or target.is_symlink():
        raise MercError(f"{target} is there already; give the name of a new folder, so that nothing is overwritten")
    assert session.recipe.backbone is not None
    base = Base.of(session.recipe.backbone.component.identity())  # type: ignore[attr-defined]
    session.check()
    model = session.load()
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of an export that was killed
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        beside = _copy_beside(session, temporary)
        trained = sum(parameter.numel() for parameter in model.learning().values())
        kind = write_language_model(model, temporary, base, adapter)
        card = _Card(session, base, kind, beside, type(model.base).__name__, trained)
        write_text(temporary / "README.md", card.text())
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


@dataclass(frozen=True)
class _Card:
    """The model card."""

    session: Session
    base: Base
    kind: str
    beside: list[str]
    architecture: str
    trained: int

    def text(self) -> str:
        """In Markdown, with the head that the hub reads."""
        library = "transformers" if self.kind == "model" else "peft"
        recipe = self.session.recipe
        lines = [
            "---",
            f"base_model: {json.dumps(self.base.name)}",
            f"library_name: {library}",
            "pipeline_tag: text-generation",
            "tags: [emotion-recognition, merc]",
            "---",
            "",
            f"# {recipe.title or recipe.name}",
            "",
            f"A language model ({self.architecture}) that recognises the emotion of an utterance in a conversation, "
            f"exported by merc {__version__} from a run of the recipe `{recipe.name}`.",
            "",
            "| | |",
            "|---|---|",
            f"| base | {self._base()} |",
            f"| tuning | `{json.dumps(_plain(recipe.resolved['backbone'].get('tuning', {'name': 'frozen'})))}` |",
            f"| parameters that learned | {self.trained:,}, those beside the language model included |",
            f"| labels | {', '.join(self.session.labels.labels)} |",
            *(f"| {split} | {numbers} |" for split, numbers in self._numbers()),
            "",
            "## Use",
            "",
            "```python",
            *self._usage(),
            "```",
            "",
            "Prompts are to be those of the run: merc writes them by its recipe's prompter, "
            f"`{json.dumps(_plain(recipe.resolved['stages'][-1].get('prompter', {})) if recipe.stages else {})}`.",
        ]
        if self.beside:
            files = ", ".join(f"`{name}`" for name in self.beside)
            lines += [
                "",
                f"The run also showed media to the language model. {files} hold the weights that brought them to it; "
                "transformers does not load these, and without them the model has only the words. `merc predict` with "
                "the run itself uses all of it.",
            ]
        lines += ["", "Its licence follows from those of the base model and of the data that it was trained on.", ""]
        return "\n".join(lines)

    def _base(self) -> str:
        at = f" at `{self.base.revision}`" if self.base.revision else ""
        return f"`{self.base.name}`{at}"

    def _numbers(self) -> list[tuple[str, str]]:
        lines = []
        for split, numbers in self.session.metrics.items():
            single = {name: value for name, value in numbers.items() if isinstance(value, float)}
            if single:
                lines.append((split, ", ".join(f"{name} {value:.4f}" for name, value in single.items())))
        return lines

    def _usage(self) -> list[str]:
        if self.kind == "model":
            classes, load = "AutoModelForCausalLM, AutoTokenizer", 'AutoModelForCausalLM.from_pretrained("FOLDER")'
            return [f"from transformers import {classes}", "", f"model = {load}", *_TOKENIZER]
        return [
            "from peft import AutoPeftModelForCausalLM",
            "from transformers import AutoTokenizer",
            "",
            f'model = AutoPeftModelForCausalLM.from_pretrained("FOLDER")  # loads {self.base.name}, too',
            *_TOKENIZER,
        ]


_TOKENIZER = ('tokenizer = AutoTokenizer.from_pretrained("FOLDER")',)


def _plain(section: Any) -> Any:
    """A section of a recipe without what may be secret or a place on this machine."""
    return json.loads(hide(json.dumps(section, default=str)))
