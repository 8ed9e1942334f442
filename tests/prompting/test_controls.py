"""Control segments are control tokens; the same letters in a Text stay words."""

from __future__ import annotations

from typing import Any

import pytest

from merc.components import Answer, Control, Prompt, Slot, Text, Turn
from merc.errors import MercError
from merc.prompting import PromptEncoder
from tests.prompting.tokenizers import CHATML, TRIMS, byte_level, llama_like

TOKENIZERS = {
    "byte-level": lambda: byte_level(),
    "trims": lambda: byte_level(TRIMS, begin=True),
    "llama": lambda: llama_like(None),
    "llama-newer": lambda: llama_like(None, legacy=False),
}


def context(encoder: PromptEncoder, *segments: Any, slots: int = 0) -> tuple[Any, ...]:
    prompt = Prompt((*segments, Answer()), "u")
    return encoder.encode(prompt, lambda stream, utterance: slots, answers="none").context


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_control_is_its_tokens_and_a_text_is_not(name: str) -> None:
    encoder = PromptEncoder(TOKENIZERS[name]())
    token = encoder.tokenizer.all_special_tokens[-1]
    number = encoder.tokenizer.convert_tokens_to_ids(token)
    with_control = context(encoder, Text("Ann:"), Control(token * 2), Text("hi"))
    spelt = context(encoder, Text("Ann:"), Text(token), Text("hi"))
    assert with_control.count(number) == 2
    assert number not in spelt[1:]
    first = with_control.index(number)
    assert with_control[first : first + 2] == (number, number)


@pytest.mark.parametrize("template", [CHATML, TRIMS])
def test_a_control_at_the_edge_of_a_turn_is_kept_as_it_is(template: str) -> None:
    """A template that trims words leaves control tokens; what stands within them is not at the edge."""
    tokenizer = byte_level(template, begin=template == TRIMS)
    number = tokenizer.convert_tokens_to_ids("<|begin|>") if template == TRIMS else tokenizer.eos_token_id
    control = Control(tokenizer.decode([number]))
    found = context(PromptEncoder(tokenizer), Turn("user"), control, Text(" hi "), control)
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": f"{control.text} hi {control.text}"}, {"role": "assistant", "content": ""}],
        tokenize=False,
    )
    wanted = tokenizer(rendered[: rendered.rindex("<|im_end|>")], add_special_tokens=False)["input_ids"]
    assert list(found) == wanted


def test_controls_stand_with_slots_and_are_left_alone_without_them() -> None:
    encoder = PromptEncoder(byte_level())
    segments = (Control("<|im_start|>"), Slot("face", "u"), Control("<|im_end|>"))
    start, end = encoder.tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert context(encoder, *segments, slots=2) == (start, ("face", "u", 0), ("face", "u", 1), end)
    assert context(encoder, *segments) == (start, end)


@pytest.mark.parametrize("text", ["<|vision_start|>", "<|im_start|>user", "<|im_start|> ", "words", ""])
def test_what_is_not_control_tokens_alone_is_named(text: str) -> None:
    with pytest.raises(MercError) as error:
        context(PromptEncoder(byte_level()), Text("Ann:"), Control(text))
    assert repr(text) in str(error.value)
    assert "<|im_start|>" in str(error.value) and "Text" in str(error.value)
