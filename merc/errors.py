"""What merc raises when a person has to do something."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

_BRIEF = 60
_LONGEST_LINE = 1500
_LONGEST_NAME = 100
_MOST_NAMES = 1000
# What a terminal obeys and does not show: control characters but for tabs and line feeds, the characters that turn
# the direction of writing, and halves of characters, which no file and no terminal takes.
_UNSHOWN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    r"""A text as it may be shown: what a terminal would obey is written as its code, in the way that JSON has, so that
    a line of JSON stays the same.

    >>> print(shown("Ana\x1b[2J\ud83d"))
    Ana\u001b[2J\ud83d
    """
    return _UNSHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class MercError(Exception):
    """A mistake that the user can mend: one clear sentence, exit code 2, no traceback.

    The message names the file, the key or the component, says what was expected, and what to do. Control characters of
    names in it are escaped, and a line that a name makes too long is cut in its middle.

    >>> raise MercError("talk.jsonl, line 3: not JSON; write one conversation a line")
    Traceback (most recent call last):
    merc.errors.MercError: talk.jsonl, line 3: not JSON; write one conversation a line
    """

    def __init__(self, message: object = "") -> None:
        super().__init__("\n".join(_cut(line) for line in shown(str(message)).split("\n")))


class ManyErrors(MercError):
    """Several mistakes that were found in one pass, so that they can be mended in one go; ``notes`` stand after them.

    >>> print(ManyErrors(["a: unknown key", "b: wants a number"], head="2 errors in r.yaml"))
    2 errors in r.yaml:
      a: unknown key
      b: wants a number
    """

    def __init__(self, errors: Sequence[str], head: str, notes: Sequence[str] = ()) -> None:
        self.errors = list(errors)
        super().__init__("\n".join(["\n  ".join([head + ":", *self.errors]), *notes]))


@contextmanager
def naming(place: str, *names: str) -> Iterator[None]:
    """Put the place before what is raised in the block, unless that begins with it, or with another of its names.

    >>> with naming("stage one", "stages.one"):
    ...     raise MercError("losses: l2 has only penalties")
    Traceback (most recent call last):
    merc.errors.MercError: stage one: losses: l2 has only penalties
    >>> with naming("stage one", "stages.one"):
    ...     raise MercError("stages.one.trainer.soup: leave it out")
    Traceback (most recent call last):
    merc.errors.MercError: stages.one.trainer.soup: leave it out
    """
    try:
        yield
    except MercError as error:
        known = str(error).startswith((place, *names))
        raise MercError(str(error) if known else f"{place}: {error}") from None


class NotedError(MercError):
    """A mistake with notes on what may have caused it, such as plugins that failed. ``sentence`` is it alone, so that
    several mistakes name the same plugins once.

    >>> print(NotedError("unknown encoder 'ear'", ["note: plugin 'a' is left out"]))
    unknown encoder 'ear'
    note: plugin 'a' is left out
    """

    def __init__(self, sentence: str, notes: Sequence[str]) -> None:
        self.sentence, self.notes = sentence, tuple(notes)
        super().__init__("\n".join([sentence, *notes]))


def brief(name: str) -> str:
    """A name as it stands in a sentence: of a long one the beginning.

    >>> brief("x" * 100)[-5:], brief("Ana")
    ('xx...', 'Ana')
    """
    return name if len(name) <= _BRIEF else f"{name[:_BRIEF]}..."


def first_names(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list as they stand in a sentence, and how many more there are.

    >>> first_names(["a", "b"]), first_names(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def first_lines(lines: Sequence[str], most: int = 5) -> list[str]:
    """The first lines of a list, and a line that says how many more there are.

    >>> first_lines(["a", "b"]), first_lines(list("abcd"), 3)
    (['a', 'b'], ['a', 'b', 'c', 'and 1 more'])
    """
    more = len(lines) - most
    return [*lines[:most], *([f"and {more:,} more"] if more > 0 else [])]


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 400]} … {line[-300:]}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean ...?' for the ``closest`` known name, or the empty string.

    >>> did_you_mean("whisperr", ["whisper", "hubert"])
    " Did you mean 'whisper'?"
    >>> did_you_mean("zzz", ["whisper"])
    ''
    """
    close = closest(name, known)
    return "" if close is None else f" Did you mean {close!r}?"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped one is likely to mean, if any is close. Only the first 1,000 known names are
    looked at, and no name of more than 100 characters, so that it takes no time.

    >>> closest("encoder", ["corpus", "encoders"])
    'encoders'
    """
    if len(name) > _LONGEST_NAME:
        return None
    known = (one for one in itertools.islice(known, _MOST_NAMES) if len(one) <= _LONGEST_NAME)
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), None)
