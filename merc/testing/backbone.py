"""The contract of backbones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from merc.components import Backbone, SlotTokens
from merc.errors import MercError
from merc.testing.contract import ComponentContract, require

if TYPE_CHECKING:
    from torch import Tensor

TEXT = "Ann: Why do all your coffee mugs have numbers on the bottom?"


class BackboneContract(ComponentContract):
    """What a backbone must keep. The model is loaded on the CPU, several times: give small parameters if you can."""

    kind = "backbone"
    component: ClassVar[Backbone]
    slots: ClassVar[Sequence[SlotTokens]] = (SlotTokens(stream="face", count=1), SlotTokens(stream="face", count=5))
    """What it lays out; for a multimodal backbone those that its own tower gives, positions included."""

    def _logits(self, model: Any) -> Tensor:
        import torch

        ids = torch.tensor([self.component.tokenizer()(TEXT, add_special_tokens=False)["input_ids"]])
        with torch.inference_mode():
            embedded = model.get_input_embeddings()(ids)
            return model(inputs_embeds=embedded).logits  # type: ignore[no-any-return]

    def test_tokenizer_reads_and_writes_text(self) -> None:
        """Text survives the way to tokens and back, and every token has an embedding."""
        tokenizer = self.component.tokenizer()
        ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
        back = tokenizer.decode(ids)
        require(back.strip() == TEXT, f"{TEXT!r} becomes {back!r} on its way to tokens and back")
        size = self.component.config().get_text_config().vocab_size
        require(max(ids) < size, f"the tokenizer gives token {max(ids)} and the model has {size} embeddings")

    def test_config_describes_the_model(self) -> None:
        """What ``shape`` gives on the meta device, from ``config``, has the parameters that ``load`` gives."""
        import torch

        with torch.device("meta"):
            shape = self.component.shape()
        stated = {name: tuple(p.shape) for name, p in shape.named_parameters()}
        held = {name: tuple(p.shape) for name, p in self.component.load("cpu").named_parameters()}
        different = sorted(name for name in stated.keys() | held.keys() if stated.get(name) != held.get(name))
        require(
            not different,
            f"config() of {self.title} describes another model than load() gives; they differ at {different[:3]}",
        )

    def test_weights_are_held_as_dtype_says(self) -> None:
        """Every floating-point parameter has the declared type, and the model is in evaluation mode."""
        import torch

        model = self.component.load("cpu")
        dtype = getattr(torch, self.component.dtype)
        for name, parameter in model.named_parameters():
            require(
                not parameter.is_floating_point() or parameter.dtype == dtype,
                f"parameter {name!r} is {parameter.dtype}; dtype: {self.component.dtype} was asked for",
            )
        require(not model.training, "load() gives a model in training mode; call .eval() on it")

    def test_nothing_is_wrapped_around_the_model(self) -> None:
        """No adapter of PEFT is in the model: merc adds its own tuning."""
        from peft import PeftModel
        from peft.tuners.tuners_utils import BaseTunerLayer

        model = self.component.load("cpu")
        wrapped = isinstance(model, PeftModel) or any(isinstance(m, BaseTunerLayer) for m in model.modules())
        require(not wrapped, f"load() of {self.title} gives a model that PEFT has wrapped; merge_and_unload() it")

    def test_slots_are_laid_out_whole(self) -> None:
        """``slot`` holds each token of a slot once, in MediaRuns whose positions fit, between known control tokens."""
        from merc.prompting.pieces import PieceTokenizer
        from merc.prompting.runs import Presenter

        presenter = Presenter(PieceTokenizer(self.component.tokenizer()), self.component)
        for slot in self.slots:
            try:
                first, second = (presenter.lay_out(slot, "u0") for _ in range(2))
            except MercError as error:
                require(False, str(error))
            require(first == second, f"slot() of {self.title} lays the same slot out otherwise the second time")

    def test_check_finds_what_load_loads(self) -> None:
        """``check`` is content with a backbone that loads."""
        self.component.check()

    def test_what_is_recorded_is_plain_and_stays_the_same(self) -> None:
        """``identity`` and ``weights`` give plain values, the same ones each time."""
        self.component.check()
        for name in ("identity", "weights"):
            first, second = getattr(self.component, name)(), getattr(self.component, name)()
            try:
                plain = json.loads(json.dumps(first))
            except (TypeError, ValueError) as error:
                require(False, f"{name}() of {self.title} gives {first!r}, which is no plain value ({error})")
            require(
                plain == json.loads(json.dumps(second)), f"{name}() of {self.title} gives {first} and then {second}"
            )

    def test_embeddings_go_in_and_logits_come_out(self) -> None:
        """The model takes ``inputs_embeds``, and gives finite logits over its vocabulary."""
        import torch

        logits = self._logits(self.component.load("cpu"))
        size = self.component.config().get_text_config().vocab_size
        require(
            logits.ndim == 3 and logits.shape[-1] == size,
            f"logits have shape {list(logits.shape)}; the last axis must be the vocabulary's, {size}",
        )
        require(torch.isfinite(logits).all(), "logits hold NaN or infinity")

    def test_loading_again_gives_the_same_model(self) -> None:
        """The same parameters of the component give the same weights, whatever was random before."""
        import torch

        first = self._logits(self.component.load("cpu"))
        torch.rand(3)
        require(
            torch.equal(first, self._logits(self.component.load("cpu"))),
            f"{self.title} gives another model the second time; seed what is random",
        )
