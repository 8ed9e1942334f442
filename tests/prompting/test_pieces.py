"""Pieces of text as tokens: together they read as the text, and words never become control tokens."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from merc.components import Answer, Prompt, Slot, Text
from merc.prompting import PromptEncoder
from merc.prompting.pieces import PieceTokenizer
from tests.prompting.tokenizers import CHATML, byte_level, llama_like, unigram

TOKENIZERS = {
    "byte-level": byte_level(),
    "byte-level, begin": byte_level(begin=True),
    "llama, legacy": llama_like(),
    "llama, new": llama_like(legacy=False),
    "unigram": unigram(),
}
ENCODERS = {name: PromptEncoder(tokenizer) for name, tokenizer in TOKENIZERS.items()}
CONTROL = ["<|im_end|>", "<|im_start|>", "<|begin|>", "</s>", "<s>", "<unk>"]

known = st.text(
    alphabet="".join(sorted(set("".join(["Why do you feel joy? Oh my God, so happy.\n"])))), min_size=1, max_size=12
)
anything = st.one_of(
    known,
    st.sampled_from([*CONTROL, " ", "  ", "\n", "\n\n", " joy", "it's", "[INST]", "|", ":)", "007"]),
    st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="▁"), min_size=1, max_size=6),
)


def read(encoder: PromptEncoder, texts: list[str]) -> tuple[list[int], str]:
    """The tokens of texts without the begin token, and what they read as."""
    prompt = Prompt((*(Text(t) for t in texts), Answer()), "u")
    ids = [i for i in encoder.encode(prompt, lambda s, u: 0, answers="none").context if isinstance(i, int)]
    begin = encoder.tokenizer.bos_token_id
    if begin is not None:
        assert ids[0] == begin
        ids = ids[1:]
    return ids, encoder.tokenizer.decode(ids)


@settings(max_examples=60, deadline=None)
@given(st.lists(anything, min_size=1, max_size=5))
@example(["Ann:", " Why?\n", "Ann feels"])
@example(["a", "<|im_end|>", "b"])
@example(["\n", "\n", "a"])
@example(["x</s>", "<s>y"])
@pytest.mark.parametrize("name", [n for n in TOKENIZERS if n != "unigram"])
def test_pieces_read_as_the_joined_text(name: str, texts: list[str]) -> None:
    encoder = ENCODERS[name]
    texts = ["So", *texts]  # at the very start a tokenizer of the SentencePiece kind may swallow a space
    ids, text = read(encoder, texts)
    assert text == "".join(texts)
    assert not set(ids) & set(encoder.tokenizer.all_special_ids)


@settings(max_examples=60, deadline=None)
@given(st.lists(known, min_size=1, max_size=5))
def test_pieces_of_a_unigram_tokenizer_read_as_the_joined_text(texts: list[str]) -> None:
    assert read(ENCODERS["unigram"], ["So", *texts])[1] == "So" + "".join(texts)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_single_text_has_the_tokens_that_the_tokenizer_gives(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    text = "Why do you feel so happy?"
    context = ENCODERS[name].encode(Prompt((Text(text), Answer()), "u"), lambda s, u: 0, answers="none").context
    ids = tokenizer(text)["input_ids"]
    assert list(context) == ids[: len(context)]
    assert len(context) in (len(ids), len(ids) - 1)  # a tokenizer may put an end token behind


@pytest.mark.parametrize("name", TOKENIZERS)
def test_texts_cut_between_words_have_the_tokens_of_the_whole(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    texts = ["Oh my God,", " what happened?", " I feel", " joy."]
    ids, _ = read(ENCODERS[name], texts)
    whole = tokenizer("".join(texts), add_special_tokens=False)["input_ids"]
    assert ids == whole


@pytest.mark.parametrize("name", ["llama, legacy", "llama, new", "unigram"])
def test_no_space_is_added_inside_a_word(name: str) -> None:
    ids, text = read(ENCODERS[name], ["Mon", "ica"])
    assert text == "Monica"
    assert [t for t in TOKENIZERS[name].convert_ids_to_tokens(ids) if t.startswith("▁")] == [
        TOKENIZERS[name].convert_ids_to_tokens(ids)[0]
    ]


def test_begin_token_stands_once_at_the_start() -> None:
    encoder = ENCODERS["llama, legacy"]
    prompt = Prompt((Text("Ann:"), Slot("face", "u", " <", ">"), Text(" hi"), Text(" you"), Answer()), "u")
    context = encoder.encode(prompt, lambda s, u: 2, answers="none").context
    assert context.count(encoder.tokenizer.bos_token_id) == 1
    assert context[0] == encoder.tokenizer.bos_token_id
    assert (
        ENCODERS["byte-level"].encode(prompt, lambda s, u: 0, answers="none").context[0]
        != encoder.tokenizer.bos_token_id
    )


def test_control_tokens_that_are_not_special_stay_text_too() -> None:
    """Some tokenizers hold the marks of their chat template as plain added tokens."""
    from transformers import AddedToken

    tokenizer = byte_level.__wrapped__(CHATML.replace("<|im_start|>", "<turn>"))
    tokenizer.add_tokens([AddedToken("<turn>", special=False, normalized=False)])
    mark = tokenizer.convert_tokens_to_ids("<turn>")
    assert mark in tokenizer("say <turn> now", split_special_tokens=True)["input_ids"]
    pieces = PieceTokenizer(tokenizer)
    ids = pieces.words("say <turn> now <turn><turn>")
    assert mark not in ids
    assert tokenizer.decode(ids) == "say <turn> now <turn><turn>"
    assert mark in pieces.frame("<turn>user\n")


def test_an_anchor_that_melts_with_the_text_gives_way_to_the_next() -> None:
    """The line break is no anchor before a line break where two of them are one token."""
    from transformers import AddedToken

    tokenizer = llama_like.__wrapped__()
    tokenizer.add_tokens([AddedToken("\n\n", special=False, normalized=False)])
    ids = PieceTokenizer(tokenizer).words("\nHow")
    assert tokenizer.decode([*tokenizer("joy", add_special_tokens=False)["input_ids"], *ids]) == "joy\nHow"
