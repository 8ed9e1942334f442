"""BLEU-4 and ROUGE-L of texts against a reference, by sacrebleu and rouge-score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from merc import LabelSpace, MercError, Metric, Prediction
from merc.answers import find_answer


def written(prediction: Prediction, who: str) -> str:
    """What a prediction wrote, without tags; empty where it wrote nothing. Raises MercError where it has no text."""
    if prediction.answer is None:
        raise MercError(
            f"{who}: the prediction of {prediction.id!r} has no text; set evaluate.decoder={{name: generate}}, or give "
            "'text' in the answers"
        )
    return find_answer(prediction.answer, "answer-or-rest")[0].strip()


def reference_of(prediction: Prediction, name: str) -> str:
    """The text that a prediction is held against. Raises MercError for what is none."""
    text = prediction.true(name)
    if not isinstance(text, str) or not text.strip():
        raise MercError(f"utterance {prediction.id!r}: {name!r} is {text!r}; a text was expected")
    return text.strip()


@dataclass(frozen=True, kw_only=True)
class TextOverlap(Metric):
    """``text-overlap``: BLEU-4 and ROUGE-L, each the mean over sentences, as EmoBench-M (Hu et al., 2025) takes them of
    reasons for laughter.

    BLEU-4 is that of each text alone, over words between spaces and without smoothing, so a text that shares no four
    words in a row with its reference has 0; ROUGE-L is the F-measure over stemmed words. An empty text has 0 in both;
    ``…_answered`` are the means without empty texts, as the published program has them. ``corpus_bleu`` is BLEU over
    all texts together, by sacrebleu's own words.

    >>> said = Prediction(id="u", conversation="c", answer="he slipped", truths={"reference": "he slipped again"})
    >>> found = TextOverlap().compute([said], LabelSpace(()))
    >>> found["bleu_4"], round(found["rouge_l"], 4)
    (0.0, 0.8)
    """

    truth: str = "reference"
    """The name of the reference text."""
    words: Literal["spaces", "characters"] = "spaces"
    """What BLEU counts: words between spaces, or each character, for languages without spaces; ROUGE-L then counts
    characters too, and none is stemmed."""

    def choices(self) -> Sequence[str]:
        """Both means."""
        return ("bleu_4", "rouge_l")

    def needs(self) -> Sequence[str]:
        """A text."""
        return ("text",)

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Raise MercError for a reference that is no text."""
        for p in predictions:
            reference_of(p, self.truth)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The means."""
        from rouge_score.rouge_scorer import RougeScorer
        from rouge_score.tokenizers import Tokenizer
        from sacrebleu.metrics import BLEU

        class Characters(Tokenizer):
            """Each character but spaces."""

            def tokenize(self, text: str) -> list[str]:
                return [letter for letter in text.lower() if not letter.isspace()]

        apart = self.words == "characters"
        one = BLEU(tokenize="none", smooth_method="none", effective_order=False, force=True)
        rouge = RougeScorer(["rougeL"], use_stemmer=not apart, tokenizer=Characters() if apart else None)
        pairs = [(self._words(written(p, "text-overlap")), reference_of(p, self.truth)) for p in predictions]
        bleu = [one.corpus_score([text], [[self._words(ref)]]).score / 100 if text else 0.0 for text, ref in pairs]
        longest = [rouge.score(ref, text)["rougeL"].fmeasure if text else 0.0 for text, ref in pairs]
        nonempty = [i for i, (text, _) in enumerate(pairs) if text]
        together = BLEU(tokenize="char" if apart else "13a", force=True).corpus_score(
            [text for text, _ in pairs], [[ref for _, ref in pairs]]
        )
        return {
            "bleu_4": sum(bleu) / len(pairs),
            "rouge_l": sum(longest) / len(pairs),
            "bleu_4_answered": sum(bleu[i] for i in nonempty) / len(nonempty) if nonempty else 0.0,
            "rouge_l_answered": sum(longest[i] for i in nonempty) / len(nonempty) if nonempty else 0.0,
            "corpus_bleu": together.score / 100,
            "samples": len(pairs),
            "empty": len(pairs) - len(nonempty),
        }

    def _words(self, text: str) -> str:
        return text if self.words == "spaces" else " ".join(letter for letter in text if not letter.isspace())
