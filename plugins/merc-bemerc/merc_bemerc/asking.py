"""Asking a server about many utterances, several at once, and about one until an answer fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from merc import Annotation, Observation
from merc_bemerc.answers import Fault, refused
from merc_bemerc.server import ANSWER_BYTES, Passing, Server, TooLong

Messages = Sequence[Mapping[str, Any]]


def answers_of(
    server: Server,
    observations: Iterable[Observation],
    describe: Callable[[Observation], Annotation],
    concurrency: int,
    give_up: int,
) -> Iterator[tuple[str, Annotation]]:
    """What ``describe``, called in a thread, gives for each observation, as it is there; ``concurrency`` are under way
    at once. It ends when the server's budget is spent, and after ``give_up`` in a row that failed for a reason that may
    pass. When it is closed, requests that are under way are ended."""
    source = iter(observations)
    server.start()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="teacher")
    pending: dict[Future[Annotation], str] = {}
    failed_in_a_row = 0
    more = True
    try:
        while more or pending:
            while more and len(pending) < concurrency:
                one = next(source, None)
                more = one is not None
                if one is None:
                    break
                pending[pool.submit(describe, one)] = one.query.target.id
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            # those that went well first: an error of another must not cost them
            for future in sorted(done, key=lambda future: future.exception() is not None):
                name = pending.pop(future)
                annotation = future.result()
                failed_in_a_row = failed_in_a_row + 1 if annotation.retry else 0
                more = more and failed_in_a_row < give_up and not server.spent
                yield name, annotation
    finally:
        server.stop()
        pool.shutdown(wait=True, cancel_futures=True)  # a moment: what was on its way has been cancelled


def ask_until(
    server: Server,
    messages: Messages,
    read: Callable[[str, bool, Sequence[str]], Annotation],
    ask_again: Callable[[Fault], str],
    attempts: int,
) -> Annotation:
    """Ask until an answer fits, at most ``attempts`` times. ``read`` makes an annotation of an answer, of whether it
    was cut off, and of all answers so far, or raises Fault; ``ask_again`` is what the server is told after a
    fault."""
    dialogue: list[Mapping[str, Any]] = list(messages)
    raw: list[str] = []
    fault, any_cut = Fault(""), False
    for _ in range(attempts):
        try:
            answer, cut = server.ask([dict(one) for one in dialogue])
        except TooLong as error:
            fault = Fault(str(error))
            raw.append(f"(not kept: {error}; at most {ANSWER_BYTES:,} are)")
            reply = "(far too long)"
        except Passing as error:
            return Annotation(reason=str(error), retry=True, raw=tuple(raw))
        else:
            raw.append(answer)
            any_cut = any_cut or cut
            try:
                return read(answer, cut, raw)
            except Fault as error:
                fault = error
            reply = answer or "(nothing)"
        dialogue += [{"role": "assistant", "content": reply}, {"role": "user", "content": ask_again(fault)}]
    return refused(fault, raw, any_cut)
