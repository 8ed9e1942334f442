from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from merc.training.interrupt import Stopped, StopRequest, stops_at_once


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_once(number: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match=r"^enough$") as stopped, stops_at_once("enough"):
        signal.raise_signal(number)
        pytest.fail("went on")
    assert stopped.value.signal == number
    assert signal.getsignal(number) == before
    # Code that gets over any failure of a part must not get over this.
    assert not isinstance(stopped.value, Exception)


def test_a_second_wish_ends_it_as_the_outer_block_says() -> None:
    with pytest.raises(Stopped, match=r"^enough$"), stops_at_once("enough"), StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("went on")


def test_a_forked_child_ends_as_ever() -> None:
    with stops_at_once("enough"):
        child = os.fork()
        if child == 0:
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with stops_at_once("enough"), StopRequest() as stop:
            seen.append((stop.signal, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, before)]


WORK = """
from merc.training.interrupt import StopRequest
with StopRequest("stopping: this step ends") as request:
    print("at work", flush=True)
    print(input(), request.signal)  # a step that lasts until it is let go
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_wish_is_acknowledged_before_the_step_ends(number: int) -> None:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", WORK], text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        assert process.stderr.readline() + process.stderr.readline() == "\nstopping: this step ends\n"
        out, err = process.communicate("done\n")
    assert (out, err, process.returncode) == (f"done {int(number)}\n", "", 0)
