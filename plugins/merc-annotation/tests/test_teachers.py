"""Teachers on a server, asked over real HTTP: what they are sent, what is made of answers, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import wave
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from merc_annotation.clue_teachers import AudioToneTeacher, LexicalTeacher, VisualObjective
from merc_annotation.describing import ComposedDescription, DescriptionTeacher
from merc_annotation.judging import JudgeTeacher, RuleJudge, final_score
from merc_annotation.triplet import NoTriplet, Triplet, triplet_of
from typer.testing import CliRunner

import merc
import merc.testing
from merc.cli.main import app
from tests.chat_server import ChatServer, Reply

CLUES = {"visual_expression": "She smiles.", "audio_tone": "The voice is loud.", "lexical": "Bo says: “We won.”"}
ANSWER = {
    "label": "Joy", "labels": [], "intensity": 0.8, "steps": ["Step 1: She smiles.", "2. So it is joy."],
    "evidence": {"visual": "She smiles.", "audio": "The voice is loud.", "text": None}, "conflicts": [],
    "certainty": 0.9, "description": "She smiles and speaks loudly, which shows joy.",
}  # fmt: skip


def content(server: ChatServer, number: int = 0) -> list[dict[str, Any]]:
    return server.asked[number]["messages"][0]["content"]


def answers(annotator: merc.Annotator, *observations: merc.Observation) -> list[merc.Annotation]:
    return [given for _, given in annotator.load("cpu")(iter(observations))]


def reply(value: Any) -> Reply:
    return Reply(text=value if isinstance(value, str) else json.dumps(value))


def test_the_peak_frame_is_asked_for_and_sent(server: ChatServer, observe) -> None:
    teacher = VisualObjective(base_url=server.url, model="vl", retries=0)
    seen = observe(frames=np.full((1, 40, 60, 3), 90), cues={"peak_frame": '{"time": 1.4, "sum": 9.0}'})
    assert teacher.video_for(seen.query) == merc.Frames.at(1.4)
    assert teacher.video_for(observe(lacking={"peak_frame": "no face"}).query) == merc.Frames(count=1)
    keys = VisualObjective(base_url=server.url, model="vl", shows="key", frames=2)
    shown = observe(cues={"key_frames": '{"times": [0.1, 1.0, 2.0]}'})
    assert keys.video_for(shown.query) == merc.Frames.at(0.1, 1.0) and keys.reads() == ("key_frames",)
    server.plan = lambda number, asked: reply({"visual_objective": "A woman stands in a kitchen."})
    (given,) = answers(teacher, seen)
    assert given.cues == {"visual_objective": "A woman stands in a kitchen."} and len(given.raw) == 1
    assert [part["type"] for part in content(server)] == ["image_url", "text"]


def test_sound_is_sent_as_wav(server: ChatServer, observe) -> None:
    server.plan = lambda number, asked: reply({"audio_tone": "The voice trembles."})
    sound = merc.AudioClip(samples=np.linspace(-1, 1, 8_000, dtype=np.float32), rate=16_000)
    (given,) = answers(AudioToneTeacher(base_url=server.url, model="a", retries=0), observe(sound=sound))
    assert given.cues == {"audio_tone": "The voice trembles."}
    part = content(server)[0]
    assert part["type"] == "input_audio" and part["input_audio"]["format"] == "wav"
    with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"]))) as file:
        assert (file.getframerate(), file.getnframes(), file.getsampwidth()) == (16_000, 8_000, 2)
    short = AudioToneTeacher(base_url=server.url, model="a", most_seconds=0.2)
    (too_long,) = answers(short, observe(sound=sound))
    assert too_long.reason == "0.5 s of sound; at most 0.2 s are sent (most_seconds)" and len(server.asked) == 1


def test_words_are_told_with_those_before(server: ChatServer, observe) -> None:
    server.plan = lambda number, asked: reply({"lexical": "Good news is celebrated."})
    (given,) = answers(LexicalTeacher(base_url=server.url, model="t", before=1), observe("No.", "We won!", "Yes!"))
    assert given.cues == {"lexical": "Good news is celebrated."}
    words = content(server)[0]["text"]
    assert "Ann: We won!\nBo: Yes!" in words and "No." not in words
    (none,) = answers(LexicalTeacher(base_url=server.url, model="t"), observe(" "))
    assert none.reason == "the utterance has no words"


def describer(server: ChatServer, **more: Any) -> DescriptionTeacher:
    return DescriptionTeacher(base_url=server.url, model="m", retries=0, **more)


def test_clues_become_a_triplet_and_a_description(server: ChatServer, observe) -> None:
    server.plan = lambda number, asked: reply(ANSWER)
    (given,) = answers(describer(server, teacher="x"), observe(cues=CLUES))
    triplet = Triplet.read(given.cues["triplet_x"])
    assert triplet.label == "joy" and triplet.steps == ("She smiles.", "So it is joy.")  # spelled and numbered by merc
    assert triplet.evidence == {"visual": "She smiles.", "audio": "The voice is loud."} and triplet.certainty == 0.9
    assert given.cues["description_x"] == ANSWER["description"] and json.loads(given.raw[0]) == ANSWER
    words = server.asked[0]["messages"][0]["content"]
    assert "- audio_tone (audio): The voice is loud." in words and "step" in words and "visual_objective" not in words


@pytest.mark.parametrize(
    ("first", "fault"),
    [
        ("I will not judge people.", "the answer is prose without a JSON object"),
        ({**ANSWER, "label": "glee"}, "label 'glee' is none of neutral, joy"),
        ({**ANSWER, "id": "another-clip"}, "'id' is none of the keys"),
        ({**ANSWER, "steps": []}, "steps is empty"),
        ({**ANSWER, "evidence": {"smell": "roses"}}, "evidence has 'smell'"),
        ({**ANSWER, "certainty": 7}, "certainty should be a number from 0 to 1"),
        ({**ANSWER, "description": "Sie lächelt und die Stimme ist laut, und das ist die Freude, mit der sie spricht."},
         "the answer is not in English"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_asked_for_again_and_kept(server: ChatServer, observe, first: Any, fault: str) -> None:
    server.plan = lambda number, asked: reply(first if number == 0 else ANSWER)
    (given,) = answers(describer(server), observe(cues=CLUES))
    assert given.cues and len(given.raw) == 2
    assert fault in server.asked[1]["messages"][-1]["content"]
    server.plan = lambda number, asked: reply(first)
    (refused,) = answers(describer(server, attempts=2), observe(cues=CLUES))
    assert fault in (refused.reason or "") and refused.reached == ("attempts",) and not refused.retry


def test_the_label_is_told_only_where_the_recipe_says_so(server: ChatServer, observe) -> None:
    server.plan = lambda number, asked: reply(ANSWER)
    answers(describer(server), observe(cues=CLUES, label="joy"))
    assert "The emotion is" not in server.asked[0]["messages"][0]["content"]
    guided = describer(server, label_guided=True, attempts=1)
    assert guided.sees_label() and not describer(server).sees_label()
    (given,) = answers(guided, observe(cues=CLUES, label="joy"))
    assert given.cues and "The emotion is 'joy': explain it." in server.asked[1]["messages"][0]["content"]
    (other,) = answers(guided, observe(cues=CLUES, label="anger"))
    assert "label is 'joy'; the emotion is 'anger'" in (other.reason or "")
    (without,) = answers(guided, observe(cues=CLUES))
    assert without.reason == "it is guided by the gold label, and the utterance has none"


def test_without_clues_nothing_is_invented(server: ChatServer, observe) -> None:
    (none,) = answers(describer(server), observe(lacking={"audio_tone": "no sound"}))
    assert "audio_tone: no sound" in (none.reason or "") and server.asked == []


def test_a_judge_scores_by_equation_35(server: ChatServer, observe) -> None:
    server.plan = lambda number, asked: reply({"rec": 1, "reason": 0.5, "cot": 0.25, "why": "The words are not used."})
    weights = {"rec": 0.5, "reason": 0.25, "cot": 0.25}
    judge = JudgeTeacher(base_url=server.url, model="j", teacher="x", weights=weights)
    shown = observe(
        cues={**CLUES, "triplet_x": triplet_of({k: v for k, v in ANSWER.items() if k != "description"}).text()}
    )
    (given,) = answers(judge, shown)
    judgement = json.loads(given.cues["judgement_x"])
    assert judgement["S_final"] == pytest.approx(0.5 * 1 + 0.25 * 0.5 + 0.25 * 0.25, abs=1e-4)
    assert judgement["S_final"] == pytest.approx(final_score({"rec": 1, "reason": 0.5, "cot": 0.25}, weights), abs=1e-4)
    assert judgement["judge"] == "j" and judgement["why"] == "The words are not used."
    (none,) = answers(judge, observe(cues=CLUES, lacking={"triplet_x": "it refused"}))
    assert none.reason == "there is no triplet_x: it refused"
    with pytest.raises(ValueError, match="weights add up to 1"):
        JudgeTeacher(base_url=server.url, model="j", weights={"rec": 0.5, "reason": 0.5, "cot": 0.5})


def test_a_judge_by_rules_sees_what_is_left_out(observe) -> None:
    good = Triplet(label="joy", steps=("She smiles.", "The voice is loud.", "The words say “We won.”", "So it is joy."))
    blind = Triplet(label="joy", steps=("Nothing supports this.", "So it is joy."))
    judge = RuleJudge(label_guided=True)
    scores = []
    for triplet, label in ((good, "joy"), (blind, "anger")):
        (given,) = answers(judge, observe(cues={**CLUES, "triplet": triplet.text()}, label=label))
        scores.append(json.loads(given.cues["judgement"]))
    assert scores[0]["S_rec"] == 1 and scores[0]["S_reason"] == 1 and scores[0]["S_cot"] == 1
    assert scores[1]["S_rec"] == 0 and scores[1]["S_reason"] == 0.5 and scores[1]["S_cot"] == 0


def test_a_description_by_rules_names_conflicts(observe) -> None:
    units = {"source": "proxies", "times": [0.0, 0.1], "units": {"AU06": [0.0, 4.0], "AU12": [0.0, 5.0]}}
    quiet = {"loudness": 0.1, "rate": 1.0, "pitch_variation": 1.0}
    shown = observe(cues={**CLUES, "action_units": json.dumps(units), "audio_measures": json.dumps(quiet)})
    (given,) = answers(ComposedDescription(), shown)
    triplet = Triplet.read(given.cues["triplet"])
    assert triplet.label == "joy" and triplet.evidence.keys() == {"visual", "audio", "text"}
    assert triplet.conflicts == ("audio: the voice sounds calm, and joy is usually aroused.",)
    assert triplet.steps[-1] == "Together this points to joy." and "We won" in given.cues["description"]
    with pytest.raises(ValueError, match="no prototype of action units is known for the label 'nostalgia'"):
        ComposedDescription(labels=["joy", "nostalgia"])


@pytest.mark.parametrize("text", ["[]", "no json", '{"label": "joy"}', '{"label": "", "steps": ["a"]}'])
def test_other_texts_are_no_triplets(text: str) -> None:
    with pytest.raises(NoTriplet):
        Triplet.read(text)


def test_cost_is_known_before_anybody_is_asked(server: ChatServer, tmp_path) -> None:
    line = {"id": "d", "split": "train", "utterances": [{"id": f"u{n}", "text": "We won. " * n} for n in range(1, 5)]}
    (tmp_path / "talk.jsonl").write_text(json.dumps(line) + "\n")
    recipe = {
        "corpus": {"name": "jsonl", "path": str(tmp_path / "talk.jsonl")},
        "annotators": {
            "words": {"name": "lexical"},
            "text": {"name": "description-teacher", "base_url": server.url, "model": "m", "max_tokens": 100,
                     "concurrency": 2, "clues": {"lexical": "text"}},
        },
        "features": {"store": str(tmp_path / "store" / "features")},
        "strategy": {"device": "cpu"},
    }  # fmt: skip
    before = {one.annotator: one for one in merc.estimates(merc.annotate(recipe, every=True, ask=False), seconds=3.6)}
    assert before["text"].requests == 4 and before["text"].tokens_out == 400 and before["text"].tokens_in > 400
    assert before["text"].hours == pytest.approx(4 * 3.6 / 2 / 3600) and before["words"].hours is None
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    arguments = ["annotate", str(tmp_path / "recipe.yaml"), "--only", "text", "--dry-run", "--seconds", "3.6"]
    row = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)[0]
    assert row == asdict(before["text"])
    page = CliRunner().invoke(app, arguments).stdout
    assert f"together: 4 requests, {row['tokens_in']:,} tokens in, at most 400 out, 0.002 hours" in page, page
    assert server.asked == []
    server.plan = lambda number, asked: reply({**ANSWER, "evidence": {"text": "They won."}})
    done = merc.annotate(recipe, every=True)
    assert done.unfinished == {} and len(server.asked) == 4
    assert all(one.requests == 0 for one in merc.estimates(merc.annotate(recipe, every=True, ask=False)))
    (talk,) = done.conversations
    assert talk.utterances[0].cues.keys() == {"lexical", "triplet", "description"}


class TestComposedDescription(merc.testing.AnnotatorContract):
    component = ComposedDescription(label_guided=True)
    name = "composed-description"
