"""The decoder ``dynamic-verbalizer``: more words of each label, given or proposed on the train split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import merc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LETTERS = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""A letter of Thai, Lao, Burmese, Khmer, Japanese or Chinese, which put no spaces between words."""
_SHORTEST = 3
"""Letters of the shortest word that is proposed."""


@dataclass(frozen=True, kw_only=True)
class DynamicVerbalizer(merc.Decoder):
    """Scores several words of each label (equation 25 of the survey: P(y | X) = Σ P(s | X) over the words s of y): its
    own, and more that a recipe lists or that are proposed from the train split.

    ``propose: neighbours`` takes words that occur there at least twice, each for the label whose words are nearest to
    it, the nearest ones first. ``propose: model`` takes words that the model itself writes first after prompts of
    utterances of a label, by how much larger their share is with this label than with any other; texts are drawn at
    temperature 1. A word that stands for a label already is not proposed. What was proposed is kept with the run.
    Languages without spaces between words (Chinese, Japanese, Thai, Lao, Burmese, Khmer) need ``words``: merc cannot
    tell there where a word ends, and proposes none of them.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities", "states"})
    words: Mapping[str, tuple[str, ...]] | None = None
    """More words by label; null proposes some."""
    propose: Literal["neighbours", "model"] = "model"
    """Where words come from: the words of the train split (``neighbours``), or what the ``model`` writes."""
    embedder: merc.Encoder | None = None
    """The text encoder by which ``neighbours`` compares words."""
    count: int = 3
    """How many words are proposed for each label."""
    samples: int = 4
    """How many texts ``model`` draws for an utterance."""
    examples: int | None = 50
    """For how many utterances of each label ``model`` draws texts, the first; null is all."""
    seed: int = 0
    """The seed of the texts that ``model`` draws."""
    aggregate: Literal["sum", "mean"] = "sum"
    """``mean`` divides the sum over a label's words by their number, so that a label gains nothing by having more."""
    normalize: Literal["none", "tokens"] = "none"
    """``tokens`` divides the log-probability of a word by its number of tokens."""

    def __post_init__(self) -> None:
        for name in ("count", "samples", "examples"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} counts from 1, not {value}")
        if self.words is None and self.propose == "neighbours" and self.embedder is None:
            raise ValueError(
                "propose: neighbours needs an embedder, such as {name: minilm}; or give words, or propose: model"
            )
        for label, words in (self.words or {}).items():
            if not all(word.strip() for word in words):
                raise ValueError(f"words: one of {label!r} is empty, and would count wherever the answer ends at once")

    def check(self, labels: merc.LabelSpace) -> None:
        """Raise MercError for words of a label that there is not, for a word of two labels, and where words are to be
        proposed in a language without spaces between them."""
        if self.words is None:
            for label in labels.labels:
                if any(_UNSPACED.search(word) for word in labels.words_of(label)):
                    raise merc.MercError(_unspaced(f"the label {label!r} is"))
        self._with_words(labels, labels)

    def fits_on(self) -> Literal["train", "dev"] | None:
        """``train``, where words are to be proposed."""
        return "train" if self.words is None else None

    def fit(self, model: merc.Model, queries: Sequence[merc.Query]) -> DynamicVerbalizer:
        """The decoder with the words that are proposed on ``queries``. Raises MercError where none has a label, and
        where most of what is said or written has no spaces between words."""
        labelled = [query for query in queries if query.target.label is not None]
        if not labelled:
            raise merc.MercError(
                "evaluate.decoder: dynamic-verbalizer proposes words by labels of the train split, which has none; "
                "give words"
            )
        if self.propose == "neighbours":
            assert self.embedder is not None
            words = neighbours(model.labels, _known(labelled), self.embedder, self.count)
        else:
            words = self._written(model, labelled)
        return replace(self, words=words)

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query whose words are likeliest together."""
        import torch

        prompts = [model.prompt(query) for query in queries]
        widened = [replace(query, labels=self._with_words(model.labels, query.labels)) for query in queries]
        scores = model.score(widened, self.normalize, prompts)
        values = scores.values
        if self.aggregate == "mean":
            numbers = torch.ones_like(values)
            for row, query in zip(numbers, widened, strict=True):
                for label in query.labels.labels:
                    row[model.labels.index(label)] = len(query.labels.words_of(label))
            values = values - numbers.log()
        return merc.likeliest(queries, values, model.labels, scores.states)

    def _with_words(self, every: merc.LabelSpace, labels: merc.LabelSpace) -> merc.LabelSpace:
        """Labels with their own words first, then the others. Raises MercError for a word of two labels."""
        more = self.words or {}
        try:
            for label in more:
                every.index(label)
            words = {
                label: tuple(dict.fromkeys((*labels.words_of(label), *more.get(label, ())))) for label in labels.labels
            }
            return merc.LabelSpace(labels.labels, words)
        except merc.MercError as error:
            raise merc.MercError(f"evaluate.decoder.words: {error}") from None

    def _written(self, model: merc.Model, labelled: Sequence[merc.Query]) -> dict[str, tuple[str, ...]]:
        """Words that the model writes first for utterances of a label."""
        taken: Counter[str | None] = Counter()
        some = []
        for query in labelled:
            taken[query.target.label] += 1
            if self.examples is None or taken[query.target.label] <= self.examples:
                some.append(query)
        texts = model.generate(some, max_new_tokens=6, count=self.samples, temperature=1.0, seed=self.seed)
        first: dict[str, Counter[str]] = {label: Counter() for label in model.labels.labels}
        _check_spaces((one.text for written in texts for one in written), "what the model writes is")
        for query, written in zip(some, texts, strict=True):
            for one in written:
                first[str(query.target.label)].update(_words_in(one.text)[:1])
        return by_share(model.labels, first, self.count)


def by_share(labels: merc.LabelSpace, counts: Mapping[str, Counter[str]], count: int) -> dict[str, tuple[str, ...]]:
    """Of words counted by label, those whose share of a label's words exceeds that of any other label most.

    >>> counts = {"joy": Counter(glad=3, well=1), "anger": Counter(mad=2, well=2), "fear": Counter()}
    >>> by_share(merc.LabelSpace(("joy", "anger", "fear")), counts, 2)
    {'joy': ('glad',), 'anger': ('mad', 'well'), 'fear': ()}
    """
    own = _own_words(labels)
    share = {
        label: {word: n / counts[label].total() for word, n in counts[label].items()} if counts[label] else {}
        for label in labels.labels
    }
    words_of = {}
    for label in labels.labels:
        gains = {
            word: value - max((share[other].get(word, 0.0) for other in labels.labels if other != label), default=0.0)
            for word, value in share[label].items()
            if word not in own
        }
        best = sorted((word for word, gain in gains.items() if gain > 0), key=lambda word: (-gains[word], word))
        words_of[label] = tuple(best[:count])
    return words_of


def neighbours(
    labels: merc.LabelSpace, candidates: Sequence[str], embedder: merc.Encoder, count: int
) -> dict[str, tuple[str, ...]]:
    """Of candidates, those nearest to each label's words by cosine; a candidate goes to its nearest label alone."""
    own = _own_words(labels)
    words = [word for word in candidates if word not in own]
    if not words:
        return dict.fromkeys(labels.labels, ())
    spelled = [(label, word) for label in labels.labels for word in labels.words_of(label)]
    vectors = _vectors(embedder, [*(word for _, word in spelled), *words])
    likeness = vectors[len(spelled) :] @ vectors[: len(spelled)].T
    near: dict[str, list[tuple[float, str]]] = {label: [] for label in labels.labels}
    for word, row in zip(words, likeness.tolist(), strict=True):
        best = max(range(len(spelled)), key=row.__getitem__)
        near[spelled[best][0]].append((-row[best], word))
    return {label: tuple(word for _, word in sorted(some)[:count]) for label, some in near.items()}


def _vectors(embedder: merc.Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors ``[texts, dim]`` of texts, of length 1. Raises MercError for one that cannot be encoded."""
    import numpy as np

    if not isinstance(embedder.sampling(), merc.Words):
        raise merc.MercError(
            "evaluate.decoder.embedder: it reads sound or pictures; give a text encoder, {name: minilm}"
        )
    rows = []
    for text, features in zip(texts, embedder.load("cpu")([merc.TextClip(text=t) for t in texts]), strict=True):
        if isinstance(features, merc.Missing):
            raise merc.MercError(f"evaluate.decoder.embedder: {text!r} cannot be encoded: {features.reason}")
        mean = np.asarray(features, np.float32).mean(0)
        rows.append(mean / max(float(np.linalg.norm(mean)), 1e-12))
    return np.stack(rows)


def _known(queries: Sequence[merc.Query]) -> list[str]:
    """The words that occur at least twice in what is said, sorted. Raises MercError where most of it has no spaces."""
    texts = [query.target.text for query in queries]
    _check_spaces(texts, "the train split is")
    counts = Counter(word for text in texts for word in _words_in(text))
    return sorted(word for word, n in counts.items() if n > 1)


def _words_in(text: str) -> list[str]:
    """The words of a text that may be proposed, in small letters.

    >>> _words_in("So furious! 我很高兴")
    ['furious']
    """
    runs = _LETTERS.findall(text.lower())
    return [run for run in runs if len(run) >= _SHORTEST and not _UNSPACED.search(run)]


def _check_spaces(texts: Iterable[str], what: str) -> None:
    """Raise MercError where most of what could be words has letters of a script without spaces between words."""
    count = Counter(bool(_UNSPACED.search(run)) for text in texts for run in _LETTERS.findall(text))
    if count[True] > count[False]:
        raise merc.MercError(_unspaced(what))


def _unspaced(what: str) -> str:
    return (
        f"evaluate.decoder: {what} in a script without spaces between words, where dynamic-verbalizer cannot tell "
        "which words to propose; give words, as in words: {joy: [glad, cheerful]}"
    )


def _own_words(labels: merc.LabelSpace) -> set[str]:
    return {word.lower() for label in labels.labels for word in (label, *labels.words_of(label))}
