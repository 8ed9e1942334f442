"""Whether the cues of a recipe fit together: what its annotators write, and what its prompters, its decoder and its
losses read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from merc.components import Annotator, Decoder, Loss, Prompter, Trainer
from merc.consent import with_inner
from merc.errors import MercError, did_you_mean
from merc.recipe.annotator_graph import in_order, label_guided
from merc.recipe.asking import Asking, node_at, says
from merc.recipe.document import Node
from merc.recipe.problems import Problems, join
from merc.recipe.schema import ComponentRef, Stage
from merc.registry import get_registry
from merc.registry.isolation import described, isolated


def check_cues(
    annotators: Mapping[str, ComponentRef],
    prompters: Sequence[tuple[str, Node, ComponentRef]],
    root: Node,
    problems: Problems,
) -> None:
    """Report components that cannot say their cue fields, annotators that write the same one or read each other in a
    circle, and prompts that show what was made from the gold label.

    A field that a prompter reads and no annotator writes is no error here: the corpus may hold it, and that is known
    when its conversations are there.
    """
    section = root.get("annotators")
    writers: dict[str, str] = {}
    known = len(problems.errors)
    for name, part in annotators.items():
        path, node = join("annotators", name), section.get(name) if section is not None else None
        for field in _cue_fields(part, path, node, "annotator", cast(Annotator, part.component).fields, problems):
            first = writers.setdefault(field, name)
            if first != name:
                problems.add(
                    path, node, f"writes the cue {field!r}, and so does annotators.{first}; take one of the two out "
                    f"(annotators.{name}=null takes out an inherited one)",
                )  # fmt: skip
        _cue_fields(part, path, node, "annotator", cast(Annotator, part.component).reads, problems)
    guided: dict[str, str] = {}
    if len(problems.errors) == known:  # each said what it writes and reads
        try:
            in_order(annotators)
        except MercError as error:
            problems.add("annotators", section, str(error))
        else:
            guided = {field: name for field, name in writers.items() if name in label_guided(annotators)}
    for path, node, part in prompters:
        prompter = cast(Prompter, part.component)
        for field in _cue_fields(part, path, node, "prompter", prompter.cue_fields, problems):
            if field in guided:
                problems.add(
                    path, node, f"shows the cue {field!r}, which annotators.{guided[field]} makes from the gold label, "
                    "so a prompt would give the answer away; it may only be learned as an answer",
                )  # fmt: skip
        _cue_fields(part, path, node, "prompter", prompter.answer_fields, problems)


def check_read_cues(asking: Asking, decoder: Decoder, root: Node, problems: Problems) -> None:
    """Report cues that a decoder reads and the recipe's own prompter does not request, so that nobody has them made."""
    own = cast(Prompter, asking.part.component)
    fields, requested = _names_of(decoder.cue_fields), _names_of(own.cue_fields)
    who = f"{get_registry().name_of(decoder)!r} reads"
    _report_unrequested("evaluate.decoder", who, fields, requested, asking.path, root, problems)


def check_loss_cues(index: int, stage: Stage, root: Node, problems: Problems) -> None:
    """Report cues that a loss reads and no prompter of its stage requests."""
    prompters = [cast(Prompter, task.prompter.component) for task in stage.tasks]
    requested = [one for own in prompters for say in (own.cue_fields, own.answer_fields) for one in _names_of(say)]
    for loss in with_inner(cast(Trainer, stage.trainer.component)):
        if isinstance(loss, Loss):
            who = f"the loss {get_registry().name_of(loss)!r} reads"
            fields, prompter = _names_of(loss.cue_fields), f"{stage.tasks[0].path}.prompter"
            _report_unrequested(f"stages.{index}.trainer", who, fields, requested, prompter, root, problems)


def _names_of(say: Callable[[], Sequence[str]]) -> list[str]:
    nothing: Sequence[str] = ()
    return list(dict.fromkeys(says(say, nothing)))


def _report_unrequested(
    path: str, who: str, fields: Sequence[str], requested: Sequence[str], prompter: str, root: Node, problems: Problems
) -> None:
    for name in fields:
        if name not in requested:
            problems.add(
                path, node_at(root, path),
                f"{who} the cue {name!r}, which {prompter} does not request, so it would not be there."
                f"{did_you_mean(name, requested)} It requests: {', '.join(requested) or 'none'}; correct the name, or "
                "let it request the cue (prompter beside of merc-decoding requests cues that no prompt shows)",
            )  # fmt: skip


def _cue_fields(
    part: ComponentRef, path: str, node: Node | None, kind: str, say: Callable[[], Sequence[str]], problems: Problems
) -> list[str]:
    try:
        return list(dict.fromkeys(isolated(say)))
    except Exception as error:
        problems.add(path, node, f"{kind} {part.name!r} cannot say its cue fields: {described(error)}")
        return []
