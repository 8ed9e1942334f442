"""Texts whose characters went through a wrong encoding, and how they are mended."""

from __future__ import annotations

import re


def decode(content: bytes) -> str:
    """Bytes as UTF-8; those that are none are taken for Windows-1252 and come out as its code (``mend`` finishes them).

    >>> decode(b"it\\x92s \\xe2\\x80\\x99 caf\\xe9")
    'it\\x92s ’ café'
    """
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda match: chr(ord(match[0]) - 0xDC00), text)


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
