"""The contract of connectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from merc.components import Connector, FeatureSpec, SeenMedia, Stream, layer_names
from merc.testing import streams
from merc.testing.contract import ComponentContract, require
from merc.testing.examples.backbone import Example as TinyBackbone

if TYPE_CHECKING:
    from torch import Tensor, nn


class ConnectorContract(ComponentContract):
    """What a connector must keep. One that takes no input gets one row without tokens. What it inserts is tried on a
    small random model of the LLaMA kind (``backbone``)."""

    kind = "connector"
    component: ClassVar[Connector]
    spec: ClassVar[FeatureSpec] = FeatureSpec(dim=12)
    """The shape of the features, for a connector that wants a certain one."""
    counts: ClassVar[Sequence[int]] = (4, 1, 0, 6)
    """The tokens of each row of the batch, one of them 0."""
    hidden: ClassVar[int] = 16
    """The width of the LLM."""
    tolerance: ClassVar[float] = 1e-4
    """How far numbers may differ that should be equal."""

    def module(self) -> nn.Module:
        """The module from a fixed seed, shown some features if it has ``fit``, in evaluation mode."""
        module = streams.seeded(lambda: self.component.build(self._spec, self.hidden))
        fit = getattr(module, "fit", None)
        if fit is not None:
            batch = self._batch()
            fit([streams.real(batch, i) for i, count in enumerate(self._counts) if count])
        return module

    def backbone(self) -> Any:
        """A small model in float32 of the width ``hidden``, always with the same numbers."""
        return TinyBackbone(layers=4, width=self.hidden).load("cpu")

    def _inserted(self) -> dict[str, nn.Module]:
        if type(self.component).insert is Connector.insert:
            return {}
        import torch

        llm = self.backbone()
        torch.manual_seed(0)
        return dict(self.component.insert(llm))

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
            tokens, stated = int(out.mask[index].sum()), self.component.tokens(count) if present else 0
            if present and not stated and self._inserted():
                continue  # layers look at them, and none stands in the prompt
            what = f"tokens({count}) of {self.title} says {stated}" if present else "the row lacks the modality"
            require(tokens == stated, f"row {index}: {count} tokens went in and {tokens} came out, but {what}")

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
        """Gradients reach all parameters, and are numbers though a row lacks the modality or a place sees nothing."""
        module = self.module()
        streams.check_gradients(self.title, module, module(self._batch()))
        for name, inserted in self._inserted().items():
            states, media = self._places()
            states_after = inserted(states, media)
            title = f"{self.title}, the module before {name}"
            streams.check_gradients(
                title, inserted, Stream(states_after, states_after.new_ones(states_after.shape[:2]).bool())
            )

    def test_builds_on_the_meta_device(self) -> None:
        """``merc params`` counts parameters without weights."""
        from torch import nn

        streams.check_meta(self.title, lambda: self.component.build(self._spec, self.hidden))
        if self._inserted():
            llm = self.backbone()
            streams.check_meta(self.title, lambda: nn.ModuleList(self.component.insert(llm).values()), "insert")

    def _places(self) -> tuple[Tensor, SeenMedia]:
        """States of six places in a row, and five tokens: the first two places see none, the others those of one
        utterance, and one place those of a second, which was shown after it."""
        import torch

        generator = torch.Generator().manual_seed(3)
        states, tokens = (torch.randn(*shape, self.hidden, generator=generator) for shape in ((1, 6), (5,)))
        mask = torch.zeros(1, 6, 5, dtype=torch.bool)
        mask[0, 2:, :2] = True
        mask[0, 4, 2:4] = True
        age = torch.zeros(1, 6, 5, dtype=torch.int)
        age[0, 4, :2] = 1
        return states, SeenMedia(tokens, mask, age)

    def test_inserted_modules_stand_before_layers_that_there_are(self) -> None:
        """``insert`` gives modules by names of the language model's layers, and leaves it as it is."""
        from torch import nn

        if not self._inserted():
            return
        llm = self.backbone()
        before = {name: value.clone() for name, value in llm.state_dict().items()}
        for name, module in self.component.insert(llm).items():
            who, kind = f"insert() of {self.title}", type(module).__name__
            require(isinstance(module, nn.Module), f"{who} gives {kind} for {name!r}; it must give a torch.nn.Module")
            there = dict(llm.named_modules())
            require(name in there, f"{who} names {name!r}; the layers are {', '.join(layer_names(llm))}")
        after = llm.state_dict()
        require(
            before.keys() == after.keys() and all(value.equal(after[name]) for name, value in before.items()),
            f"insert() of {self.title} changes the language model; it may only look at it",
        )

    def test_a_place_looks_at_what_it_sees_and_nothing_else(self) -> None:
        """What an inserted module gives a place comes from its own state and from what it sees."""
        import torch

        for name, module in self._inserted().items():
            who = f"the module that {self.title} puts before {name}"
            module = streams.moved(module.eval())
            states, media = self._places()
            states_after = module(states, media)
            shape = list(states_after.shape)
            require(shape == list(states.shape), f"{who} gives {shape} for states of shape {list(states.shape)}")
            require(torch.isfinite(states_after).all(), f"{who} gives NaN or infinity where a place sees no token")
            for place in range(2, 6):
                other, unseen = states.clone(), media.tokens.clone()
                other[0, [i for i in range(6) if i != place]] = 9.0
                unseen[~media.mask[0, place]] = 9.0
                for states_too, tokens, what in ((other, media.tokens, "other places"),
                                                 (states, unseen, "media that it does not see")):  # fmt: skip
                    again = module(states_too, media._replace(tokens=tokens))[0, place]
                    require(
                        torch.allclose(again, states_after[0, place], rtol=self.tolerance, atol=self.tolerance),
                        f"{who} gives place {place} other numbers for {what}; let it look at what its mask shows alone",
                    )
