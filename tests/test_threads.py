"""Work in threads: its order, how far it runs ahead, errors, and Ctrl-C at every instant."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc.threads import in_threads

INTERRUPTED = """
import dis, functools, sys
from contextlib import closing
from merc.threads import in_threads

@functools.cache
def instants(code):  # where Python looks for signals: after these instructions
    instructions = list(dis.get_instructions(code))
    looks = ("CALL", "JUMP_BACKWARD", "RESUME")
    return {after.offset for one, after in zip(instructions, instructions[1:]) if one.opname.startswith(looks)}

class Interrupt:
    def __init__(self, n):
        self.left = n

    def __call__(self, frame, event, arg):
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti in instants(frame.f_code):
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self

n, end = 0, ""
while end != "whole":
    n, end = n + 1, "interrupted"
    try:
        sys.settrace(Interrupt(n))
        with closing(in_threads(lambda n: n * n, range(6), 2)) as done:
            list(done)
        sys.settrace(None)
        end = "whole"
    except KeyboardInterrupt:
        pass
print(n)
"""


@given(st.lists(st.integers(), max_size=30), st.integers(1, 5))
def test_results_come_in_the_order_of_the_items(items, threads):
    assert list(in_threads(lambda n: n * 2, items, threads)) == [(n, n * 2) for n in items]


def test_items_are_taken_as_they_are_needed():
    taken = []

    def items():
        for n in range(100):
            taken.append(n)
            yield n

    with closing(in_threads(str, items(), 2)) as done:
        assert next(done) == (0, "0")
    assert taken == [0, 1, 2, 3, 4], "twice as many ahead as there are threads"


def test_the_threads_work_at_once():
    together = threading.Barrier(3, timeout=30)
    assert [n for n, _ in in_threads(lambda n: together.wait(), range(3), 3)] == [0, 1, 2]


def test_an_error_is_raised_at_the_turn_of_its_item_and_the_others_are_stopped():
    begun, stopped = [], threading.Event()

    def do(n):
        begun.append(n)
        if n == 1:
            raise ValueError("one")
        if n > 1:
            stopped.wait(30)
        return n

    with closing(in_threads(do, range(50), 2, stop=stopped.set)) as done:
        assert next(done) == (0, 0)
        with pytest.raises(ValueError, match="one"):
            next(done)
    assert stopped.is_set() and max(begun) < 6, "nothing more is begun"


def test_nothing_is_left_behind():
    before = threading.active_count()
    with closing(in_threads(time.sleep, [0.0] * 20, 3)) as done:
        next(done)
    assert threading.active_count() <= before


def test_no_thread_is_started_for_nothing():
    assert list(in_threads(str, [], 4)) == []


def test_an_interrupt_is_a_keyboard_interrupt_wherever_it_comes():
    where = Path(__file__).parents[1]
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=where, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 30, "so many instants were tried"
