"""What a backbone can do, found out by computing a few tokens rather than by a list of names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from merc.model.batch import TreeBatch, make_batch
from merc.prompting import AnswerPath, EncodedPrompt, Tree, build_chains, build_tree

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LMHead = Literal["plain", "own", "whole"]
Mask = Literal["bool", "additive"]


def find_decoder(model: PreTrainedModel) -> nn.Module | None:
    """The part of a causal language model that gives hidden states, without the head; ``None`` if it has no such."""
    for module in (model.get_decoder(), model.base_model, *model.children()):
        if module is not model and "inputs_embeds" in inspect.signature(module.forward).parameters:
            decoder: nn.Module = module
            return decoder
    return None


@contextmanager
def restrict_to(decoder: nn.Module, places: Tensor) -> Iterator[list[Tensor]]:
    """While this lasts, what the decoder gives is cut down to the flat ``places``, in one row, so that whatever the
    model does after its last layer it does there only. The list holds the hidden states ``[places, hidden]``."""
    rows: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> Any:
        states = output.last_hidden_state
        rows.append(states.reshape(-1, states.shape[-1])[places])
        output.last_hidden_state = rows[-1].unsqueeze(0)
        return output

    handle = decoder.register_forward_hook(keep)
    try:
        yield rows
    finally:
        handle.remove()


@torch.inference_mode()
def probe_lm_head(model: PreTrainedModel) -> LMHead:
    """How logits are had at a few places only.

    ``plain``: they are the output embeddings applied to the hidden states. ``own``: the model does more than that
    (caps or scales them), and can be made to do it at those places. ``whole``: neither; all logits are computed.
    """
    with evaluating(model):
        tokens = torch.tensor([[1, 2, 3]], device=model.device)
        expected = model(input_ids=tokens, use_cache=False).logits
        decoder, head = find_decoder(model), model.get_output_embeddings()
        if decoder is None:
            return "whole"
        # Bit for bit: a cap changes small logits by less than any tolerance.
        states = decoder(input_ids=tokens, use_cache=False).last_hidden_state
        if head is not None and states.shape[-1] == head.weight.shape[-1] and torch.equal(head(states), expected):
            return "plain"
        places = torch.tensor([2, 0], device=model.device)
        with restrict_to(decoder, places):
            logits = model(input_ids=tokens, use_cache=False).logits
        same = logits.shape[:-1] == (1, 2) and torch.allclose(
            logits[0].float(), expected[0, places].float(), rtol=1e-2, atol=1e-3
        )
        return "own" if same else "whole"


@torch.inference_mode()
def probe_tree(model: PreTrainedModel) -> Mask | str:
    """The kind of tree mask that the backbone takes, or, if it takes none, a sentence that says why.

    A branch is computed beside each of two siblings of one length, and apart. What it gives must not depend on which
    sibling it has, and must be what it gives apart, to the precision of the weights: a backbone that mixes tokens
    along the row fails the first, one that counts positions along the row the second.
    """
    name = type(model).__name__
    if getattr(model.config.get_text_config(), "window_size", None):
        return f"{name} has local attention, which counts places in the row"
    branch, *siblings = _branches(int(model.config.get_text_config().vocab_size))
    embed = model.get_input_embeddings()
    decoder = find_decoder(model)

    def states(trees: list[Tree], plain: bool, kind: Mask = "bool") -> Tensor:
        """Hidden states of the branch ``[tokens, hidden]``."""
        batch = make_batch(trees, plain).to(model.device)
        inputs: dict[str, Any] = {"inputs_embeds": embed(batch.tokens), "use_cache": False}
        if plain:
            inputs["attention_mask"] = batch.mask().long()
        else:
            inputs["attention_mask"] = batch.mask(inputs["inputs_embeds"].dtype if kind == "additive" else None)
            inputs["position_ids"] = batch.positions
        hidden = model(**inputs).logits if decoder is None else decoder(**inputs).last_hidden_state
        ends = [place for place, prompt in zip(batch.read, batch.prompts, strict=True) if prompt.target == "branch"]
        return hidden.reshape(-1, hidden.shape[-1])[torch.stack(ends)].float()  # type: ignore[no-any-return]

    alike = 1e-2 if computes_coarsely(model) else 1e-4
    reason = ""
    kinds: tuple[Mask, Mask] = ("bool", "additive")
    with evaluating(model):
        apart = states([tree for prompt in branch for tree in build_chains(prompt)], plain=True)
        for kind in kinds:  # attention that is written out in full adds a mask, and would add a bool one as 1
            try:
                one, two = (states([build_tree([sibling, *branch])], False, kind) for sibling in siblings)
            except Exception as error:  # any failure of a model that was not made for such a mask means the same
                reason = reason or f"{name} does not take a tree mask ({type(error).__name__})"
                continue
            reason = f"{name} does not keep to a tree mask (it mixes tokens along the sequence)"
            if _distance(one, two).max() <= alike:
                if _distance(one, apart).mean() <= may_differ(model):
                    return kind
                reason = f"{name} does not keep to a tree mask (it counts positions along the sequence)"
    return reason


def _branches(vocabulary: int) -> tuple[list[EncodedPrompt], EncodedPrompt, EncodedPrompt]:
    """A branch, read at each of its tokens, and two siblings that stand before it."""

    def prompt(target: str, *choice: int) -> EncodedPrompt:
        return EncodedPrompt(target, probing_tokens(vocabulary, choice), (AnswerPath((1,)),))

    head, branch = (0, 1, 2), (5, 1, 3, 4)
    steps = [prompt("branch", *head, *branch[: n + 1]) for n in range(len(branch))]
    return steps, prompt("one", *head, 3, 4, 5, 6, 1, 4, 2, 3, 5), prompt("two", *head, 6, 3, 1, 2, 5, 2, 6, 4, 0)


def probing_batch(vocabulary: int) -> TreeBatch:
    """Two trees with branches, of other lengths than each other, which are laid into rows."""
    branch, one, two = _branches(vocabulary)
    return make_batch([build_tree([one, *branch]), build_tree([*branch[:2], two])])


def computes_coarsely(model: nn.Module) -> bool:
    """Whether a model computes with fewer digits than float32: in half precision, or with weights that are whole
    numbers of eight bits or less, whose layers round what enters them."""
    held = [*model.parameters(), *model.buffers()]
    return any(one.dtype in (torch.float16, torch.bfloat16, torch.int8, torch.uint8) for one in held)


def may_differ(model: nn.Module) -> float:
    """How far states that a model computes in two ways may be apart, relative to their length, if both are right."""
    return 0.1 if computes_coarsely(model) else 1e-3


def _distance(one: Tensor, two: Tensor) -> Tensor:
    """How far states are apart, relative to their length ``[tokens]``; infinite where they are not numbers."""
    relative = (one - two).norm(dim=-1) / two.norm(dim=-1).clamp(min=1e-6)
    return torch.where(torch.isnan(relative), torch.inf, relative)


def probing_tokens(vocabulary: int, choice: Sequence[int] = (0, 1, 2, 5, 1, 3, 4)) -> tuple[int, ...]:
    """A few tokens to see on them how a backbone computes, by their numbers among some from all over the vocabulary:
    at its beginning stand control tokens, after which some models compute little that is precise."""
    return tuple(vocabulary // 16 * (number + 2) + number for number in choice)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """While it lasts, the model computes without dropout; then it is in the mode that it was in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
