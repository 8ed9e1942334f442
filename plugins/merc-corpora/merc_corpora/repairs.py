"""Texts whose characters went through a wrong encoding, and how they are mended."""

from __future__ import annotations

import re
from pathlib import Path

import merc

_BYTES = re.compile("[\udc80-\udcff]+")
_SIGN_IN_WORD = re.compile("[a-zA-Z\xc0-\xd6\xd8-\xf6\xf8-\xff][\xa1-\xbf\xd7\xf7][a-zA-Z\xc0-\xd6\xd8-\xf6\xf8-\xff]")
_CAPITAL_IN_WORD = re.compile("[a-z][\xc0-\xd6\xd8-\xde]")
_NOWHERE = "\x81\x8d\x8f\x90\x9d"
"""Codes that Windows-1252 does not have."""


def decode(content: bytes, path: Path) -> str:
    """Bytes as UTF-8; those that are none are taken for Windows-1252 and come out as its code (``mend`` finishes them).

    Raises MercError where they are no English text in Windows-1252: three in a row, one that it does not have, a sign
    such as ³ between two letters, a capital such as Õ after a small letter (an apostrophe of Mac Roman), or NUL, which
    UTF-16 has between all letters.

    >>> decode(b"it\\x92s \\xe2\\x80\\x99 caf\\xe9", Path("talk.csv"))
    'it\\x92s ’ café'
    >>> decode("It’s".encode("mac-roman"), Path("talk.csv"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    merc.errors.MercError: talk.csv, line 1: its letters are neither in UTF-8 nor an English text in Windows-1252; ...
    >>> decode("Ana,Cześć".encode("iso-8859-2"), Path("talk.csv"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    merc.errors.MercError: talk.csv, line 1: its letters are neither in UTF-8 nor an English text in Windows-1252; ...
    """
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    at = text.find("\0")
    if at >= 0:
        raise merc.MercError(
            f"{path}, line {_line(text, at)}: it holds NUL bytes, as a text in UTF-16 does; save the table in UTF-8"
        )
    for match in _BYTES.finditer(text):
        run = "".join(chr(ord(one) - 0xDC00) for one in match[0])
        around = text[max(match.start() - 1, 0) : match.start()] + run + text[match.end() : match.end() + 1]
        if len(run) > 2 or set(run) & set(_NOWHERE) or _SIGN_IN_WORD.search(around) or _CAPITAL_IN_WORD.search(around):
            raise merc.MercError(
                f"{path}, line {_line(text, match.start())}: its letters are neither in UTF-8 nor an English text in "
                f"Windows-1252; save the table in UTF-8"
            )
    return _BYTES.sub(lambda match: "".join(chr(ord(one) - 0xDC00) for one in match[0]), text)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def mend(text: str) -> str:
    """Undo two faults: Windows-1252 codes read as Latin-1, and UTF-8 read as Windows-1252.

    >>> mend("it\\x92s"), mend("itâ€™s"), mend("it’s… café")
    ('it’s', 'it’s', 'it’s… café')
    """
    text = re.sub(r"[^\x00-\x7f]{2,}", lambda match: _twice_encoded(match[0]), text)
    return re.sub("[\x80-\x9f]", lambda match: _windows(ord(match[0])), text)


def _twice_encoded(run: str) -> str:
    codes = bytearray()
    for character in run:
        try:
            codes += character.encode("cp1252")
        except UnicodeEncodeError:
            if ord(character) > 0xFF:
                return run
            codes.append(ord(character))
    try:
        return codes.decode("utf-8")
    except UnicodeDecodeError:
        return run


def _windows(code: int) -> str:
    return bytes([code]).decode("cp1252", errors="ignore") or chr(code)
