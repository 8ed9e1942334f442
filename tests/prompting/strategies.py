"""Random prompts that share beginnings."""

from __future__ import annotations

from hypothesis import strategies as st

from merc.prompting import AnswerPath, EncodedPrompt, Item

SLOT_TOKENS = {
    ("face", "u0"): 2, ("face", "u1"): 1, ("face", "u2"): 3, ("voice", "u0"): 1, ("voice", "u1"): 2, ("voice", "u3"): 1,
    ("both", "u0"): 1, ("both", "u2"): 1, ("both", "u3"): 1,
}  # fmt: skip
"""How many tokens each slot of ``tests.model.tiny.tiny_media`` has; u2 has no voice, u3 no face."""

token = st.integers(1, 9)  # few, so that prompts meet by chance too
words = st.lists(token, min_size=1, max_size=4).map(tuple)
slot = st.sampled_from(sorted(SLOT_TOKENS)).map(lambda key: tuple((*key, i) for i in range(SLOT_TOKENS[key])))


@st.composite
def talks(draw: st.DrawFn, slots: bool = True, most: int = 5, labels: int = 3) -> list[EncodedPrompt]:
    """The prompts of one conversation: each begins with some of what the one before began with."""
    pieces: st.SearchStrategy[tuple[Item, ...]] = st.one_of(words, slot) if slots else words
    prompts: list[EncodedPrompt] = []
    history: tuple[Item, ...] = draw(words)
    for number in range(draw(st.integers(1, most))):
        for piece in draw(st.lists(pieces, max_size=3)):
            history += piece
        context = history + draw(st.one_of(words, st.just(())))
        answers = draw(st.lists(st.lists(token, min_size=1, max_size=3).map(tuple), min_size=labels, max_size=6))
        gold = draw(st.integers(0, labels - 1))
        paths = tuple(AnswerPath(a, i % labels, i // labels, i % labels == gold) for i, a in enumerate(answers))
        prompts.append(EncodedPrompt(f"t{number}", context, paths))
    return prompts
