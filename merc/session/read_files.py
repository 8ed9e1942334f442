"""The files that a recipe's components read beside the corpus and networks: their hashes, and what losses, rewards
and decoders need."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from merc.components import Decoder, Loss, Prompter, Query, Reward
from merc.components.base import Component
from merc.consent import hide, with_inner
from merc.conversation import LabelSpace
from merc.errors import naming
from merc.files import hash_file
from merc.prompting import is_label_prompt
from merc.recipe import Recipe, Stage
from merc.recipe.runs import find_run
from merc.session.fitted import FILE as FITTED
from merc.session.media_check import StagePrompts

FileHashes = Mapping[str, Mapping[str, str | None]]
"""By the place of a component in its recipe, the SHA-256 of each file that it reads, by path; None for one that cannot
be read."""


def file_hashes(recipe: Recipe, done: Collection[str] = ()) -> FileHashes:
    """The hashes of what components read (``Component.reads_files``), without those of stages that are ``done``."""
    hashes: dict[str, dict[str, str | None]] = {}
    for place, component in _components(recipe, done):
        for named in (path for one in with_inner(component) for path in one.reads_files()):
            for file in _files_of(named):
                hashes.setdefault(place, {})[hide(str(file))] = _hash(file)
    return hashes


def check_decoder(decoder: Decoder, labels: LabelSpace) -> None:
    """Ask a decoder, and those within it, for what they need (``Decoder.check``). Raises MercError, naming the key."""
    for one in with_inner(decoder):
        if isinstance(one, Decoder):
            with naming("evaluate.decoder"):
                one.check(labels)


def check_losses(stage: Stage, labels: LabelSpace, prompts: StagePrompts) -> None:
    """Ask the losses of a stage for what they need (``Loss.check``). Raises MercError, naming the stage."""
    assert isinstance(stage.trainer.component, Component)
    losses = [one for one in with_inner(stage.trainer.component) if isinstance(one, Loss)]
    losses = [one for one in losses if type(one).check is not Loss.check]
    if not losses:  # no prompt is made for nothing
        return
    prompters = {f"{task.path}.prompter": task.prompter.component for task in stage.tasks}
    learned = []
    for where, prompter, groups in prompts:
        if where in prompters:
            assert isinstance(prompter, Prompter)
            every = (query for group in groups for query in group if query.target.label is not None)
            learned += [query for query in every if is_label_prompt(prompter.prompt(query))]
    for loss in losses:
        with naming(f"stage {stage.id}"):
            loss.check(labels, learned)


def check_rewards(asks: Stage | Decoder, labels: LabelSpace, queries: Sequence[Query]) -> None:
    """Ask the rewards of a stage or a decoder whether they can judge answers to queries (``Reward.check``). Raises
    MercError, naming where they stand in the recipe."""
    owner = asks.trainer.component if isinstance(asks, Stage) else asks
    place = f"stage {asks.id}" if isinstance(asks, Stage) else "evaluate.decoder"
    assert isinstance(owner, Component)
    for one in with_inner(owner):
        if isinstance(one, Reward):
            with naming(place):
                one.check(labels, queries)


def _components(recipe: Recipe, done: Collection[str]) -> Iterator[tuple[str, Component]]:
    """What a run's numbers come from, but for the corpus and annotators, whose work is hashed itself."""
    parts = {"backbone": recipe.backbone}
    for section in ("encoders", "connectors", "fusers", "heads"):
        parts |= {f"{section}.{name}": part for name, part in getattr(recipe, section).items()}
    for stage in recipe.stages:
        if stage.id not in done:
            parts[f"stages.{stage.id}.trainer"] = stage.trainer
            for task in stage.tasks:
                parts |= {f"{task.path}.prompter": task.prompter, f"{task.path}.demonstrations": task.demonstrations}
    components = {place: part.component for place, part in parts.items() if part is not None}
    if (how := recipe.evaluate) is not None:
        own = {"prompter": how.prompter, "demonstrations": how.demonstrations}
        components |= {f"evaluate.{name}": part.component for name, part in own.items() if part is not None}
        components["evaluate.decoder"] = how.decoder
    yield from ((place, one) for place, one in components.items() if isinstance(one, Component))


def _files_of(named: Path) -> list[Path]:
    """The file, or those of a run that say what it is: ``done.json`` of a stage has the hashes of its weights."""
    folder = find_run(named).folder
    if not folder.is_dir():
        return [named]
    files = [folder / name for name in ("recipe.yaml", "labels.json", FITTED)]
    return [*(file for file in files if file.exists()), *sorted(folder.glob("stages/*/done.json"))]


def _hash(file: Path) -> str | None:
    try:
        return hash_file(file)
    except OSError:
        return None
