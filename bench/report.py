"""Measures how large a run's report is, and how soon Chromium has it open.

    python bench/report.py                     2,610 utterances, as many as MELD's test split has, and 100,000
    python bench/report.py 500 20000           other numbers of utterances

The runs are made up: conversations of 3 to 16 utterances, seven labels as often as MELD has them, probabilities, and a
video and a picture of each utterance, which the page links to. ``opened_seconds`` is the clock until the page's script
has run and its first conversations are laid out, of the quickest of five visits; ``cpu_seconds`` is what the page's
main thread worked in it, which does not depend on what else the machine does.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from merc.builtin.metrics import Classification
from merc.components import Prediction
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.evaluation import compute_metrics, write_metrics, write_predictions, write_report
from merc.evaluation.media import FOLDER, picture_name
from merc.recipe import ComponentRef

SIZES = (2_610, 100_000)
VISITS = 5
LABELS = LabelSpace(("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
OFTEN = (1256, 281, 50, 208, 402, 68, 345)
WORDS = (
    "you",
    "know",
    "what",
    "I",
    "think",
    "we",
    "should",
    "really",
    "go",
    "there",
    "and",
    "see",
    "whether",
    "anybody",
)


def make_run(folder: Path, count: int) -> list[Conversation]:
    """Write a run of so many utterances; gives its conversations."""
    source = random.Random(1)
    conversations: list[Conversation] = []
    predictions: list[Prediction] = []
    (folder / FOLDER).mkdir(parents=True)
    while len(predictions) < count:
        name = f"dia{len(conversations)}"
        utterances = []
        for turn in range(min(count - len(predictions), source.randint(3, 16))):
            truth = source.choices(LABELS.labels, OFTEN)[0]
            label = truth if source.random() < 0.6 else source.choices(LABELS.labels, OFTEN)[0]
            weights = {each: 0.3 * source.random() + (each == label) for each in LABELS.labels}
            chances = {each: weight / sum(weights.values()) for each, weight in weights.items()}
            video = folder / "clips" / f"{name}_utt{turn}.mp4"
            text = " ".join(source.choices(WORDS, k=source.randint(2, 18)))
            speaker = source.choice(["Ann", "Ben", "Cleo", "Dan", f"Guest {len(conversations) % 90}"])
            utterances.append(Utterance(id=f"{name}_utt{turn}", text=text, speaker=speaker, label=truth, video=video))
            predictions.append(
                Prediction(
                    id=utterances[-1].id, conversation=name, split="test", truth=truth, label=label,
                    probabilities=chances,
                )
            )  # fmt: skip
        conversations.append(Conversation(id=name, split="test", utterances=tuple(utterances)))
    (folder / "clips").mkdir()
    for conversation in conversations:
        for utterance in conversation.utterances:
            assert utterance.video is not None
            utterance.video.touch()
            (folder / FOLDER / picture_name(conversation, utterance)).touch()
    metrics = {"classification": ComponentRef(name="classification", params={}, component=Classification())}
    write_predictions(folder / "predictions.jsonl", predictions)
    write_metrics(folder / "metrics.json", compute_metrics(predictions, LABELS, metrics))
    (folder / "recipe.yaml").write_text(f"title: {count:,} made-up utterances\n")
    return conversations


def visit(report: Path) -> list[dict[str, float]]:
    """Open a report several times, each in a tab of its own; seconds of each visit, and what is in the tab."""
    from playwright.sync_api import sync_playwright

    visits = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(VISITS):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.goto(report.as_uri())
            opened = page.evaluate(
                "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
            )
            numbers = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
            assert page.locator("#list article").count() > 0
            visits.append(
                {
                    "opened_seconds": opened / 1000,
                    "cpu_seconds": numbers["TaskDuration"],
                    "conversations_in_page": page.locator("#list article").count(),
                    "heap_mb": numbers["JSHeapUsedSize"] / 1e6,
                }
            )
            page.close()
        browser.close()
    return visits


def main(sizes: list[int]) -> None:
    """Print a line of JSON for each size."""
    for count in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "run"
            conversations = make_run(folder, count)
            began = time.process_time()
            report = write_report(folder, conversations, LABELS)
            written = time.process_time() - began
            visits = visit(report)
            quickest = min(visits, key=lambda one: one["opened_seconds"])
            line = {
                "utterances": count,
                "report_mb": report.stat().st_size / 1e6,
                "written_cpu_seconds": written,
                **quickest,
                "slowest_opened_seconds": max(one["opened_seconds"] for one in visits),
            }
            print(json.dumps({name: round(value, 2) for name, value in line.items()}), flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(SIZES))
