"""``merc compare`` and ``merc report``: the table, the refusals, and the report made again."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from merc.builtin.metrics import Classification
from merc.cli.main import app
from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation import compute_metrics, write_metrics, write_predictions
from merc.evaluation.comparison import compare_runs
from merc.evaluation.comparison_text import label_heads, label_rows, number_heads
from merc.evaluation.measures import TITLES
from merc.recipe import ComponentRef
from tests.media.clips import write_clip

LABELS = ("neutral", "joy", "anger", "fear")
GOLD = ["neutral", "joy", "anger", "joy", None]


def predictions(guesses: list[str | None]) -> list[Prediction]:
    return [
        Prediction(id=f"u{i}", conversation="c", split="test", truth=t, label=g)
        for i, (t, g) in enumerate(zip(GOLD, guesses, strict=True))
    ]


def write(folder: Path, made: list[Prediction]) -> Path:
    folder.mkdir(parents=True)
    write_predictions(folder / "predictions.jsonl", made)
    own = ComponentRef(name="classification", params={}, component=Classification())
    write_metrics(folder / "metrics.json", compute_metrics(made, LabelSpace(LABELS), {"classification": own}))
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good", predictions(["neutral", "joy", "anger", "neutral", "joy"]))


@pytest.fixture
def poor(tmp_path: Path) -> Path:
    return write(tmp_path / "poor", predictions(["joy", "fear", None, "joy", "joy"]))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "120"})


def test_the_table_has_a_row_a_run(good: Path, poor: Path) -> None:
    done = call("compare", good, poor)
    assert done.exit_code == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "│" in line]
    assert rows[0][:3] == ["good", "75.00", "75.00"]
    assert (rows[1][0], rows[1][-1]) == ("poor", "25.00")
    assert rows[2][0] == "poor" and rows[2][1].startswith("-50.00 (")
    assert "(McNemar)" in rows[2][-1]
    assert "test split, 4 utterances" in done.stdout


def test_its_numbers_are_those_of_metrics_json(good: Path, poor: Path) -> None:
    found = compare_runs([good, poor], "test")
    for run, entry in zip((good, poor), found.entries, strict=True):
        kept = json.loads((run / "metrics.json").read_text())["test"]
        assert {c: entry.mean(c)[0] for c in TITLES} == pytest.approx({name: kept[name] for name in TITLES})
        assert {label: f1 for label, (f1,) in entry.f1.items()} == pytest.approx(
            {label: kept["per_class"][label]["f1"] for label in entry.f1}
        )
    assert found.n == 4


def test_runs_of_one_name_are_told_apart(tmp_path: Path, good: Path) -> None:
    made = predictions(["joy"] * 5)
    a, b = write(tmp_path / "a" / "run", made), write(tmp_path / "b" / "run", made)
    assert [entry.name for entry in compare_runs([a, b], "test").entries] == [str(Path("a/run")), str(Path("b/run"))]


def test_a_name_in_brackets_is_shown_as_it_is(tmp_path: Path, good: Path) -> None:
    other = write(tmp_path / "[bold]run", predictions(["joy"] * 5))
    assert "[bold]run" in call("compare", good, other).stdout


def test_different_utterances_are_refused_with_how_many(tmp_path: Path, good: Path) -> None:
    made = predictions(["joy"] * 5)
    other = write(tmp_path / "other", [*made[2:], replace(made[0], id="new")])
    done = call("compare", good, other)
    assert done.exit_code == 2
    assert "different utterances of the test split" in done.stderr
    assert f"3 are in both, 2 only in {good}, 1 only in {other}" in done.stderr
    assert done.stdout == ""


def test_a_run_with_more_utterances_is_refused_too(tmp_path: Path, good: Path) -> None:
    made = predictions(["joy"] * 5)
    other = write(tmp_path / "other", [*made, replace(made[0], id="new")])
    assert f"5 are in both, 0 only in {good}, 1 only in {other}" in call("compare", good, other).stderr


def test_different_truths_are_refused_with_how_many(tmp_path: Path, good: Path) -> None:
    made = predictions(["joy"] * 5)
    other = write(tmp_path / "other", [replace(made[0], truth="joy"), replace(made[1], truth="fear"), *made[2:]])
    done = call("compare", good, other)
    assert done.exit_code == 2
    assert "different truths for 2 of 5 utterances" in done.stderr
    assert "u0 of c: 'neutral' and 'joy'" in done.stderr


def test_every_run_is_held_against_the_first(tmp_path: Path, good: Path, poor: Path) -> None:
    other = write(tmp_path / "other", predictions(["joy"] * 5)[1:])
    assert "1 only in" in call("compare", good, poor, other).stderr


def test_what_cannot_be_compared_is_said(tmp_path: Path, good: Path, poor: Path) -> None:
    assert "wants two run directories" in call("compare", good).stderr
    assert "nowhere is no folder" in call("compare", good, tmp_path / "nowhere").stderr
    assert "no predictions for the dev split; it has: test" in call("compare", good, poor, "--split", "dev").stderr
    (tmp_path / "empty").mkdir()
    assert "predictions.jsonl is not there" in call("compare", good, tmp_path / "empty").stderr


def test_runs_without_truth_are_refused(tmp_path: Path) -> None:
    made = [replace(p, truth=None) for p in predictions(["joy"] * 5)]
    a, b = write(tmp_path / "a", made), write(tmp_path / "b", made)
    assert "no utterance of the test split has a truth" in call("compare", a, b).stderr


def test_report_is_made_again_with_the_texts_of_the_corpus(tmp_path: Path, good: Path) -> None:
    said = ", ".join(f'{{"id": "u{i}", "text": "turn number {i}"}}' for i in range(5))
    corpus = tmp_path / "talk.jsonl"
    corpus.write_text(f'{{"id": "c", "split": "test", "utterances": [{said}]}}\n')
    (good / "recipe.yaml").write_text(f"corpus: {{name: jsonl, path: {corpus}}}\n")
    done = call("report", good)
    assert (done.exit_code, done.stdout.strip()) == (0, str(good / "report.html")), done.stderr
    assert "turn number 3" in (good / "report.html").read_text()


def test_a_corpus_that_moved_is_no_dead_end(tmp_path: Path, good: Path) -> None:
    (good / "recipe.yaml").write_text(f"corpus: {{name: jsonl, path: {tmp_path / 'gone.jsonl'}}}\n")
    done = call("report", good)
    assert done.exit_code == 2
    assert "gone.jsonl" in done.stderr
    assert "--no-texts makes the report without them" in done.stderr
    # What it says to do works.
    said = ", ".join(f'{{"id": "u{i}", "text": "turn number {i}"}}' for i in range(5))
    (tmp_path / "moved.jsonl").write_text(f'{{"id": "c", "split": "test", "utterances": [{said}]}}\n')
    assert f"say where: merc report {good} corpus.path=...;" in done.stderr
    assert call("report", good, f"corpus.path={tmp_path / 'moved.jsonl'}").exit_code == 0
    (good / "report.html").unlink()
    (good / "recipe.yaml").write_text("corpus: {name: of-a-plugin-that-is-gone}\n")
    assert f"merc report {good} corpus={{name: ...}};" in call("report", good).stderr
    assert not (good / "report.html").exists()
    assert call("report", good, "--no-texts").exit_code == 0
    assert "5 of 5 predictions are about utterances that are not in the corpus" in (good / "report.html").read_text()


def test_report_without_a_recipe_or_a_run(tmp_path: Path, good: Path) -> None:
    assert "the corpus is unknown; --no-texts does without it" in call("report", good).stderr
    assert "is no folder" in call("report", tmp_path / "nowhere").stderr
    assert "is no run directory: it holds none of metrics.json" in call("report", tmp_path).stderr


def seeds(folder: Path, guesses: dict[int, list[str | None]]) -> Path:
    for seed, made in guesses.items():
        write(folder / f"seed-{seed}", predictions(made))
    return folder


def test_seeds_are_one_line_with_their_deviation(tmp_path: Path) -> None:
    a = seeds(tmp_path / "a", {0: ["neutral", "joy", "joy", "joy", None], 1: ["joy", "joy", "joy", "joy", None]})
    b = seeds(tmp_path / "b", {0: ["neutral", "joy", "anger", "joy", None], 1: ["neutral", "joy", "joy", "joy", None]})
    found = compare_runs([a, b], "test")
    assert [list(entry.runs) for entry in found.entries] == [[0, 1], [0, 1]]
    assert found.entries[0].numbers["accuracy"] == [0.75, 0.5]
    (verdict,) = found.verdicts
    assert verdict.test == "paired t, 2 seeds"
    from scipy.stats import ttest_rel

    f1 = [entry.numbers["weighted_f1"] for entry in found.entries]
    assert verdict.p == pytest.approx(ttest_rel(*f1).pvalue)
    assert verdict.difference.value == pytest.approx(sum(f1[1]) / 2 - sum(f1[0]) / 2)
    done = call("compare", a, b)
    assert "62.50 ± 17.68" in done.stdout
    assert "sample standard deviation over the seeds" in done.stdout


def test_an_unfinished_seed_is_left_out_and_said(tmp_path: Path) -> None:
    right = ["neutral", "joy", "anger", "joy", None]
    a, b = seeds(tmp_path / "a", {0: right, 1: right}), seeds(tmp_path / "b", {0: right})
    (b / "seed-1").mkdir()
    found = compare_runs([a, b], "test")
    assert found.notes == [f"{b}: not finished, and left out: seed 1"]
    assert found.verdicts[0].p is None
    assert "1 seed in common, no paired t" in call("compare", a, b).stdout.replace("\n", " ")
    (tmp_path / "none" / "seed-0").mkdir(parents=True)
    assert "none of its 1 seeds has predictions" in call("compare", a, tmp_path / "none").stderr


def test_a_folder_that_is_called_after_a_seed_is_none(tmp_path: Path) -> None:
    right = ["neutral", "joy", "anger", "joy", None]
    a, b = seeds(tmp_path / "a", {0: right, 1: right}), seeds(tmp_path / "b", {0: right, 1: right})
    write(a / "old-seed-1", predictions([None] * 5))
    found = compare_runs([a, b], "test")
    assert list(found.entries[0].runs) == [0, 1] and found.entries[0].numbers["accuracy"] == [1.0, 1.0]


def test_differences_that_never_vary_have_no_t(tmp_path: Path) -> None:
    right, wrong = ["neutral", "joy", "anger", "joy", None], ["joy", "fear", None, "fear", None]
    a, b = seeds(tmp_path / "a", {0: right, 1: right}), seeds(tmp_path / "b", {0: wrong, 1: wrong})
    assert compare_runs([a, b], "test").verdicts[0].why == "the same difference for every seed, no paired t"


def corpus_of(run: Path, folder: Path, **more: object) -> None:
    said = [{"id": f"u{i}", "speaker": "Ann", "text": f"<b>turn</b> {i}", "cues": {"face": "a wide smile"}, **more}
            for i in range(5)]  # fmt: skip
    talk = folder / "talk.jsonl"
    talk.write_text(json.dumps({"id": "c", "split": "test", "utterances": said}) + "\n")
    (run / "recipe.yaml").write_text(f"corpus: {{name: jsonl, path: {talk}}}\n")


def test_it_is_written_as_text_markdown_and_a_page(tmp_path: Path, good: Path, poor: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=1.0)
    corpus_of(good, tmp_path, video=str(clip))
    files = [tmp_path / "out" / f"table{suffix}" for suffix in (".txt", ".md", ".html")]
    done = call("compare", good, poor, *(part for f in files for part in ("--write", f)))
    assert done.exit_code == 0, done.stderr
    text, mark, page = (f.read_text() for f in files)
    assert "75.00" in text and "│" in text
    assert "| good | **75.00** | **75.00** |" in mark and "| poor | -50.00 (" in mark
    assert "McNemar" in page and "&lt;b&gt;turn&lt;/b&gt; 1" in page and "<b>turn" not in page
    assert page.count("data:image/jpeg;base64,") == 3 * 4  # three frames of each of the four cases
    assert "a wide smile" in page
    assert "Only poor is right on 1 utterances, only good on 3; 4 of these are shown." in page


def test_labels_are_counted_side_by_side_and_tables_go_into_papers(tmp_path: Path, good: Path, poor: Path) -> None:
    tex, table = tmp_path / "a_b.tex", tmp_path / "t.csv"
    result = call("compare", good, poor, "--write", tex, "--write", table)
    assert result.exit_code == 0, result.stderr
    comparison = compare_runs([good, poor], "test")
    counts = {cells[0]: cells[1:] for cells in label_rows(comparison)}
    for label in comparison.labels:
        own = [list(next(iter(e.runs.values())).values()) for e in comparison.entries]
        true = sum(p.truth == label for p in own[0])
        assert counts[label] == [str(true), *(str(sum(p.label == label for p in ps if p.truth)) for ps in own)]
    assert (
        label_heads(comparison) == ["Label", "True", "good", "poor"] and "How often each label is true" in result.stdout
    )
    lines = tex.read_text().splitlines()
    assert lines.count(r"\toprule") == lines.count(r"\end{tabular}") == 3
    assert r"good & \textbf{75.00} & \textbf{75.00}" in tex.read_text()
    assert not [line for line in lines if "%" in line.replace(r"\%", "") and not line.startswith("%")]
    rows = list(csv.DictReader(table.open()))
    of = {(row["run"], row["number"]): row for row in rows}
    assert float(of["good", "accuracy"]["mean"]) == 0.75 and of["good", "weighted_f1"]["difference"] == ""
    verdict = comparison.verdicts[0]
    assert float(of["poor", "weighted_f1"]["difference"]) == pytest.approx(verdict.difference.value)
    assert float(of["poor", "weighted_f1"]["p_test"]) == pytest.approx(verdict.p)
    assert of["True", "answers joy"]["mean"] == counts["joy"][0]


def test_whose_past_labels_were_told_stands_beside_every_name(tmp_path: Path, good: Path) -> None:
    guesses: list[str | None] = ["neutral", "joy", "anger", "neutral", "joy"]
    told = [
        write(tmp_path / name, [replace(p, label_history=kind) for p in predictions(guesses)])
        for name, kind in (("test", "gold"), ("test-2", "predicted"))
    ]
    files = [tmp_path / "out" / f"table{suffix}" for suffix in (".txt", ".md", ".html")]
    done = call("compare", *told, good, "--cases", "0", *(part for f in files for part in ("--write", f)))
    assert done.exit_code == 0, done.stderr
    for text in (done.stdout, *(f.read_text() for f in files)):
        words = " ".join(text.replace("&#39;", "'").split())
        assert "Differences are against test (gold label history)" in words
        assert words.count("test-2 (predicted label history)") >= 2  # in both tables
        assert "Gold label history. The model was shown the corpus's labels of earlier utterances, which" in words
        assert "Predicted label history. The model was shown its own predictions of earlier utterances." in words
        assert "good (" not in words
    (plain,) = compare_runs([good, good], "test").entries[1:]
    assert plain.name == "good"
    both = seeds(tmp_path / "both", {0: guesses})
    write(both / "seed-1", [replace(p, label_history="gold") for p in predictions(guesses)])
    assert compare_runs([good, both], "test").entries[1].name == "both (gold label history)"


def test_a_run_that_is_offline_says_so_beside_its_name(tmp_path: Path, good: Path) -> None:
    guesses: list[str | None] = ["neutral", "joy", "anger", "neutral", "joy"]
    shown = write(tmp_path / "test", [replace(p, following=2, label_history="gold") for p in predictions(guesses)])
    result = compare_runs([good, shown], "test")
    assert result.entries[1].name == "test (gold label history, offline: 2 following utterances)"
    assert any(note.startswith("Offline: 2 following utterances. The model was shown what") for note in result.notes)


def test_a_page_without_cases_needs_no_corpus(tmp_path: Path, good: Path, poor: Path) -> None:
    page = tmp_path / "table.html"
    refused = call("compare", good, poor, "--write", page)
    assert refused.exit_code == 2 and not page.exists()
    assert "--cases 0 makes the page without the utterances' texts" in refused.stderr
    assert call("compare", good, poor, "--write", page, "--cases", "0").exit_code == 0
    assert 'id="cases"' not in page.read_text()


def test_cases_are_taken_from_both_kinds(tmp_path: Path, good: Path, poor: Path) -> None:
    page = tmp_path / "table.html"
    corpus_of(good, tmp_path)
    assert call("compare", good, poor, "--write", page, "--cases", "2").exit_code == 0
    assert "2 of these are shown" in page.read_text()
    assert page.read_text().count('<article class="case">') == 2


def test_a_file_of_another_kind_is_refused_before_any_work(good: Path, poor: Path) -> None:
    done = call("compare", good, poor, "--write", "table.pdf")
    assert done.exit_code == 2
    assert "--write table.pdf: a name that ends in .txt, .md, .html, .tex, .csv was expected" in done.stderr
    assert done.stdout == ""


def talks(guesses: str, folder: Path, metrics: str = "", last: bool = True) -> Path:
    """A run over conversations of two utterances, both of which are joy; a letter a guess, x is wrong."""
    made = [
        Prediction(
            id=f"u{i}", conversation=f"c{i // 2}", split="test", truth="joy", label="joy" if one == "j" else "anger",
            truths={"last": i % 2 == 1} if last else {},
        )
        for i, one in enumerate(guesses)
    ]  # fmt: skip
    write(folder, made)
    (folder / "recipe.yaml").write_text(f"corpus: {{name: jsonl, path: t.jsonl}}\n{metrics}")
    return folder


def evaluates(metrics: str) -> str:
    return f"backbone: {{name: hf, path: b}}\nevaluate: {{prompter: {{name: conversation}}, metrics: {metrics}}}\n"


def test_last_utterances_have_an_interval_and_a_test_of_their_own(tmp_path: Path) -> None:
    # The first has every other utterance right, the second the last ones too in nine of ten conversations.
    one, two = talks("jx" * 10, tmp_path / "one"), talks("jj" * 9 + "jx", tmp_path / "two")
    found = compare_runs([one, two], "test", ["last-utterance.accuracy", "accuracy"])
    last, every = found.verdicts
    assert [entry.numbers["last-utterance.accuracy"] for entry in found.entries] == [[0.0], [0.9]]
    assert (last.difference.value, every.difference.value) == (0.9, pytest.approx(0.45))
    assert last.difference.low == pytest.approx(0.7, abs=0.11) and last.difference.high == 1.0
    assert (last.test, last.p) == ("McNemar", pytest.approx(2 / 2**9))
    assert found.counts == [10, 20]
    done = call("compare", one, two, "--metric", "last-utterance.accuracy", "--metric", "accuracy")
    assert done.exit_code == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "last-utterance.accuracy is of 10 of them" in words and "bootstrap over conversations" in words
    assert "last-utterance: Accuracy" in words


def test_whose_last_utterances_are_not_known_is_said(tmp_path: Path) -> None:
    one, two = (talks("jx", tmp_path / name, last=False) for name in ("one", "two"))
    done = call("compare", one, two, "--metric", "last-utterance.accuracy")
    assert done.exit_code == 2
    assert "'last'" in done.stderr and "merc evaluate RUN" in done.stderr and "last-utterance" in done.stderr


def test_runs_that_were_divided_otherwise_are_refused(tmp_path: Path) -> None:
    one, two = talks("jxjx", tmp_path / "one"), talks("jxjx", tmp_path / "two")
    rows = [json.loads(line) for line in (two / "predictions.jsonl").read_text().splitlines()]
    rows[0]["truths"]["last"] = True
    (two / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = call("compare", one, two, "--metric", "last-utterance.accuracy")
    assert done.exit_code == 2 and "different truths (last) for 1 of 4" in done.stderr


def test_a_metric_of_the_recipe_is_computed_with_its_parameters(tmp_path: Path) -> None:
    few = evaluates("[micro-f1, {name: micro-f1, as: few, exclude: [anger]}]")
    one, two = (talks(g, tmp_path / n, few) for g, n in (("jxjxjx", "one"), ("jjjjjx", "two")))
    found = compare_runs([one, two], "test", ["few.micro_f1", "micro-f1.micro_f1"])
    # Without anger as a label to find, what is taken for it is only not found.
    assert found.entries[0].numbers["few.micro_f1"] == [pytest.approx(2 * 3 / (3 + 6))]
    assert found.entries[0].numbers["micro-f1.micro_f1"] == [0.5]
    verdict = found.verdicts[0]
    assert verdict.difference.low is not None and verdict.p is None and "right and wrong" in verdict.why
    three = talks("jxjxjx", tmp_path / "three", evaluates("[{name: micro-f1, as: few, exclude: [joy]}]"))
    done = call("compare", one, three, "--metric", "few.micro_f1")
    assert done.exit_code == 2 and "different parameters" in done.stderr


def test_a_metric_that_is_computed_once_has_no_interval_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from merc.builtin.metrics import MicroF1

    monkeypatch.setattr(MicroF1, "repeatable", lambda self: False)
    runs = [talks(g, tmp_path / n, evaluates("[micro-f1]")) for g, n in (("jxjx", "one"), ("jjjx", "two"))]
    for run, value in zip(runs, (0.25, 0.75), strict=True):
        kept = json.loads((run / "metrics.json").read_text())
        kept["test"]["micro-f1"] = {"micro_f1": value}
        (run / "metrics.json").write_text(json.dumps(kept))
    done = call("compare", *runs, "--metric", "micro-f1.micro_f1", "--write", tmp_path / "t.md")
    assert done.exit_code == 0, done.stderr
    table = (tmp_path / "t.md").read_text()
    assert "| two | +50.00 (no interval: its numbers are those of metrics.json" in table and "| – | – (" in table
    (runs[1] / "metrics.json").write_text('{"test": {}}')
    done = call("compare", *runs, "--metric", "micro-f1.micro_f1")
    assert done.exit_code == 2 and "has no number 'micro-f1.micro_f1'" in done.stderr


def test_seeds_have_a_paired_t_in_any_number(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for seed, (one, two) in enumerate([("jxjx", "jjjx"), ("xxjx", "jjjj"), ("jxjx", "jjjj")]):
        talks(one, a / f"seed-{seed}")
        talks(two, b / f"seed-{seed}")
    (verdict,) = compare_runs([a, b], "test", ["last-utterance.uar"]).verdicts
    assert verdict.test == "paired t, 3 seeds" and verdict.p is not None
    assert verdict.difference.value == pytest.approx((0.5 + 1 + 1) / 3)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("weighted_f2", ["'weighted_f2'", "Did you mean 'weighted_f1'"]),
        ("last-utterance", ["names a metric", "last-utterance.weighted_f1"]),
        ("classification.nothing", ["gives no number 'nothing'"]),
        ("nobody.f1", ["'nobody'", "Known are", "micro-f1"]),
    ],
)
def test_a_number_that_there_is_not(tmp_path: Path, name: str, holds: list[str]) -> None:
    one, two = (talks("jx", tmp_path / run) for run in ("one", "two"))
    done = call("compare", one, two, "--metric", name)
    assert done.exit_code == 2 and "Traceback" not in done.stderr
    for text in holds:
        assert text in " ".join(done.stderr.split())


def test_the_f1_of_a_label(tmp_path: Path) -> None:
    one, two = talks("jxjx", tmp_path / "one"), talks("jjjx", tmp_path / "two")
    found = compare_runs([one, two], "test", ["per_class.joy.f1"])
    assert [entry.mean("per_class.joy.f1")[0] for entry in found.entries] == pytest.approx([2 / 3, 6 / 7])
    assert found.measures[0].in_percent


def test_draws_in_which_nobody_bears_a_label_are_drawn_anew(tmp_path: Path) -> None:
    def run(folder: Path, rare: str) -> Path:
        gold = [("fear", rare), *[("joy", "joy")] * 11]
        made = [
            Prediction(id=f"u{n}", conversation=f"c{n}", split="test", truth=t, label=g)
            for n, (t, g) in enumerate(gold)
        ]
        return write(folder, made)

    found = compare_runs([run(tmp_path / "one", "joy"), run(tmp_path / "two", "fear")], "test", ["per_class.fear.f1"])
    difference = found.verdicts[0].difference
    assert (difference.value, difference.low, difference.high) == (1.0, 1.0, 1.0)


def test_the_unparsed_rate_has_a_test_of_its_own(tmp_path: Path) -> None:
    gold = ["neutral", "joy"] * 10

    def run(folder: Path, wrong: str | None) -> Path:
        made = [
            Prediction(id=f"u{n}", conversation=f"c{n}", split="test", truth=t, label=t if n < 10 else wrong)
            for n, t in enumerate(gold)
        ]
        return write(folder, made)

    one, two = run(tmp_path / "one", "fear"), run(tmp_path / "two", None)
    verdict = compare_runs([one, two], "test", ["unparsed_rate"]).verdicts[0]
    assert verdict.test == "McNemar" and verdict.p is not None and verdict.p < 0.01
    found = compare_runs([one, run(tmp_path / "three", "fear")], "test", ["unparsed_rate"])
    assert TITLES["unparsed_rate"] in number_heads(found), "it was asked for, though nothing is unread"
