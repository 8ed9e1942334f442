"""Each check of the contract of corpora, metrics, annotators fails for a component that breaks it, and says why."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import merc
import merc.testing
from merc.testing.examples import annotator, corpus, metric
from tests.testing.broken import frozen, said


def corpus_of(*conversations: merc.Conversation) -> Any:
    @frozen
    class Given(merc.Corpus):
        def load(self) -> merc.CorpusData:
            return merc.CorpusData(conversations=conversations)

    return Given()


def talk(name: str = "c", split: Any = "train", **changes: Any) -> merc.Conversation:
    first = merc.Utterance(**{"id": f"{name}_u0", "text": "Hi.", "label": "joy", **changes})
    second = merc.Utterance(id=f"{name}_u1", text="No.", label="anger")
    return merc.Conversation(id=name, split=split, utterances=(first, second))


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (corpus_of(), "test_ids_are_unique", "the corpus is empty"),
        (corpus_of(talk(), talk()), "test_ids_are_unique", "conversation ids are used twice: c"),
        (corpus_of(talk(), talk("d", id="c_u0")), "test_ids_are_unique", "utterance ids are used twice: c_u0"),
        (
            corpus_of(replace(talk(), utterances=())),
            "test_conversations_have_utterances_and_a_split",
            "conversation 'c' has no utterance",
        ),
        (
            corpus_of(talk(split="tain")),
            "test_conversations_have_utterances_and_a_split",
            "conversation 'c' is of split 'tain'; the splits are train, dev, test",
        ),
        (
            corpus_of(talk(split="dev")),
            "test_conversations_have_utterances_and_a_split",
            "no conversation is of split 'train'",
        ),
        (
            corpus_of(talk(label="anger")),
            "test_labels_are_in_the_label_space",
            "the label space has 1 label; a label space needs two at least",
        ),
        (
            corpus_of(talk(video=Path("gone.mp4"))),
            "test_media_exist_or_say_why_not",
            "utterance 'c_u0': video gone.mp4 is no file, and `missing` says no reason",
        ),
        (
            corpus_of(talk(start=2.0, end=1.0)),
            "test_media_exist_or_say_why_not",
            "utterance 'c_u0' runs from 2.0 to 1.0 seconds",
        ),
    ],
)
def test_corpus_that_breaks_its_contract(component: Any, check: str, message: str) -> None:
    assert said(merc.testing.CorpusContract, component, check) == message


def test_corpus_in_another_order_every_time() -> None:
    @frozen
    class Broken(corpus.Example):
        def load(self) -> merc.CorpusData:
            return merc.CorpusData(conversations=[talk(f"c{next(counter)}")])

    counter = itertools.count()
    message = said(merc.testing.CorpusContract, Broken(path=""), "test_loading_again_gives_the_same")
    assert message == "Broken gives other conversations, or another order, the second time"


def broken_metric(compute: Callable[[Any], Any], **methods: Any) -> Any:
    class Broken(metric.Example):
        def compute(self, predictions: Any, labels: Any) -> Any:
            return compute(predictions)

    for name, method in methods.items():
        setattr(Broken, name, method)
    return frozen(Broken)()


@pytest.mark.parametrize(
    ("compute", "check", "message"),
    [
        (lambda p: 0.5, "test_numbers_can_be_written_as_json", "compute() gives float; it must give a dict of numbers"),
        (lambda p: {}, "test_numbers_can_be_written_as_json", "Broken gives no number"),
        (
            lambda p: {"a": np.float32(0.5)},
            "test_numbers_can_be_written_as_json",
            "metrics.json cannot hold {'a': np.float32(0.5)}: Object of type float32 is not JSON serializable; "
            "give plain finite numbers",
        ),
        (
            lambda p: {"a": float(p[0].id == "u0")},
            "test_order_of_predictions_does_not_matter",
            "in another order Broken gives {'a': 0.0} and not {'a': 1.0}",
        ),
        (
            lambda p: p[0].missing.update(a="b") or {"a": 1},
            "test_predictions_are_left_as_they_are",
            "Broken changed the predictions that it was given",
        ),
    ],
)
def test_metric_that_breaks_its_contract(compute: Callable[[Any], Any], check: str, message: str) -> None:
    assert said(merc.testing.MetricContract, broken_metric(compute), check) == message


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("label", "truths() gives 'label'; it must give one name at least"),
        ((), "truths() gives (); it must give one name at least"),
        (("votes",), "predictions() of this check lack what truths() names: [('u0', 'votes'), ('u1', 'votes'), "),
    ],
)
def test_metric_whose_truths_are_no_names(names: Any, message: str) -> None:
    broken = broken_metric(lambda p: {"a": 1}, truths=lambda self: names)
    assert said(merc.testing.MetricContract, broken, "test_truths_are_names_of_what_the_predictions_have").startswith(
        message
    )


def test_metric_that_gives_nan_for_one_prediction() -> None:
    broken = broken_metric(lambda p: {"a": float("nan") if len(p) == 1 else 1.0})
    message = said(merc.testing.MetricContract, broken, "test_one_prediction_is_enough")
    assert message.startswith("a is nan for the one prediction Prediction(id='u0'")


def broken_annotator(
    annotate: Callable[[Any, Any], Any] = lambda f, s: f(s),
    fields: Any = ("prosody",),
    video: Any = None,
    **methods: Any,
) -> Any:
    class Broken(annotator.Example):
        def fields(self) -> Any:
            return fields

        def video(self) -> Any:
            return video

        def load(self, device: str) -> Any:
            inner = super().load(device)
            return lambda shown: annotate(inner, shown)

    for name, method in methods.items():
        setattr(Broken, name, method)
    return frozen(Broken)()


def loud(text: str = "loud", **given: Any) -> merc.Annotation:
    return merc.Annotation(cues={"prosody": text}, **given)


def each(annotation: Any) -> Callable[[Any, Any], Any]:
    return lambda f, shown: ((one.query.target.id, annotation) for one in shown)


def counting(f: Any, shown: Any) -> Any:
    taken = list(shown)
    return ((one.query.target.id, loud(f"one of {len(taken)}")) for one in taken)


def once(f: Any, shown: Any) -> Any:
    given = merc.Annotation(reason="stopped") if hasattr(f, "was_called") else loud()
    f.was_called = True
    return ((one.query.target.id, given) for one in shown)


def first_is_special(f: Any, shown: Any) -> Any:
    return ((one.query.target.id, loud("loud" if number else "first")) for number, one in enumerate(shown))


EACH = "test_an_annotation_for_each_observation"
SAME = "test_answers_do_not_depend_on_what_else_is_asked"


@pytest.mark.parametrize(
    ("annotate", "check", "message"),
    [
        (lambda f, s: list(f(s))[1:], EACH, "Broken took talk_u0 and gave no answer"),
        (lambda f, s: f(itertools.islice(s, 3)), EACH, "Broken took 3 of 4 observations"),
        (lambda f, s: itertools.chain(f(s), [("talk_u0", loud())]), EACH, "Broken answered twice for 'talk_u0'"),
        (
            lambda f, s: [("talk_u9", loud())],
            EACH,
            "Broken answered for 'talk_u9', which it had not been given",
        ),
        (each("loud"), EACH, "Broken gave ('talk_u0', 'loud'); it must give (utterance id, merc.Annotation)"),
        (
            each(merc.Annotation(cues={"face": "a smile"})),
            EACH,
            "utterance 'talk_u0' got the cue 'face'; fields() declares prosody",
        ),
        (each(loud(" ")), EACH, "utterance 'talk_u0': the cue 'prosody' is ' '; leave out a cue that says nothing"),
        (
            each(merc.Annotation(reason="mute")),
            EACH,
            "Broken gave no cue at all, so nothing was checked; override observations()",
        ),
        (
            counting,
            SAME,
            "utterance 'talk_u0' gets {'prosody': 'one of 4'} among the others and {'prosody': 'one of 1'} alone",
        ),
        (
            first_is_special,
            SAME,
            "utterance 'talk_u0' gets {'prosody': 'first'} among the others and {'prosody': 'loud'} in another order",
        ),
        (
            once,
            "test_the_function_may_be_called_again",
            "utterance 'talk_u0' gets {'prosody': 'loud'} among the others and 'stopped' when its function is called "
            "again",
        ),
        (
            each(merc.Annotation(reason="mute", reached=("tokens",))),
            EACH,
            "utterance 'talk_u0' reached 'tokens', which is no parameter of Broken: loud",
        ),
    ],
)
def test_annotator_that_breaks_its_contract(annotate: Callable[[Any, Any], Any], check: str, message: str) -> None:
    assert said(merc.testing.AnnotatorContract, broken_annotator(annotate), check) == message


def test_annotator_that_fails_where_a_file_is_missing() -> None:
    def annotate(inner: Any, shown: Any) -> Any:
        for one in shown:
            yield one.query.target.id, loud(f"{one.audio.seconds:.0f} s")

    contract = type("Case", (merc.testing.AnnotatorContract,), {"component": broken_annotator(annotate)})
    with pytest.raises(AttributeError, match="seconds"):
        contract().test_media_that_are_missing_raise_nothing()


def test_annotator_that_needs_all_may_answer_by_the_whole_set() -> None:
    contract = type(
        "Case", (merc.testing.AnnotatorContract,), {"component": broken_annotator(counting, needs_all=True)}
    )
    contract().test_answers_do_not_depend_on_what_else_is_asked()


def test_annotator_that_declares_wrong_things() -> None:
    check = "test_wants_media_as_declared"
    for fields in ((), ("a", "a"), ["a"]):
        message = said(merc.testing.AnnotatorContract, broken_annotator(fields=fields), check)
        assert message == f"fields() of Broken gives {fields!r}; it must give a tuple of names, each once"
    assert said(merc.testing.AnnotatorContract, broken_annotator(video=8), check) == (
        "video() of Broken gives int; it must give merc.Frames or None"
    )
    draws = merc.Frames(count=2, strategy="random", draws=2)
    assert said(merc.testing.AnnotatorContract, broken_annotator(video=draws), check) == (
        "video() of Broken wants several draws; it is asked once"
    )


def test_annotator_whose_answers_could_not_be_found_again() -> None:
    check, number = "test_what_answers_are_kept_by_is_plain", itertools.count()
    broken = broken_annotator(identity=lambda self: {"model": np.float32})
    assert said(merc.testing.AnnotatorContract, broken, check) == (
        "identity() of Broken gives {'model': <class 'numpy.float32'>}, which is no plain value"
    )
    broken = broken_annotator(context=lambda self, query: next(number))
    assert said(merc.testing.AnnotatorContract, broken, check) == "context(query) of Broken gives 0 and then 1"
