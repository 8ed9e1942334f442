"""Every command and every block of Python on the site runs here or in a test of its own, or says why it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from merc.cli.main import load_command
from tests.website.blocks import SHELL, blocks, run_page
from website.pages import ROOT, pages

# The pages whose blocks have a test of their own.
ELSEWHERE = {
    "README.md": "tests/integration/test_readmes.py",
    "CONTRIBUTING.md": "tests/cli/test_contributing.py",
    "docs/plugins.md": "tests/registry/test_documentation.py",
    "docs/python.md": "tests/session/test_python_page.py",
    "docs/recipes.md": "tests/recipe/test_docs.py",
    "docs/tutorial.md": "tests/website/test_tutorial.py",
    **{f"plugins/merc-ready/merc_ready/{run}/README.md": "plugins/merc-ready/tests/test_ready.py"
       for run in ("meld-text", "meld-face")},
    **{f"recipes/{paper}/README.md": "tests/integration/test_readmes.py"
       for paper in ("bemerc", "emotion-llama-v2", "farcer", "omni", "survey")},
}  # fmt: skip
PAGES = [page for page in pages() if page.as_posix() not in ELSEWHERE]


def _those(mark: str | None) -> list[Path]:
    return [page for page in PAGES if any(block.runs and block.mark == mark for block in blocks(page))]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("page", _those(None), ids=str)
def test_blocks_run(page: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MERC_CACHE", str(cache))
    assert run_page(page, tmp_path, cache, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", _those("slow"), ids=str)
def test_slow_blocks_run(page: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MERC_CACHE", str(cache))
    assert run_page(page, tmp_path, cache, slow=True)


def test_every_block_has_a_language() -> None:
    """A command that stands in a block without one would never run."""
    bare = [block for page in PAGES for block in blocks(page) if block.language == "" and block.commands]
    assert not bare, [f"{block.page}:{block.line}: write ```sh" for block in bare]


COMMANDS = [(f"{b.page}:{b.line}", words) for page in pages() for b in blocks(page)
            if b.language in (*SHELL, "") for words in b.commands]  # fmt: skip


def test_commands_are_understood() -> None:
    """Also those that are not run: each is a command of merc, with arguments and options that it has."""
    faults = []
    for place, words in COMMANDS:
        try:
            command, arguments = load_command(words[0]), words[1:]
            if hasattr(command, "list_commands") and not words[1].startswith("-"):
                inner = command.get_command(command.make_context(words[0], [], resilient_parsing=True), words[1])
                command, arguments = inner, words[2:]
            command.make_context(" ".join(words), arguments)
        except typer.Exit:  # --help and --version
            continue
        except Exception as error:
            faults.append(f"{place}: merc {' '.join(words)}: {error}")
    assert len(COMMANDS) > 50 and not faults, "\n".join(faults)


def test_pages_with_a_test_of_their_own_are_there() -> None:
    for page, test in ELSEWHERE.items():
        assert (ROOT / page).is_file() and (ROOT / test).is_file(), (page, test)


def test_pages_that_teach_have_two_examples_that_run() -> None:
    how_to = [page for page in pages() if page.parent == Path("docs/how-to") and page.name != "README.md"]
    assert len(how_to) >= 8
    for page in (*how_to, Path("docs/limits.md"), Path("docs/papers.md"), Path("docs/tutorial.md")):
        assert sum(block.runs for block in blocks(page)) >= 2, page


def test_blocks_are_read_as_they_stand() -> None:
    languages = {block.language for block in blocks(Path("docs/recipes.md"))}
    assert {"yaml", "console"} <= languages and set(SHELL) & languages
