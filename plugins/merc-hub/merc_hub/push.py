"""``merc push``: a trained run on the model hub, or in a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

import merc


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A trained run: its directory, or a name.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="OWNER/NAME on the model hub, or a new ./FOLDER.")],
    base: Annotated[
        str | None,
        typer.Option(help="The hub's name of the backbone, where the run has it from a folder or a package."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", "--license", help="The licence of the weights, such as apache-2.0.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a repository that nobody else sees.")] = False,
) -> None:
    """Put a trained run on the model hub, or into a folder, as others can use it: weights in safetensors, an adapter in
    PEFT's own format, and a model card with its numbers.

    Its predictions and log stay here, and so does every path of this machine. The token is that of HF_TOKEN.
    """
    from merc_hub.hub import check_name, hub, in_a_sentence, is_folder
    from merc_hub.repository import write_repository

    if is_folder(name):
        target = merc.user_path(name)
        if target.exists():
            raise merc.MercError(f"{target} is there already; give the name of a new folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
            made = Path(temporary) / "repository"
            write_repository(run, made, target.name, base, licence)
            made.rename(target)
        typer.echo(f"{target} holds the run")
        return
    check_name(name)
    api = hub("merc push")
    if not api.token:
        raise merc.MercError("merc push writes to the model hub, which asks who you are: put a token into HF_TOKEN")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "repository"
        write_repository(run, folder, name, base, licence)
        from huggingface_hub import CommitOperationAdd

        files = sorted(file for file in folder.rglob("*") if file.is_file())
        added = [CommitOperationAdd(file.relative_to(folder).as_posix(), str(file)) for file in files]
        with in_a_sentence(name, "pushed", api):
            api.create_repo(name, private=private or None, exist_ok=True)
            done = api.create_commit(name, added, commit_message="A run of merc")
    typer.echo(f"{name} holds the run: {done.commit_url}")
