"""What the benches compute: dialogues, their prompts, and a model.

The dialogues are MELD's where its tables are (``$MERC_TEST_DATA/meld``, or ``shared/data/meld`` beside the
repository), and otherwise made up with the shape of MELD's train split, so that the benches run anywhere. Which it was
stands in the table that is printed at the end.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from merc.components import Prompter, Query, Tuning
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError
from merc.prompting import EncodedPrompt, PromptEncoder, build_tree
from merc.prompting.encode import SlotLength
from merc.session.data import labelled, queries

LABELS = LabelSpace(("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
SYNONYMS = LabelSpace(
    LABELS.labels,
    {
        "neutral": ("neutral", "calm", "indifferent"),
        "surprise": ("surprise", "astonishment", "amazement"),
        "fear": ("fear", "anxiety", "terror"),
        "sadness": ("sadness", "grief", "sorrow"),
        "joy": ("joy", "happiness", "delight"),
        "disgust": ("disgust", "revulsion", "distaste"),
        "anger": ("anger", "fury", "annoyance"),
    },
)

DIALOGUE_LENGTHS = (
    70, 60, 54, 48, 67, 61, 74, 67, 50, 57, 55, 54, 36, 41, 43, 51, 30, 28, 27, 20, 20, 13, 7, 5,
)  # fmt: skip
"""How many of the dialogues of MELD's train split have 1, 2, ... 24 utterances; on average 9.6."""

WORDS_AN_UTTERANCE = (
    1193, 799, 804, 802, 746, 725, 656, 558, 466, 413, 412, 358, 286, 246, 247, 214, 192, 169, 142, 102, 104, 80, 61,
    50, 35, 28, 20, 10, 13, 6, 11,
)  # fmt: skip
"""How many of its utterances have 1, 2, ... 31 words; on average 7.9, which are 12.9 tokens of SmolLM2's with their
punctuation. Longer ones (0.5 %) are left out."""

_SPEAKERS = ("Ann", "Ben", "Cleo", "Dan", "Eve")
_TALK = """
you know I really think that we should go there and see what it is, because nobody told me about the other one
yesterday. Well, maybe he does not like it! Could she have left the keys in the kitchen? Oh, look at this, they want us
to come over right now; so what would you say if it was your birthday and your sister forgot it?
"""


@dataclass(frozen=True)
class Talks:
    """Dialogues with labels, and where they come from."""

    conversations: tuple[Conversation, ...]
    source: str


def talks(split: str = "train") -> Talks:
    """A split of MELD, or a thousand made-up dialogues of its train split's shape."""
    root = Path(os.environ.get("MERC_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data") / "meld"
    try:
        from merc_corpora.meld import MeldCorpus

        found = MeldCorpus(root=root).load()
    except (ImportError, MercError):
        return Talks(_made_up(1000, split), "made-up dialogues of MELD's shape")
    return Talks(tuple(c for c in found.conversations if c.split == split), f"MELD, {split} split")


def _made_up(count: int, split: str) -> tuple[Conversation, ...]:
    draw = random.Random(("train", "dev", "test").index(split))
    known = _TALK.split()
    made = []
    for number, length in enumerate(draw.choices(range(1, 25), DIALOGUE_LENGTHS, k=count)):
        cast = draw.sample(_SPEAKERS, draw.choice((1, 2, 2, 2, 2, 3, 3, 4)))
        said = []
        for index, words in enumerate(draw.choices(range(1, 32), WORDS_AN_UTTERANCE, k=length)):
            text = " ".join(draw.choice(known) for _ in range(words))
            said.append(
                Utterance(
                    id=f"{split}{number}_u{index}",
                    text=text,
                    speaker=draw.choice(cast),
                    label=draw.choice(LABELS.labels),
                )
            )
        made.append(Conversation(id=f"{split}{number}", split=split, utterances=tuple(said)))
    return tuple(made)


def joined(conversations: Sequence[Conversation], utterances: int, seed: int) -> Conversation:
    """One dialogue of so many utterances, as long as IEMOCAP's are, out of several."""
    order = list(conversations)
    random.Random(seed).shuffle(order)
    said = [u for c in order for u in c.utterances][:utterances]
    return Conversation(
        id=f"joined{seed}",
        split="train",
        utterances=tuple(replace(u, id=f"joined{seed}_u{i}") for i, u in enumerate(said)),
    )


@dataclass(frozen=True)
class Work:
    """Prompts by dialogue, with the number of tokens of the tree and of the prompts apart."""

    groups: tuple[tuple[EncodedPrompt, ...], ...]
    tree_tokens: int
    apart_tokens: int

    @property
    def prompts(self) -> list[EncodedPrompt]:
        return [p for g in self.groups for p in g]

    def __str__(self) -> str:
        return (
            f"{len(self.groups)} dialogue{'s' if len(self.groups) > 1 else ''}, {len(self.prompts)} utterances, "
            f"{self.tree_tokens} tokens against {self.apart_tokens}"
        )


def work(
    conversations: Sequence[Conversation],
    encoder: PromptEncoder,
    labels: LabelSpace = LABELS,
    every_label: bool = False,
    prompter: Prompter | None = None,
    lengths: SlotLength = lambda stream, utterance: 0,
) -> Work:
    """The prompts of dialogues with all history: the right answer behind each, or every word of every label.
    ``lengths`` says how many tokens a slot has."""
    from merc.builtin.prompters import ConversationPrompter

    asks = prompter or ConversationPrompter(end=False)

    def encode(query: Query) -> EncodedPrompt:
        which = "labels" if every_label else "gold"
        return encoder.encode(asks.prompt(query), lengths, labels, query.target.label, which)

    groups = tuple(tuple(encode(q) for q in group) for group in queries(conversations, labels, labelled))
    rows = [len(p.context) + len(a.tokens) - 1 for g in groups for p in g for a in p.answers]
    return Work(groups, sum(len(build_tree(g)) for g in groups), sum(rows))


def typical(found: Talks, encoder: PromptEncoder, count: int) -> list[Conversation]:
    """``count`` dialogues that together are like the split: of a hundred draws the one whose utterances and whose
    saving of tokens come nearest to the split's, so that the ratio holds for an epoch and not for a lucky step."""
    shares = {c.id: work([c], encoder) for c in found.conversations}
    size = sum(len(w.prompts) for w in shares.values()) / len(shares) * count
    saving = sum(w.apart_tokens for w in shares.values()) / sum(w.tree_tokens for w in shares.values())

    def far(picked: list[Conversation]) -> float:
        some = [shares[c.id] for c in picked]
        mine = sum(w.apart_tokens for w in some) / sum(w.tree_tokens for w in some)
        return abs(sum(len(w.prompts) for w in some) / size - 1) + abs(mine / saving - 1)

    draws = [random.Random(seed).sample(list(found.conversations), count) for seed in range(100)]
    return min(draws, key=far)


def load(
    dtype: str, media: Callable[[int], Any] | None = None, layers: int | None = None, tuning: Tuning | None = None
):
    """SmolLM2-135M with LoRA (r 16, α 32, every linear layer) whose adapters do something, as after some training, or
    with another ``tuning``. ``media`` gives the media tokens for the model's width; ``layers`` keeps so many of the
    model's 30 layers.

    ``MERC_BENCH_TINY=1`` takes a random model of two narrow layers instead, to try the benches themselves.
    """
    import torch

    from merc.builtin.tunings import LoRA
    from merc.model.emotion_model import EmotionModel
    from merc.model.media_tokens import MediaTokens
    from merc.model.tuning import tune

    try:
        from merc_embedded.smollm2 import SmolLM2

        backbone = SmolLM2(dtype=dtype)
        tokenizer = backbone.tokenizer()
    except (ImportError, MercError) as error:
        pytest.skip(f"the backbone smollm2 is not installed: {error}")
    if tiny():
        from transformers import LlamaForCausalLM

        config = backbone.config()
        config.update({"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3})
        config.update({"num_key_value_heads": 1, "head_dim": 16})
        torch.manual_seed(0)
        llm = LlamaForCausalLM(config).to(getattr(torch, dtype))
    else:
        llm = backbone.load("cpu")
        del llm.model.layers[layers or len(llm.model.layers) :]
        llm.config.num_hidden_layers = len(llm.model.layers)
    llm.config.use_cache = False
    torch.manual_seed(0)
    tuned = tune(llm, tuning or LoRA(r=16, alpha=32))
    with torch.no_grad():
        for name, parameter in tuned.llm.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    width = llm.config.hidden_size
    model = EmotionModel(tuned, tokenizer, media(width) if media else MediaTokens({}, {}, {}, width))
    model.probe()
    assert model.layout == "tree", model.note
    return model


def tiny() -> bool:
    return bool(os.environ.get("MERC_BENCH_TINY"))


def rounds() -> int:
    """How often each way is measured; ``MERC_BENCH_ROUNDS`` says otherwise."""
    return int(os.environ.get("MERC_BENCH_ROUNDS", "3"))
