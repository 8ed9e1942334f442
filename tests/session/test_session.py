"""A run in memory: what it answers, to what, from how many threads, and what it says to input that is no good."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import merc
from merc.builtin.decoders import Generate
from merc.media import decode
from merc.registry import get_registry
from merc.session.api import changes_of
from merc.session.lock import FolderLock
from tests.senses import LABELS, read_lines, senses_here


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin of ``tests.senses`` in this process, and a cache of its own."""
    with senses_here(tmp_path_factory):
        yield


@pytest.fixture(scope="module")
def session(trained: Path) -> merc.Session:
    return merc.load(trained)


@pytest.fixture(scope="module")
def talks(senses: Path) -> list[merc.Conversation]:
    read = get_registry().resolve("corpus", "merc/jsonl")(path=senses / "talk.jsonl")  # type: ignore[call-arg]
    return list(read.load().conversations)  # type: ignore[attr-defined]


def arrays(said: merc.Utterance) -> dict[str, Any]:
    """The media of an utterance, decoded by whoever calls merc."""
    clips = decode(said, {"audio": merc.Waveform(rate=16_000), "video": merc.Frames(count=1000)}, seed=0)
    return {name: clip for name, clip in clips.items() if not isinstance(clip, merc.Missing)}


def close(one: merc.Prediction, other: merc.Prediction, within: float = 1e-5) -> None:
    assert one.label == other.label and one.probabilities == pytest.approx(dict(other.probabilities or {}), abs=within)


def test_a_file_gives_what_the_run_itself_predicted(session: merc.Session, trained: Path, senses: Path) -> None:
    found = {one.id: one for one in session.predict(senses / "talk.jsonl")}
    own = read_lines((trained / "predictions.jsonl").read_text())
    assert len(found) == 12 and len(own) == 6
    for row in own:
        one = found[row["id"]]
        assert one.label == row["label"] and one.probabilities == pytest.approx(row["probabilities"], abs=1e-5)
    first = found["test0_u1"]
    assert (first.speaker, first.text, first.start, first.end) == ("Bo", "It was turn 1 of test0.", None, None)
    assert (first.conversation, first.split, first.truth) == ("test0", "test", "anger")
    assert (first.missing, first.values, first.unanswered, first.answer) == ({}, {}, None, None)
    assert session.labels.labels == LABELS and set(session.metrics) == {"dev", "test"} and session.path == trained


def test_a_session_says_what_it_is(session: merc.Session, trained: Path) -> None:
    text = repr(session)
    assert str(trained) in text and "backbone hf" in text and "device cpu" in text
    assert all(label in text for label in LABELS) and "\n" not in text


def test_every_form_of_one_input_gives_the_same(session: merc.Session, talks: list[merc.Conversation]) -> None:
    talk = talks[-1]
    by_file = session.predict(talk)
    assert [one.id for one in by_file] == [u.id for u in talk.utterances]
    bare = replace(talk, utterances=tuple(replace(u, video=None) for u in talk.utterances))
    clips = {u.id: arrays(u) for u in talk.utterances}
    for one, other in zip(by_file, session.predict(bare, clips=clips), strict=True):
        close(one, other)
        assert other.missing == {}
    said = talk.utterances[0]
    assert said.video is not None
    (clip,) = session.predict(said.video, text=said.text, speaker=said.speaker)
    (mapping,) = session.predict({"text": said.text, "speaker": said.speaker, **arrays(said)})
    (files,) = session.predict([{"text": said.text, "speaker": said.speaker, "video": str(said.video)}])
    close(clip, by_file[0])
    close(mapping, clip)
    close(files, clip)
    assert (mapping.id, mapping.conversation, mapping.speaker, mapping.text) == ("input-1", "input-1", "Ann", said.text)
    (alone,) = session.predict(arrays(said)["audio"], text=said.text)
    assert set(alone.missing) == {"seen"} and alone.label in LABELS


def test_what_is_in_memory_is_stored_nowhere(
    session: merc.Session, talks: list[merc.Conversation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    session.predict([{"text": "Oh!", **arrays(talks[0].utterances[0])}, {"text": "Well."}])
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob("*.jsonl"))


def test_predictions_come_while_the_input_does(session: merc.Session, talks: list[merc.Conversation]) -> None:
    read: list[str] = []

    def given() -> Iterator[merc.Conversation]:
        for talk in talks:
            read.append(talk.id)
            yield talk

    predictions = session.predict_iter(given())
    first = next(predictions)
    assert read == [talks[0].id] and first.conversation == talks[0].id
    assert [one.id for one in predictions] == [u.id for talk in talks for u in talk.utterances][1:]


def test_eight_threads_get_what_one_gets(session: merc.Session, talks: list[merc.Conversation]) -> None:
    inputs: list[Any] = [{"text": f"It is {n}.", **arrays(talks[n].utterances[0])} for n in range(3)]
    inputs += [talks[:2], talks[2], talks[3:], talks[0], {"text": "Only words."}]
    alone = [session.predict(one) for one in inputs]
    together: list[Any] = [None] * len(inputs)
    start = threading.Barrier(len(inputs))

    def ask(place: int) -> None:
        start.wait()
        together[place] = [session.predict(inputs[place]) for _ in range(3)]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(threads) == 8
    for one, three in zip(alone, together, strict=True):
        assert all(again == one for again in three)


def test_encoders_are_loaded_once(session: merc.Session, talks: list[merc.Conversation], capfd: Any) -> None:
    session.predict({"text": "Oh!", **arrays(talks[0].utterances[0])})
    capfd.readouterr()
    for number in range(3):
        session.predict({"text": f"Oh, {number}!", **arrays(talks[number].utterances[0])})
    assert "a library says hello" not in capfd.readouterr().out  # what Loudness.load prints


SAMPLES, PICTURES = np.zeros(16_000, "float32"), np.zeros((2, 8, 8, 3), "uint8")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "nothing to predict: the list is empty"),
        (3, "int is nothing that can be predicted; give a path"),
        ({}, "input-1 is an empty mapping"),
        ({"sound": 1}, "'sound' is none of id, text, speaker, audio, video"),
        ({"text": 3}, "its text is int; a string is wanted"),
        ({"text": "", "speaker": 3}, "input-1: its speaker is int; a string is wanted"),
        ({"text": "\ud800"}, "half a character"),
        ({"audio": SAMPLES, "text": ""}, "input-1: audio is a ndarray; a merc.AudioClip is wanted"),
        (merc.AudioClip(samples=SAMPLES, rate=16_000), "this run goes by the words too"),
        ("gone.mp4", "gone.mp4"),
        ("You came!", "'You came!' is no file or folder; for words give a mapping: {\"text\": 'You came!'}"),
        ("x" * 400, "is no file or folder"),
        ("notes.txt", "notes.txt"),
        ({"text": "", "video": "gone.mp4"}, "video names the file gone.mp4, which is not there"),
        (merc.Conversation(id="c", utterances=()), "conversation 'c' has no utterance"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_input(session: merc.Session, given: Any, says: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    text = "" if given == "gone.mp4" else None
    with pytest.raises(merc.MercError) as caught:
        session.predict(given, text=text)
    assert says in str(caught.value) and str(caught.value).count("\n") < 5


@pytest.mark.parametrize(
    ("clip", "says"),
    [
        ({"samples": SAMPLES.astype("float64")}, "audio.samples is float64 of shape [16000]; float32"),
        ({"samples": (SAMPLES + 9).astype("int16")}, "audio.samples is int16"),
        ({"samples": SAMPLES.reshape(2, -1)}, "of shape [2, 8000]; float32 of shape [n] (mono) is wanted"),
        ({"samples": SAMPLES[:0]}, "audio.samples is empty"),
        ({"samples": np.array([0, np.nan, np.inf], "float32")}, "2 of its 3 numbers are not finite"),
        ({"samples": SAMPLES + 300}, "samples go up to 300; they are wanted from -1 to 1"),
        ({"samples": [0.0, 0.1]}, "audio.samples is a list"),
        ({"rate": 0}, "audio.rate is 0"),
        ({"samples": SAMPLES[:100]}, "heard: 0.01 s of audio; at least 0.10 s are needed"),
        ({"frames": PICTURES[..., :1]}, "video.frames is uint8 of shape [2, 8, 8, 1]"),
        ({"frames": PICTURES.astype("float32")}, "video.frames is float32"),
        ({"times": np.array([0.0])}, "video.times is float64 of shape [1]; float64 of shape [2]"),
        ({"times": np.array([0.5, 0.1])}, "video.times are seconds from the start"),
        ({"times": np.array([0.5, np.nan])}, "video.times: 1 of its 2 numbers is not finite"),
    ],
)
def test_arrays_that_are_no_clips(session: merc.Session, clip: dict[str, Any], says: str) -> None:
    if "frames" in clip or "times" in clip:
        made: Any = {"video": merc.VideoClip(**{"frames": PICTURES, "times": np.array([0.0, 0.1]), **clip})}
    else:
        made = {"audio": merc.AudioClip(**{"samples": SAMPLES, "rate": 16_000, **clip})}
    with pytest.raises(merc.MercError) as caught:
        session.predict({"text": "", **made})
    assert says in str(caught.value) and "input-1" in str(caught.value)


def test_ids_that_occur_twice(session: merc.Session, talks: list[merc.Conversation]) -> None:
    with pytest.raises(merc.MercError, match="the id 'train0' is that of two conversations of the input"):
        session.predict([talks[0], talks[0]])
    with pytest.raises(merc.MercError, match="the id 'train0_u0' is that of two utterances"):
        session.predict(replace(talks[0], utterances=talks[0].utterances[:1] * 2))
    with pytest.raises(merc.MercError, match="no utterance of the conversations has the id 'train0_u8'"):
        session.predict(talks[0], clips={"train0_u8": {}})


def test_a_run_that_is_gone_or_at_work(own_run: Path, talks: list[merc.Conversation]) -> None:
    lock = FolderLock(own_run)
    assert lock.take()
    with pytest.raises(merc.MercError, match=f"another process is running in {own_run}"):
        merc.load(own_run)
    lock.release()
    assert not (own_run / ".lock").exists()
    session = merc.load(own_run)
    before = session.predict(talks[0])
    own_run.rename(own_run.with_name("elsewhere"))
    assert session.predict(talks[0]) == before  # all that it needs is in memory
    with pytest.raises(merc.MercError, match=f"{own_run} is not there any more"):
        session.metrics  # noqa: B018
    with pytest.raises(merc.MercError, match=f"{own_run} is not there"):
        merc.load(own_run)
    (own_run.with_name("elsewhere") / "stages/merc/done.json").unlink()
    with pytest.raises(merc.MercError, match="elsewhere is unfinished"):
        merc.load(own_run.with_name("elsewhere"))


def test_what_may_be_changed(trained: Path) -> None:
    assert merc.load(trained, strategy={"batch_tokens": 64}).recipe.strategy.batch_tokens == 64
    for change, says in (
        ({"strategy": {"threads": float("inf")}}, "strategy.threads: .*; give plain values"),
        ({"seed": 3}, "'seed=3': a trained run keeps what it is"),
        ({"evaluate": {"segments": [2, 3]}}, "evaluate.segments is of evaluations"),
        ({"strategy": {"device": object()}}, "strategy.device: object is no value of a recipe"),
    ):
        with pytest.raises(merc.MercError, match=says):
            merc.load(trained, **change)  # type: ignore[arg-type]


def test_words_that_are_given_twice(session: merc.Session) -> None:
    for twice in ({"text": "Oh."}, {"speaker": "Bo"}):
        with pytest.raises(merc.MercError, match=f"input-1: its {next(iter(twice))} is .* was given too"):
            session.predict({"text": "Hm.", "speaker": "Ann"}, **twice)
    assert session.predict({"text": "Hm."}, speaker="Ann", text="Hm.")[0].speaker == "Ann"


def test_what_is_no_directory(senses: Path) -> None:
    with pytest.raises(merc.MercError, match="run is NoneType; give the path"):
        merc.load(None)  # type: ignore[arg-type]
    with pytest.raises(merc.MercError, match="run_dir is int; give the path"):
        merc.run(senses / "media.yaml", run_dir=3)  # type: ignore[arg-type]


def test_a_section_with_a_name_is_another_section(trained: Path, senses: Path) -> None:
    """As on the command line: what the component before took is not kept."""
    loaded = merc.load(trained, evaluate={"decoder": {"name": "generate", "max_new_tokens": 2}})
    assert isinstance(loaded.recipe.evaluate.decoder, Generate)
    assert loaded.predict({"text": "Hm."})[0].answer is not None
    changes = changes_of({"heads": {"grade": {"name": "regression", "outputs": {"valence": [-1, 1]}}}})
    assert changes == ['heads.grade={"name": "regression", "outputs": {"valence": [-1, 1]}}']
    with pytest.raises(merc.MercError, match=r"heads\.grade.*no loss makes it learn"):  # so it is there
        merc.load_recipe(senses / "media.yaml", changes)
    assert changes_of({"corpus": {"name": "jsonl", "path": Path("a.jsonl")}}) == [
        'corpus={"name": "jsonl", "path": "a.jsonl"}'
    ]


def test_training_from_python(senses: Path, tmp_path: Path, trained: Path) -> None:
    session = merc.run(senses / "media.yaml", run_dir=tmp_path / "run", strategy={"batch_tokens": 512})
    assert session.metrics == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (tmp_path / "run" / "metrics.json").read_text() == (trained / "metrics.json").read_text()
    assert session.predict({"text": "Hm."})[0].label in LABELS
    again = merc.run(
        merc.load_recipe(senses / "media.yaml", ["strategy.batch_tokens=512"]), run_dir=tmp_path / "run", resume=True
    )
    assert again.metrics == session.metrics
    with pytest.raises(merc.MercError, match="already holds a finished run"):
        merc.run(senses / "media.yaml", run_dir=tmp_path / "run", strategy={"batch_tokens": 512})
    for nothing in (None, 3, ["media.yaml"]):
        with pytest.raises(merc.MercError, match=f"{type(nothing).__name__} is no recipe; give a file"):
            merc.run(nothing, run_dir=tmp_path / "other")  # type: ignore[arg-type]
    with pytest.raises(merc.MercError, match="seeed"):
        merc.run(senses / "media.yaml", run_dir=tmp_path / "run", seeed=2)


def test_no_plugin_of_training_and_no_data_are_needed(own_run: Path, senses: Path, tmp_path: Path) -> None:
    """The run's recipe names a trainer, a metric and a corpus that are not there."""
    recipe = (own_run / "recipe.yaml").read_text()
    assert "name: sft" in recipe and str(senses / "talk.jsonl") in recipe
    recipe = recipe.replace("name: sft", "name: gone").replace(str(senses / "talk.jsonl"), "/gone/talk.jsonl")
    (own_run / "recipe.yaml").write_text(recipe.replace("classification", "gone"))
    assert merc.load(own_run).predict({"text": "Hm."})[0].label in LABELS


def test_importing_merc_is_light() -> None:
    code = "import sys, merc; merc.load_recipe; assert not {'merc.session.session', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import merc, merc.session.session; assert callable(merc.run) and callable(merc.load) and merc.Session"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_requests_answered_together_get_what_they_get_alone(
    session: merc.Session, talks: list[merc.Conversation]
) -> None:
    requests: list[Any] = [
        {"id": "a", "text": "You came!"},
        *talks[:3],
        {"id": "a", "text": "The same name."},
        [{"id": "b", "text": "One."}, {"id": "c", "text": "Two.", "speaker": "Bo"}],
        talks[0],
    ]
    replies = session.predict_together(requests)
    for request, reply in zip(requests, replies, strict=True):
        assert isinstance(reply, list)
        alone = session.predict(request)
        assert [one.id for one in reply] == [one.id for one in alone]
        for one, other in zip(reply, alone, strict=True):
            close(one, other)
            assert session.record(one)["label"] == other.label and json.dumps(session.record(one))


def test_a_request_at_fault_keeps_none_of_the_others_from_its_answer(session: merc.Session) -> None:
    half = session.predict_together([{"id": "a", "text": "Yes."}, {"id": "b", "text": "No.", "speaker": "\ud800"}])
    assert [one.id for one in half[0]] == ["a"] and "its speaker holds half a character" in str(half[1])  # type: ignore[union-attr]
    replies = session.predict_together([{"id": "a", "text": "Yes."}, {"sound": 1}, {"id": "b", "text": "No."}, 7])
    assert isinstance(replies[1], merc.MercError) and "'sound'" in str(replies[1])
    assert isinstance(replies[3], merc.MercError) and "int" in str(replies[3])
    assert [[one.id for one in reply] for reply in (replies[0], replies[2]) if isinstance(reply, list)] == [
        ["a"],
        ["b"],
    ]


def test_packed_requests_are_one_pass_of_the_model(session: merc.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    predictions = merc.Session.predictions

    def counted(self: merc.Session, prepared: Any, request: Any) -> Any:
        passes.append(len(request.groups))
        return predictions(self, prepared, request)

    monkeypatch.setattr(merc.Session, "predictions", counted)
    session.predict_together([{"id": f"u{n}", "text": f"Number {n}."} for n in range(9)])
    assert passes == [9]
