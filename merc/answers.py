"""Labels read out of what a model wrote: one reader for parsers and metrics, by policies that have names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from merc.conversation import LabelSpace

Block = Literal["answer-or-rest", "answer-only", "whole"]
Sentences = Literal["search", "drop"]

NOTES = {
    "unparsed": "no label at all could be read",
    "empty": "nothing was written",
    "after_end": "something follows a token that ends the text, such as </s>; it is left out",
    "no_answer_tag": "the reasoning has its tags, the answer has none; or answer-only found none",
    "unclosed_think": "the reasoning does not end, so no answer follows it",
    "unclosed_answer": "the answer's tag does not end; what follows it is taken",
    "several_answers": "several answers between tags; the last is taken",
    "other_case": "a label in another case",
    "sentence": "a label was looked for within a phrase or sentence",
    "outside": "something that is no label of the vocabulary",
}
"""What is counted of answers, and what each name means."""

# An answer within another one: the inner one counts.
_ANSWER = re.compile(r"<answer\s*>((?:(?!<answer\s*>).)*?)</answer\s*>", re.IGNORECASE | re.DOTALL)
_OPEN, _THOUGHT = re.compile(r"<answer\s*>", re.IGNORECASE), re.compile(r"</think\s*>", re.IGNORECASE)
_THINK = re.compile(r"<think\s*>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][\w-]*\s*/?>")
_BEGIN = re.compile(r"<s>|<bos>|<pad>|<\|(?:begin_of_text|startoftext)\|>|\[/?INST\]")
_END = re.compile(r"</s>|<eos>|<end_of_turn>|<[|｜][^<>\s]{1,40}[|｜]>")
_NUMBER = re.compile(r"(?:^|(?<=\s))\(?\d{1,2}[.):]\s+|^\s*[-*•]\s+", re.MULTILINE)
_SEPARATOR = re.compile(r"[,;|/\n\u3001\u3002]+|\.\s+")
# Scripts that put no space between words, or write endings into the word: Thai to Khmer, kana, Han, Hangul.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD, _UNSPACED = rf"[^\W{_SPACELESS}]", re.compile(f"[{_SPACELESS}]")
_PHRASE = re.compile(rf"[\s:{_SPACELESS}]")


@dataclass(frozen=True)
class Read:
    """What was read of an answer."""

    labels: tuple[str, ...]
    """The labels in the order of the answer, each once."""
    outside: tuple[str, ...] = ()
    """The items that are no label."""
    notes: tuple[str, ...] = ()
    """What is counted of the answer: names of ``NOTES``."""


class Vocabulary:
    """The words that count as labels. They are compared without regard to case, width (``Ａ`` is ``A``) and punctuation
    around them.

    Args:
        words: The label that each word stands for.
        searched: The words that are looked for within sentences; all of them, unless some are too common there.
    """

    def __init__(self, words: Mapping[str, str], searched: Iterable[str] | None = None) -> None:
        self.exact = {bare(normal(word)): label for word, label in words.items() if bare(normal(word))}
        self.folded = {word.casefold(): label for word, label in self.exact.items()}
        self.lower = {word.lower(): label for word, label in words.items()}
        within = {_fold(word) for word in (words if searched is None else searched)}
        self._searched = {_fold(word): label for word, label in words.items() if word and _fold(word) in within}
        self._within = _any_of(self._searched)
        # A label such as "Doubt/Confusion" or "joy and pride" is one item, although it holds what separates items.
        whole = [word for word in self._searched if _SEPARATOR.search(word) or re.search(r"\s(?:and|or|&)\s", word)]
        self._whole = _any_of(whole)

    def within(self, text: str) -> list[str]:
        """The labels whose words stand in a text, as whole words; of words that overlap the longer one. In scripts
        that put no space between words, a word is found wherever it stands.

        >>> Vocabulary({"sad": "sad", "高兴": "happy"}).within("Not sadly; 我觉得她很高兴。")
        ['happy']
        """
        return [self._searched[word] for word in self._within.findall(_fold(text))] if self._within else []

    def pieces(self, text: str) -> list[tuple[str, bool]]:
        """A text cut at the labels that hold separators; each piece, and whether it is such a label."""
        if self._whole is None:
            return [(text, False)]
        cut = re.split(f"({self._whole.pattern})", text, flags=re.IGNORECASE)
        return [(piece, bool(i % 2)) for i, piece in enumerate(cut)]


@lru_cache(maxsize=8)
def vocabulary_of_words(words: frozenset[str], searched: frozenset[str] | None = None) -> Vocabulary:
    """Words that stand for themselves as labels; ``searched`` is that of ``Vocabulary``."""
    return Vocabulary({word: word for word in sorted(words)}, searched)


def vocabulary_of_labels(labels: LabelSpace) -> Vocabulary:
    """The words of a label space (its verbalizer), and the labels themselves, where no label has them as its word."""
    names = {label: label for label in labels.labels}
    words = {word: label for label in labels.labels for word in labels.words_of(label)}
    return _cached(tuple({**names, **words}.items()))


def normal(text: str) -> str:
    """A text in one width and one form of each letter: ``Ｊｏｙ！`` is ``Joy!`` (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", text)


def bare(text: str) -> str:
    """A text without space and punctuation around it, of any script; hyphens and underscores belong to words.

    >>> bare("【高兴】。"), bare(" **Joy**.")
    ('高兴', 'Joy')
    """
    begin, end = 0, len(text)
    while begin < end and _is_around(text[begin]):
        begin += 1
    while end > begin and _is_around(text[end - 1]):
        end -= 1
    return text[begin:end]


def until_end(text: str) -> tuple[str, bool]:
    """A text up to the first token that ends one (``</s>``, ``<|im_end|>``), and whether something follows it.

    >>> until_end("happy</s>"), until_end("happy</s> The next")
    (('happy', False), ('happy', True))
    """
    text = _BEGIN.sub(" ", text)
    end = _END.search(text)
    if end is None:
        return text, False
    if not text[: end.start()].strip():
        return until_end(text[end.end() :])
    return text[: end.start()], bool(_END.sub("", text[end.end() :]).strip())


def find_answer(text: str, block: Block) -> tuple[str, list[str]]:
    """The part of a text that is the answer, without tags, and notes.

    - ``answer-or-rest``: what stands in the last ``<answer>…</answer>`` (the inner one of two that are nested);
      without one, what follows ``</think>``; without either, all of it. Reasoning that does not end has no answer.
    - ``answer-only``: what stands in the last ``<answer>…</answer>``, else nothing.
    - ``whole``: all of it, reasoning included.

    What follows a token that ends the text is never part of it. The notes are names of ``NOTES``.

    >>> find_answer("<think>A frown, not joy.</think><answer>anger</answer>", "answer-or-rest")
    ('anger', [])
    >>> find_answer("<think>A frown.</think> anger</s>", "answer-or-rest")
    ('anger', ['no_answer_tag'])
    """
    text, more = until_end(text)
    notes = ["after_end"] * more
    if block == "whole":
        return _untagged(text), notes
    if answers := _ANSWER.findall(text):
        return _untagged(_THOUGHT.split(answers[-1])[-1]), notes + ["several_answers"] * (len(answers) > 1)
    if _OPEN.search(text):
        return "" if block == "answer-only" else _untagged(_OPEN.split(text)[-1]), [*notes, "unclosed_answer"]
    if block == "answer-only":
        return "", [*notes, "no_answer_tag"]
    if _THOUGHT.search(text):
        return _untagged(_THOUGHT.split(text)[-1]), [*notes, "no_answer_tag"]
    return ("", [*notes, "unclosed_think"]) if _THINK.search(text) else (_untagged(text), notes)


def read_answer(text: str, known: Vocabulary, block: Block = "answer-or-rest", sentences: Sentences = "search") -> Read:
    """The labels in an answer: items separated by commas, semicolons, slashes, lines or numbers, in any case.

    Args:
        text: What the model wrote.
        known: The words that count as labels.
        block: Which part of the text is the answer, as ``find_answer`` has it.
        sentences: What becomes of an item of several words that is no label.

    An item of several words that is no label itself is a phrase or a sentence: ``search`` takes the labels that stand
    in it as whole words ("not happy" gives happy: negation is not understood), ``drop`` takes none.

    >>> known = vocabulary_of_words(frozenset({"happy", "sad", "at a loss"}))
    >>> read_answer("1. Happy 2. at a loss", known).labels, read_answer("happy; furious", known).outside
    (('happy', 'at a loss'), ('furious',))
    >>> read_answer("She looks sad to me.", known)
    Read(labels=('sad',), outside=(), notes=('sentence',))
    >>> read_answer("She looks sad to me.", known, sentences="drop").labels
    ()
    """
    answer, notes = find_answer(normal(text), block)
    if not text.strip():
        notes.append("empty")
    labels: list[str] = []
    outside: list[str] = []
    for item in _items(answer, known):
        if item in known.exact:
            labels.append(known.exact[item])
        elif item.casefold() in known.folded:
            labels.append(known.folded[item.casefold()])
            notes.append("other_case")
        elif (phrase := _PHRASE.search(item)) and sentences == "search" and (within := known.within(item)):
            labels += within
            notes.append("sentence")
        else:
            outside.append(item)
            notes += ["sentence", "outside"] if phrase else ["outside"]
    if not labels:
        notes.append("unparsed")
    return Read(tuple(dict.fromkeys(labels)), tuple(outside), tuple(dict.fromkeys(notes)))


def read_lowercase(text: str, known: Vocabulary, separators: str = "") -> Read:
    """The policy ``lowercase``: each item in small letters is a label or is not. Nothing is taken off but space, so
    tags, a full stop and words around a label make it none. Published evaluation programs often read so.

    ``separators`` are the characters between items: quotes and a comma for emotion wheels (one square bracket on
    either side is taken off as well), a comma and a semicolon for several labels, none for one label.

    >>> known = vocabulary_of_words(frozenset({"happy", "sad"}))
    >>> [read_lowercase(text, known, "'\\",").labels for text in ("Happy, sad", "happy.", "happy; sad", "not happy")]
    [('happy', 'sad'), (), (), ()]
    """
    if "'" in separators:
        text = text.removeprefix("[").removesuffix("]")
    items = [text] if not separators else re.split(f"[{re.escape(separators)}]", text)
    written = [item for item in (item.strip().lower() for item in items) if item]
    labels = tuple(dict.fromkeys(known.lower[item] for item in written if item in known.lower))
    outside = tuple(item for item in written if item not in known.lower)
    return Read(labels, outside, ("outside",) * bool(outside) + ("unparsed",) * (not labels))


@lru_cache(maxsize=64)
def _cached(words: tuple[tuple[str, str], ...]) -> Vocabulary:
    return Vocabulary(dict(words))


def _items(answer: str, known: Vocabulary) -> list[str]:
    pieces: list[str] = []
    for piece, is_label in known.pieces(_NUMBER.sub("\n", answer)):
        if is_label:
            pieces.append(bare(piece))
            continue
        for part in _SEPARATOR.split(piece):
            item = bare(" ".join(part.split()))
            if item.casefold() in known.folded or not re.search(r"\s(?:and|or|&)\s|^(?:and|or)\s", item, re.IGNORECASE):
                pieces.append(item)
            else:
                pieces += [bare(one) for one in re.split(r"(?:^|\s)(?:and|or|&)\s", item, flags=re.IGNORECASE)]
    return [item for item in pieces if item]


def _any_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """Finds any of some folded words, the longest first. Where a word begins or ends with a letter of a script with
    spaces between words, no other such letter may stand beside it."""
    longest = sorted((word for word in words if word), key=len, reverse=True)
    if not longest:
        return None
    spelled = [
        ("" if _UNSPACED.match(word[0]) else f"(?<!{_WORD})")
        + re.escape(word)
        + ("" if _UNSPACED.match(word[-1]) else f"(?!{_WORD})")
        for word in longest
    ]
    return re.compile("|".join(spelled))


def _fold(text: str) -> str:
    return normal(text).casefold()


def _untagged(text: str) -> str:
    return _TAG.sub(" ", text).strip()


def _is_around(letter: str) -> bool:
    kind = unicodedata.category(letter)
    return letter.isspace() or letter in "`´~～|{}" or kind in ("Po", "Ps", "Pe", "Pi", "Pf", "Cc", "Cf", "Zs")
