"""What ``merc predict`` is given: files of conversations, clips, folders of clips, or lines of standard input."""

from __future__ import annotations

import io
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from merc.errors import MercError
from merc.session.inputs import Given, Reader, check_once, with_known_labels
from merc.session.python_inputs import read_given
from merc.session.subtitles import with_subtitles

if TYPE_CHECKING:
    from merc.builtin.records import Records


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the command line says of what is said in clips: the words, the speaker, or a file of subtitles."""

    text: str | None = None
    speaker: str | None = None
    subtitles: Path | None = None


def read_inputs(inputs: Sequence[str], words: Words, reader: Reader) -> Iterator[list[Given]]:
    """The conversations, in the order of the inputs: files and clips at once, those of standard input as they come, in
    blocks of what has come. Raises MercError for what is neither, and for ids that occur twice."""
    text, speaker = words.text, words.speaker
    if words.subtitles is not None:
        if text is not None or speaker is not None:
            raise MercError("--subtitles holds the words and the speakers; leave --text and --speaker out")
        blocks = iter([with_subtitles(words.subtitles, list(map(Path, inputs)), reader)])
    elif not inputs:
        utterance = {"text": text, **({} if speaker is None else {"speaker": speaker})}
        blocks = read_given(utterance, reader)
    elif "-" in inputs:
        if len(inputs) > 1 or text is not None or speaker is not None:
            raise MercError("- is standard input, lines of conversations with their words: give it alone")
        blocks = _lines_of_standard_input(reader)
    else:
        blocks = iter([reader.files(list(map(Path, inputs)), text, speaker)])
    seen: set[tuple[str, str]] = set()
    for block in blocks:
        check_once(block, seen)
        yield block


def _lines_of_standard_input(reader: Reader) -> Iterator[list[Given]]:
    """Blocks of the conversations that have come, one at least."""
    from merc.builtin.records import Records

    source = _standard_input()
    lines: queue.SimpleQueue[tuple[int, bytes | OSError] | None] = queue.SimpleQueue()

    def read() -> None:
        number = 0
        try:
            for number, line in enumerate(source, start=1):
                lines.put((number, line))
        except OSError as error:
            lines.put((number + 1, error))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    count, ended = 0, False
    fault: MercError | None = None
    while not ended:
        block = [lines.get()]
        while not lines.empty():
            block.append(lines.get())
        reading = Records()
        # What stands before a fault is answered.
        fault = next(filter(None, (_read_line(reading, *one) for one in block if one is not None)), None)
        ended = fault is not None or block[-1] is None
        conversations, notes = with_known_labels(reading.data(), reader.setup.labels)
        for note in notes:
            reader.say(note)
        count += len(conversations)
        if conversations:
            yield [Given(conversation=one) for one in conversations]
    if fault is not None:
        raise fault
    if not count:
        raise MercError("standard input is empty: it should hold conversations, one JSON object a line")


def _read_line(reading: Records, number: int, line: bytes | OSError) -> MercError | None:
    """Read a line of standard input; what is wrong with it, if anything."""
    from merc.builtin.jsonl_fields import read_object

    where = f"standard input, line {number}"
    if isinstance(line, OSError):
        return MercError(f"{where} cannot be read: {line.strerror}")
    try:
        words = line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        return MercError(f"{where}: not UTF-8 at byte {error.start + 1}")
    if words:
        # Media paths are relative to where the command runs.
        reading.add(partial(read_object, words), Path.cwd() / "-", where)
    return reading.fault()


def _standard_input() -> BinaryIO:
    """Standard input as a file of its own: Python could not end while a thread waits for a line of ``sys.stdin``.
    Raises MercError where it is closed."""
    if sys.stdin is None:
        raise MercError("standard input is closed, so no conversation can be read from it; give a file in place of -")
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except (OSError, io.UnsupportedOperation):  # no file of the system
        return sys.stdin.buffer
