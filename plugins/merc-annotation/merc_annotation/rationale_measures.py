"""Measures of rationales: ROUGE and BLEU against references, evidence coverage, and causal sufficiency."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from merc_annotation.clues import CLUES
from merc_annotation.judging import coverage
from merc_annotation.records import Record
from merc_annotation.triplet import MODALITIES, Triplet

Reader = Callable[[Sequence[str]], Sequence[str | None]]
"""Gives the label that each text speaks for; None where it has no answer."""


def overlap(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L (F-measures, Porter's stemmer, from 0 to 1; rouge-score) and BLEU (of the corpus,
    from 0 to 100; sacreBLEU) of texts against one reference each. ValueError where they are not as many."""
    if len(texts) != len(references) or not texts:
        raise ValueError(
            f"{len(texts)} texts and {len(references)} references; as many of both are compared, one at least"
        )
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import corpus_bleu

    names = ("rouge1", "rouge2", "rougeL")
    scorer = RougeScorer(list(names), use_stemmer=True)
    scores = [scorer.score(reference, text) for text, reference in zip(texts, references, strict=True)]
    rouge = {name: fmean(float(one[name].fmeasure) for one in scores) for name in names}
    return {**rouge, "bleu": float(corpus_bleu(list(texts), [list(references)]).score)}


def mean_coverage(records: Sequence[Record]) -> float | None:
    """Cross-modal evidence coverage, the mean over records that have a rationale and clues; None where none has."""
    shares = [
        coverage(
            Triplet(label=r["label"] or "?", steps=tuple(r["rationale"]), evidence=r["evidence"]), r["clues"], CLUES
        )
        for r in records
        if r["rationale"] and r["clues"]
    ]
    return fmean(shares) if shares else None


def causal_sufficiency(records: Sequence[Record], reader: Reader) -> dict[str, Any]:
    """Whether evidence carries its label: what a reader says of all evidence, of all but one modality's, and of one
    modality's alone.

    Args:
        records: Records with evidence of two modalities or more and a label; others are left out and counted.
        reader: Any model that reads a text, such as a trained run.

    Returns:
        How many records were read (``records`` of ``of``), the share whose label all evidence gives (``whole``), and by
        modality the share of those whose label ``survives`` without it, and the share that it gives ``alone``.
    """
    usable = [r for r in records if r["label"] and len(r["evidence"]) > 1]
    by_variant: dict[tuple[str, str], list[tuple[int, str]]] = {("whole", ""): []}
    for at, record in enumerate(usable):
        evidence = record["evidence"]
        by_variant["whole", ""].append((at, _text(evidence, evidence)))
        for name in evidence:
            by_variant.setdefault(("without", name), []).append(
                (at, _text(evidence, [n for n in evidence if n != name]))
            )
            by_variant.setdefault(("alone", name), []).append((at, _text(evidence, [name])))
    flat = [text for pairs in by_variant.values() for _, text in pairs]
    labels = iter(reader(flat) if flat else ())
    right = {
        variant: {at: next(labels) == usable[at]["label"] for at, _ in pairs} for variant, pairs in by_variant.items()
    }
    whole = right["whole", ""]
    result: dict[str, Any] = {
        "records": len(usable),
        "of": len(records),
        "whole": fmean(whole.values()) if whole else None,
        "modalities": {},
    }
    for name in MODALITIES:
        without = [fine for at, fine in right.get(("without", name), {}).items() if whole[at]]
        alone = list(right.get(("alone", name), {}).values())
        if alone:
            result["modalities"][name] = {
                "survives": fmean(without) if without else None,
                "alone": fmean(alone),
                "records": len(alone),
            }
    return result


def _text(evidence: Mapping[str, str], names: Any) -> str:
    return " ".join(evidence[name] for name in MODALITIES if name in names)


def reader_of(run: Any) -> Reader:
    """A trained run as a reader: each text is the words of one utterance. ``run`` is what ``merc.load`` gives."""
    import merc

    def read(texts: Sequence[str]) -> list[str | None]:
        talks = [
            merc.Conversation(id=f"text{at}", utterances=(merc.Utterance(id=f"text{at}_u0", text=text),))
            for at, text in enumerate(texts)
        ]
        by_id = {one.id: one.label for one in run.predict(talks)}
        return [by_id.get(f"text{at}_u0") for at in range(len(texts))]

    return read
