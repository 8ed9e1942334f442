"""report.html as a file: what stands in it, what it says is absent, and that texts stay texts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from merc.builtin.metrics import LastUtterance
from merc.components import Prediction
from merc.conversation import Conversation, Utterance
from merc.errors import MercError
from merc.evaluation import compute_metrics, write_metrics, write_predictions, write_report
from merc.evaluation.browse import browse_data
from merc.evaluation.media import Links
from merc.evaluation.summary import missing_in_log
from merc.recipe import ComponentRef

from .conftest import EVIL, LABELS, Run, classification, make_run


def page(run: Run) -> str:
    return write_report(run.folder, run.conversations, run.labels).read_text(encoding="utf-8")


def data(html: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_it_shows_the_numbers_with_their_sizes(run: Run) -> None:
    text = words(page(run))
    assert "Talk &amp; &lt;Tests&gt;" in text
    assert "On the test split: 90 of 120 utterances in 30 conversations. The others have no label" in text
    assert "Accuracy 33.3%" in text and "Unparsed answers 33.3%" in text
    assert "always answering “neutral” 16.7% 33.3%" in text
    assert "test 90 of 120 30" in text and "dev 15 of 20 5" in text


def test_it_shows_labels_curves_missing_notes_and_provenance(run: Run) -> None:
    html = page(run)
    text = words(html)
    assert html.count('class="confusion"') == 2
    assert "Training loss" in text and "30 steps, 1 min 30 s" in text
    assert "corpus face 42 1" in text and "test voice 120 30" in text
    assert "dev face 20 5 25.0%" in text
    assert "30 of 120: no face was found in 8 frames" in text
    assert "2 conversations were split in two &lt;b&gt;parts&lt;/b&gt;" in text
    for fact in ("merc-faces", "abc123", "4 min 12 s", "sha256 00ff", "merc run talk.yaml", "face: {name: faces}"):
        assert fact in text


def test_predicted_counts_stand_beside_true_counts(run: Run) -> None:
    html = page(run).split('class="counts"')[1].split("<h4>")[0]
    assert words("<div" + html) == "neutral 30 30 joy 30 30 anger 30 0 unparsed 30"


def test_it_needs_no_network_and_can_run_one_script_only(run: Run) -> None:
    html = page(run)
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?!["'#])""", html.split("<script")[0])
    assert "http://" not in html and "https://" not in html and "@import" not in html and "url(" not in html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy and "default-src 'none'" in policy[1]
    assert not re.search(r"script-src[^;]*unsafe", policy[1])
    # Firefox and Chromium check the page's script against the hash: test_browser sees it run.
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", policy[1])


def test_texts_of_a_corpus_stay_texts(run: Run) -> None:
    html = page(run)
    assert EVIL not in html and "<img" not in html
    assert html.count("<script") == 2 and html.count("</script>") == 2
    turns = data(html)["conversations"][0]["turns"]
    assert turns[2]["text"] == EVIL
    assert turns[2]["said"] == "Well </script> & so on"


def test_the_data_of_the_page(run: Run) -> None:
    found = data(page(run))
    assert found["labels"] == ["neutral", "joy", "anger"]
    assert found["splits"] == ["test", "dev"]
    assert found["streams"] == ["face", "voice"]
    assert len(found["conversations"]) == 35
    first = found["conversations"][0]
    assert (first["id"], first["split"]) == ("test0", "test")
    assert first["turns"][0] == {
        "id": "test0_u0", "text": "What a lovely coffee mug!", "truth": 1, "speaker": "Ada",
        "cues": {"prosody": "fast & high"}, "label": 1, "chances": [250, 500, 250],
    }  # fmt: skip
    assert first["turns"][2]["label"] == -1
    assert "truth" not in first["turns"][3]


def test_context_turns_stay_and_unknown_ones_are_counted() -> None:
    talk = Conversation(
        id="c", split="test", utterances=(Utterance(id="u0", text="Hi."), Utterance(id="u1", text="Yes?"))
    )
    other = Conversation(id="d", split="test", utterances=(Utterance(id="u0", text="Nobody asked."),))
    predictions = [
        Prediction(id="u1", conversation="c", split="test", label="joy"),
        Prediction(id="u9", conversation="c", split="test", label="joy"),
    ]
    browse = browse_data(predictions, [talk, other], LABELS, Links(Path()))
    (conversation,) = browse.data["conversations"]
    assert [(t["id"], t["text"], "label" in t) for t in conversation["turns"]] == [
        ("u0", "Hi.", False), ("u1", "Yes?", True), ("u9", None, True),
    ]  # fmt: skip
    assert browse.notes == [
        "1 of 2 predictions are about utterances that are not in the corpus as it was read for this report; they are "
        "shown without their text."
    ]


def test_conversations_of_one_id_in_two_splits_are_kept_apart() -> None:
    talks = [
        Conversation(id="dia0", split=split, utterances=(Utterance(id="dia0_utt0", text=split),))
        for split in ("dev", "test")
    ]
    predictions = [Prediction(id="dia0_utt0", conversation="dia0", split=s, label="joy") for s in ("dev", "test")]
    found = browse_data(predictions, talks, LABELS, Links(Path())).data["conversations"]
    assert [(c["split"], c["turns"][0]["text"]) for c in found] == [("test", "test"), ("dev", "dev")]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("metrics.json", "metrics.json is not in the run directory, so there are no numbers."),
        ("predictions.jsonl", "predictions.jsonl is not in the run directory, so there are no predictions to browse."),
        ("log.jsonl", "log.jsonl is not in the run directory, so there are no training curves and no notes."),
        ("provenance.json", "provenance.json is not in the run directory, so what the run was made with is unknown."),
        ("recipe.yaml", "recipe.yaml is not in the run directory, so the recipe is unknown."),
    ],
)
def test_it_says_what_is_absent(run: Run, name: str, says: str) -> None:
    assert "not complete" not in page(run)
    (run.folder / name).unlink()
    text = words(page(run))
    assert "This report is not complete. " + says in text


def test_it_is_made_from_any_one_file(tmp_path: Path) -> None:
    for name in ("metrics.json", "predictions.jsonl", "log.jsonl", "provenance.json", "recipe.yaml"):
        run = make_run(tmp_path / name, conversations=2)
        for path in run.folder.iterdir():
            if path.name != name:
                path.unlink()
        assert words(page(run)).count("is not in the run directory") == 4


def test_a_log_cut_short_by_a_kill_and_a_recipe_that_is_no_yaml_are_said(run: Run) -> None:
    with (run.folder / "log.jsonl").open("a") as log:
        log.write('{"event": "st')
        log.write("\n" + '{"event": "step", "step": "x"}')  # a record of another form
    with (run.folder / "log.jsonl").open("ab") as log:
        log.write('\n{"text": "é'.encode()[:-1])  # torn inside a letter
    (run.folder / "recipe.yaml").write_text("a: {b: ${c}}")
    text = words(page(run))
    assert "log.jsonl: 3 of its lines are no record of a run and were left out (line 37, 38, 39)." in text
    assert "recipe.yaml is no recipe (not YAML:" in text
    assert "<h1>run</h1>" in page(run)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("provenance.json", "{", r"provenance\.json is damaged: not JSON"),
        ("provenance.json", "[]", r"provenance\.json is damaged: a JSON object was expected, not list"),
        ("predictions.jsonl", "{", r"predictions\.jsonl, line 1: not JSON"),
        ("provenance.json", "", r"provenance\.json is damaged: not JSON"),
        (
            "provenance.json",
            '{"packages": 3}',
            r"provenance\.json is damaged: 'packages' is not what merc",
        ),
        ("provenance.json", '{"seconds": 1e999}', r"provenance\.json is damaged: 'seconds' is no finite number"),
    ],
)
def test_a_broken_file_is_named_and_nothing_is_written(run: Run, name: str, content: str | bytes, message: str) -> None:
    (run.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MercError, match=message):
        page(run)
    assert not (run.folder / "report.html").exists()


def test_predictions_without_probabilities_and_splits_without_truth(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write_predictions(folder / "predictions.jsonl", [Prediction(id="u", conversation="c", label="joy")])
    (folder / "metrics.json").write_text(
        '{"unsplit": {"n": 0, "unlabelled": 1, "unparsed_rate": 0.0, "mine": {"x": 0.5}}}'
    )
    text = words(write_report(folder, [], LABELS).read_text())
    assert "Further metrics, unsplit mine { &#34;x&#34;: 0.5 }" in text
    assert "unsplit 0 of 1 1 – – – – 0.0% 1" in text


def test_the_same_files_give_the_same_report(tmp_path: Path) -> None:
    one, two = make_run(tmp_path / "a" / "run"), make_run(tmp_path / "b" / "run")
    assert page(one) == page(two)


def test_an_encode_record_that_a_resumed_run_repeats_counts_once() -> None:
    record = {"event": "encode", "stream": "face", "encoded": 9, "missing": [{"utterance": "u", "reason": "no face"}]}
    later = {**record, "encoded": 12}
    assert [(row.total, row.missing) for row in missing_in_log([record, record, later])] == [(10, 1), (13, 1)]


def test_a_corpus_as_large_as_meld_s_test_split_stays_small(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", conversations=700)  # 2,800 utterances
    assert len(page(run).encode()) < 1_500_000


def test_a_stream_that_lacked_nothing_has_a_row_and_one_that_was_not_encoded_has_none(run: Run) -> None:
    (run.folder / "log.jsonl").write_text(
        '{"event": "encode", "stream": "hands", "encoded": 140, "missing": []}\n', encoding="utf-8"
    )
    text = words(page(run))
    assert "corpus hands 140 0" in text
    assert "test hands 120 0 0.0% –" in text
    assert "corpus face" not in text and "test face 120 30" in text


def test_numbers_of_other_utterances_stand_in_a_table_that_says_which(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    said = [("joy", "joy", False), ("joy", "anger", False), ("anger", "joy", True), ("joy", "joy", True)]
    predictions = [
        Prediction(id=f"u{i}", conversation="c", split="test", truth=truth, label=label, truths={"last": last})
        for i, (truth, label, last) in enumerate(said)
    ]
    write_predictions(folder / "predictions.jsonl", predictions)
    parts = {
        "classification": classification(),
        "last-utterance": ComponentRef(name="last-utterance", params={}, component=LastUtterance()),
    }
    write_metrics(folder / "metrics.json", compute_metrics(predictions, LABELS, parts))
    text = words(write_report(folder, [], LABELS).read_text())
    assert "What the numbers are of Split Counted Utterances" in text
    assert "test every utterance 4 50.0% 50.0% 33.3% 33.3% 0.0%" in text
    assert "test the last utterance of each dialogue (last-utterance) 2 33.3% 50.0% 33.3% 50.0% 0.0%" in text
    assert "of these, always answering “joy” 33.3% 50.0% 33.3% 50.0%" in text
    assert "Everything else in this report is of every utterance." in text
    assert "Further metrics" not in text


def test_without_such_numbers_there_is_no_such_table(run: Run) -> None:
    assert "What the numbers are of" not in page(run)


def test_what_a_decoder_kept_stands_beside_the_utterance(tmp_path: Path) -> None:
    kept = {"rationales": ["He <b>laughs</b>.", "No."], "prior": {"joy": 0.25}, "seed": 3}
    found = browse_data([Prediction(id="u", conversation="c", label="joy", details=kept)], [], LABELS, Links(Path()))
    (turn,) = found.data["conversations"][0]["turns"]
    assert turn["details"] == {"rationales": "He <b>laughs</b>.; No.", "prior": "joy: 0.25", "seed": "3"}
    without = browse_data([Prediction(id="u", conversation="c", label="joy")], [], LABELS, Links(Path()))
    assert "details" not in without.data["conversations"][0]["turns"][0]


def test_a_run_of_an_older_merc_has_its_report_made_again(run: Run) -> None:
    """Words that are other ones today, and numbers that were not written then."""
    lines = [json.loads(line) for line in (run.folder / "predictions.jsonl").read_text().splitlines()]
    old = [{name: line[name] for name in ("id", "conversation", "split", "truth", "label")} for line in lines]
    old[0]["past_labels"] = "gold"
    (run.folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    metrics = json.loads((run.folder / "metrics.json").read_text())
    for numbers in metrics.values():
        del numbers["averaged_over"], numbers["unlabelled"]
        numbers["past_labels"] = "gold"
    (run.folder / "metrics.json").write_text(json.dumps(metrics))
    (run.folder / "log.jsonl").write_text('{"event": "epoch", "loss": 1.5}\n')
    (run.folder / "provenance.json").write_text('{"merc": "0.0.1"}')
    (run.folder / "recipe.yaml").write_text("engine: torch\ntuning: {kind: lora}\n")
    text = words(page(run))
    assert "Accuracy 33.3%" in text and "engine: torch" in text
    assert "No labelled prediction of this split has probabilities" in text
    assert "not complete" not in text


def test_a_label_that_the_numbers_do_not_know_is_shown_as_it_is(run: Run) -> None:
    file = run.folder / "predictions.jsonl"
    file.write_text(file.read_text().replace('"label": "anger"', '"label": " bored"'))
    html = page(run)
    assert "bored" in data(html)["labels"] and "Accuracy 33.3%" in words(html)
