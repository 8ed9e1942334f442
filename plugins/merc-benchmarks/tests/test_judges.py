"""Judges asked over real HTTP and replayed from what was kept: a small server here answers as a test says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from merc_benchmarks import judging
from merc_benchmarks.judging import read_judgements
from merc_benchmarks.laughter import PARTS, LaughterJudge, read_points
from merc_benchmarks.steps import StepJudge, count_steps, read_ratings, steps_of

import merc
import merc.testing
from tests.judging import Judge
from tests.media.clips import write_clip

NONE = merc.LabelSpace(())


@pytest.fixture(autouse=True)
def with_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_ALLOW", "127.0.0.1,localhost")


@pytest.fixture
def judge() -> Iterator[Judge]:
    made = Judge()
    yield made
    made.shutdown()
    made.server_close()


def reasons(*texts: str) -> list[merc.Prediction]:
    return [
        merc.Prediction(id=f"u{i}", conversation="c", answer=text, truths={"reference": "He slipped on a peel."})
        for i, text in enumerate(texts)
    ]


def points(prompt: str) -> str:
    """Four points for logic, and for the other as many as the text has words."""
    generated = json.loads(prompt[prompt.index("\n\n{") :])["generated"]
    score = 4 if "how logical" in prompt else len(generated.split())
    return json.dumps({"score": score, "reason": "r"})


def laughing(judge: Judge, **more: Any) -> LaughterJudge:
    return LaughterJudge(**{"base_url": judge.url, "model": "m", "retries": 0, **more})


def test_points_are_shown_as_the_paper_has_them(judge: Judge) -> None:
    judge.plan = points
    found = laughing(judge).compute(reasons("a peel", "he fell down", ""), NONE)
    assert (found["logic"], found["multimodal"]) == pytest.approx(((4 + 4 + 0) / 30, (2 + 3 + 0) / 30))
    assert found["total"] == pytest.approx((6 + 7 + 0) / 30)
    assert (found["samples"], found["scored"], found["unscored"], len(judge.asked)) == (3, 3, {}, 4)
    assert found["judge"]["model"] == "m" and set(found["judge"]["prompts"]) == set(PARTS)
    kept = found["judgements"]["u1/multimodal"]
    assert kept["value"] == 3.0 and json.loads(kept["answers"][0])["score"] == 3
    json.dumps(found, allow_nan=False)


def test_answers_are_kept_and_replayed_without_a_server(judge: Judge, tmp_path: Path) -> None:
    judge.plan = points
    file = tmp_path / "judged.jsonl"
    first = laughing(judge, judgements=file).compute(reasons("a joke", "a very good joke"), NONE)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 4 and all(row["model"] == "m" and row["prompt"] and row["answer"] for row in rows)
    replayed = LaughterJudge(model="m", judgements=file).compute(reasons("a joke", "a very good joke"), NONE)
    assert {name: replayed[name] for name in PARTS} == {name: first[name] for name in PARTS}
    more = LaughterJudge(model="m", judgements=file).compute(reasons("a joke", "another joke"), NONE)
    assert (more["scored"], more["unscored"]) == (1, {"not among the kept answers: no answer was kept": 2})
    assert more["multimodal"] == pytest.approx(0.2) and more["multimodal_with_0"] == pytest.approx(0.1)
    asked = len(judge.asked)
    laughing(judge, judgements=file).compute(reasons("a joke", "another joke"), NONE)
    assert len(judge.asked) == asked + 2 and len(file.read_text().splitlines()) == 6
    with pytest.raises(merc.MercError, match="has no answer of 'n'; it has those of m"):
        read_judgements(file, "n")
    file.write_text('{"model": "m"}\n')
    with pytest.raises(merc.MercError, match="line 1: a JSON object with 'model', 'prompt' and 'answer'"):
        read_judgements(file, "m")


def test_columns_of_one_judge_ask_it_once(judge: Judge) -> None:
    judge.plan = points
    for _ in range(3):
        laughing(judge).compute(reasons("asked three times"), NONE)
    assert len(judge.asked) == 2


def test_what_never_fits_is_counted_and_kept(judge: Judge, tmp_path: Path) -> None:
    judge.plan = lambda prompt: "Seven." if "how logical" in prompt else points(prompt)
    file = tmp_path / "judged.jsonl"
    found = laughing(judge, attempts=2, judgements=file).compute(reasons("unfitting"), NONE)
    assert (found["logic"], found["logic_with_0"], found["total"]) == (None, 0.0, None)
    assert found["unscored"] == {"no answer of 2 fitted: the answer has no JSON object with a score": 1}
    assert sum("Seven." in line for line in file.read_text().splitlines()) == 2


def test_a_server_that_fails_is_given_up(judge: Judge) -> None:
    judge.plan = lambda prompt: 503
    found = laughing(judge, give_up=2, concurrency=1).compute(reasons("x", "y", "z"), NONE)
    assert (found["logic"], found["scored"], len(judge.asked)) == (None, 0, 2)
    assert found["unscored"]["not asked, since 2 in a row had failed"] == 4


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"base_url": "localhost"}, "base_url is an address such as"),
        ({"judgements": Path("a.json")}, "judgements is a .jsonl file"),
        ({"key": "sk-secret"}, "key is the name of an environment variable"),
        ({"attempts": 0}, "attempts counts from 1"),
        ({"prompts": ("a", "b", "c")}, "prompts has one text, or one for each of logic, multimodal"),
        ({"prompts": ("{what}",)}, "holds neither {explanations} nor {reference} and {generated}"),
        ({"prompts": ("{explanations}",)}, "does not hold {what}"),
    ],
)
def test_parameters_are_checked(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LaughterJudge(**{"base_url": "http://localhost/v1", "model": "m", **parameters})


def test_there_is_a_judge_to_ask_or_to_replay(tmp_path: Path) -> None:
    nobody = LaughterJudge(model="m")
    for call in (nobody.check, nobody.compute):
        with pytest.raises(merc.MercError, match="laughter-judge: give the judge's base_url, where it is asked"):
            call(reasons("a joke"), NONE)
    with pytest.raises(merc.MercError, match="is not there, and no base_url says whom to ask"):
        LaughterJudge(model="m", judgements=tmp_path / "none.jsonl").check(reasons("a joke"), NONE)


@pytest.mark.parametrize("answer", ["4", '{"score": 6}', '{"score": true}', '{"score": 4', "Dimension: 0"])
def test_points_that_do_not_fit(answer: str) -> None:
    with pytest.raises(ValueError, match="score"):
        read_points(answer)


REFERENCE = {"labels": ["fear", "sad"], "label_set": ["fear", "sad", "joy"], "task": "ML-ER", "audio_clue": "A sob."}


def step_by_step(prompt: str) -> str:
    """Two steps of every answer; the last one is half right."""
    if "List the steps" in prompt:
        return "<step>Step 1: A frown. Step 2: The emotions: fear.</step>"
    material = json.loads(prompt[prompt.index("\n\n{") :])
    assert material["right"] == "fear, sad" and material["sound"] == "A sob."
    assert material["steps"] == "Step 1: A frown. Step 2: The emotions: fear."
    return "<score>Step 1: 1/1, Step 2: 1/2</score>"


def emotions(*texts: str, **more: Any) -> list[merc.Prediction]:
    return [
        merc.Prediction(id=f"v{i}", conversation="c", answer=text, truths={"reference": {**REFERENCE, **more}})
        for i, text in enumerate(texts)
    ]


def test_steps_are_listed_and_then_rated(judge: Judge) -> None:
    judge.plan = step_by_step
    metric = StepJudge(base_url=judge.url, model="m", retries=0)
    found = metric.compute(emotions("A frown: fear, 怕。", ""), NONE)
    assert (found["recognition"], found["reasoning"], found["cot"]) == (0.25, 0.5, 0.375)
    assert (found["steps_per_sample"], found["tokens_per_sample"], found["steps_differ"]) == (1.0, 3.5, 0)
    assert (found["samples"], found["scored"]) == (2, 2)
    assert [one["part"] for one in found["judgements"]["v0"]] == ["steps", "ratings"]
    json.dumps(found, allow_nan=False)


def test_a_sample_without_ratings_is_in_no_mean(judge: Judge) -> None:
    judge.plan = lambda prompt: step_by_step(prompt) if "List the steps" in prompt else "I cannot."
    found = StepJudge(base_url=judge.url, model="m", retries=0, attempts=1).compute(emotions("no ratings"), NONE)
    assert (found["recognition"], found["cot"], found["scored"]) == (None, None, 0)
    assert found["unscored"] == {"no answer of 1 fitted: the answer has no ratings between <score> and </score>": 1}


def test_a_judge_sees_a_frame_a_second(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=60)
    seen: list[Any] = []

    def plan(prompt: Any) -> str:
        seen.append(prompt)
        return step_by_step(prompt if isinstance(prompt, str) else prompt[0]["text"])

    judge.plan = plan
    StepJudge(base_url=judge.url, model="m", retries=0).compute(emotions("seen", clip=str(clip)), NONE)
    assert isinstance(seen[0], str)
    kinds = [part["type"] for part in seen[1]]
    assert kinds == ["text", "image_url", "image_url", "image_url"]
    assert seen[1][1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    file = tmp_path / "kept.jsonl"
    shown = StepJudge(base_url=judge.url, model="m", retries=0, judgements=file)
    monkeypatch.setattr(judging, "_SAID", {})
    first = shown.compute(emotions("seen", clip=str(clip)), NONE)
    monkeypatch.setattr(judging, "_SAID", {})
    replayed = StepJudge(model="m", judgements=file).compute(emotions("seen", clip=str(clip)), NONE)
    assert replayed["scored"] == 1 and replayed["recognition"] == first["recognition"]
    with pytest.raises(merc.MercError, match=r"a judge is to see .*nothing\.mp4, which cannot be read"):
        StepJudge(base_url=judge.url, model="m").compute(emotions("x", clip=str(tmp_path / "nothing.mp4")), NONE)


def test_what_a_judge_of_steps_writes_is_read() -> None:
    assert steps_of("<think>no</think><step>Step 1: a\nStep 2: b</step>") == "Step 1: a Step 2: b"
    assert read_ratings("<score>Step 1: 0/1, Step 2: 0/0</score>") == [0.0, 0.0]
    for read, answer in ((count_steps, "<step> </step>"), (count_steps, "<step>a</step>"), (read_ratings, "1/1"),
                         (read_ratings, "<score>Step 1: 3/2</score>")):  # fmt: skip
        with pytest.raises(ValueError):
            read(answer)
    with pytest.raises(merc.MercError, match="a mapping with 'labels', all of them in 'label_set'"):
        StepJudge(base_url="http://localhost/v1", model="m").check(emotions("x", labels=["awe"]), NONE)


class TestLaughterJudge(merc.testing.MetricContract):
    name = "laughter-judge"

    @pytest.fixture(autouse=True)
    def _made(self, judge: Judge) -> None:
        judge.plan = points
        type(self).component = LaughterJudge(base_url=judge.url, model="m")

    def predictions(self) -> list[merc.Prediction]:
        return reasons("one", "two words")


class TestStepJudge(merc.testing.MetricContract):
    name = "mme-emotion-judge"

    @pytest.fixture(autouse=True)
    def _made(self, judge: Judge) -> None:
        judge.plan = step_by_step
        type(self).component = StepJudge(base_url=judge.url, model="m")

    def predictions(self) -> list[merc.Prediction]:
        return emotions("one", "two")
