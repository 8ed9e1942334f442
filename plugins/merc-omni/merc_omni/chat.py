"""The chat template of a native multimodal model, for turns of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    import merc

_PARTS = (
    "{%- set words = namespace(turns=[]) -%}{%- for message in messages -%}{%- set words.turns = words.turns + "
    "[{'role': message.role, 'content': [{'type': 'text', 'text': message.content}]}] -%}{%- endfor -%}"
    "{%- set messages = words.turns -%}"
)
"""Turns whose content is a list of parts, as templates of models that see have it."""


def with_template(tokenizer: PreTrainedTokenizerBase, pretrained: merc.Pretrained) -> PreTrainedTokenizerBase:
    """A tokenizer whose chat template takes turns of words: the model's own, from ``chat_template.json`` where the
    tokenizer has none, and with words put into a list where the template loses them otherwise."""
    if tokenizer.chat_template is None:
        beside = pretrained.read_json("chat_template.json") or pretrained.read_json("processor_config.json") or {}
        tokenizer.chat_template = beside.get("chat_template")
    if isinstance(tokenizer.chat_template, str) and not _keeps_words(tokenizer):
        tokenizer.chat_template = _PARTS + tokenizer.chat_template
    return tokenizer


def _keeps_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    turns = [{"role": "user", "content": "whatever"}]
    try:
        return "whatever" in tokenizer.apply_chat_template(turns, tokenize=False)
    except Exception:  # a template may raise anything for words that it does not take
        return False
