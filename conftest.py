"""What all tests need, wherever they are."""

from __future__ import annotations

import signal

# A job that a shell started in the background ignores Ctrl-C, and so would every process that a test starts and
# interrupts. A handler of our own is not inherited: such a process begins as it does for a user.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
