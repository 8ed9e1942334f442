"""The contract of connectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from merc.components import Connector, FeatureSpec, Stream
from merc.testing import streams
from merc.testing.contract import ComponentContract, require

if TYPE_CHECKING:
    from torch import nn


class ConnectorContract(ComponentContract):
    """What a connector must keep. ``spec`` and ``counts`` (the tokens of each row of the batch, one of them 0) may be
    overridden for a connector that wants a certain shape; one that takes no input gets one row without tokens."""

    kind = "connector"
    component: ClassVar[Connector]
    spec: ClassVar[FeatureSpec] = FeatureSpec(dim=12)
    counts: ClassVar[Sequence[int]] = (4, 1, 0, 6)
    hidden: ClassVar[int] = 16
    tolerance: ClassVar[float] = 1e-4

    def module(self) -> nn.Module:
        """The module from a fixed seed, shown some features if it has ``fit``, in evaluation mode."""
        made = streams.seeded(lambda: self.component.build(self._spec, self.hidden))
        fit = getattr(made, "fit", None)
        if fit is not None:
            batch = self._batch()
            fit([streams.real(batch, i) for i, count in enumerate(self._counts) if count])
        return made

    @property
    def _free(self) -> bool:
        return self.component.inputs == "none"

    @property
    def _spec(self) -> FeatureSpec:
        return FeatureSpec(dim=0) if self._free else self.spec

    @property
    def _counts(self) -> Sequence[int]:
        return (0,) if self._free else self.counts

    def _present(self) -> list[int]:
        """The rows of which tokens come out."""
        return [row for row, count in enumerate(self._counts) if count or self._free]

    def _batch(self, padding: int = 0, rubbish: float = 0.0) -> Stream:
        return streams.stream(self._counts, self._spec.dim, padding=padding, rubbish=rubbish)

    def test_tokens_have_the_width_of_the_llm(self) -> None:
        """A Stream comes out, ``[batch, tokens, hidden]``, with finite numbers."""
        out = self.module()(self._batch())
        streams.check_stream(self.title, out, len(self._counts), self.hidden)
        streams.check_finite(self.title, out)

    def test_tokens_says_how_many_come_out(self) -> None:
        """``tokens(count)`` is what the mask shows; a row without tokens stays without."""
        out = self.module()(self._batch())
        for index, count in enumerate(self._counts):
            present = index in self._present()
            found, said = int(out.mask[index].sum()), self.component.tokens(count) if present else 0
            what = f"tokens({count}) of {self.title} says {said}" if present else "the row lacks the modality"
            require(found == said, f"row {index}: {count} tokens went in and {found} came out, but {what}")

    def test_same_input_gives_same_tokens(self) -> None:
        """A module of the same seed gives the very same numbers."""
        import torch

        one, two = (self.module()(self._batch()).values for _ in range(2))
        require(torch.equal(one, two), f"{self.title} gives other numbers the second time, with the same seed")

    def test_rows_do_not_depend_on_each_other(self) -> None:
        """A row alone gives what it gives in the batch."""
        import torch

        module, batch = self.module(), self._batch()
        together = module(batch)
        for index in self._present():
            alone = streams.real(module(streams.row(batch, index)), 0)
            require(
                torch.allclose(alone, streams.real(together, index), rtol=self.tolerance, atol=self.tolerance),
                f"row {index} alone gives other tokens than in the batch: rows leak into each other",
            )

    def test_masked_tokens_change_nothing(self) -> None:
        """What stands where the mask is false, and more of it, never reaches a real token."""
        import torch

        module = self.module()
        plain, padded = module(self._batch()), module(self._batch(padding=3, rubbish=50.0))
        for index in self._present():
            one, two = streams.real(plain, index), streams.real(padded, index)
            same = one.shape == two.shape and torch.allclose(one, two, rtol=self.tolerance, atol=self.tolerance)
            require(same, f"row {index}: masked tokens leak into real ones; give the mask to what mixes tokens")

    def test_every_parameter_learns(self) -> None:
        """Gradients reach all parameters, and are numbers though a row lacks the modality."""
        module = self.module()
        streams.check_gradients(self.title, module, module(self._batch()))

    def test_builds_on_the_meta_device(self) -> None:
        """``merc params`` counts parameters without weights."""
        streams.check_meta(self.title, lambda: self.component.build(self._spec, self.hidden))
