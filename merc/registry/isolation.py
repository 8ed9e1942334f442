"""Calling code of a plugin so that nothing that it raises ends merc: what is no Exception becomes one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Fault(Exception):
    """What code of a plugin raised that is no Exception: SystemExit of ``sys.exit``, KeyboardInterrupt, GeneratorExit.
    Its cause is that."""


def isolated(call: Callable[[], T]) -> T:
    """What ``call`` gives. Raises its Exceptions as they are, and Fault for whatever else it raises.

    A signal that arrives meanwhile, such as Ctrl-C of the user, raises what its handler raises.

    >>> isolated(lambda: exit(0))
    Traceback (most recent call last):
    merc.registry.isolation.Fault: SystemExit: 0
    """
    with _watched() as signals:
        try:
            return call()
        except Exception:
            raise
        except BaseException as error:
            if signals:
                raise
            raise Fault(described(error)) from error


def described(error: BaseException) -> str:
    """An exception in a line: its class and its text, where it has one that can be had.

    >>> described(ValueError("two\\n lines")), described(KeyError())
    ('ValueError: two lines', 'KeyError')
    """
    name = type(error).__name__
    try:
        text = isolated(lambda: " ".join(line.strip() for line in str(error).splitlines() if line.strip()))
    except Exception:
        return f"{name} (whose text cannot be had)"
    if isinstance(error, Fault):
        return text
    return f"{name}: {text}" if text else name


def shown(value: object) -> str:
    """``repr`` of an object of a plugin, or the name of its class where that cannot be had."""
    try:
        text = isolated(lambda: repr(value))
        return text if type(text) is str and len(text) <= 200 else f"{str(text)[:200]}…"
    except Exception:
        return f"an object of {type(value).__name__}"


@contextmanager
def _watched() -> Iterator[list[int]]:
    """The signals that arrive while the block lasts, beside what their handlers do."""
    arrived: list[int] = []
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if callable(handler):

            def note(number: int, frame: FrameType | None, handler: Callable[..., object] = handler) -> None:
                arrived.append(number)
                handler(number, frame)

            try:
                signal.signal(number, note)
            except ValueError:  # in another thread than the main one, where no handler runs
                break
            before[number] = handler
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
