"""``merc pull``: a trained run from the model hub, or from a folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

import merc


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="OWNER/NAME on the model hub, or a folder: ./FOLDER.")],
    dest: Annotated[
        Path | None, typer.Argument(metavar="[DEST]", help="The new directory of the run; by default runs/NAME.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="A branch, a tag or a commit of the repository.")] = None,
) -> None:
    """Get a trained run that merc push has put somewhere. Then merc predict, serve, evaluate and the others take its
    directory.

    Only texts and safetensors are taken, never a file that could hold code. A private repository wants a token in
    HF_TOKEN.
    """
    from merc_hub.hub import check_name, is_folder
    from merc_hub.repository import read_repository, safe_files

    local = is_folder(name)
    if not local:
        check_name(name)
    target = dest if dest is not None else Path("runs") / Path(name).name
    if target.exists():
        raise merc.MercError(f"{target} is there already; give another directory for the run: merc pull {name} DEST")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        if local:
            folder = merc.user_path(name)
            if not folder.is_dir():
                raise merc.MercError(f"{folder} is no folder; give one that merc push has made, or OWNER/NAME")
            files = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
            taken, left = safe_files(files)
            for file in taken:
                place = Path(temporary) / "files" / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / file, place)
        else:
            taken, left = _download(name, revision, Path(temporary) / "files")
        if left:
            count = f"{len(left)} of {len(taken) + len(left)} files are left"
            typer.echo(f"note: {count}, since they could hold code: {merc.first_names(left, 3)}", err=True)
        made = Path(temporary) / "run"
        read_repository(Path(temporary) / "files", made, name)
        made.rename(target)
    typer.echo(f"{target} holds the run: merc predict {target} …")


def _download(name: str, revision: str | None, folder: Path) -> tuple[list[str], list[str]]:
    """Fetch the files that are taken; gives them and those that are left."""
    from merc_hub.hub import hub, in_a_sentence
    from merc_hub.repository import safe_files

    api = hub("merc pull")
    with in_a_sentence(name, "pulled", api):
        info = api.repo_info(name, revision=revision)
        taken, left = safe_files(one.rfilename for one in info.siblings or ())
        for file in taken:
            api.hf_hub_download(name, file, revision=info.sha, local_dir=folder)
    return taken, left
