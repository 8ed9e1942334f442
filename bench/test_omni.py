"""A native multimodal backbone over the prompt tree against separate prompts: Qwen2-VL's own layers at its 2B width.

A dialogue of 10 utterances, each with a video of 64 tokens on three axes, which every later prompt shows again. Plain
is transformers' language model of Qwen2-VL with a row for each prompt and answer, padded, with the positions of M-RoPE;
the tower's tokens are random, since both ways read them from the store. Two layers of the 2B model's width with random
weights and SmolLM2's tokenizer: none larger is in a package.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.plain import Feed, padded, samples, shuffled, steps
from bench.test_training_step import BUDGET, Bench, check
from bench.workload import LABELS, SYNONYMS, joined, rounds
from merc.builtin.connectors import Identity
from merc.builtin.losses import TokenNLL
from merc.builtin.prompters import ConversationPrompter
from merc.builtin.tunings import LoRA
from merc.components import Query
from merc.conversation import Conversation, LabelSpace
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.media_tokens import MediaTokens
from merc.model.precision import autocast
from merc.model.tuning import tune
from merc.prompting import EncodedPrompt
from merc.training.strategy import TorchStrategy
from tests.losses import use_loss

UTTERANCES = 10
GRID = (4, 4, 4)
"""Steps of time, rows and columns of a video: 64 tokens."""
CONTROLS = ("<|vision_start|>", "<|vision_end|>", "<|video_pad|>", "<|image_pad|>")


def backbone(folder: Path) -> EmotionModel:
    """Two layers of Qwen2-VL-2B's width with LoRA whose adapters do something, in bfloat16."""
    omni = pytest.importorskip("merc_omni.backbone")
    encoders, models = pytest.importorskip("merc_omni.encoders"), pytest.importorskip("merc_omni.models")
    smollm2 = pytest.importorskip("merc_embedded.smollm2")
    shapes = pytest.importorskip("merc_omni.shapes")
    tokenizer = smollm2.SmolLM2().tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(CONTROLS)})
    shape = json.loads(json.dumps(shapes.PUBLIC["Qwen/Qwen2-VL-2B-Instruct"]))
    shape["text_config"] |= {"num_hidden_layers": 2, "vocab_size": len(tokenizer)}
    (folder / "config.json").write_text(json.dumps(shape))
    part = omni.Omni(path=str(folder), dtype="bfloat16")
    torch.manual_seed(0)
    kind = models.half(part.family.kind, ("model.visual",))
    llm = kind._from_config(part.family.config, dtype=torch.bfloat16).eval().requires_grad_(False)
    tower = encoders.OmniVideo(path=str(folder))
    media = MediaTokens({"video": tower.spec()}, {"video": Identity()}, {}, part.family.hidden, {"video": tower})
    where = np.stack(np.meshgrid(*map(np.arange, GRID), indexing="ij"), -1).reshape(-1, 3)
    places = np.concatenate([where, np.ones((len(where), 1))], axis=1)

    def source(stream: str, utterance: str, draw: int) -> np.ndarray:
        numbers = np.random.default_rng(zlib.crc32(utterance.encode()))
        tokens = 0.02 * numbers.standard_normal((len(where), part.family.hidden))
        return np.concatenate([tokens, places], axis=1).astype("float32")

    media.source = source
    model = EmotionModel(tune(llm, LoRA(r=16, alpha=32)), tokenizer, media)
    with torch.no_grad():
        for name, parameter in model.llm.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.01)
    model.backbone = part
    model.probe()
    assert model.layout == "tree", model.note
    return model


class NativeBench(Bench):
    """Steps and scores of that model in both layouts."""

    def __init__(self, folder: Path) -> None:
        self.model, self.precision, self.strategy = backbone(folder), "bfloat16", TorchStrategy()
        use_loss(self.model, TokenNLL(), len(LABELS))
        learning = [p for n, p in self.model.llm.named_parameters() if f"llm.{n}" in self.model.learns]
        self.strategy.prepare(self.model, [{"params": learning, "lr": 5e-4}], self.precision)
        self.model.train()

    def encoded(self, talk: Conversation, labels: LabelSpace, answers: str) -> list[EncodedPrompt]:
        """The prompts about every utterance, with all videos so far."""
        asks = ConversationPrompter(media=("video",), end=False)
        queries = [Query(conversation=talk, index=i, labels=labels) for i in range(len(talk.utterances))]
        return [self.model.encode(asks.prompt(q), q, answers) for q in queries]

    def feeds(self, prompts: Sequence[EncodedPrompt], size: int) -> Iterator[Feed]:
        """Rows of prompts with one answer each, with their positions on three axes."""
        items = shuffled(samples(prompts))
        for feed in padded(items, size):
            length = feed.inputs["input_ids"].shape[1]
            axes = torch.zeros(3, len(feed.samples), length, dtype=torch.long)
            for row, sample in enumerate(feed.samples):
                own = prompts[sample.prompt].positions
                after = [tuple(p + k for p in own[-1]) for k in range(1, len(sample.tokens) - len(own) + 1)]
                axes[:, row, : len(sample.tokens)] = torch.tensor([*own, *after][: len(sample.tokens)]).T
            feed.inputs["position_ids"] = axes
            yield feed

    def score_tree(self, prompts: Sequence[EncodedPrompt], labels: int) -> torch.Tensor:
        """``[prompts, labels]`` as merc scores."""
        self.model.eval()
        rows: dict[str, torch.Tensor] = {}
        with torch.no_grad(), autocast("cpu", self.precision, self.model):
            for trees in self.model.trees([list(prompts)], BUDGET):
                batch = make_batch(*trees)
                scores = self.model.score(batch, labels)
                rows.update({p.target: one for p, one in zip(batch.prompts, scores, strict=True)})
        return torch.stack([rows[p.target] for p in prompts]).float()

    def score_plain(self, prompts: Sequence[EncodedPrompt], labels: int, feeds: Iterable[Feed]) -> torch.Tensor:
        """The same, a row for each word of each label."""
        self.model.eval()
        scores = torch.full((len(prompts), labels), -torch.inf)
        with torch.no_grad(), autocast("cpu", self.precision, self.model):
            for feed in feeds:
                values, owner = steps(self.model, feed)
                for number, sample in enumerate(feed.samples):
                    own = values[owner == number].sum()
                    at = (sample.prompt, sample.label)
                    scores[at] = torch.logaddexp(scores[at], own)
        return scores


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> NativeBench:
    return NativeBench(tmp_path_factory.mktemp("shape"))


@pytest.fixture(scope="module")
def talk(found) -> Conversation:
    return joined(found.conversations, UTTERANCES, seed=0)


def tokens(prompts: Sequence[EncodedPrompt]) -> int:
    return sum(len(p.context) + len(a.tokens) - 1 for p in prompts for a in p.answers)


def test_native_training_step(native, talk, compare, say):
    prompts = native.encoded(talk, LABELS, "gold")
    together = sum(sum(map(len, trees)) for trees, _ in native.model.trees([prompts], BUDGET))
    say(f"{compare.title}: {len(prompts)} utterances, {together} tokens against {tokens(prompts)}")
    native.model.train()
    compare(
        lambda: native.tree([prompts]),
        {"separate prompts, padded batches of 4": lambda: native.plain(len(prompts), lambda: native.feeds(prompts, 4))},
        rounds(),
        lambda name, a, b: check(name, a, b, False),
        len(prompts),
        "utterances",
        {"separate prompts, padded batches of 4": 3},
    )


@pytest.mark.parametrize("labels", [LabelSpace(LABELS.labels[:3]), SYNONYMS], ids=["three_words", "twenty_one_words"])
def test_native_scoring(native, talk, compare, say, labels):
    """Three labels of one word, or seven of three."""
    prompts = native.encoded(talk, labels, "labels")
    together = sum(sum(map(len, trees)) for trees, _ in native.model.trees([prompts], BUDGET))
    say(f"{compare.title}: {len(prompts)} utterances, {together} tokens against {tokens(prompts)}")
    count = len(labels)
    compare(
        lambda: native.score_tree(prompts, count),
        {"separate prompts, padded batches of 8": lambda: native.score_plain(prompts, count, native.feeds(prompts, 8))},
        rounds(),
        lambda name, a, b: torch.testing.assert_close(a.softmax(1), b.softmax(1), rtol=0, atol=0.02),
        len(prompts),
        "utterances",
        {"separate prompts, padded batches of 8": 10},
    )
