"""``merc onnx``: what a run learned beside its language model, and its encoders, as ONNX."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

import merc

TOLERANCE = 1e-3
"""How far ONNX's numbers may be from torch's, as a share of the largest."""


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A trained run: its directory, or a name.")],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The new folder.")],
    clip: Annotated[
        Path | None, typer.Option(help="A clip with picture and sound that encoders' networks are tried with.")
    ] = None,
) -> None:
    """Write a run's connectors, fusers, heads and encoders' networks as ONNX, each in a file of its own, and compare
    what onnxruntime computes with torch.

    What ONNX cannot hold, or computes otherwise, is named, and the others are written. The language model itself is
    written by merc export.
    """
    from merc_hub.graphs import networks_of, write_onnx

    if dest.exists():
        raise merc.MercError(f"{dest} is there already; give the name of a new folder")
    session = merc.load(run)
    networks, failed = networks_of(session, clip)
    if not networks:
        raise merc.MercError(f"{run} has nothing beside its language model that could be written{_listed(failed)}")
    dest.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory(prefix=f".{dest.name}.", dir=dest.parent) as temporary:
        made = Path(temporary) / "onnx"
        made.mkdir()
        for name, (network, inputs) in networks.items():
            try:
                far = write_onnx(network, inputs, made / f"{name}.onnx", TOLERANCE)
                written.append(f"{name}.onnx (differs from torch by at most {far:.1e} of the largest number)")
            except merc.MercError as error:
                (made / f"{name}.onnx").unlink(missing_ok=True)
                failed.append(f"{name}: {error}")
        if not written:
            raise merc.MercError(f"none of {len(networks)} could be written{_listed(failed)}")
        made.rename(dest)
    for line in failed:
        typer.echo(f"note: left out {line}", err=True)
    typer.echo(f"{dest} holds {len(written)} of {len(networks)}: {', '.join(written)}")


def _listed(failed: list[str]) -> str:
    return f": {'; '.join(failed[:3])}" if failed else ""
