"""A model that starts from what another run trained: the same parts, by name and shape, and new ones beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor, nn

from merc.components import Tuning
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.state import of_backbone, read_state, read_tuning


def start_from(model: EmotionModel, folder: Path, trained_by: Tuning) -> tuple[list[str], list[str]]:
    """Put what ``save_stage`` wrote for another run, tuned by ``trained_by``, into a new model. Gives the names of the
    parts that were taken and of those that the other run did not have, which stay as they are: ``backbone`` (what its
    tuning learned), ``connectors.<stream>``, ``fusers.<name>``, ``encoders.<name>``, ``heads.<name>``.

    Nothing that was trained is left out. Raises MercError for a part that the model does not have, and for one whose
    parameters have other names or shapes; the model is not changed then.
    """
    taken, new = [], []
    learns = of_backbone(model)
    tuned: Mapping[str, Tensor] | None = None
    if (folder / trained_by.saved_as).exists():
        if why := model.tuning.fits(trained_by):
            raise MercError(why)
        tuned = read_tuning(model, folder)
        _check("what the tuning learned", tuned, model.tuning.state(model.llm, learns),
               "backbone.tuning to that of the run")  # fmt: skip
    states = {}
    for part, modules in model.kinds().items():
        own = _by_name(modules)
        states[part] = saved = _split(_read(file)) if (file := folder / f"{part}.safetensors").exists() else {}
        for name, state in saved.items():
            if name not in own:
                if part == "encoders":
                    raise MercError(
                        f"its encoder {name!r} has learned, and this recipe's is as it was loaded; name "
                        f"encoders.{name} in the trainable of a stage"
                    )
                raise MercError(
                    f"it has {part}.{name}, which the recipe has not; give the recipe one like it "
                    f"(it has: {', '.join(own) or 'none'})"
                )
            _check(f"{part}.{name}", state, own[name], f"{part}.{name} to that of the run")
        taken += [f"{part}.{name}" for name in saved]
        new += [f"{part}.{name}" for name in own if name not in saved]
    if tuned is not None:
        model.tuning.load(model.llm, tuned)
    if learns:
        (taken if tuned is not None else new).insert(0, "backbone")
    for part, saved in states.items():
        for name, state in saved.items():
            model.kinds()[part][name].load_state_dict(state)
    return taken, new


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return read_state(file)
    except SafetensorError as error:
        raise MercError(f"{file} is damaged ({error}); train that run again") from None


def _by_name(modules: nn.ModuleDict) -> dict[str, Mapping[str, Tensor]]:
    return {name: module.state_dict() for name, module in modules.items() if module.state_dict()}


def _split(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """A state of several parts by part: a name has no dots."""
    by_name: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        name, _, inside = key.partition(".")
        by_name.setdefault(name, {})[inside] = value
    return by_name


def _check(what: str, saved: Mapping[str, Tensor], own: Mapping[str, Tensor], mend: str) -> None:
    differing = sorted(set(saved) ^ set(own))
    if differing:
        where = "it alone" if differing[0] in saved else "the recipe's model alone"
        raise MercError(
            f"{what} is built otherwise there: {len(differing)} parameters are not in both ({differing[0]} in "
            f"{where}); set {mend}"
        )
    for key, value in saved.items():
        if value.shape != own[key].shape:
            raise MercError(
                f"{what} has another size there: {key} is {list(value.shape)}, and {list(own[key].shape)} in the "
                f"recipe's model; set {mend}"
            )
