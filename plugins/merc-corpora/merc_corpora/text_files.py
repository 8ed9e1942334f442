"""Text files of people's own: decoded as the recipe says, or refused with the encodings that fit."""

from __future__ import annotations

import codecs
import itertools
import re
from pathlib import Path

import merc

FAMILIAR = (
    "utf-8", "utf-16", "gbk", "gb18030", "big5", "shift_jis", "euc-kr", "cp1252", "cp1250", "cp1251", "latin-1",
    "mac-roman",
)  # fmt: skip
"""Encodings that tables and subtitles come in, by the names that a recipe gives."""

# What people's files come in, and the bytes that the usual characters of each begin with (of Chinese the 3,755 most
# frequent ones, of Japanese kana and the first level): text read in a wrong encoding is full of unusual ones.
_EAST = {
    "euc-kr": ((0xA1, 0xA3), (0xB0, 0xC8)), "gbk": ((0xA1, 0xA3), (0xB0, 0xD7)), "big5": ((0xA1, 0xC6),),
    "shift_jis": ((0x81, 0x83), (0x88, 0x97)),
}  # fmt: skip
_WEST = ("cp1252", "cp1251", "cp1250", "mac-roman")
_SIGNS = "‘’‚“”„–—…«»¿¡°€£"
_MOST, _SHOWN, _SAMPLE = 3, 24, 20_000
_CONTROL = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def check_encoding(encoding: str) -> None:
    """Raise ValueError for a name that is no encoding of texts.

    >>> check_encoding("gbkk")
    Traceback (most recent call last):
    ValueError: encoding: there is none called 'gbkk'; usual ones are utf-8, utf-16, gbk, gb18030, big5, shift_jis, \
euc-kr, cp1252, cp1250, cp1251, latin-1, mac-roman
    """
    try:
        codec = codecs.lookup(encoding)
        "".encode(codec.name)
    except (LookupError, ValueError):
        usual = ", ".join(FAMILIAR)
        raise ValueError(f"encoding: there is none called {encoding!r}; usual ones are {usual}") from None


def read_bytes(path: Path) -> bytes:
    """What a file holds. Raises MercError for one that is not there, cannot be read or is empty."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise merc.MercError(f"{path} is not there") from None
    except OSError as error:
        raise merc.MercError(f"{path} cannot be read: {error.strerror or error}") from None
    if not content.strip():
        raise merc.MercError(f"{path} is empty")
    return content


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A file's text, without a mark of the byte order. Raises MercError for one that is not in this encoding, with
    those that it may be in, each with the first words that it would hold."""
    content = read_bytes(path)
    try:
        return decoded(content, encoding)
    except UnicodeError as error:
        proposals = fitting(content)
        at = getattr(error, "start", None)
        where = "" if at is None else f", line {content.count(10, 0, at) + 1}"
        what = f"{path}{where}: the text is not in {encoding}"
        if not proposals:
            raise merc.MercError(f"{what}, and in no usual encoding; save it in UTF-8") from None
        lines = [f"encoding: {name:<10} {words}" for name, words in proposals]
        head = f"{what}; let the recipe name the encoding in which it reads right, or save it in UTF-8:"
        raise merc.MercError("\n  ".join([head, *lines])) from None


def decoded(content: bytes, encoding: str) -> str:
    """Bytes as text, without a mark of the byte order. Raises UnicodeError for what is none in this encoding; NUL
    characters say so too, since no text holds them and UTF-16 read as anything else does.

    >>> decoded("Ana".encode("utf-16"), "utf-16"), decoded(b"\\xef\\xbb\\xbfAna", "utf-8")
    ('Ana', 'Ana')
    """
    text = content.decode(encoding)
    if "\0" in text:
        at = content.index(b"\0")
        raise UnicodeDecodeError(encoding, content, at, at + 1, "NUL")
    return text.removeprefix("\ufeff")


def fitting(content: bytes) -> list[tuple[str, str]]:
    """The encodings that bytes may be in, the likeliest first, each with the first of its words that others read
    otherwise.

    >>> fitting("你好，我很高兴见到你。".encode("gbk"))[0]
    ('gbk', '你好，我很高兴见到你。')
    """
    wide = content[1:200:2].count(0) >= content[0:200:2].count(0) or content[:2] in (b"\xff\xfe", b"\xfe\xff")
    for name in ("utf-8", *(["utf-16" if wide else "utf-16-be"] if 0 in content[:200] else [])):
        try:
            return [(name, _words(decoded(content, name)))]
        except UnicodeError:
            continue
    scores: dict[str, float] = {}
    texts: dict[str, str] = {}
    for name in (*_EAST, *_WEST):
        try:
            text = content.decode(name)
        except UnicodeError:
            continue
        score = _usual(text, name)
        if not _CONTROL.search(text) and score > 0 and text not in texts.values():
            scores[name], texts[name] = score, text
    likeliest = sorted(scores, key=lambda name: -scores[name])
    return [(name, _words(texts[name])) for name in likeliest[:_MOST]]


def _usual(text: str, encoding: str) -> float:
    """The share of a text's characters beyond ASCII that are usual ones in an encoding."""
    usual = total = 0
    for match in itertools.islice(re.finditer("[^\0-\x7f]", text), _SAMPLE):
        one, before = match[0], text[match.start() - 1 : match.start()]
        total += 1
        if encoding in _EAST:
            lead = one.encode(encoding)[0]
            usual += any(least <= lead <= most for least, most in _EAST[encoding])
        else:
            after = text[match.end() : match.end() + 1]
            beside_latin = any(letter.isascii() and letter.isalpha() for letter in (before, after))
            fits = one.isalpha() and beside_latin == (encoding != "cp1251")
            usual += one in _SIGNS or (fits and (one.islower() or not before.islower()))
    return usual / total if total else 0.0


def _words(text: str) -> str:
    """A piece of the text around the first character that is not ASCII."""
    other = re.search("[^\0-\x7f]", text.removeprefix("\ufeff"))
    at = max(other.start() - 8, 0) if other else 0
    return " ".join(text.removeprefix("\ufeff")[at : at + _SHOWN].split())
