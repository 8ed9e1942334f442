"""Recipes of an older merc: rewritten in today's words, refused in a file, read in a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.main import app
from merc.errors import MercError
from merc.recipe.conversion import convert_text, is_recorded

BLOCK = """\
stages:
  - id: learn
    prompter: {name: conversation}
    trainer:
      name: sft
      average: tokens  # counts every token
      class_weights: balanced-tokens
      lr: 1e-3  # a comment that stays
      answer: free-running
      l2: 0.01
"""


def test_a_block_keeps_its_comments() -> None:
    text, count = convert_text(BLOCK, "r.yaml")
    assert count == 1
    losses = (
        "losses: [{name: farcer-nll, token_weights: balanced, answers_read: free-running}, {name: l2, weight: 0.01}]"
    )
    head, _, _ = BLOCK.partition("      average")
    assert text == f"{head}      {losses}  # counts every token\n      lr: 1e-3  # a comment that stays\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("loss: labels, lr: 1", "losses: [{name: label-ce}], lr: 1"),
        ("lr: 1, loss: answer", "lr: 1, losses: [{name: token-nll}]"),
        ("loss: labels, average: tokens, lr: 1", "losses: [{name: label-ce, average: tokens}], lr: 1"),
        ("lr: 1, l2: 1e-5, epochs: 2", "lr: 1, losses: [{name: token-nll}, {name: l2, weight: 1e-05}], epochs: 2"),
        ("class_weights: balanced, lr: 1", "losses: [{name: token-nll, class_weights: balanced}], lr: 1"),
        ("answer: teacher-forced, lr: 1", "losses: [{name: token-nll}], lr: 1"),
        ("answer: free-running, lr: 1",
         "losses: [{name: farcer-nll, token_weights: none, answers_read: free-running, average: utterances}], lr: 1"),
    ],
)  # fmt: skip
def test_keys_in_one_line(old: str, new: str) -> None:
    text, _ = convert_text(f"stages: [{{id: a, trainer: {{name: sft, {old}}}}}]", "r.yaml")
    assert text == f"stages: [{{id: a, trainer: {{name: sft, {new}}}}}]"
    assert convert_text(text, "r.yaml") == (text, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("decode: verbalizer", "decoder: {name: verbalizer}"),
        ("decode: generate, parser: strict, max_new_tokens: 8",
         "decoder: {name: generate, parser: strict, max_new_tokens: 8}"),
        ("splits: [test], parser: strict, decode: generate, limit: 3",
         "splits: [test], decoder: {name: generate, parser: strict}, limit: 3"),
        ("normalize: tokens", "decoder: {name: verbalizer, normalize: tokens}"),
        ("decode: generate, parser: affectgpt", "decoder: {name: generate, parser: lowercase}"),
        ("decoder: {name: generate, parser: affectgpt}", "decoder: {name: generate, parser: lowercase}"),
        ("text_decoder: {parser: affectgpt}", "text_decoder: {parser: lowercase}"),
        ("decode: generate, normalize: tokens", "decoder: {name: generate}"),
        # A model whose labels are scored writes where a benchmark asks for a text.
        ("decode: verbalizer, parser: exact, max_new_tokens: 5",
         "decoder: {name: verbalizer}, text_decoder: {name: generate, max_new_tokens: 5}"),
        ("max_new_tokens: 5", "decoder: {name: verbalizer}, text_decoder: {name: generate, max_new_tokens: 5}"),
        ('decode: generate, max_new_tokens: "${seed}"', 'decoder: {name: generate, max_new_tokens: "${seed}"}'),
    ],
)  # fmt: skip
def test_decoders_in_one_line(old: str, new: str) -> None:
    text, count = convert_text(f"evaluate: {{{old}}}\n", "r.yaml")
    assert (text, count) == (f"evaluate: {{{new}}}\n", 1)
    assert convert_text(text, "r.yaml") == (text, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("parser: strict", "decoder: {parser: strict}"),
        ("normalize: tokens", "decoder: {normalize: tokens}"),
        ("decode: verbalizer", "decoder: {name: verbalizer}"),
    ],
)
def test_a_recipe_that_extends_another_leaves_the_decoder_to_it(old: str, new: str) -> None:
    text, _ = convert_text(f"extends: other\nevaluate: {{{old}}}\n", "r.yaml")
    assert text == f"extends: other\nevaluate: {{{new}}}\n"


def test_a_decoder_in_a_block_keeps_its_comments() -> None:
    old = """\
evaluate:
  decode: verbalizer  # scored
  metrics: [classification]
  # how much
  max_new_tokens: 9  # enough
  parser: exact
  limit: 3
"""
    new = """\
evaluate:
  decoder: {name: verbalizer}
  text_decoder: {name: generate, max_new_tokens: 9}  # scored
  metrics: [classification]
  # how much
  # enough
  limit: 3
"""
    assert convert_text(old, "r.yaml") == (new, 1)


def test_both_kinds_of_old_keys() -> None:
    text, count = convert_text(BLOCK + "evaluate: {decode: generate}\n", "r.yaml")
    assert count == 2 and "decoder: {name: generate}" in text and "farcer-nll" in text


@pytest.mark.parametrize(
    ("old", "holds"),
    [
        ("decoder: {name: generate}, decode: generate, parser: strict", "decoder and the old decode, parser"),
        ("decode: generat", "decode: 'generat' is no value that an older merc took (verbalizer or generate)"),
        ("decode: '${way}'", "decode: '${way}' is no value"),
    ],
)
def test_a_decoder_that_cannot_keep_its_meaning_is_refused(old: str, holds: str) -> None:
    with pytest.raises(MercError) as caught:
        convert_text(f"seed: 1\nevaluate: {{{old}}}\n", "r.yaml")
    assert str(caught.value).startswith("r.yaml, line 2: ") and holds in str(caught.value)


@pytest.mark.parametrize("text", ["", "corpus: x", "stages: 3", "stages: [{id: a}, 2]", "- stages: []",
                                  "stages: [{id: a, trainer: {name: mine, loss: huber}}]"])  # fmt: skip
def test_what_has_no_old_key_stays(text: str) -> None:
    assert convert_text(text, "r.yaml") == (text, 0)


@pytest.mark.parametrize(
    ("old", "found"),
    [
        ("loss: label-ce", ("loss: 'label-ce'", "answer or labels")),
        ("average: token", ("average: 'token'", "utterances or tokens")),
        ("class_weights: '${weights}'", ("${weights}", "balanced-tokens")),
        ("answer: [free-running]", ("answer: 'a section or list'",)),
        ("l2: small", ("l2: 'small'", "a number")),
        ("l2: .nan", ("l2: '.nan'", "a number")),
        ("loss: labels, losses: [label-ce]", ("losses", "old loss")),
        (
            "answer: free-running, class_weights: balanced",
            ("answer: free-running", "class_weights: balanced", "by hand"),
        ),
    ],
)
def test_what_cannot_keep_its_meaning_is_refused(old: str, found: tuple[str, ...]) -> None:
    with pytest.raises(MercError) as caught:
        convert_text(f"stages:\n- trainer: {{name: sft, {old}}}\n", "r.yaml")
    assert str(caught.value).startswith("r.yaml, line 2: ")
    assert all(part in str(caught.value) for part in found)


def test_a_run_of_before_is_known_by_its_head() -> None:
    assert is_recorded("# The recipe 'x' with every value resolved, by merc 0.1.0.\ncorpus: {}")
    assert not is_recorded("# A recipe of mine\ncorpus: {}")


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    file.write_text(BLOCK)
    run = CliRunner().invoke
    found = run(app, ["convert", "--check", str(file)])
    assert found.exit_code == 2 and file.read_text() == BLOCK
    assert str(file) in found.output and "merc convert" in found.output
    found = run(app, ["convert", str(file)])
    assert found.exit_code == 0 and "1 section rewritten" in found.output
    assert "farcer-nll" in file.read_text()
    assert "today's words" in run(app, ["convert", str(file)]).output


def test_shipped_recipes_are_in_todays_words() -> None:
    folder = Path(__file__).parents[2] / "recipes"
    old = [str(file) for file in sorted(folder.rglob("*.yaml")) if convert_text(file.read_text(), str(file))[1]]
    assert not old, f"merc convert {' '.join(old)}"
