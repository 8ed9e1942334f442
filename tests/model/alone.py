"""What a prompt gives when it is computed alone, by transformers' own forward pass and nothing of merc's trees."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from merc.components import Stream
from merc.model.emotion_model import EmotionModel
from merc.prompting import AnswerPath, EncodedPrompt


def media_tokens(model: EmotionModel, stream: str, utterance: str) -> Tensor:
    """The tokens of one slot ``[tokens, hidden]``, from its features alone."""
    media = model.media

    def features(name: str) -> Stream:
        found = media.source(name, utterance, 0)  # type: ignore[misc]
        if not hasattr(found, "shape"):
            return Stream(torch.zeros(1, 1, media.specs[name].dim), torch.zeros(1, 1, dtype=torch.bool))
        return Stream(torch.from_numpy(found)[None], torch.ones(1, len(found), dtype=torch.bool))

    given = (
        features(stream)
        if stream in media.specs
        else media.fusers[stream]({s: features(s) for s in media.inputs[stream]})
    )
    return media.connectors[stream](given).values[0]  # type: ignore[no-any-return]


def logits_alone(model: EmotionModel, prompt: EncodedPrompt, answer: AnswerPath) -> Tensor:
    """The logits that predict each token of an answer ``[tokens, vocabulary]``, float32."""
    items = [*prompt.context, *answer.tokens[:-1]]
    first = len(prompt.context) - 1
    if all(isinstance(item, int) for item in items):
        out = model.base(input_ids=torch.tensor([items]), use_cache=False)
    else:
        embed = model.base.get_input_embeddings()
        rows = [
            embed(torch.tensor([item]))[0] if isinstance(item, int) else media_tokens(model, *item[:2])[item[2]]
            for item in items
        ]
        embedded = torch.stack([row.to(model.base.dtype) for row in rows])[None]
        out = model.base(inputs_embeds=embedded, use_cache=False)
    return out.logits[0, first : first + max(1, len(answer.tokens))].float()  # type: ignore[no-any-return]


def log_probability_alone(model: EmotionModel, prompt: EncodedPrompt, answer: AnswerPath) -> Tensor:
    """The log-probability of an answer, the sum over its tokens."""
    logits = logits_alone(model, prompt, answer)
    return logits.log_softmax(-1).gather(1, torch.tensor(answer.tokens)[:, None]).sum()


def key(prompt: EncodedPrompt, answer: AnswerPath) -> tuple[str, int, int]:
    return prompt.target, answer.label, answer.word


def together(
    model: EmotionModel, groups: Sequence[Sequence[EncodedPrompt]], budget: int = 10_000
) -> dict[tuple[str, int, int], Tensor]:
    """Log-probabilities from merc's batches, by target, label and word. Each answer must come exactly once."""
    from merc.model.batch import make_batch

    found: dict[tuple[str, int, int], Tensor] = {}
    for trees, plain in model.trees(groups, budget):
        batch = make_batch(trees, plain)
        values = model.log_probabilities(batch)
        names = [
            (batch.prompts[int(p)].target, answer.label, answer.word)
            for p, answer in zip(
                batch.path_prompt, [a for t in in_rows(trees, plain) for _, a, _ in t.paths], strict=True
            )
        ]
        for name, value in zip(names, values, strict=True):
            assert name not in found, f"{name} came twice"
            found[name] = value
    return found


def in_rows(trees: Sequence, plain: bool) -> list:  # type: ignore[type-arg]
    """Trees in the order in which a batch holds them."""
    from merc.prompting import pack_rows

    return list(trees) if plain else [tree for row in pack_rows(trees) for tree in row]
