"""The benchmarks' columns, their metrics and prompter keep the contracts, and answers are scored from imported sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from merc_benchmarks.choices import Choices
from merc_benchmarks.emobench import EmoBench
from merc_benchmarks.emobench_m import EmoBenchM
from merc_benchmarks.labels import NONE, EmotionAndIntent, LabelsRead, OneOfLabels
from merc_benchmarks.lmms import UTILS, command, task_files
from merc_benchmarks.mme_emotion import TASKS, MmeEmotion
from merc_benchmarks.mosabench import MosaBench
from merc_benchmarks.objects import ObjectSentiments, read_sentiments
from merc_benchmarks.overlap import TextOverlap
from merc_benchmarks.prompter import Question

import merc
import merc.testing

UNDERSTOOD = {
    "qid": "1", "coarse_category": "complex_emotions", "finegrained_category": "transition", "subject": "Ana",
    "emotion_choices": ["Joy", "Fear"], "emotion_label": "Joy", "cause_choices": ["He came", "He left"],
    "cause_label": "He left",
}  # fmt: skip
APPLIED = {"qid": "1", "category": "Social-Self", "question type": "Action", "subject": "Ana", "label": "Go",
           "choices": ["Go", "Stay"]}  # fmt: skip


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """A folder with EmoBench of one question a part and language, as merc corpus import would write it."""
    pytest.importorskip("merc_corpora")
    from merc_corpora.plugin import register_corpora  # noqa: F401
    from typer.testing import CliRunner

    from merc.cli.main import app

    for name, row in (("EU", UNDERSTOOD), ("EA", APPLIED)):
        rows = [{**row, "language": language, "scenario": "It rains."} for language in ("en", "zh")]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    (tmp_path / "sets").mkdir()
    arguments = ["corpus", "import", "emobench", str(tmp_path), str(tmp_path / "sets" / "emobench.jsonl"), "--no-look"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return tmp_path / "sets"


def test_a_benchmark_that_is_one_file_is_scored_by_parts_and_languages(sets: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from merc.cli.main import app

    answers = {"eu/1-en": '{"answer_q1": "A", "answer_q2": "B"}', "eu/1-zh": "```json\n{\"answer_q1\": \"A\"}\n```",
               "ea/1-en": "A) Go", "ea/1-zh": "B"}  # fmt: skip
    rows = [json.dumps({"id": f"emobench-{name}", "text": text}) for name, text in answers.items()]
    (tmp_path / "mine.jsonl").write_text("\n".join(rows))
    asked = ["score", str(tmp_path / "mine.jsonl"), "--suite", "emobench", "--data", str(sets)]
    columns = ["languages=[en, zh]", "--write", str(tmp_path / "t.json")]
    done = CliRunner().invoke(app, [*asked, *columns])
    assert done.exit_code == 2 and "no utterance of test, language 'en', part" in done.output
    # only the parts that the small set has
    from merc_benchmarks import emobench

    kept = {"CE": "complex_emotions"}, {"SS": "Social-Self"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emobench, "PARTS", kept[0])
        patch.setattr(emobench, "APPLIED", kept[1])
        done = CliRunner().invoke(app, [*asked, *columns])
        assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "t.json").read_text())["models"]["mine"]["columns"]
    assert {title: one["value"] for title, one in found.items()} == {
        "CE EN": 1.0, "CE ZH": 0.0, "EU EN": 1.0, "EU ZH": 0.0, "SS EN": 1.0, "SS ZH": 0.0, "EA EN": 1.0, "EA ZH": 0.0,
    }  # fmt: skip
    assert found["EA EN"]["numbers"]["accuracy_exact"] == 0.0


def test_columns_that_need_a_judge_say_so_and_are_measured_with_one() -> None:
    for suite in (EmoBenchM, MmeEmotion):
        bare = {task.title: task.left_out for task in suite().columns() if task.left_out}
        assert bare and all("judge=MODEL" in reason for reason in bare.values())
        judged = suite(judge="m", judgements=Path("j.jsonl"), base_url="http://localhost/v1")
        assert not [task.title for task in judged.columns() if task.left_out]
        metrics = ("laughter-judge", "mme-emotion-judge")
        (params,) = {json.dumps(dict(task.params)) for task in judged.columns() if task.metric in metrics}
        given = {"model": "m", "judgements": "j.jsonl", "base_url": "http://localhost/v1"}
        assert given.items() <= json.loads(params).items()


def test_scenarios_that_the_release_does_not_tell_may_be_named() -> None:
    titles = [task.title for task in EmoBenchM().columns()]
    assert titles[:13] == ["SOER", "SPER", "SCEA", "cmu-mosi", "cmu-mosei", "ch-sims", "ch-sims-v2", "mer2023", "CEIA",
                           "MPDER", "HU", "SD", "LR B-4"]  # fmt: skip
    named = EmoBenchM(scenarios={"OSA": "cmu-mosi", "EIA": "cmu-mosei"})
    assert [task.title for task in named.columns()][:5] == ["SOER", "SPER", "OSA", "EIA", "SCEA"]
    assert named.averages()["FER"] == ["SOER", "SPER", "OSA", "EIA", "SCEA"]
    assert list(EmoBenchM().averages()) == [
        "FER (3 of 5 scenarios)", "CEU (2 of 5 scenarios)", "Social", "All accuracies",
    ]  # fmt: skip
    for wrong, message in (({"HU": "cmu-mosi"}, "those without a set"), ({"OSA": "x"}, "it is one of"),
                           ({"OSA": "cmu-mosi", "EIA": "cmu-mosi"}, "one set twice")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            EmoBenchM(scenarios=wrong)


def test_the_clips_of_mme_emotion_are_those_of_the_paper() -> None:
    counts = {task.title: task.reported for task in MmeEmotion().columns()}
    assert counts["CoT-S"] == 6500 == sum(counts[task] for task in TASKS)


@pytest.mark.parametrize(
    ("answer", "given"),
    [
        ("Ana: C. Ben: A.", ["positive", "negative"]),
        ("The sentiment of Ben is neutral, that of Ana is Positive", ["positive", "neutral"]),
        ("A man is positive, the other neutral", ["positive", "neutral"]),
        ("C B A", ["positive", "neutral", "negative"]),
        ("<think>A? B?</think><answer>B, C</answer>", ["neutral", "positive"]),
        ("", [None, None]),
    ],
)
def test_sentiments_are_read_by_names_or_in_order(answer: str, given: list[str | None]) -> None:
    assert read_sentiments(answer, ["Ana", "Ben"]) == given


def test_a_name_within_another_is_not_meant() -> None:
    assert read_sentiments("Woman: positive, man: negative", ["Man", "Woman"]) == ["negative", "positive"]
    answer = "Michelle Obama is positive, Obama is neutral. Michelle Obama smiles."
    assert read_sentiments(answer, ["Obama", "Michelle Obama"]) == ["neutral", "positive"]


@pytest.mark.parametrize("answer", ["**Emotion** : sad\n**Intent** : wishing", "Emotion: sad, intent: wishing"])
def test_an_emotion_and_an_intent_are_read(answer: str) -> None:
    assert EmotionAndIntent().read(answer) == ("sad", "wishing")
    assert EmotionAndIntent().read("(1) : sad") == (NONE, NONE)


def test_tasks_of_lmms_eval_are_what_its_guide_has(sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys as of its TaskConfig, functions that are in utils.py, and answers that merc score reads."""
    from merc_benchmarks import emobench

    monkeypatch.setattr(emobench, "PARTS", {"CE": "complex_emotions"})
    monkeypatch.setattr(emobench, "APPLIED", {"SS": "Social-Self"})
    columns = merc.load_columns("emobench", sets, ["reasoning=true"])
    files, counts = task_files(columns, "emobench", tmp_path / "out", 64)
    assert counts == {"merc_emobench_emobench": (4, 4)}
    space: dict[str, object] = {}
    exec(compile(files["utils.py"], "utils.py", "exec"), space)

    class Loader(yaml.SafeLoader):
        """Reads ``!function utils.name`` as the function."""

    Loader.add_constructor("!function", lambda loader, node: space[node.value.removeprefix("utils.")])
    task = yaml.load(files["merc_emobench_emobench.yaml"], Loader)
    assert set(task) == {
        "task", "dataset_path", "dataset_kwargs", "test_split", "output_type", "doc_to_visual", "doc_to_text",
        "doc_to_target", "generation_kwargs", "process_results", "metric_list", "metadata",
    }  # fmt: skip
    assert (task["dataset_path"], task["output_type"], task["test_split"]) == ("json", "generate_until", "test")
    assert task["dataset_kwargs"]["data_files"] == {"test": str(tmp_path / "out" / "merc_emobench_emobench.jsonl")}
    assert task["generation_kwargs"] == {"max_new_tokens": 64, "temperature": 0, "do_sample": False, "until": []}
    group = yaml.safe_load(files["_merc_emobench.yaml"])
    assert group == {"group": "merc_emobench", "task": ["merc_emobench_emobench"]}
    docs = [json.loads(line) for line in files["merc_emobench_emobench.jsonl"].splitlines()]
    texts = [task["doc_to_text"](doc, {"post_prompt": " !"}) for doc in docs]
    assert texts[0].startswith("Scenario: It rains.") and "step by step" in texts[0] and texts[0].endswith(" !")
    assert task["doc_to_visual"](docs[0]) == [] and isinstance(task["doc_to_target"](docs[0]), str)
    (metric,) = task["metric_list"]
    results = [task["process_results"](doc, ["A, B"])[metric["metric"]] for doc in docs]
    monkeypatch.setenv("MERC_ANSWERS", str(tmp_path / "a-model"))
    assert metric["aggregation"](results) == 4
    (written,) = (tmp_path / "a-model").glob("*.jsonl")
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    assert {row["id"] for row in rows} == {doc["id"] for doc in docs} and {row["model"] for row in rows} == {"a-model"}
    assert "def doc_to_visual" in UTILS
    with pytest.raises(merc.MercError, match="is there already"):
        command(tmp_path, "emobench", sets)


def test_a_set_that_is_not_there_is_no_set_of_tasks(tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match="no set of emobench is in"):
        merc.load_columns("emobench", tmp_path)
    with pytest.raises(merc.MercError, match="is not a folder; give the one that holds the imported sets"):
        merc.load_columns("emobench", tmp_path / "none")


class TestEmoBenchM(merc.testing.BenchmarkContract):
    component = EmoBenchM(judge="m", judgements=Path("j.jsonl"))
    name = "emobench-m"


class TestMmeEmotion(merc.testing.BenchmarkContract):
    component = MmeEmotion(judge="m", judgements=Path("j.jsonl"))
    name = "mme-emotion"


class TestMosaBench(merc.testing.BenchmarkContract):
    component = MosaBench()
    name = "mosabench"


class TestEmoBench(merc.testing.BenchmarkContract):
    component = EmoBench()
    name = "emobench"


class TestOneOfLabels(merc.testing.MetricContract):
    component = OneOfLabels()
    name = "one-of-labels"


def answered(name: str, *truths: object) -> list[merc.Prediction]:
    texts = ["happy, neutral", "", "A", "positive"]
    return [
        merc.Prediction(id=f"u{i}", conversation="c", answer=texts[i % 4], truths={name: truth})
        for i, truth in enumerate(truths)
    ]


class TestEmotionAndIntent(merc.testing.MetricContract):
    component = EmotionAndIntent()
    name = "emotion-and-intent"

    def predictions(self) -> list[merc.Prediction]:
        return answered("pair", *[{"emotion": "happy", "intent": "neutral"}] * 3)


class TestLabelsRead(merc.testing.MetricContract):
    component = LabelsRead()
    name = "labels-read"

    def predictions(self) -> list[merc.Prediction]:
        return answered("reference", *[{"labels": ["happy"], "label_set": ["happy", "sad"]}] * 3)


class TestTextOverlap(merc.testing.MetricContract):
    component = TextOverlap()
    name = "text-overlap"

    def predictions(self) -> list[merc.Prediction]:
        return answered("reference", "happy", "sad", "A")


class TestObjectSentiments(merc.testing.MetricContract):
    component = ObjectSentiments()
    name = "object-sentiments"

    def predictions(self) -> list[merc.Prediction]:
        pair = [{"name": "Ana", "sentiment": "positive"}, {"name": "Ben", "sentiment": "negative"}]
        return answered("objects", *[pair] * 4)


class TestChoices(merc.testing.MetricContract):
    component = Choices()
    name = "choices"

    def predictions(self) -> list[merc.Prediction]:
        return answered("answers", *[{"answer": "A"}] * 3)


class TestQuestion(merc.testing.PrompterContract):
    component = Question(media=())
    name = "question"


class TestQuestionOfLabels(merc.testing.PrompterContract):
    component = Question(media=("voice",), labels=True)
    name = "question"


class TestLmmsTasks(merc.testing.CommandContract):
    component = command
    name = "lmms-tasks"


@pytest.mark.parametrize("words", ["spaces", "characters"])
def test_languages_without_spaces_are_compared_by_characters(words: str) -> None:
    truths = {"reference": "他滑倒了所以我们笑"}
    pair = [merc.Prediction(id="u", conversation="c", answer="他滑倒了所以大家笑", truths=truths)]
    found = TextOverlap(words=words).compute(pair, merc.LabelSpace(()))
    assert (found["bleu_4"] > 0.4, found["rouge_l"] > 0.7) == (words == "characters",) * 2
