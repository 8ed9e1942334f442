"""The benchmarks of questions, from small trees in their layouts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from merc_corpora.importers.emobench import EmoBenchCorpus
from merc_corpora.importers.emobench_m import SETS, EmoBenchMCorpus
from merc_corpora.importers.mme_emotion import MmeEmotionCorpus
from merc_corpora.importers.mosabench import MosaBenchCorpus

from merc import MercError


def turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_emobench_m(layout):
    files = {
        "MELD": [{"id": "0", "video": "videos/MELD/a.mp4", "conversations": turns("<video>\nWhich emotion?", "Joy")}],
        "MC-EIU": [{"id": 7, "video": "videos/MC-EIU/b.mkv",
                    "conversations": turns("Both?", "{'emotion label': 'sad', 'intent label': 'neutral'}")}],
        "smile": [{"id": "1", "video": "videos/SMILE/c.mp4", "conversations": turns("Why?", "Because he slipped.")}],
        "FGMSA": [{"id": "2", "video": "d.mp4", "conversations": turns("Sentiment?", "weak negative")}],
    }  # fmt: skip
    layout.write({f"benchmark_json/{name}.json": json.dumps(rows) for name, rows in files.items()})
    layout.clips("dataset/MELD/videos/MELD/a.mp4", "dataset/MC-EIU/videos/MC-EIU/b.mkv")
    data = EmoBenchMCorpus(root=layout.root).load()
    data.label_space()
    said = {one.id: one for talk in data.conversations for one in talk.utterances}
    meld, pair = said["emobench-m-meld/0"], said["emobench-m-mc-eiu/7"]
    assert (meld.label, meld.extra["question"], meld.extra["answer"]) == ("joy", "Which emotion?", "Joy")
    assert meld.video == layout.root / "dataset/MELD/videos/MELD/a.mp4" and pair.video is not None
    assert (pair.label, pair.extra["pair"]) == (None, {"emotion": "sad", "intent": "neutral"})
    assert said["emobench-m-smile/1"].extra["reference"] == "Because he slipped."
    assert said["emobench-m-fmsa-sc/2"].label == "weak negative"
    assert {talk.dataset for talk in data.conversations} == {
        f"emobench-m-{SETS[name][0]}" for name in ("MELD", "MC-EIU", "smile", "FGMSA")
    }
    assert data.spaces["emobench-m-meld"].labels[0] == "neutral" and "emobench-m-smile" not in data.spaces
    assert data.notes[0].startswith("sets that are not there: RAVDSS_song, ")
    assert "emobench-m-fmsa-sc: clips that are not there: 1 of 1 (2)" in data.notes


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("MELD", "{}", "MELD.json: a list of questions was expected, not dict"),
        ("MELD", "[]", "MELD.json holds no question"),
        ("MELD", "[", "MELD.json: not JSON"),
        ("MELD", '[{"id": "0", "video": "a.mp4"}]', "MELD.json, entry 1 lacks conversations"),
        ("MELD", [{"id": "0", "video": "a", "conversations": []}], "'conversations' has no 'value' of human"),
        (
            "MELD",
            [{"id": "0", "video": "a", "conversations": turns("?", "awe")}],
            "the answer is 'awe'; one of neutral",
        ),
        ("MC-EIU", [{"id": "0", "video": "a", "conversations": turns("?", "sad")}], "an emotion (happy, "),
    ],
)
def test_emobench_m_that_is_damaged(layout, name: str, content: Any, message: str):
    text = content if isinstance(content, str) else json.dumps(content)
    layout.write({f"benchmark_json/{name}.json": text})
    assert message in layout.fault(EmoBenchMCorpus, sets=(name,))


def test_emobench_m_without_its_files(layout):
    assert "lacks benchmark_json" in layout.fault(EmoBenchMCorpus)
    layout.write({"benchmark_json/other.json": "[]"})
    assert layout.fault(EmoBenchMCorpus, sets=("MELD",)) == "benchmark_json lacks MELD.json"
    with pytest.raises(ValueError, match="sets names 'meld'; the sets are"):
        EmoBenchMCorpus(root=layout.root, sets=("meld",))


def test_mme_emotion(layout):
    among = ["anger", "disgust", "Doubt/Confusion", "a, b"]
    questions = [
        {"video_id": "MAFW/video/1.mp4", "label": "Anger,disgust", "label_set": among},
        {"video_id": "MAFW/video/2.mp4", "label": "a, b", "label_set": among},
    ]
    layout.write({
        "ML-ER/question/ML_ER.json": json.dumps(questions),
        "ML-ER/audio_clue/ML_ER_qwen2_audio_clues.json": json.dumps(
            [{"video_id": "MAFW/video/1.mp4", "ground_truth": "anger,disgust", "audio_clue": "A shout."}]
        ),
    })  # fmt: skip
    layout.clips("ML-ER/MAFW/video/1.mp4")
    data = MmeEmotionCorpus(root=layout.root).load()
    one, two = (talk.utterances[0] for talk in data.conversations)
    assert (one.id, data.conversations[0].dataset) == ("mme-emotion-ml-er/MAFW/1", "mme-emotion-ml-er")
    assert one.extra["reference"] == {
        "task": "ML-ER", "labels": ["anger", "disgust"], "label_set": among, "audio_clue": "A shout.",
        "clip": str(layout.root / "ML-ER/MAFW/video/1.mp4"),
    }  # fmt: skip
    assert (one.open_labels, two.extra["reference"]["labels"]) == (("anger", "disgust"), ["a, b"])
    assert "anger, disgust, Doubt/Confusion" in one.extra["question"]
    assert "mme-emotion-ml-er: clips without a description of the sound: 1 of 2" in data.notes
    assert [(count.found, count.reported) for count in data.counts] == [(2, 6500)]
    layout.write({"ML-ER/question/ML_ER.json": json.dumps([{**questions[0], "label": "awe"}])})
    assert "ML_ER.json, entry 1: 'label' is 'awe'; labels of anger, disgust" in layout.fault(MmeEmotionCorpus)


def test_mme_emotion_without_its_tasks(layout):
    assert "lacks ER-Lab/question/ER_Lab.json" in layout.fault(MmeEmotionCorpus)


UNDERSTOOD = {
    "qid": "1", "language": "zh", "coarse_category": "emotional_cues", "finegrained_category": "vocal",
    "scenario": "下雨了。", "subject": "安娜", "emotion_choices": ["高兴", "害怕"], "emotion_label": "害怕",
    "cause_choices": ["他来了", "他走了"], "cause_label": "他来了",
}  # fmt: skip
APPLIED = {
    "qid": "9", "language": "en", "category": "Social-Self", "question type": "Response", "scenario": "It rains.",
    "subject": "Ana", "choices": ["Go", "Stay"], "label": "Stay",
}  # fmt: skip


def test_emobench(layout):
    layout.write({"data/EU.jsonl": lines(UNDERSTOOD), "data/EA.jsonl": lines(APPLIED)})
    data = EmoBenchCorpus(root=layout.root).load()
    one, two = (talk.utterances[0] for talk in data.conversations)
    assert (one.id, one.text, one.speaker, one.extra["part"]) == (
        "emobench-eu/1-zh",
        "下雨了。",
        "安娜",
        "emotional_cues",
    )
    assert one.extra["answers"] == {"answer_q1": "B", "answer_q2": "A"} and two.extra["answers"] == {"answer": "B"}
    assert "A) 高兴\nB) 害怕" in one.extra["question"] and "一步一步" in one.extra["question_cot"]
    assert "Which reply of Ana works best here?" in two.extra["question"] and '{"answer": "…"}' in two.extra["question"]
    assert [count.reported for count in data.counts] == [400, 400]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": "fr"}, "'language' is 'fr'; it is one of en, zh"),
        ({"label": "Run"}, "'label' is 'Run', which is 0 times in 'choices'"),
        ({"question type": "Wish"}, "'question type' is 'Wish'; it is Action or Response"),
        ({"choices": []}, "'choices' is []; a list of texts was expected"),
        ({"subject": ""}, "'subject' is ''; a text was expected"),
    ],
)
def test_emobench_that_is_damaged(layout, change: dict[str, Any], message: str):
    layout.write({"EU.jsonl": lines(UNDERSTOOD), "EA.jsonl": lines({**APPLIED, **change})})
    assert layout.fault(EmoBenchCorpus).startswith("EA.jsonl, line 1") and message in layout.fault(EmoBenchCorpus)


def test_emobench_with_a_question_twice(layout):
    layout.write({"EU.jsonl": lines(UNDERSTOOD), "EA.jsonl": lines(APPLIED, APPLIED)})
    assert layout.fault(EmoBenchCorpus) == "EA.jsonl, line 2: the question emobench-ea/9-en is there already"


def test_mosabench(layout):
    rows = [
        {"id": 1, "image": "a.jpg", "text": "What a day", "objects": {"Ana": "C", "Ben": "neutral"}, "distance": "Far"},
        {"id": 2, "image": "b.jpg", "text": "", "distance": "interlap",
         "objects": [{"name": "Cy", "sentiment": "A"}, {"name": "D", "sentiment": "B"}]},
    ]  # fmt: skip
    layout.write({"mosabench.jsonl": lines(*rows), "images/a.jpg": ""})
    data = MosaBenchCorpus(root=layout.root).load()
    one, two = (talk.utterances[0] for talk in data.conversations)
    assert one.extra["objects"] == [{"name": "Ana", "sentiment": "positive"}, {"name": "Ben", "sentiment": "neutral"}]
    assert (one.extra["distance"], one.video, two.missing["video"]) == (
        "far", layout.root / "images" / "a.jpg", f"no picture b.jpg in {layout.root}",
    )  # fmt: skip
    assert one.extra["answer"] == "positive, neutral" and "each of Cy and D" in two.extra["question"]
    assert data.notes == ("pictures that are not there: 1 of 2 (mosabench/2)",)
    for change, message in (
        ({"distance": "near"}, "'distance' is 'near'; it is one of interlap, close, far"),
        ({"objects": {"Ana": "glad", "Ben": "C"}}, "an object is 'Ana' with the sentiment 'glad'"),
        ({"objects": {"Ana": "C"}}, "two objects or more with names and sentiments were expected"),
    ):
        layout.write({"mosabench.jsonl": lines({**rows[0], **change})})
        assert message in layout.fault(MosaBenchCorpus)


def test_mosabench_without_its_file(layout):
    with pytest.raises(MercError, match=r"lacks mosabench\.json"):
        MosaBenchCorpus(root=layout.root).load()
