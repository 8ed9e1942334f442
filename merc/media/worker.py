"""A decoder process: decodes what it is asked for, one file at a time, within limits that end it where it hangs.

It is started as ``python -c``, not as a copy of merc's own process, so it is light and knows nothing of merc's threads.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from pathlib import Path

from merc.media.container import Unreadable
from merc.media.decode import decode_groups
from merc.media.limits import Limits
from merc.media.listening import listen_here
from merc.media.probe import probe_here
from merc.media.wire import Message, pack, receive, send, unpack_want

try:
    import resource
except ImportError:  # Windows, where merc starts no such process
    resource = None  # type: ignore[assignment]


def main(descriptor: int) -> None:
    """Answer requests on a socket until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Its default action ends the process, whatever a decoder is doing.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a thousand damaged clips leave no thousand core files
    sock = socket.socket(fileno=descriptor)
    threading.Thread(target=_end_with, args=(sock,), daemon=True).start()
    send(sock, {"ready": True})
    while (request := receive(sock)) is not None:
        limits = Limits(**request["limits"])
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            _limit_memory(limits.gigabytes)
            if request["do"] == "probe":
                _probe(sock, Path(request["path"]), limits)
            elif request["do"] == "listen":
                _listen(sock, request, limits)
            else:
                _decode(sock, request, limits)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end_with(sock: socket.socket) -> None:
    """End this process as soon as merc's has ended, however it ended and whatever is being decoded."""
    poll = select.poll()
    poll.register(sock, 0)  # a hang-up is always reported
    poll.poll()
    os._exit(0)


def _limit_memory(gigabytes: float | None) -> None:
    limit = resource.RLIM_INFINITY
    if gigabytes is not None:
        with contextlib.suppress(OSError):  # no such file but on Linux
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + round(gigabytes * 1e9)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY and (limit == resource.RLIM_INFINITY or limit > hard):
        limit = hard
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _alarm(seconds: float | None) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds or 0)


def _probe(sock: socket.socket, path: Path, limits: Limits) -> None:
    _alarm(limits.seconds)
    try:
        info = probe_here(path)
    except Unreadable as error:
        send(sock, {"unreadable": str(error)})
    except Exception as error:
        send(sock, {"unreadable": f"{path.name} cannot be read ({type(error).__name__}: {error})"})
    else:
        send(sock, {"video": info.video, "audio": info.audio, "seconds": info.seconds})


def _listen(sock: socket.socket, request: Message, limits: Limits) -> None:
    """Send the windows of a file's sound, each when it is asked for; the time limit is for one window."""
    _alarm(limits.seconds)
    fault = None
    path = Path(request["path"])
    try:
        for window in listen_here(path, request["rate"], request["seconds"]):
            _alarm(0)
            send(sock, {"start": window.start}, [window.clip.samples])
            if receive(sock) is None:
                return
            _alarm(limits.seconds)
    except Unreadable as error:
        fault = str(error)
    except MemoryError:
        raise
    except Exception as error:
        fault = f"{path.name} cannot be decoded ({type(error).__name__}: {error})"
    send(sock, {"unreadable": fault})


def _decode(sock: socket.socket, request: Message, limits: Limits) -> None:
    wants = [unpack_want(packed) for packed in request["wants"]]
    _alarm(limits.seconds)
    for places, decoded in decode_groups(Path(request["path"]), wants, request["seed"], request["content"], limits):
        message, arrays = pack(decoded)
        send(sock, {**message, "places": places}, arrays)
        _alarm(limits.seconds)
