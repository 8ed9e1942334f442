"""The contract of tunings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from merc.components import Tuning
from merc.testing.contract import ComponentContract, require
from merc.testing.examples.backbone import Example as TinyBackbone

if TYPE_CHECKING:
    from merc.model.tuning import TunedBackbone


class TuningContract(ComponentContract):
    """What a tuning must keep, tried on a small random model of the LLaMA kind; override ``backbone`` for a tuning that
    needs another."""

    kind = "tuning"
    component: ClassVar[Tuning]

    def backbone(self) -> Any:
        """A small model in float32, always with the same numbers."""
        return TinyBackbone(layers=2, width=16).load("cpu")

    def _tuned(self) -> TunedBackbone:
        import torch

        from merc.model.tuning import tune

        torch.manual_seed(7)
        return tune(self.backbone(), self.component)

    def test_gives_a_module_whose_learned_parameters_are_float32(self) -> None:
        """Also for a backbone in bfloat16, whose small updates would be rounded away."""
        import torch

        from merc.model.tuning import tune

        tuned = tune(self.backbone().to(torch.bfloat16), self.component)
        named = dict(tuned.llm.named_parameters())
        rounded = [name for name in tuned.learns if named[name].dtype != torch.float32]
        require(not rounded, f"{rounded[:3]} learn and are not float32; hold what learns in float32")

    def test_same_seed_gives_the_same_parameters(self) -> None:
        """What it adds is drawn from torch's generator alone."""
        one, two = (dict(self._tuned().llm.named_parameters()) for _ in range(2))
        require(one.keys() == two.keys(), "applied twice, it gives parameters of other names")
        differ = [name for name, value in one.items() if not value.equal(two[name])]
        require(not differ, f"applied twice with the same seed, {differ[:3]} differ")

    def test_works_on_the_meta_device(self) -> None:
        """``merc params`` builds a model from shapes alone: the same parameters, without numbers."""
        import torch
        from transformers import AutoModelForCausalLM

        from merc.model.tuning import tune

        real, config = self._tuned(), self.backbone().config
        with torch.device("meta"):
            shape = tune(AutoModelForCausalLM.from_config(config), self.component)
        packed = self.component.packed(shape.llm)
        counts = [{n: n in packed or p.numel() for n, p in t.llm.named_parameters()} for t in (real, shape)]
        require(counts[0] == counts[1], "on the meta device it gives parameters of other names or sizes")
        require(real.learns == shape.learns, "on the meta device other parameters learn")

    def test_gradients_reach_what_learns_and_nothing_else(self) -> None:
        """After a pass forward and back every learned parameter has a gradient; all others have none."""
        import torch

        tuned = self._tuned()
        if not tuned.learns:
            return
        tuned.llm.train()
        tokens = torch.tensor([[1, 2, 3, 4]])
        tuned.llm(input_ids=tokens).logits.float().log_softmax(-1)[..., 0].sum().backward()
        for name, parameter in tuned.llm.named_parameters():
            has = parameter.grad is not None
            require(has == (name in tuned.learns), f"parameter {name!r} {'has a' if has else 'gets no'} gradient")

    def test_saves_and_loads_what_was_learned(self, tmp_path: Path) -> None:
        """Saved, read back and loaded into a model that was just tuned, every learned number is the same."""
        import torch

        tuned, other = self._tuned(), self._tuned()
        if not tuned.learns:
            return
        trained = dict(tuned.llm.named_parameters())
        with torch.no_grad():
            for name in sorted(tuned.learns):
                trained[name].add_(torch.randn_like(trained[name]))
        self.component.save(tuned.llm, tuned.learns, tmp_path)
        saved = tmp_path / self.component.saved_as
        require(saved.exists(), f"save() wrote no {self.component.saved_as!r}, which saved_as names")
        state = self.component.read(other.llm, tmp_path)
        own = self.component.state(other.llm, other.learns)
        require(
            {n: v.shape for n, v in state.items()} == {n: v.shape for n, v in own.items()},
            "read() gives other names or shapes than state() of a model that was just tuned",
        )
        self.component.load(other.llm, state)
        for name, value in other.llm.named_parameters():
            require(value.equal(trained[name]), f"parameter {name!r} is not what was saved")
