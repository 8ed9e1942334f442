"""Prompts that show what is said after the target: the tree gives what each prompt gives alone."""

from __future__ import annotations

import pytest
import torch

from merc.builtin.prompters import ConversationPrompter
from merc.components import Query
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.prompting import PromptEncoder
from tests.model.alone import key, log_probability_alone, together
from tests.model.tiny import tiny_llama, tuned_model
from tests.prompting.tokenizers import byte_level

LABELS = LabelSpace(("joy", "anger", "angst"))
TALK = Conversation(
    id="d",
    utterances=tuple(
        Utterance(id=f"u{i}", speaker="AB"[i % 2], text=text) for i, text in enumerate(("Hi!", "No.", "Oh?", "Hi!"))
    ),
)


@pytest.mark.parametrize("mark", ["Then:\n", ""])
@pytest.mark.parametrize("following", [1, 2])
def test_every_prompt_in_the_tree_is_the_prompt_alone(following: int, mark: str) -> None:
    encoder = PromptEncoder(byte_level())
    model = tuned_model(tiny_llama(vocab_size=len(encoder.tokenizer)))
    asks = ConversationPrompter(
        instruction="{labels}\n", question="{text} {speaker}", following=following, following_mark=mark, end=False
    )
    prompts = [
        encoder.encode(
            asks.prompt(Query(conversation=TALK, index=i, labels=LABELS)), lambda s, u: 0, LABELS, "joy", "labels"
        )
        for i in range(4)
    ]
    with torch.no_grad():
        found = together(model, [prompts])
        alone = {key(p, a): log_probability_alone(model, p, a) for p in prompts for a in p.answers}
    assert len(alone) == 12
    for name, value in alone.items():
        torch.testing.assert_close(found[name], value, rtol=2e-5, atol=2e-5)
