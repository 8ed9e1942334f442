"""The stages of a recipe: each with one task that stands in it, or a list of tasks."""

from __future__ import annotations

import re
from typing import Any

from merc.errors import did_you_mean
from merc.recipe.document import Node
from merc.recipe.fit import Placed
from merc.recipe.problems import Problems, join
from merc.recipe.schema import ComponentRef, Stage, StageData, Task
from merc.recipe.sections import Sections
from merc.recipe.values import convert_node, record

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a stage may be called."""

_OF_TASKS = ("prompter", "data", "demonstrations")
_STAGE_KEYS = ("id", "prompter", "trainer", "data", "trainable", "demonstrations", "tasks")
_TASK_KEYS = (*_OF_TASKS, "share", "beside")


class Staging:
    """Builds stages. Every method reports what is wrong and goes on.

    ``prompters``, ``trainers`` and ``selectors`` are kept as they come, so that they are checked even where something
    else of their stage is wrong.
    """

    def __init__(self, problems: Problems, sections: Sections) -> None:
        self.problems, self.sections = problems, sections
        self.prompters: list[Placed] = []
        self.trainers: list[Placed] = []
        self.selectors: list[Placed] = []

    def stages(self, node: Node | None) -> tuple[tuple[Stage, ...], list[Any] | None]:
        """The stages, in order, and how they are recorded."""
        if node is None or node.value is None or node.broken:
            return (), None
        if not isinstance(node.value, list):
            self.problems.add("stages", node, "wants a list: - {id: ..., prompter: {name: ...}, trainer: {name: ...}}")
            return (), None
        stages, seen, recorded = [], dict[str, int](), []
        for index, child in enumerate(node.value):
            path = join("stages", index)
            if not self.sections.is_mapping(child, path):
                continue
            stage, how = self.stage(child, path)
            recorded.append(how)
            identity = child.get("id")
            if identity is not None and isinstance(identity.value, str):
                first = seen.setdefault(identity.value, index)
                if first != index:
                    self.problems.add(join(path, "id"), identity, f"{identity.value!r} is the id of stages.{first} too")
            if stage is not None:
                stages.append(stage)
        return tuple(stages), recorded

    def stage(self, node: Node, path: str) -> tuple[Stage | None, dict[str, Any]]:
        """One stage."""
        self._known(node, path, "stage", _STAGE_KEYS)
        values: dict[str, Any] = {}
        recorded: dict[str, Any] = {}
        several = node.get("tasks")
        several = several if several is None or several.value is not None else None
        for key in ("id", "trainer") if several is not None else ("id", "prompter", "trainer"):
            if node.get(key) is None:
                text = "is missing; a stage has an id, a prompter (or a list of tasks) and a trainer"
                self.problems.add(join(path, key), node, text)
        identity, trainer, trainable = node.get("id"), node.get("trainer"), node.get("trainable")
        if identity is not None:
            self._value("id", str, identity, path, values, recorded)
            if "id" in values and not NAME.fullmatch(values["id"]):
                text = "becomes a folder's name, so it has letters, digits, '-', '_' and '.' only, "
                text += f"a letter or digit first; given {values['id']!r}"
                self.problems.add(join(path, "id"), identity, text)
        if several is not None:
            tasks, recorded["tasks"] = self._tasks(several, node, path)
        else:
            task, how = self._task(node, path)
            tasks = None if task is None else (task,)
            recorded |= how
        if trainer is not None:
            part, recorded["trainer"] = self.sections.part("trainer", trainer, join(path, "trainer"))
            if part is not None:
                values["trainer"] = part
                self._place(self.trainers, join(path, "trainer"), trainer, part)
        if trainable is not None and trainable.value is not None:
            self._value("trainable", tuple[str, ...], trainable, path, values, recorded)
        order = [key for key in ("id", "prompter", "tasks", "trainer") if key in recorded]
        recorded = {key: recorded[key] for key in dict.fromkeys([*order, *recorded])}
        if tasks is None or not {"id", "trainer"} <= set(values):
            return None, recorded
        return Stage(tasks=tasks, **values), recorded

    def demonstrations(self, node: Node, path: str, values: dict[str, Any], recorded: dict[str, Any]) -> bool:
        """What chooses demonstrations, where the section says (null: nothing). Gives whether all is well."""
        child = node.get("demonstrations")
        if child is None:
            return True
        here = join(path, "demonstrations")
        part, how = None, None
        if child.value is not None:
            part, how = self.sections.part("selector", child, here)
            if part is None:
                return False
            self._place(self.selectors, here, child, part)
        else:
            self.sections.sources[here] = self.sections.where(child)
        values["demonstrations"], recorded["demonstrations"] = part, how
        return not child.broken

    def _tasks(self, several: Node, stage: Node, path: str) -> tuple[tuple[Task, ...] | None, list[Any]]:
        """The list of tasks of a stage."""
        here = join(path, "tasks")
        for key in _OF_TASKS:
            if stage.get(key) is not None:
                text = f"stands beside tasks; with several tasks each has its own: {here}.0.{key}"
                self.problems.add(join(path, key), stage.get(key), text)
        if several.broken:
            return None, []
        if not isinstance(several.value, list) or not several.value:
            self.problems.add(here, several, "wants a list: - {prompter: {name: ...}, share: 0.5}")
            return None, []
        read, recorded = [], []
        for index, child in enumerate(several.value):
            place = join(here, index)
            if not self.sections.is_mapping(child, place):
                continue
            self._known(child, place, "task", _TASK_KEYS)
            if child.get("prompter") is None:
                self.problems.add(join(place, "prompter"), child, "is missing; a task is what a prompter asks")
            task, how = self._task(child, place)
            read.append(task)
            recorded.append(how)
        tasks = [task for task in read if task is not None]
        if len(tasks) < len(several.value):
            return None, recorded
        if tasks[0].beside:
            self.problems.add(join(here, "0.beside"), several.value[0], "is of the tasks after the first, whose trees "
                              "they are asked in; take it out")  # fmt: skip
        apart = [index for index, task in enumerate(tasks) if not task.beside]
        lacking = [index for index in apart if tasks[index].share is None]
        if lacking and len(lacking) < len(apart):
            text = "has no share, and other tasks of its stage have one; give every task a share, or none"
            self.problems.add(join(here, lacking[0]), several.value[lacking[0]], text)
        return tuple(tasks), recorded

    def _task(self, node: Node, path: str) -> tuple[Task | None, dict[str, Any]]:
        """What a stage, or one of its tasks, learns."""
        values: dict[str, Any] = {"path": path}
        recorded: dict[str, Any] = {}
        prompter, share, data = node.get("prompter"), node.get("share"), node.get("data")
        if prompter is not None:
            part, recorded["prompter"] = self.sections.part("prompter", prompter, join(path, "prompter"))
            if part is not None:
                values["prompter"] = part
                self._place(self.prompters, join(path, "prompter"), prompter, part)
        data = data if data is None or data.value is not None else None
        here = join(path, "data")
        settings, recorded["data"] = self.sections.section(StageData, data, here, "data")
        values["data"] = self.sections.make(StageData, settings, data, here)
        if share is not None and ".tasks." in path:
            self._value("share", float | None, share, path, values, recorded)
        if (beside := node.get("beside")) is not None and ".tasks." in path:
            self._value("beside", bool, beside, path, values, recorded)
        fine = self.demonstrations(node, path, values, recorded)
        if not fine or "prompter" not in values or values["data"] is None:
            return None, recorded
        task: Task | None = self.sections.make(Task, values, node, path)
        return task, recorded

    def _place(self, placed: list[Placed], path: str, node: Node, part: ComponentRef) -> None:
        """Keep a component that is to be checked against the others."""
        if not self.sections.not_needed(path):
            placed.append((path, node, part))

    def _known(self, node: Node, path: str, what: str, keys: tuple[str, ...]) -> None:
        for key, child in node.value.items():
            if key not in keys:
                text = f"a {what} has no {key!r}.{did_you_mean(key, keys)} It has: {', '.join(keys)}"
                self.problems.add(join(path, key), child, text)

    def _value(
        self, key: str, annotation: Any, node: Node, path: str, values: dict[str, Any], recorded: dict[str, Any]
    ) -> None:
        value, node = convert_node(annotation, node, join(path, key), self.problems)
        if not node.broken and self.sections.recordable(node, join(path, key)):
            values[key], recorded[key] = value, record(value, node)
            self.sections.sources[join(path, key)] = self.sections.where(node)
