"""Each check of the contract of connectors and fusers fails for a component that breaks it, and says why."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import merc
import merc.testing
from merc.testing.examples import connector, fuser
from tests.testing.broken import frozen, said
from tests.toys.glance import Glance
from tests.toys.listener import Listener


def broken_connector(change: Callable[[Any, Any], Any]) -> Any:
    """The example, with the stream that it gives changed by ``change(given stream, own stream)``."""

    @frozen
    class Broken(connector.Example):
        def build(self, spec: merc.FeatureSpec, hidden: int) -> Any:
            module = super().build(spec, hidden)
            forward = module.forward
            module.forward = lambda stream: change(stream, forward(stream))
            return module

    return Broken()


def _mean(stream: Any) -> Any:
    return stream.values.mean(1, keepdim=True)


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (
            lambda given, own: own.values,
            "test_tokens_have_the_width_of_the_llm",
            "the module of Broken gives Tensor; it must give a merc.Stream",
        ),
        (
            lambda given, own: merc.Stream(own.values[..., :3], own.mask),
            "test_tokens_have_the_width_of_the_llm",
            "the module of Broken gives values of shape [4, 6, 3]; they must be [4, tokens, 16]",
        ),
        (
            lambda given, own: merc.Stream(own.values, own.mask.float()),
            "test_tokens_have_the_width_of_the_llm",
            "the mask that Broken gives is torch.float32; it must be torch.bool",
        ),
        (
            lambda given, own: merc.Stream(own.values, own.mask[:, :2]),
            "test_tokens_have_the_width_of_the_llm",
            "the mask that Broken gives has shape [4, 2]; its values want [4, 6]",
        ),
        (
            lambda given, own: merc.Stream(own.values / 0, own.mask),
            "test_tokens_have_the_width_of_the_llm",
            "row 0 that Broken gives holds NaN or infinity, though the row has real tokens",
        ),
        (
            lambda given, own: merc.Stream(own.values[:, :1], own.mask[:, :1]),
            "test_tokens_says_how_many_come_out",
            "row 0: 4 tokens went in and 1 came out, but tokens(4) of Broken says 4",
        ),
        (
            lambda given, own: merc.Stream(own.values, own.mask | True),
            "test_tokens_says_how_many_come_out",
            "row 0: 4 tokens went in and 6 came out, but tokens(4) of Broken says 4",
        ),
        (
            lambda given, own: merc.Stream(own.values + own.values.mean(), own.mask),
            "test_rows_do_not_depend_on_each_other",
            "row 0 alone gives other tokens than in the batch: rows leak into each other",
        ),
        (
            lambda given, own: merc.Stream(own.values + _mean(own), own.mask),
            "test_masked_tokens_change_nothing",
            "row 0: masked tokens leak into real ones; give the mask to what mixes tokens",
        ),
        (
            lambda given, own: merc.Stream(own.values.detach() * given.values.sum().requires_grad_(), own.mask),
            "test_every_parameter_learns",
            "parameter 'layers.0.weight' of Broken gets no gradient: nothing uses it",
        ),
    ],
)
def test_connector_that_breaks_its_contract(change: Callable[[Any, Any], Any], check: str, message: str) -> None:
    assert said(merc.testing.ConnectorContract, broken_connector(change), check) == message


def test_connector_whose_attention_makes_nan_of_a_missing_row() -> None:
    @frozen
    class Attention(merc.Connector):
        def build(self, spec: merc.FeatureSpec, hidden: int) -> Any:
            from torch import nn

            class Module(nn.Module):
                def __init__(self) -> None:
                    super().__init__()
                    self.score, self.value = nn.Linear(spec.dim, 1), nn.Linear(spec.dim, hidden)

                def forward(self, stream: merc.Stream) -> merc.Stream:
                    score = self.score(stream.values).masked_fill(~stream.mask.unsqueeze(-1), float("-inf"))
                    pooled = (score.softmax(1) * self.value(stream.values)).sum(1, keepdim=True)
                    return merc.Stream(pooled, stream.mask.any(1, keepdim=True))

            return Module()

        def tokens(self, count: int) -> int:
            return 1

    message = said(merc.testing.ConnectorContract, Attention(), "test_every_parameter_learns")
    assert "holds NaN when one row of the batch lacks the modality" in message


def test_connector_that_is_random_or_reads_its_weights() -> None:
    @frozen
    class Broken(connector.Example):
        def build(self, spec: merc.FeatureSpec, hidden: int) -> Any:
            import torch

            module = super().build(spec, hidden)
            with torch.no_grad():
                module.layers[0].weight.mul_(next(counter))
                float(module.layers[0].weight.sum())
            return module

    counter = itertools.count(1)
    message = said(merc.testing.ConnectorContract, Broken(), "test_same_input_gives_same_tokens")
    assert message == "Broken gives other numbers the second time, with the same seed"
    message = said(merc.testing.ConnectorContract, Broken(), "test_builds_on_the_meta_device")
    assert message.startswith("Broken.build fails on torch's meta device, which `merc params` uses: ")


def broken_fuser(change: Callable[[Any, Any], Any]) -> Any:
    @frozen
    class Broken(fuser.Example):
        def build(self, inputs: Any) -> Any:
            module = super().build(inputs)
            forward = module.forward
            module.forward = lambda streams: change(streams, forward(streams))
            return module

    return Broken()


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (
            lambda given, own: merc.Stream(own.values[..., :3], own.mask),
            "test_stream_has_the_declared_shape",
            "the module of Broken gives values of shape [5, 1, 3]; they must be [5, tokens, 64]",
        ),
        (
            lambda given, own: merc.Stream(own.values.repeat(1, 2, 1), own.mask.repeat(1, 2)),
            "test_stream_has_the_declared_shape",
            "row 0 gives 2 tokens, but tokens({'video': 4, 'audio': 5}) of Broken says 1",
        ),
        (
            lambda given, own: merc.Stream(own.values + own.values.mean(), own.mask),
            "test_a_row_depends_on_nothing_that_it_may_not_see",
            "row 0 alone gives other features than in the batch: rows leak into each other",
        ),
        (
            lambda given, own: merc.Stream(own.values + given["video"].values.mean((1, 2))[:, None, None], own.mask),
            "test_masked_tokens_change_nothing",
            "row 0: masked tokens leak into real ones; give the masks to what mixes tokens",
        ),
    ],
)
def test_fuser_that_breaks_its_contract(change: Callable[[Any, Any], Any], check: str, message: str) -> None:
    assert said(merc.testing.FuserContract, broken_fuser(change), check) == message


def test_fuser_with_a_wrong_spec() -> None:
    @frozen
    class Broken(fuser.Example):
        def spec(self, inputs: Any) -> Any:
            return 64

    message = said(merc.testing.FuserContract, Broken(), "test_spec_is_a_shape_or_none")
    assert message == "spec() of Broken gives 64; it must give merc.FeatureSpec or None"


def test_fuser_with_an_idle_parameter() -> None:
    @frozen
    class Broken(fuser.Example):
        def build(self, inputs: Any) -> Any:
            from torch import nn

            module = super().build(inputs)
            module.idle = nn.Linear(1, 1)
            return module

    message = said(merc.testing.FuserContract, Broken(), "test_every_parameter_learns")
    assert message == "parameter 'idle.weight' of Broken gets no gradient: nothing uses it"


@pytest.mark.parametrize("ahead", ["reads the next one", "is divided by how many there are"])
def test_fuser_that_looks_ahead(ahead: str) -> None:
    @frozen
    class Broken(Listener):
        def build(self, inputs: Any) -> Any:
            import torch

            module = super().build(inputs)
            forward = module.forward

            def changed(streams: Any, speakers: Any) -> Any:
                values, mask = forward(streams, speakers)
                if ahead == "reads the next one":
                    return merc.Stream(values + torch.cat([values[1:], values[-1:]]), mask)
                return merc.Stream(values / len(values), mask)

            module.forward = changed
            return module

    message = said(merc.testing.FuserContract, Broken(), "test_a_row_depends_on_nothing_that_it_may_not_see")
    assert "utterance 0 of the conversation" in message and "Broken looks ahead" in message and "causal" in message


def broken_glance(change: Callable[[Any, Any, Any], Any], named: str = "") -> Any:
    """The toy, with what its modules give changed by ``change(states, media, own)``."""

    @frozen
    class Broken(Glance):
        def insert(self, llm: Any) -> Any:
            modules = super().insert(llm)
            for module in modules.values():
                forward = module.forward
                module.forward = lambda states, media, forward=forward: change(states, media, forward(states, media))
            return {named or name: module for name, module in modules.items()}

    return Broken()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda states, media, own: own + own.mean(1, keepdim=True), ("place 2", "other places")),
        (lambda states, media, own: own + media.tokens.mean(0), ("place 2", "media that it does not see")),
        (lambda states, media, own: own[..., :3], ("[1, 6, 3]", "[1, 6, 16]")),
        (lambda states, media, own: own / media.mask.sum(-1, keepdim=True), ("NaN or infinity", "sees no token")),
    ],
)
def test_connector_whose_modules_look_where_they_may_not(change: Any, words: tuple[str, ...]) -> None:
    check = "test_a_place_looks_at_what_it_sees_and_nothing_else"
    message = said(merc.testing.ConnectorContract, broken_glance(change), check)
    assert all(word in message for word in ("Broken", "model.layers.0", *words)), message


def test_connector_that_names_a_layer_that_is_not_there() -> None:
    broken = broken_glance(lambda states, media, own: own, "model.layers.40")
    check = "test_inserted_modules_stand_before_layers_that_there_are"
    message = said(merc.testing.ConnectorContract, broken, check)
    assert "Broken" in message and "'model.layers.40'" in message and "model.layers.3" in message


def test_connector_that_changes_the_language_model() -> None:
    @frozen
    class Broken(Glance):
        def insert(self, llm: Any) -> Any:
            llm.get_input_embeddings().weight.data.mul_(2)
            return super().insert(llm)

    check = "test_inserted_modules_stand_before_layers_that_there_are"
    assert "changes the language model" in said(merc.testing.ConnectorContract, Broken(), check)
