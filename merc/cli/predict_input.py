"""What ``merc predict`` is given: files of conversations, clips, folders of clips, or lines of standard input."""

from __future__ import annotations

import io
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from merc.conversation import Conversation, LabelSpace
from merc.errors import MercError
from merc.session.inference import TrainedRun

Say = Callable[[str], None]


@dataclass(frozen=True)
class Given:
    """A conversation to be asked about. ``clip`` is the file that it was made of, where it is a clip; ``fault`` why
    nothing can be said of it."""

    conversation: Conversation
    clip: Path | None = None
    fault: str = ""


def read_inputs(
    inputs: Sequence[str], text: str | None, speaker: str | None, run: TrainedRun, say: Say
) -> Iterator[list[Given]]:
    """The conversations, in the order of the inputs: files and clips at once, those of standard input as they come, in
    blocks of what has come. Raises MercError for what is neither, and for ids that occur twice."""
    if "-" in inputs:
        if len(inputs) > 1 or text is not None or speaker is not None:
            raise MercError("- is standard input, lines of conversations with their words: give it alone")
        yield from _once(_lines_of_standard_input(run.labels, say))
    else:
        yield from _once(iter([_read_files(list(map(Path, inputs)), text, speaker, run, say)]))


def _once(blocks: Iterator[list[Given]]) -> Iterator[list[Given]]:
    """The blocks. Raises MercError for a conversation or an utterance that was there before."""
    seen: set[tuple[str, str]] = set()
    for block in blocks:
        for one in block:
            talk = one.conversation
            for kind, name in (("conversation", talk.id), *(("utterance", u.id) for u in talk.utterances)):
                if (kind, name) in seen:
                    raise MercError(f"the id {name!r} is that of two {kind}s of the input; give each its own")
                seen.add((kind, name))
        yield block


def _read_files(paths: Sequence[Path], text: str | None, speaker: str | None, run: TrainedRun, say: Say) -> list[Given]:
    from merc.session.inputs import clip_names, clips_in, is_clip, read_conversations

    sources: list[Path] = []
    for path in paths:
        if not path.is_dir():
            sources.append(path)
            continue
        found, others = clips_in(path)
        if not found:
            raise MercError(f"the folder {path} holds no clip; give the .jsonl files of conversations by their names")
        if others:
            say(f"{path}: {len(found)} clips; {others} other files are left aside (conversations are given by file)")
        sources += found
    clips = [path for path in sources if is_clip(path)]
    _check_words(clips, text, speaker, run, say)
    names = dict(zip(clips, clip_names(clips), strict=True))
    given: list[Given] = []
    for path in sources:
        if path in names:
            given.append(_clip(path, names[path], text, speaker, run))
        else:
            conversations, notes = read_conversations(path, run.labels)
            for note in notes:
                say(note)
            given += [Given(one) for one in conversations]
    faulty = [one for one in given if one.fault]
    if faulty and len(faulty) == len(given):
        more = f" (and so with {len(faulty) - 1} more)" if len(faulty) > 1 else ""
        raise MercError(f"{faulty[0].fault}{more}")
    return given


def _check_words(clips: Sequence[Path], text: str | None, speaker: str | None, run: TrainedRun, say: Say) -> None:
    """See that --text and --speaker fit the clips, and that the run can do without words where none are given."""
    from merc.session.data import encoders_of
    from merc.session.inputs import needs_words

    if not clips:
        if text is not None or speaker is not None:
            raise MercError("--text and --speaker belong to a clip; a .jsonl file holds the words of its conversations")
        return
    if text and len(clips) > 1:
        raise MercError(
            f"--text is what is said in one clip, and {len(clips)} are given; put the words of each beside it in a "
            ".jsonl file of conversations"
        )
    encoders = encoders_of(run.recipe, run.prompter.streams())
    if text is None and needs_words(run.prompter, encoders, run.labels):
        several = f" and {len(clips) - 1} more: put words and clips into a .jsonl file" if len(clips) > 1 else ""
        raise MercError(
            f"this run goes by the words too: say what is said in {clips[0]}{several}, as in "
            "--text \"I can't believe it\", or --text '' if nothing is"
        )
    if not encoders:
        say(f"the prompts of this run show words alone: nothing of {clips[0]} but --text counts")


def _clip(path: Path, name: str, text: str | None, speaker: str | None, run: TrainedRun) -> Given:
    from merc.media import Decoding, probe_media
    from merc.session.inputs import clip_conversation

    talk = clip_conversation(path, name, text, speaker)
    try:
        probe_media(path, Decoding.of(run.recipe).limits)
    except MercError as error:
        if not path.exists():  # a name that was mistyped, and no clip that is damaged
            raise
        return Given(talk, path, str(error))
    return Given(talk, path)


def _lines_of_standard_input(labels: LabelSpace, say: Say) -> Iterator[list[Given]]:
    """Blocks of the conversations that have come, one at least."""
    from merc.builtin.jsonl_fields import read_object
    from merc.builtin.records import Reading
    from merc.session.inputs import with_known_labels

    lines: queue.Queue[tuple[int, bytes] | None] = queue.Queue()

    def read() -> None:
        for number, line in enumerate(_standard_input(), start=1):
            lines.put((number, line))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    ended, count = False, 0
    while not ended:
        block = [lines.get()]
        while not lines.empty():
            block.append(lines.get())
        ended = block[-1] is None
        reading = Reading()
        for number, line in filter(None, block):
            try:
                words = line.decode("utf-8").strip()
            except UnicodeDecodeError as error:
                raise MercError(f"standard input, line {number}: not UTF-8 at byte {error.start + 1}") from None
            if words:
                # Media paths are relative to where the command runs.
                reading.add(partial(read_object, words), Path.cwd() / "-", f"standard input, line {number}")
        conversations, notes = with_known_labels(reading.data(), labels)
        for note in notes:
            say(note)
        count += len(conversations)
        if conversations:
            yield [Given(one) for one in conversations]
    if not count:
        raise MercError("standard input is empty: it should hold conversations, one JSON object a line")


def _standard_input() -> BinaryIO:
    """Standard input as a file of its own: Python could not end while a thread waits for a line of ``sys.stdin``."""
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except (OSError, io.UnsupportedOperation):  # no file of the system
        return sys.stdin.buffer
