"""``merc serve``: a trained run as a web page and an HTTP API."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import merc

if TYPE_CHECKING:
    from merc_serve.limits import Limits

_LOCAL = ("127.0.0.1", "localhost", "::1", "[::1]")


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Trained runs: directories, or names of merc plugins."),
    ],
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The variable of the environment with the key that clients send.")
    ] = None,
    max_megabytes: Annotated[float, typer.Option(min=0.01, help="How large a request may be.")] = 256.0,
    max_waiting: Annotated[int, typer.Option(min=1, help="How many requests may wait at once.")] = 256,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which a request gets no answer.")] = 120.0,
) -> None:
    """Serve trained runs: a page at http://127.0.0.1:8000, its API under /v1, described at /docs.

    The first run answers where a request names none.

    Requests that come at the same time are answered in one pass of the model. Uploads are kept in a temporary folder
    and removed. Ctrl-C answers what waits and ends.
    """
    from merc_serve.limits import Limits

    limits = Limits(body=int(max_megabytes * 2**20), queue=max_waiting, seconds=timeout)
    key = _key(key_env)
    listening = listen(host, port)
    with listening:
        sessions: dict[str, merc.Session] = {}
        for run in runs:
            name = run.resolve().name
            if name in sessions:
                raise merc.MercError(f"{sessions[name].path} and {run} have one name, {name}; rename one of them")
            typer.echo(f"loading {run}", err=True)
            sessions[name] = merc.load(run)
        _serve(sessions, limits, key, listening)


def _serve(sessions: dict[str, merc.Session], limits: Limits, key: str | None, listening: socket.socket) -> None:
    import uvicorn

    from merc_serve.app import create_app

    host, port = listening.getsockname()[:2]
    local = host in _LOCAL
    app = create_app(sessions, limits, key, list(_LOCAL) if local else None)
    address = f"[{host}]" if ":" in host else host
    typer.echo(f"serving {', '.join(sessions)} at http://{address}:{port}  (API: /docs; Ctrl-C ends)", err=True)
    if not local and key is None:
        typer.echo("anybody who reaches this machine can use it: --key-env NAME asks them for a key", err=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=30, ws_max_size=2**20)
    uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises MercError for a port that is taken and an address that this machine lacks."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise merc.MercError(f"--host {host}: {error.strerror or error}; give an address of this machine") from None
    listening = socket.socket(family, kind)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise merc.MercError(
            f"cannot listen at {host}, port {port}: {error.strerror or error}; give another with --port "
            "(0 takes a free one)"
        ) from None
    return listening


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    merc.allow(f"env:{name}", source="--key-env")
    key = merc.read_variable(name, "merc serve")
    if not key:
        raise merc.MercError(f"--key-env {name}: the variable is not set; put the key into it, or leave the option out")
    return key
