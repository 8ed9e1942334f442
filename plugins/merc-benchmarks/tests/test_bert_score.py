"""BERTScore by a small embedder of random weights: the arithmetic is written out, and texts are read one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from merc_benchmarks.bert_score import BertScore
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

import merc
import merc.testing

WORDS = ["he", "she", "slipped", "laughed", "fell", "down", "loudly", "twice"]
NONE = merc.LabelSpace(())


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedder")
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=12,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=12, **sizes)).save_pretrained(folder)
    return folder


def said(*pairs: tuple[str, str]) -> list[merc.Prediction]:
    return [
        merc.Prediction(id=f"u{i}", conversation="c", answer=text, truths={"reference": ref})
        for i, (text, ref) in enumerate(pairs)
    ]


def test_it_is_the_mean_of_the_f_measures_of_nearest_pieces(embedder: Path) -> None:
    pairs = [("he slipped", "he fell down"), ("she laughed loudly twice", "she laughed"), ("he", "he"), ("", "she")]
    found = BertScore(path=str(embedder)).compute(said(*pairs), NONE)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(embedder)
    net = BertModel.from_pretrained(embedder).eval()

    def states(text: str) -> list[list[float]]:
        with torch.no_grad():
            rows = net(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].double()
        return [(row / row.norm()).tolist() for row in rows]

    total = 0.0
    for text, ref in pairs[:3]:
        a, b = states(text), states(ref)
        cosine = [[sum(x * y for x, y in zip(one, other, strict=True)) for other in b] for one in a]
        precision = sum(max(row) for row in cosine[1:-1]) / (len(a) - 2)
        columns = list(zip(*cosine, strict=True))
        recall = sum(max(column) for column in columns[1:-1]) / (len(b) - 2)
        total += 2 * precision * recall / (precision + recall)
    assert found["bert_score_answered"] == pytest.approx(total / 3, abs=1e-6)  # a batch rounds as its padding has it
    assert found["bert_score"] == pytest.approx(total / 4, abs=1e-6)
    assert (found["samples"], found["empty"], found["cut"]) == (4, 1, 0)


def test_the_same_text_is_nearest_to_itself_and_longer_ones_are_counted(embedder: Path) -> None:
    long = " ".join(WORDS * 2)
    found = BertScore(path=str(embedder)).compute(said((long, long)), NONE)
    assert found["bert_score"] == pytest.approx(1.0) and found["cut"] == 1


def test_what_cannot_be_is_said(embedder: Path) -> None:
    with pytest.raises(merc.MercError, match=r"layer is 7; .* has 2 layers, from 1, and embeddings, 0"):
        BertScore(path=str(embedder), layer=7).compute(said(("he", "she")), NONE)
    with pytest.raises(merc.MercError, match="bert-score: path: there is no folder"):
        BertScore(path="./nothing").check(said(("he", "she")), NONE)
    with pytest.raises(merc.MercError, match="'reference' is None; a text was expected"):
        BertScore(path=str(embedder)).check([merc.Prediction(id="u", conversation="c")], NONE)
    with pytest.raises(merc.MercError, match="the prediction of 'u' has no text"):
        BertScore(path=str(embedder)).compute(
            [merc.Prediction(id="u", conversation="c", truths={"reference": "he"})], NONE
        )


class TestBertScore(merc.testing.MetricContract):
    name = "bert-score"

    @pytest.fixture(autouse=True)
    def _made(self, embedder: Path) -> None:
        type(self).component = BertScore(path=str(embedder))

    def predictions(self) -> list[merc.Prediction]:
        return said(("he", "she"), ("he slipped", "he fell"))
