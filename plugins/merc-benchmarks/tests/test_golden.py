"""200 random sets of predictions for each metric that asks nobody: its numbers are those of the published arithmetic,
which is written out plainly here."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from merc_benchmarks.choices import Choices
from merc_benchmarks.labels import EMOTIONS, INTENTS, EmotionAndIntent, LabelsRead, OneOfLabels
from merc_benchmarks.objects import ObjectSentiments
from merc_benchmarks.overlap import TextOverlap
from merc_benchmarks.steps import read_ratings, scores
from nltk.stem.porter import PorterStemmer

import merc

SETS, SIZE = range(200), 25
NONE = merc.LabelSpace(())
SENTENCE = "the man laughed loudly because his friend was running into a very small table and nobody cared"
WORDS = SENTENCE.split(" ")
CLOSE = {"abs": 1e-9, "rel": 0}


def predictions(truths: Sequence[Any], answers: Sequence[str], name: str) -> list[merc.Prediction]:
    return [
        merc.Prediction(
            id=f"u{i}", conversation="c", answer=answer,
            truth=truth if name == "label" else None, truths={} if name == "label" else {name: truth},
        )
        for i, (truth, answer) in enumerate(zip(truths, answers, strict=True))
    ]  # fmt: skip


def weighted(truth: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """EmoBench-M's program: samples with an answer, scores by class weighted by how often it is true."""
    pairs = [(t, a) for t, a in zip(truth, answers, strict=True) if a]
    found = {"accuracy": sum(t == a for t, a in pairs) / len(pairs), "precision": 0.0, "recall": 0.0, "f1": 0.0}
    for label, support in Counter(t for t, _ in pairs).items():
        hits, claimed = sum(t == a == label for t, a in pairs), sum(a == label for _, a in pairs)
        precision, recall = hits / claimed if claimed else 0.0, hits / support
        share = support / len(pairs)
        found["precision"] += share * precision
        found["recall"] += share * recall
        found["f1"] += share * (2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return found


def test_one_of_labels() -> None:
    labels = ("neutral", "negative", "positive")
    for seed in SETS:
        rng = random.Random(seed)
        truth = [rng.choice(labels) for _ in range(SIZE)]
        answers = [rng.choice([*labels, *labels, "", "nothing of it"]) for _ in range(SIZE)]
        answers[0] = labels[0]
        found = OneOfLabels().compute(predictions(truth, answers, "label"), merc.LabelSpace(labels))
        for name, value in weighted(truth, answers).items():
            assert found[f"{name}_answered"] == pytest.approx(value, **CLOSE), (seed, name)
        wrong = weighted(truth, [answer or "nothing" for answer in answers])
        assert {name: found[name] for name in wrong} == pytest.approx(wrong, **CLOSE)


def test_emotion_and_intent() -> None:
    for seed in SETS:
        rng = random.Random(seed)
        truth = [{"emotion": rng.choice(EMOTIONS[:3]), "intent": rng.choice(INTENTS[:3])} for _ in range(SIZE)]
        given = [(rng.choice(EMOTIONS[:3]), rng.choice(INTENTS[:3])) for _ in range(SIZE)]
        gone = {i for i in range(1, SIZE) if rng.random() < 0.2}
        texts = [
            "" if i in gone else str({"emotion label": e, "intent label": n}) if i % 2 else f"{e.title()}, {n}."
            for i, (e, n) in enumerate(given)
        ]
        found = EmotionAndIntent().compute(predictions(truth, texts, "pair"), NONE)
        pairs = ["" if i in gone else f"{e}_{n}" for i, (e, n) in enumerate(given)]
        expected = weighted([f"{t['emotion']}_{t['intent']}" for t in truth], pairs)
        assert {name: found[f"{name}_answered"] for name in expected} == pytest.approx(expected, **CLOSE), seed
        assert found["accuracy"] == pytest.approx(expected["accuracy"] * (SIZE - len(gone)) / SIZE, **CLOSE)


def bleu(text: str, reference: str) -> float:
    """BLEU-4 of one text over words between spaces, without smoothing (Papineni et al., 2002)."""
    words, ref = text.split(), reference.split()
    logs = 0.0
    for n in range(1, 5):
        grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        there = Counter(tuple(ref[i : i + n]) for i in range(len(ref) - n + 1))
        matched = sum(min(count, there[gram]) for gram, count in grams.items())
        if not matched:
            return 0.0
        logs += math.log(matched / grams.total()) / 4
    brevity = 1.0 if len(words) > len(ref) else math.exp(1 - len(ref) / len(words))
    return brevity * math.exp(logs)


def rouge_l(text: str, reference: str) -> float:
    """F of the longest common subsequence of stemmed words (Lin, 2004)."""
    stem = PorterStemmer().stem
    a, b = (
        [stem(word) if len(word) > 3 else word for word in re.sub("[^a-z0-9]+", " ", one.lower()).split()]
        for one in (text, reference)
    )
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    longest = table[-1][-1]
    if not longest:
        return 0.0
    precision, recall = longest / len(a), longest / len(b)
    return 2 * precision * recall / (precision + recall)


def test_bleu_and_rouge() -> None:
    for seed in SETS:
        rng = random.Random(seed)
        refs = [" ".join(rng.choices(WORDS, k=rng.randint(1, 18))) + "." for _ in range(6)]
        texts = []
        for ref in refs:
            words = ref.split()
            for _ in range(rng.randint(0, 4)):
                words[rng.randrange(len(words))] = rng.choice(WORDS)
            texts.append(rng.choice([" ".join(words), " ".join(words[: rng.randint(1, len(words))]), ref]))
        texts.append("")
        refs.append("He slipped.")
        found = TextOverlap().compute(predictions(refs, texts, "reference"), NONE)
        pairs = [(text, ref) for text, ref in zip(texts, refs, strict=True) if text]
        expected = {
            "bleu_4_answered": sum(bleu(*pair) for pair in pairs) / len(pairs),
            "rouge_l_answered": sum(rouge_l(*pair) for pair in pairs) / len(pairs),
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected, **CLOSE), seed
        assert found["bleu_4"] == pytest.approx(expected["bleu_4_answered"] * len(pairs) / len(texts), **CLOSE)


def test_steps() -> None:
    """MME-Emotion's program: the last rating recognises, the mean of the others reasons."""
    for seed in SETS:
        rng = random.Random(seed)
        said, recognition, reasoning, steps = [], 0.0, 0.0, 0
        for _ in range(SIZE):
            pairs = [(rng.randint(0, 1), 1) for _ in range(rng.randint(0, 5))]
            of = rng.randint(1, 4)
            pairs.append((rng.randint(0, of), of))
            text = ", ".join(f"Step {n}: {a}/{b}" for n, (a, b) in enumerate(pairs, start=1))
            said.append(f"Rated. <score>{text}</score>")
            recognition += pairs[-1][0] / of
            reasoning += sum(a for a, _ in pairs[:-1]) / len(pairs[:-1]) if len(pairs) > 1 else 0.0
            steps += len(pairs)
        found = scores([read_ratings(one) for one in said])
        expected = {
            "recognition": recognition / SIZE, "reasoning": reasoning / SIZE,
            "cot": 0.5 * recognition / SIZE + 0.5 * reasoning / SIZE, "steps_per_sample": steps / SIZE,
        }  # fmt: skip
        assert found == pytest.approx(expected, **CLOSE), seed


def test_choices() -> None:
    """EmoBench's program: the JSON object's values are the letters, all of them."""
    for seed in SETS:
        rng = random.Random(seed)
        truth = [{"answer_q1": rng.choice("ABCDEF"), "answer_q2": rng.choice("ABCD")} for _ in range(SIZE)]
        given = [{"answer_q1": rng.choice("ABC"), "answer_q2": rng.choice("AB")} if rng.random() < 0.5 else dict(right)
                 for right in truth]  # fmt: skip
        forms = [lambda one: f"```json\n{json.dumps(one)}\n```", json.dumps, lambda one: f"I say {json.dumps(one)}"]
        used = [rng.randrange(3) for _ in truth]
        texts = [forms[form](one) for form, one in zip(used, given, strict=True)]
        found = Choices().compute(predictions(truth, texts, "answers"), NONE)
        right = [a == b for a, b in zip(truth, given, strict=True)]
        exact = [one and form < 2 for one, form in zip(right, used, strict=True)]
        assert found["accuracy_exact"] == pytest.approx(sum(exact) / SIZE, **CLOSE), seed
        assert found["accuracy"] == pytest.approx(sum(right) / SIZE, **CLOSE), seed


def test_object_sentiments() -> None:
    for seed in SETS:
        rng = random.Random(seed)
        letters = {"A": "negative", "B": "neutral", "C": "positive"}
        hits = claimed = sought = points = 0
        truths, texts = [], []
        for number in range(SIZE):
            true = [rng.choice("ABC") for _ in range(rng.randint(2, 3))]
            given = [rng.choice("ABC") for _ in range(len(true) + rng.choice([0, 0, 1, -1]))]
            pairs = list(zip(true, given, strict=False))
            hits += sum(a == b != "B" for a, b in pairs)
            claimed += sum(b != "B" for b in given)
            sought += sum(a != "B" for a in true)
            same = sum(a == b for a, b in pairs)
            points += 3 if same == len(true) else 1 if same else 0
            truths.append([{"name": f"one{number}-{i}", "sentiment": letters[a]} for i, a in enumerate(true)])
            texts.append(", ".join(given if number % 2 else [letters[one].title() for one in given]))
        found = ObjectSentiments().compute(predictions(truths, texts, "objects"), NONE)
        precision, recall = hits / claimed, hits / sought
        expected = {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall),
                    "points_per_sample": points / SIZE}  # fmt: skip
        assert {name: found[name] for name in expected} == pytest.approx(expected, **CLOSE), seed


def test_labels_read() -> None:
    among = ["fear", "sadness", "anger", "joy", "disgust"]
    for seed in SETS:
        rng = random.Random(seed)
        right = [rng.sample(among, rng.randint(1, 4)) for _ in range(SIZE)]
        given = [rng.sample(among, rng.randint(0, 5)) for _ in range(SIZE)]
        truths = [{"labels": one, "label_set": among} for one in right]
        found = LabelsRead().compute(predictions(truths, [", ".join(one) for one in given], "reference"), NONE)
        shares = [len(set(a) & set(b)) / len(a) for a, b in zip(right, given, strict=True)]
        assert found["recognition"] == pytest.approx(sum(shares) / SIZE, **CLOSE), seed
