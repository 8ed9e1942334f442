"""report.html in a real browser: its script runs under its own policy, filters work, and nothing goes wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from merc.evaluation import write_report

from .conftest import Run, make_run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")


class Seen(NamedTuple):
    dom: str
    console: list[str]

    @property
    def found(self) -> tuple[int, int]:
        hit = re.search(r'data-turns="(\d+)" data-conversations="(\d+)"', self.dom)
        assert hit, "the page's script did not run"
        return int(hit[1]), int(hit[2])

    @property
    def says(self) -> str:
        hit = re.search(r'<p class="found"[^>]*>([^<]*)</p>', self.dom)
        assert hit
        return hit[1]

    @property
    def talks(self) -> list[str]:
        return re.findall(r'<article class="[^"]*" data-id="([^"]*)"', self.dom)

    def turns(self) -> list[tuple[str, str]]:
        return re.findall(r'<li class="[^"]*" data-id="([^"]*)" data-verdict="([^"]*)"', self.dom)


def visit(path: Path, profile: Path, fragment: str = "") -> Seen:
    assert BROWSER
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom",
            "--virtual-time-budget=3000", f"--user-data-dir={profile}",
            path.as_uri() + (f"#{fragment}" if fragment else ""),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    assert "</html>" in done.stdout, done.stderr
    return Seen(done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line])


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profile")


@pytest.fixture
def report(run: Run) -> Path:
    return write_report(run.folder, run.conversations, run.labels)


def test_console_messages_are_seen_at_all(tmp_path: Path, profile: Path) -> None:
    path = tmp_path / "faulty.html"
    path.write_text("<!doctype html><script>undefinedFunction()</script>")
    assert any("undefinedFunction is not defined" in line for line in visit(path, profile).console)


def test_conversations_are_there_a_page_at_a_time(report: Path, profile: Path) -> None:
    seen = visit(report, profile)
    assert seen.console == []
    assert seen.found == (140, 35)
    assert seen.talks == [f"test{i}" for i in range(20)]
    assert [verdict for _, verdict in seen.turns()[:4]] == ["right", "wrong", "unparsed", "unlabelled"]
    for text in ("140 predictions of 140 in 35 conversations of 35", "What a lovely coffee mug!", "fast &amp; high"):
        assert text in seen.dom
    assert "no face was found in 8 frames" in seen.dom and "joy 50%" in seen.dom


def test_texts_of_a_corpus_do_not_run(report: Path, profile: Path) -> None:
    seen = visit(report, profile)
    assert "<title>Talk &amp; &lt;Tests&gt; · merc</title>" in seen.dom
    assert "&lt;script&gt;document.title" in seen.dom
    assert "<img" not in seen.dom


@pytest.mark.parametrize(
    ("fragment", "turns", "conversations"),
    [
        ("filter=wrong", 70, 35),
        ("filter=right&split=dev", 5, 5),
        ("filter=unparsed&missing=none", 35, 35),
        ("filter=unlabelled&split=test", 30, 30),
        ("split=test&truth=anger&predicted=neutral", 30, 30),
        ("split=test&predicted=%3F", 30, 30),
        ("missing=in%3Aface&split=dev", 5, 5),
        ("missing=any", 70, 35),
        ("q=COFFEE+ada&split=dev", 5, 5),
        ("q=test7_u1&truth=joy", 0, 0),
        ("filter=nonsense", 140, 35),
        ("speaker=Ada&split=dev", 10, 5),
        ("speaker=Nobody", 140, 35),
    ],
)
def test_filters(report: Path, profile: Path, fragment: str, turns: int, conversations: int) -> None:
    seen = visit(report, profile, fragment)
    assert seen.console == []
    assert seen.found == (turns, conversations)
    assert seen.says.startswith("No prediction matches." if turns == 0 else f"{turns} prediction")


def test_only_the_turns_that_match_and_pages(report: Path, profile: Path) -> None:
    seen = visit(report, profile, "filter=wrong&only=1&page=2")
    assert seen.talks == [f"test{i}" for i in range(20, 30)] + [f"dev{i}" for i in range(5)]
    assert {verdict for _, verdict in seen.turns()} == {"wrong", "unparsed"}
    assert len(seen.turns()) == 30


def test_a_page_beyond_the_last_is_the_last(report: Path, profile: Path) -> None:
    assert visit(report, profile, "page=99").talks[-1] == "dev4"


def test_cells_of_the_confusion_matrix_lead_to_their_utterances(report: Path, profile: Path) -> None:
    links = re.findall(r'href="#(split=test[^"]*)" title="neutral taken for', report.read_text())
    assert links, "no link in the confusion matrix"
    seen = visit(report, profile, links[0].replace("&amp;", "&"))
    assert seen.found == (30, 30)
    assert [id for id, verdict in seen.turns() if verdict == "unparsed"][:1] == ["test0_u2"]


def test_so_many_conversations_are_never_shown_at_once(tmp_path: Path, profile: Path) -> None:
    run = make_run(tmp_path / "run", conversations=996)  # and five of dev
    seen = visit(write_report(run.folder, run.conversations, run.labels), profile, "size=all")
    assert seen.found == (4004, 1001)
    assert len(seen.talks) == 20
