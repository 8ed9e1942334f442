"""The contract of fusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import pytest

from merc.components import FeatureSpec, Fuser, Stream
from merc.testing import streams
from merc.testing.contract import ComponentContract, require

if TYPE_CHECKING:
    from torch import nn


class FuserContract(ComponentContract):
    """What a fuser must keep. For one that looks at the past the rows are utterances of one conversation."""

    kind = "fuser"
    component: ClassVar[Fuser]
    inputs: ClassVar[Mapping[str, FeatureSpec]] = {"video": FeatureSpec(dim=6), "audio": FeatureSpec(dim=4)}
    """The shapes of the streams that go in."""
    counts: ClassVar[Mapping[str, Sequence[int]]] = {"video": (4, 2, 0, 3, 0), "audio": (5, 0, 2, 1, 0)}
    """The tokens of each row, by stream: among the rows one that lacks a stream, and one that lacks all."""
    speakers: ClassVar[Sequence[int]] = (0, 1, 0, -1, 1)
    """Who says each row, for a fuser that looks at the past; -1 is nobody known."""
    tolerance: ClassVar[float] = 1e-4
    """How far numbers may differ that should be equal."""

    def module(self) -> nn.Module:
        """The module from a fixed seed, in evaluation mode; the test is skipped for a fuser that gives no stream."""
        if self.component.spec(self.inputs) is None:
            pytest.skip(f"{self.title} gives no stream")
        return streams.seeded(lambda: self.component.build(self.inputs))

    def _batch(self, padding: int = 0, rubbish: float = 0.0) -> dict[str, Stream]:
        return {
            name: streams.stream(self.counts[name], spec.dim, seed, padding, rubbish)
            for seed, (name, spec) in enumerate(self.inputs.items())
        }

    def _run(self, module: nn.Module, batch: Mapping[str, Stream]) -> Stream:
        import torch

        if self.component.context != "past":
            return module(batch)  # type: ignore[no-any-return]
        rows = len(next(iter(batch.values())).mask)
        return module(batch, torch.tensor(self.speakers[:rows]))  # type: ignore[no-any-return]

    def _present(self) -> list[int]:
        rows = range(len(next(iter(self.counts.values()))))
        return [row for row in rows if any(self.counts[name][row] for name in self.inputs)]

    def test_spec_is_a_shape_or_none(self) -> None:
        """``spec`` gives a FeatureSpec, or None for a fuser without a stream."""
        spec = self.component.spec(self.inputs)
        require(
            spec is None or (isinstance(spec, FeatureSpec) and spec.dim >= 1),
            f"spec() of {self.title} gives {spec!r}; it must give merc.FeatureSpec or None",
        )

    def test_stream_has_the_declared_shape(self) -> None:
        """A Stream comes out, ``[batch, tokens, dim]``, with as many tokens as ``tokens`` says."""
        out = self._run(self.module(), self._batch())
        spec = self.component.spec(self.inputs)
        assert spec is not None
        rows = len(next(iter(self.counts.values())))
        streams.check_stream(self.title, out, rows, spec.dim)
        streams.check_finite(self.title, out)
        for row in self._present():
            counts = {name: self.counts[name][row] for name in self.inputs}
            tokens, stated = int(out.mask[row].sum()), self.component.tokens(counts)
            require(
                tokens == stated, f"row {row} gives {tokens} tokens, but tokens({counts}) of {self.title} says {stated}"
            )
            require(
                spec.tokens is None or tokens <= spec.tokens,
                f"row {row} gives {tokens} tokens; spec() says at most {spec.tokens}",
            )

    def test_same_input_gives_same_stream(self) -> None:
        """A module of the same seed gives the very same numbers."""
        import torch

        one, two = (self._run(self.module(), self._batch()).values for _ in range(2))
        require(torch.equal(one, two), f"{self.title} gives other numbers the second time, with the same seed")

    def test_a_row_depends_on_nothing_that_it_may_not_see(self) -> None:
        """A row alone, or, for a fuser that looks at the past, with those before it, gives what it gives in the batch:
        so no other row (no later one) matters to it, and none is spoiled by one that lacks a stream."""
        import torch

        module, batch = self.module(), self._batch()
        together = self._run(module, batch)
        past = self.component.context == "past"
        for row in self._present():
            first = 0 if past else row
            seen = {n: Stream(one.values[first : row + 1], one.mask[first : row + 1]) for n, one in batch.items()}
            own = streams.real(self._run(module, seen), row - first)
            require(
                torch.allclose(own, streams.real(together, row), rtol=self.tolerance, atol=self.tolerance),
                f"utterance {row} of the conversation gets other features where later ones follow: {self.title} looks "
                "ahead; a row may depend on itself and those before it alone (a causal mask)"
                if past
                else f"row {row} alone gives other features than in the batch: rows leak into each other",
            )

    def test_masked_tokens_change_nothing(self) -> None:
        """What stands where a mask is false, and more of it, never reaches a real token."""
        import torch

        module = self.module()
        plain, padded = (self._run(module, one) for one in (self._batch(), self._batch(padding=3, rubbish=50.0)))
        for row in self._present():
            one, two = streams.real(plain, row), streams.real(padded, row)
            same = one.shape == two.shape and torch.allclose(one, two, rtol=self.tolerance, atol=self.tolerance)
            require(same, f"row {row}: masked tokens leak into real ones; give the masks to what mixes tokens")

    def test_every_parameter_learns(self) -> None:
        """Gradients reach all parameters, and are numbers though rows lack streams."""
        module = self.module()
        streams.check_gradients(self.title, module, self._run(module, self._batch()))

    def test_builds_on_the_meta_device(self) -> None:
        """``merc params`` counts parameters without weights."""
        if self.component.spec(self.inputs) is None:
            pytest.skip(f"{self.title} gives no stream")
        streams.check_meta(self.title, lambda: self.component.build(self.inputs))
