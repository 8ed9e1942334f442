"""How much memory training a model takes: weights, gradients and AdamW's state exactly, activations roughly."""

from __future__ import annotations

from dataclasses import dataclass

from merc.model.emotion_model import EmotionModel

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_ADAM_STEP = 4
_HIDDEN_KEPT, _INNER_KEPT = 12, 4


@dataclass(frozen=True)
class MemoryUse:
    """Bytes on one device while a step is trained; ``activations`` is None for a backbone whose shape is not known.

    With n numbers that learn, f that do not, in P tensors that learn, and s bytes a number in the backbone's dtype:

    - ``weights``: s f + 4 n, since what learns is held in float32, whatever the backbone's dtype; weights that a tuning
      holds packed take what it says;
    - ``gradients``: 4 n;
    - ``optimizer``: AdamW's two means, 8 n, and a count of steps a tensor, 4 P.

    N processes under ZeRO share the optimizer's state out from stage 1 on, the gradients from stage 2, the weights
    under stage 3; from stage 1 on each process also has a copy of its share of what learns, 4 n / N, counted with the
    optimizer. A share is n / N numbers, rounded up.

    ``activations`` is what a pass of t tokens through L layers of a LLaMA-like backbone (hidden width h, inner width i)
    keeps for its backward pass: L t s (12 h + 4 i), and with activation checkpointing the inputs of all layers and all
    of one, t s (L h + 12 h + 4 i). Layers of LLaMA-2-7B and LLaMA-3-8B with adapters, counted by ``bench/memory.py``,
    differ from it by at most 9 %; a frozen layer keeps some 30 % less. The loss, the encoders, and what the device's
    own software takes are in none of the numbers.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int | None

    @property
    def total(self) -> int:
        """All that is known, added up."""
        return self.weights + self.gradients + self.optimizer + (self.activations or 0)


def memory_use(
    model: EmotionModel,
    dtype: str,
    *,
    tokens: int = 4096,
    checkpointing: bool = False,
    zero: int = 0,
    processes: int = 1,
) -> MemoryUse:
    """What training all that may learn in a model takes. It may be on the meta device.

    ``dtype`` is the one that its backbone is held and computed in, ``tokens`` the most of a pass, ``zero`` the stage of
    ZeRO among ``processes``.
    """
    learning = [parameter.numel() for parameter in model.learning().values()]
    count, size = sum(learning), BYTES[dtype]
    packed = model.tuning.packed(model.llm)
    sizes = {f"llm.{name}": each for name, each in packed.items()}
    weights = int(sum(p.numel() * sizes.get(name, size) for name, p in model.named_parameters()))
    share = -(-count // processes)
    weights += (4 - size) * count
    optimizer = 8 * count + _ADAM_STEP * len(learning)
    if zero:
        optimizer = 8 * share + 4 * share + _ADAM_STEP
    return MemoryUse(
        -(-weights // processes) if zero == 3 else weights,
        4 * (share if zero >= 2 else count),
        optimizer,
        _activations(model, size, tokens, checkpointing) if count else 0,
    )


def _activations(model: EmotionModel, size: int, tokens: int, checkpointing: bool) -> int | None:
    config = model.base.config.get_text_config()
    hidden, inner, layers = (
        getattr(config, name, None) for name in ("hidden_size", "intermediate_size", "num_hidden_layers")
    )
    if not (isinstance(hidden, int) and isinstance(inner, int) and isinstance(layers, int)):
        return None
    layer = tokens * size * (_HIDDEN_KEPT * hidden + _INNER_KEPT * inner)
    return layers * tokens * size * hidden + layer if checkpointing else layers * layer
