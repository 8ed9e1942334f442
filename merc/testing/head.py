"""The contract of heads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from merc.components import Head, Query, Targets
from merc.components.head import GIVES_OF_HEADS
from merc.conversation import Conversation, Utterance
from merc.testing import samples, streams
from merc.testing.contract import ComponentContract, require

if TYPE_CHECKING:
    from torch import Tensor, nn


class HeadContract(ComponentContract):
    """What a head must keep. Override ``utterance`` for one whose values are not 0.5, or sets without a label."""

    kind = "head"
    component: ClassVar[Head]
    width: ClassVar[int] = 16
    """The width of the hidden states."""
    tolerance: ClassVar[float] = 1e-5
    """How far numbers may differ that should be equal."""

    def utterance(self) -> Utterance:
        """An utterance of which the corpus knows what the head learns."""
        value: float | tuple[str, ...] = 0.5 if "numbers" in self.component.gives else ()
        return Utterance(id="u", text="We won!", values=dict.fromkeys(self.component.fields(), value))

    def _module(self) -> nn.Module:
        return streams.seeded(lambda: self.component.build(self.width))

    def _states(self) -> Tensor:
        import torch

        return torch.randn(5, self.width, generator=torch.Generator().manual_seed(7))

    def _targets(self) -> Targets:
        """Five prompts, of one of which nothing is known."""
        utterances = [self.utterance()] * 4 + [Utterance(id="nothing", text="We won!")]
        talk = Conversation(id="c", utterances=tuple(utterances))
        return self.component.targets(
            [Query(conversation=talk, index=i, labels=samples.LABELS) for i in range(len(utterances))]
        )

    def test_fields_are_names(self) -> None:
        """One name at least, each once, the same each time, and ``gives`` is of a kind that metrics know."""
        fields = self.component.fields()
        names = not isinstance(fields, str) and all(isinstance(name, str) and name.strip() for name in fields)
        require(
            names and fields and len(set(fields)) == len(fields),
            f"fields() gives {fields!r}; it must give one name at least, each once",
        )
        require(list(self.component.fields()) == list(fields), "fields() gives other names the second time")
        taken = sorted({"label", "last"} & set(fields))
        require(not taken, f"fields() names {taken}, which are no values of an utterance")
        unknown = sorted(set(self.component.gives) - set(GIVES_OF_HEADS))
        require(not unknown, f"gives names {unknown}; a head gives: {', '.join(GIVES_OF_HEADS)}")

    def test_targets_are_numbers_or_none(self) -> None:
        """As many entries for an utterance of which nothing is known as for one of which all is, where they are finite
        numbers."""
        known, unknown = (list(self.component.target(u)) for u in (self.utterance(), Utterance(id="n", text="Hi.")))
        require(
            known and all(isinstance(v, int | float) and math.isfinite(v) for v in known),
            f"target() gives {known!r} for the utterance of this check; give an utterance() of which all is known",
        )
        require(
            len(unknown) == len(known),
            f"target() gives {len(known)} entries, and {len(unknown)} where it knows nothing",
        )

    def test_gives_one_row_a_prompt(self) -> None:
        """``[prompts, outputs]``, finite, as many outputs as targets."""
        import torch

        outputs, count = self._module()(self._states()), len(self.component.target(self.utterance()))
        shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        require(shape == (5, count), f"{self.title} gives {shape} for 5 prompts; its targets are (5, {count})")
        require(bool(outputs.isfinite().all()), f"{self.title} gives outputs that are no numbers")

    def test_prompts_do_not_depend_on_each_other(self) -> None:
        """A prompt alone gives what it gives in the batch."""
        import torch

        module, states = self._module(), self._states()
        together = module(states)
        for index in range(len(states)):
            alone = module(states[index : index + 1])[0]
            require(
                torch.allclose(alone, together[index], rtol=self.tolerance, atol=self.tolerance),
                f"prompt {index} alone gives other outputs than in the batch: prompts leak into each other",
            )

    def test_losses_are_finite_and_every_parameter_learns(self) -> None:
        """``losses`` gives ``[prompts, outputs]``, and gradients of what is known reach all parameters."""
        import torch

        module, targets = self._module(), self._targets()
        losses: Any = self.component.losses(module(self._states()), targets)
        shape = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
        require(
            shape == tuple(targets.known.shape),
            f"losses() gives {shape}; it must give one value an output, {tuple(targets.known.shape)}",
        )
        known = losses[targets.known]
        require(bool(known.isfinite().all()), f"losses() of {self.title} gives values that are no numbers")
        require(losses.requires_grad, f"losses() of {self.title} gives values without a gradient, so nothing learns")
        known.sum().backward()
        without = [n for n, p in module.named_parameters() if p.grad is None or not bool(p.grad.isfinite().all())]
        require(not without, f"parameters without a gradient that is a number: {', '.join(without)}")

    def test_values_are_plain_and_go_by_the_fields(self) -> None:
        """``values`` gives each of ``fields``, as JSON: a number, or the labels that are true and the probabilities of
        all."""
        row = self._module()(self._states())[0].tolist()
        values = self.component.values(row)
        fields = list(self.component.fields())
        require(
            isinstance(values, Mapping) and list(values) == fields,
            f"values() gives {values!r}; it must give a value by each of fields(), {fields}, in their order",
        )
        try:
            json.dumps(dict(values), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"values() gives what JSON cannot hold: {error}") from error
        require(self.component.values(row) == values, "values() gives others the second time")
        for name, value in values.items():
            if "numbers" in self.component.gives:
                require(
                    isinstance(value, int | float) and not isinstance(value, bool),
                    f"values() gives {value!r} for {name!r}; gives says numbers",
                )
            if "label_sets" in self.component.gives:
                _check_set(name, value)

    def test_builds_on_the_meta_device(self) -> None:
        """``merc params`` counts parameters without weights."""
        streams.check_meta(self.title, lambda: self.component.build(self.width))


def _check_set(name: str, value: Any) -> None:
    right = isinstance(value, Mapping) and set(value) == {"labels", "probabilities"}
    chances: Any = value["probabilities"] if right else {}
    labels: Sequence[str] = value["labels"] if right else []
    require(
        right and chances and set(labels) <= set(chances) and all(0 <= chance <= 1 for chance in chances.values()),
        f"values() gives {value!r} for {name!r}; it must give the 'labels' that are true, a list, and the "
        "'probabilities' of all, by label from 0 to 1",
    )
