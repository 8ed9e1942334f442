"""What is wrong with a recipe, and what the user reads of it."""

# ruff: noqa: E501 - messages are quoted whole
from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import ManyErrors, MercError
from merc.recipe import load_recipe
from tests.recipe.conftest import RECIPE

SECTIONS = (
    "title, description, seed, data_root, labels, corpus, relabel, split, backbone, encoders, connectors, fusers, "
    "heads, annotators, init_from, stages"
)


def errors_of(*overrides: str, recipe: str = "small.yaml") -> list[str]:
    with pytest.raises(ManyErrors) as caught:
        load_recipe(recipe, overrides)
    return caught.value.errors


def test_a_mistyped_section_is_one_mistake_and_what_it_holds_is_checked(here: Path) -> None:
    """Nothing is said to lack the streams that stand in it, and a mistake inside it is named as well."""
    file = here / "typo.yaml"
    file.write_text(RECIPE.replace("encoders:", "encoder:"))
    (only,) = errors_of(recipe="typo.yaml")
    assert only.startswith("encoder (typo.yaml:9): a recipe has no 'encoder'. Did you mean 'encoders'?")
    file.write_text(RECIPE.replace("encoders:", "encoder:").replace("frames: 4", "frames: four"))
    first, second = errors_of(recipe="typo.yaml")
    assert "Did you mean 'encoders'?" in first
    assert second == "encoders.video.frames (typo.yaml:10): wants a whole number; given 'four' (text)"


WRONG = [
    ("corpsu=1", f"corpsu (command line): a recipe has no 'corpsu'. Did you mean 'corpus'? Its sections are: {SECTIONS}, "
     "evaluate, trackers, workers, strategy, features"),
    ("epochs=3", f"epochs (command line): a recipe has no 'epochs'. Did you mean stages.1.trainer.epochs? Its sections are: "
     f"{SECTIONS}, evaluate, trackers, workers, strategy, features"),
    ("trainer.epochs=3", "trainer (command line): a recipe has no 'trainer'. Did you mean stages.0.trainer or "
     f"stages.1.trainer? Its sections are: {SECTIONS}, evaluate, trackers, workers, strategy, features"),
    ("encoders.video.frame=3", "encoders.video.frame (command line): encoder 'toy-video' takes no 'frame'. "
     "Did you mean 'frames'? It takes: frames, size, sampling_rate"),
    ("encoders.video.frames=three", "encoders.video.frames (command line): wants a whole number; given 'three' (text)"),
    ("encoders.video.frames=1.0", "encoders.video.frames (command line): wants a whole number; given 1.0 (a number)"),
    ("encoders.video.frames=1e3", "encoders.video.frames (command line): wants a whole number; given 1000.0 (a number)"),
    ("encoders.video.frames=true", "encoders.video.frames (command line): wants a whole number; given true (not in "
     "quotes, so no text)"),
    ("encoders.video.frames=null", "encoders.video.frames (command line): wants a whole number; given null"),
    ("encoders.video.frames=0", "encoders.video (small.yaml:10): encoder 'toy-video': frames counts from 1, not 0"),
    ("encoders.video.size=[1]", "encoders.video.size (command line): wants a list of 2: a whole number, a whole number; "
     "given 1 of them"),
    ("encoders.video.size=[1, a]", "encoders.video.size.1 (command line): wants a whole number; given 'a' (text)"),
    ("stages.0.trainer.lr=fast", "stages.0.trainer.lr (command line): wants a number; given 'fast' (text)"),
    ("stages.0.trainer.lr='2e-4'", "stages.0.trainer.lr (command line): wants a number; given '2e-4' (text)"),
    ("stages.0.trainer.schedule=cosin", "stages.0.trainer.schedule (command line): wants 'cosine' or 'linear'; "
     "given 'cosin' (text). Did you mean 'cosine'?"),
    ("stages.0.trainer.early=1", "stages.0.trainer.early (command line): wants true or false; given 1 (a whole number)"),
    ("stages.0.prompter.question=no", "stages.0.prompter.question (command line): wants text; given false (not in "
     "quotes, so no text); put it in quotes"),
    ("title=2024", "title (command line): wants text; given 2024 (a whole number); put it in quotes"),
    ("labels=[joy, no]", "labels.1 (command line): wants text; given false (not in quotes, so no text); put it in quotes"),
    ("labels=joy", "labels (command line): wants a list, each item text; given 'joy' (text)"),
    ("labels=[]", "labels (command line): names no label; leave it out to take the labels of the corpus"),
    ("labels=[joy, joy]", "labels (command line): a label is listed twice: joy, joy"),
    ("labels=[joy, 'joy ']", "labels (command line): a label is listed twice: joy, joy"),
    ("labels=[joy, fear, Joy]", "labels (command line): the labels 'joy' and 'Joy' differ by capitals alone; list one of them"),
    ("labels={joy: glad, anger: Glad}", "labels (command line): the word 'Glad' stands for two labels: 'joy' and 'anger'"),
    ("labels=[joy, ' ']", "labels (command line): a label, or one of its words, is empty"),
    ("labels={joy: [], anger: mad}", "labels.joy (command line): has an empty list of words; leave the list out"),
    ("labels={joy: glad, anger: glad}", "labels (command line): the word 'glad' stands for two labels: 'joy' and 'anger'"),
    ("seed=-1", "seed (command line): is from 0 to 4294967295, not -1"),
    ("seed=x", "seed (command line): wants a whole number; given 'x' (text)"),
    ("data_root=3", "data_root (command line): wants a path; given 3 (a whole number)"),
    ("corpus.path=''", "corpus.path (command line): is an empty path; write . for the folder itself"),
    ("corpus={name: toy-corpus}", "corpus.path (command line): is required by corpus 'toy-corpus': a path"),
    ("corpus={path: a}", "corpus (command line): has no 'name'; it names a corpus: jsonl, parquet, toy-corpus, toy-crash, "
     "toy-other, toy-typed, toy-untyped"),
    ("corpus={nmae: toy-other, path: a}", "corpus.nmae (command line): unknown key. Did you mean 'name'?"),
    ("corpus.name=3", "corpus.name (command line): wants the name of a corpus: jsonl, parquet, toy-corpus, toy-crash, toy-other, "
     "toy-typed, toy-untyped; given 3"),
    ("corpus=jsonl", "corpus (command line): wants a section with 'name' and parameters; given 'jsonl'; write "
     "corpus={name: jsonl}"),
    ("corpus=null", "corpus (command line): wants a section with 'name' and parameters; given null"),
    ("corpus.name=toy-othr", "corpus.name (command line): unknown corpus 'toy-othr'. Did you mean 'toy-other'? The "
     "corpora are: jsonl, parquet, toy-corpus, toy-crash, toy-other, toy-typed, toy-untyped"),
    ("corpus={name: toy-crash}", "corpus (command line): corpus 'toy-crash' cannot be made; this is a fault of merc-toys "
     "0.1: KeyError: 'bug'"),
    ("corpus={name: toy-untyped}", "corpus (command line): the types of corpus 'toy-untyped''s parameters cannot be "
     "read: name 'Nothing' is not defined"),
    ("backbone=null", "backbone (command line): is missing, and stages needs one: backbone: {name: ...}"),
    ("backbone.tuning.name=lorra", "backbone.tuning.name (command line): unknown tuning 'lorra'. Did you mean 'lora'? The "
     "tunings are: frozen, full, lora"),
    ("backbone.tuning.rank=4", "backbone.tuning.rank (command line): tuning 'lora' takes no 'rank'. It takes: r, alpha, "
     "dropout, targets"),
    ("backbone.tuning.r=0", "backbone.tuning (small.yaml:8): tuning 'lora': r counts from 1, not 0"),
    ("backbone.tuning.dropout=1", "backbone.tuning (small.yaml:8): tuning 'lora': dropout is from 0 to below 1, not 1"),
    ("backbone.tuning.targets=[]", "backbone.tuning (small.yaml:8): tuning 'lora': targets names no layer; leave it out for "
     "all linear layers, or set tuning.name=frozen"),
    ("backbone.tuning.targets=all", "backbone.tuning.targets (command line): wants 'all-linear', or a list, each item "
     "text; given 'all' (text)"),
    ("backbone.tuning.name=full", "backbone.tuning.r (small.yaml:8): was given for 'lora', and tuning 'full' does not take "
     "it; give the whole section: backbone.tuning={name: full}"),
    ("backbone.tuning=lora", "backbone.tuning (command line): wants a section with 'name' and parameters; given 'lora'; "
     "write backbone.tuning={name: lora}"),
    ("connectors.video=null", "connectors.video (small.yaml:14): is missing: prompter 'toy-prompt' (stages.0.prompter) "
     "uses the stream 'video', and only a connector brings it to the LLM; add connectors: {video: {name: linear}}"),
    ("connectors.vidoe={name: toy-linear}", "connectors.vidoe (command line): no encoder or fuser is called 'vidoe'. Did "
     "you mean 'video'? a connector has the name of the stream that it connects (connectors.vidoe=null takes out an "
     "inherited one)"),
    ("stages.0.prompter.uses=[vidoe]", "stages.0.prompter (small.yaml:22): prompter 'toy-prompt' uses the stream 'vidoe', "
     "which no encoder or fuser gives. Did you mean 'video'? The streams are: video, audio, both"),
    ("stages.0.prompter={name: toy-broken-prompt}", "stages.0.prompter (command line): prompter 'toy-broken-prompt' "
     "cannot say its streams: RuntimeError: no idea"),
    ("evaluate.prompter={name: toy-prompt, uses: [x]}", "evaluate.prompter (command line): prompter 'toy-prompt' uses the "
     "stream 'x', which no encoder or fuser gives. The streams are: video, audio, both"),
    ("fusers.both.inputs=[vide]", "fusers.both.inputs (command line): no encoder is called 'vide'. Did you mean 'video'? "
     "The encoders are: video, audio"),
    ("fusers.both.inputs=[both]", "fusers.both.inputs (command line): no encoder is called 'both' (a fuser; fusers take "
     "encoders' streams). The encoders are: video, audio"),
    ("fusers.video={name: toy-join}", "fusers.video (command line): 'video' is the name of an encoder too; both give a "
     "stream of that name, so call one of them differently"),
    ("encoders.v!={name: toy-video}", "encoders.v! (command line): a name here has letters, digits, '-' and '_' only"),
    ("stages.1.id=align", "stages.1.id (command line): 'align' is the id of stages.0 too"),
    ("stages.1.id=a/b", "stages.1.id (command line): becomes a folder's name, so it has letters, digits, '-', '_' and '.' "
     "only, a letter or digit first; given 'a/b'"),
    ("stages.0.trainr=1", "stages.0.trainr (command line): a stage has no 'trainr'. Did you mean 'trainer'? It has: id, "
     "prompter, trainer, data, trainable, demonstrations, tasks"),
    ("stages.0={id: a, prompter: {name: toy-prompt}}", "stages.0.trainer (command line): is missing; a stage has an id, a "
     "prompter (or a list of tasks) and a trainer"),
    ("stages.0={id: a, trainer: {name: toy-trainer}}", "stages.0.prompter (command line): is missing; a stage has an id, a "
     "prompter (or a list of tasks) and a trainer"),
    ("stages.0.tasks=[{prompter: {name: toy-prompt}}]", "stages.0.prompter (small.yaml:22): stands beside tasks; with "
     "several tasks each has its own: stages.0.tasks.0.prompter"),
    ("stages.0={id: a, trainer: {name: toy-trainer}, tasks: []}", "stages.0.tasks (command line): wants a list: - {prompter: "
     "{name: ...}, share: 0.5}"),
    ("stages.0={id: a, trainer: {name: toy-trainer}, tasks: [{share: 1}]}", "stages.0.tasks.0.prompter (command line): is "
     "missing; a task is what a prompter asks"),
    ("stages.0={id: a, trainer: {name: toy-trainer}, tasks: [{prompter: {name: toy-prompt}, shares: 1}]}", "stages.0.tasks.0.shares "
     "(command line): a task has no 'shares'. Did you mean 'share'? It has: prompter, data, demonstrations, share"),
    ("stages.0={id: a, trainer: {name: toy-trainer}, tasks: [{prompter: {name: toy-prompt}, share: 0}]}", "stages.0.tasks.0 "
     "(command line): share is above 0, not 0.0"),
    ("stages.0={id: a, trainer: {name: toy-trainer}, tasks: [{prompter: {name: toy-prompt}, share: 1}, {prompter: {name: "
     "toy-prompt}}]}", "stages.0.tasks.1 (command line): has no share, and other tasks of its stage have one; give every "
     "task a share, or none"),
    ("stages.0=align", "stages.0 (command line): wants a section of keys and values; given 'align'"),
    ("stages={id: a}", "stages (command line): wants a list: - {id: ..., prompter: {name: ...}, trainer: {name: ...}}"),
    ("stages.0.data.split=test", "stages.0.data.split (command line): wants 'train' or 'dev'; given 'test' (text)"),
    ("stages.0.data.limit=0", "stages.0.data (command line): limit counts from 1, not 0"),
    ("stages.0.trainable=[conectors.video]", "stages.0.trainable (command line): nothing is called 'conectors.video'. Did "
     "you mean 'connectors.video'? What can be trained: backbone, connectors.video, connectors.audio, connectors.both, "
     "fusers.both"),
    ("stages.0.trainable=[]", "stages.0.trainable (command line): is empty, so the stage would train nothing; leave it "
     "out to train everything"),
    ("stages.0.trainable=all", "stages.0.trainable (command line): wants a list, each item text; given 'all' "
     "(text)"),
    ("evaluate.splits=[tset]", "evaluate.splits.0 (command line): wants 'train', 'dev' or 'test'; given 'tset' (text). "
     "Did you mean 'test'?"),
    ("evaluate.splits=[test, test]", "evaluate (small.yaml:29): splits names at least one split, each once, not ['test', "
     "'test']"),
    ("evaluate.limit=0", "evaluate (small.yaml:29): limit counts from 1, not 0"),
    ("evaluate={splits: [train, dev], limit: 3}", "evaluate (command line): limit is of dev and test, since train is "
     "learned from; leave train out of splits, or limit"),
    ("evaluate.decoder={name: verbaliser}", "evaluate.decoder.name (command line): unknown decoder 'verbaliser'. Did you "
     "mean 'verbalizer'? The decoders are: generate, verbalizer"),
    ("evaluate.decoder=generate", "evaluate.decoder (command line): wants a section with 'name' and parameters; given "
     "'generate'; write evaluate.decoder={name: generate}"),
    ("evaluate.decoder={name: generate, max_new_tokens: 0}", "evaluate.decoder (command line): decoder 'generate': "
     "max_new_tokens counts from 1, not 0"),
    ("evaluate={decoder: {name: generate}, states: true}", "evaluate (command line): states: true needs a decoder that "
     "gives states, such as {name: verbalizer}; 'generate' gives none"),
    ("evaluate.text_decoder={name: verbalizer}", "evaluate (small.yaml:29): text_decoder answers prompts that ask for a "
     "text, and 'verbalizer' scores labels; give one that lets the model write"),
    *(
        (f"evaluate.{key}", f"evaluate.{key.partition('=')[0]} (command line): evaluate takes no "
         f"{key.partition('=')[0]!r}. It is part of decoder now: decoder: {{name: verbalizer, normalize: tokens}} or "
         "decoder: {name: generate, parser: first-label, max_new_tokens: 8}; merc convert FILE rewrites a recipe.")
        for key in ("decode=generate", "normalize=tokens", "parser=strict", "max_new_tokens=8")
    ),
    ("evaluate.metrics=classification", "evaluate.metrics (command line): wants a list of metrics, such as "
     "[classification]"),
    ("evaluate.metrics=[toy-metric, toy-metric]", "evaluate.metrics.1 (command line): the metric 'toy-metric' occurs "
     "twice with the same parameters; keep one of them"),
    ("evaluate.metrics=[acuracy]", "evaluate.metrics.0.name (command line): unknown metric 'acuracy'. The metrics are: "
     "classification, "),
    ("evaluate.metrics=[3]", "evaluate.metrics.0 (command line): wants a section with 'name' and parameters; given 3"),
    ("evaluate=yes", "evaluate (command line): wants a section of keys and values; given True"),
    ("strategy.zero=4", "strategy.zero (command line): wants 0, 1, 2 or 3; given 4 (a whole number)"),
    ("strategy.zero=true", "strategy.zero (command line): wants 0, 1, 2 or 3; given true (not in quotes, so no text)"),
    ("strategy.device=gpu", "strategy (command line): device is auto, cpu, cuda, cuda:0 (or another number) or mps, not "
     "'gpu'"),
    ("strategy.name=deepspede", "strategy.name (command line): wants 'torch' or 'deepspeed'; given 'deepspede' (text). Did "
     "you mean 'deepspeed'?"),
    ("strategy.threads=0", "strategy (command line): threads counts from 1, not 0"),
    ("features.workers=-1", "features (command line): workers counts from 0, not -1"),
    ("features.store=3", "features.store (command line): wants text; given 3 (a whole number); put it in quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("override", "error"), WRONG, ids=[override for override, _ in WRONG])
def test_wrong_value(here: Path, override: str, error: str) -> None:
    (given,) = errors_of(override)
    assert given.startswith(error)


def test_all_errors_come_at_once_each_with_its_line(here: Path) -> None:
    text = RECIPE.replace("frames: 4", "frame: 4").replace("lr: 2e-4", "lr: fast").replace("toy-join", "toy-jion")
    (here / "bad.yaml").write_text(text + "corpsu: {}\n")
    with pytest.raises(ManyErrors) as caught:
        load_recipe("bad.yaml", ["evaluate.splits=[tset]", "encoders.nose.size=1"])
    assert str(caught.value).startswith("6 errors in bad.yaml:\n  ")
    assert [error.partition(": ")[0] for error in caught.value.errors] == [
        "encoders.nose.size (command line)",
        "corpsu (bad.yaml:32)",
        "encoders.video.frame (bad.yaml:10)",
        "fusers.both.name (bad.yaml:19)",
        "stages.0.trainer.lr (bad.yaml:23)",
        "evaluate.splits.0 (command line)",
    ]


def test_parameter_left_over_from_another_component(here: Path) -> None:
    (here / "rank.yaml").write_text("corpus: {name: toy-corpus, path: a, rank: 2}\n")
    assert errors_of("corpus.name=toy-other", recipe="rank.yaml") == [
        "corpus.rank (rank.yaml:1): was given for 'toy-corpus', and corpus 'toy-other' does not take it; give the whole "
        "section: corpus={name: toy-other, path: ...}"
    ]


def test_evaluating_without_stages_needs_a_prompter(here: Path) -> None:
    assert errors_of("stages=[]") == [
        "evaluate.prompter (small.yaml:29): is missing: there are no stages whose prompter it could take"
    ]
    assert load_recipe("small.yaml", ["stages=[]", "evaluate.prompter={name: toy-prompt}"]).stages == ()


def test_training_a_frozen_backbone_is_refused(here: Path) -> None:
    assert errors_of("backbone.tuning={name: frozen}", "stages.0.trainable=[backbone]") == [
        "stages.0.trainable (command line): names the backbone, whose tuning is frozen; set backbone.tuning.name=lora"
    ]


def test_what_one_process_does_is_no_work_of_several(here: Path) -> None:
    average = "stages.1.trainer={name: sft, ema_decay: 0.9, select_by: toy-metric.kappa}"
    load_recipe("small.yaml", [average])
    assert errors_of(average, "strategy.name=deepspeed") == [
        "stages.1.trainer.ema_decay (command line): needs all weights after each step, which no process has under "
        "strategy deepspeed; set strategy.name=torch, or leave it out (trainer.soup averages under both)"
    ]


def test_a_metric_to_choose_by_that_nothing_gives(here: Path) -> None:
    by = "stages.1.trainer={{name: sft, select_by: {}}}".format
    own = "There are: accuracy, weighted_f1, macro_f1, uar"
    where = "stages.1.trainer.select_by (command line): the evaluation's metrics have no number"
    for change in ("evaluate.metrics=[classification]", "evaluate.metrics=[merc/classification]", "evaluate=null"):
        assert errors_of(by("weighted_f2"), change) == [
            f"{where} 'weighted_f2' to choose by. Did you mean 'weighted_f1'? {own}"
        ]
        load_recipe("small.yaml", [by("uar"), change])
    # Lower is better for these, and how many utterances there are is no merit.
    assert errors_of(by("unparsed_rate"), "evaluate.metrics=[classification]")[0].startswith(where)
    # The numbers of a plugin's metric stand under its name, and this one does not say which it has.
    assert errors_of(by("weighted_f1")) == [
        f"{where} 'weighted_f1' to choose by. There are: none; and the numbers of toy-metric.*"
    ]
    load_recipe("small.yaml", [by("toy-metric.kappa")])
    # The default can be wrong too.
    assert errors_of("stages.1.trainer={name: sft}")[0].startswith(f"{where} 'weighted_f1'")


def test_a_metric_that_is_wrong_is_reported_without_the_numbers_that_it_would_have(here: Path) -> None:
    [error] = errors_of("stages.1.trainer={name: sft}", "evaluate.metrics=[{name: classification, exclude: [joy]}]")
    assert "metric 'classification' takes no 'exclude'. 'micro-f1' takes it. It takes no parameters" in error


def test_fuser_without_encoders(here: Path) -> None:
    (here / "f.yaml").write_text("corpus: {name: toy-corpus, path: a}\nfusers: {x: {name: toy-join}}\n")
    assert errors_of(recipe="f.yaml") == [
        "fusers.x (f.yaml:2): the recipe has no encoders, so there is nothing to fuse"
    ]


def test_fuser_that_gives_no_stream(here: Path) -> None:
    assert errors_of("fusers.both.name=toy-silent") == [
        "connectors.both (small.yaml:17): the fuser 'both' gives no stream; a connector has the name of the stream that "
        "it connects (connectors.both=null takes out an inherited one)",
        "stages.1.prompter (small.yaml:26): prompter 'toy-prompt' uses the stream 'both', which no encoder or fuser "
        "gives. The streams are: video, audio",
    ]


def test_notes_about_plugins_stand_once_below_all_errors(here: Path) -> None:
    with pytest.raises(ManyErrors) as raised:
        load_recipe("small.yaml", ["corpus.name=meld", "backbone.name=smollm2"])
    first, *errors, note = str(raised.value).splitlines()
    assert first.startswith("2 errors") and len(errors) == 2
    assert note.startswith("note: MERC_PLUGINS leaves out the plugin") and "merc-corpora" in note


@pytest.mark.parametrize("name", ["keys", "values", "pop", "items", "forward", "type"])
def test_a_part_has_no_name_that_torch_needs(here: Path, name: str) -> None:
    (error,) = errors_of(f"encoders.{name}={{name: toy-video}}")
    assert error.startswith(f"encoders.{name} (") and "torch" in error and f"{name}_1" in error


def test_the_names_that_torch_needs_are_those_of_its_containers() -> None:
    from torch import nn

    from merc.model.heads import Heads
    from merc.recipe.reserved import RESERVED

    containers = (nn.ModuleDict(), nn.ParameterDict(), Heads({}, 1))
    assert {name for one in containers for name in dir(one) if not name.startswith("_")} <= RESERVED


def test_corpus_is_required(here: Path) -> None:
    (here / "none.yaml").write_text("title: x\n")
    assert errors_of(recipe="none.yaml") == [
        "corpus: is missing; a recipe says where its conversations come from, such as "
        "corpus: {name: jsonl, path: talks.jsonl}"
    ]


def test_a_null_that_takes_nothing_out(here: Path) -> None:
    (here / "null.yaml").write_text("corpus: {name: toy-corpus, path: a}\nencoders: {vidoe: null}\n")
    assert errors_of(recipe="null.yaml") == [
        "encoders.vidoe (null.yaml:2): null takes out what is inherited, and no 'vidoe' is"
    ]


def test_values_left_to_the_user(here: Path) -> None:
    (here / "ask.yaml").write_text("corpus: {name: toy-corpus, path: '???'}\n")
    assert errors_of(recipe="ask.yaml") == [
        "corpus.path (ask.yaml:1): is left to you; give it on the command line: corpus.path=..."
    ]
    assert load_recipe("ask.yaml", ["corpus.path=a"]).corpus.params["path"] == str(here / "a")


DOCUMENTS = [
    ("", "r.yaml is empty; a recipe has sections, such as corpus, backbone and stages"),
    ("# only a comment\n", "r.yaml is empty; a recipe has sections, such as corpus, backbone and stages"),
    ("corpus:\n\tname: x\n", "r.yaml, line 2, column 1: a tab, which YAML does not take here; indent with spaces"),
    ("- a\n", "r.yaml, line 1: a recipe is a mapping of sections such as 'corpus: ...'"),
    ("a: 1\nb: [1\nc: 2\n", "r.yaml, line 3, column 2: not YAML: did not find expected ',' or ']' (while parsing a "
     "flow sequence)"),
    ("seed: 1\ntitle: a\nseed: 2\n", "1 error in r.yaml:\n  seed (r.yaml:3): the key occurs twice, first in line 1; keep "
     "one of them"),
    ("corpus:\n  name: a\n  name: b\nno: 1\n", "2 errors in r.yaml:\n  corpus.name (r.yaml:3): the key occurs twice, "
     "first in line 2; keep one of them\n  no (r.yaml:4): a key is a word, and YAML does not read 'no' as one; put it in "
     "quotes"),
    ("a: {1e3: x}\n", "1 error in r.yaml:\n  a.1e3 (r.yaml:1): a key is a word, and YAML does not read '1e3' as one; put "
     "it in quotes"),
    ("a: &x {b: 1}\nc:\n  <<: *x\n", "1 error in r.yaml:\n  c.<< (r.yaml:3): '<<' is not for recipes; write the keys out, "
     "or use extends"),
    ("a: !!python/object/apply:os.system [ls]\n", "1 error in r.yaml:\n  a (r.yaml:1): the tag "
     "'python/object/apply:os.system' is not for recipes; a recipe carries plain values and no code"),
    ("a: !mine 1\n", "1 error in r.yaml:\n  a (r.yaml:1): the tag '!mine' is not for recipes; a recipe carries plain "
     "values and no code"),
    ("a: &x [*x]\n", "r.yaml, line 1: an alias (*) stands within what it repeats"),
    ("title: ${a\n", "1 error in r.yaml:\n  title (r.yaml:1): the reference in '${a' cannot be read; write ${key} or "
     "${env:NAME}, and \\${ for the characters themselves"),
    ("a: 1\n---\nb: 2\n", "r.yaml, line 2, column 1: not YAML: but found another document (expected a single document in "
     "the stream)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), DOCUMENTS, ids=[text[:12] for text, _ in DOCUMENTS])
def test_what_is_no_recipe_at_all(here: Path, text: str, message: str) -> None:
    (here / "r.yaml").write_text(text)
    with pytest.raises(MercError) as caught:
        load_recipe("r.yaml")
    assert str(caught.value) == message


def test_too_many_values(here: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 8)]
    (here / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(MercError, match=r"bomb\.yaml: more than 10,000 values; a recipe is smaller than that"):
        load_recipe("bomb.yaml")


def test_not_utf8(here: Path) -> None:
    (here / "latin.yaml").write_bytes("title: café".encode("latin-1"))
    with pytest.raises(MercError, match=r"latin\.yaml is not text in UTF-8 \(byte 10\); a recipe is a YAML file"):
        load_recipe("latin.yaml")


def test_aliases_are_plain_yaml(here: Path) -> None:
    (here / "alias.yaml").write_text(RECIPE.replace("{name: toy-linear}\n  audio", "&line {name: toy-linear}\n  audio")
                                     .replace("both: {name: toy-linear}", "both: *line"))  # fmt: skip
    assert load_recipe("alias.yaml").connectors["both"].params == {"bias": True}


@pytest.mark.parametrize(
    "key", ["loss=labels", "average=tokens", "class_weights=balanced", "answer=free-running", "l2=1"]
)
def test_a_key_of_before_names_the_new_one(here: Path, key: str) -> None:
    name = key.partition("=")[0]
    errors = errors_of(f"stages.0.trainer={{name: sft, {name}: x}}")
    assert any(f"stages.0.trainer.{name}" in e and "losses" in e and "merc convert" in e for e in errors)
