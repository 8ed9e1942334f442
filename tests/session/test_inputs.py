from __future__ import annotations

import json
from pathlib import Path

import pytest

from merc.builtin.prompters import ConversationPrompter
from merc.components import Answer, CorpusData, Prompt, Prompter, Slot, Text
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.recipe import ComponentRef
from merc.session.inputs import (
    clip_conversation,
    clip_names,
    clips_in,
    needs_words,
    recognised_corpus,
    with_known_labels,
)
from tests.features.parts import Brightness, Letters
from tests.media.clips import write_clip

LABELS = LabelSpace(("joy", "anger"))


class Wordless(Prompter):
    def prompt(self, query):
        return Prompt((Text("What is felt?"), Slot("seen", query.target.id), Answer()), query.target.id)


def jsonl(path: Path) -> CorpusData:
    return recognised_corpus(path)[0].load()


def part(component) -> ComponentRef:
    return ComponentRef(name="it", params={}, component=component)


def test_whether_the_words_count():
    assert needs_words(ConversationPrompter(), {}, LABELS)
    assert not needs_words(Wordless(), {"seen": part(Brightness())}, LABELS)
    assert needs_words(Wordless(), {"seen": part(Brightness()), "words": part(Letters())}, LABELS)


@pytest.mark.parametrize(("name", "more"), [("a.mp4", {}), ("b.WAV", {"video": None, "audio": "pcm_s16le"})])
def test_a_clip_is_a_conversation_of_one(tmp_path: Path, name: str, more: dict):
    path = tmp_path / name
    write_clip(path.with_suffix(path.suffix.lower()), frames=5, **more).rename(path)
    clip = clip_conversation(path, path.stem, "Hm.", "Ann")
    (said,) = clip.utterances
    assert (clip.split, said.id, said.text, said.speaker) == (None, path.stem, "Hm.", "Ann")
    assert said.media("audio") == path
    assert said.media("video") == (None if more else path)
    assert said.label is None


def test_the_clips_of_a_folder(tmp_path: Path):
    for name in ("b/2.MP4", "b/1.wav", "a.mkv", "notes.txt", "talk.jsonl", ".hidden.mp4", ".thumbs/x.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    clips, others = clips_in(tmp_path)
    assert [clip.relative_to(tmp_path).as_posix() for clip in clips] == ["a.mkv", "b/1.wav", "b/2.MP4"]
    assert [other.name for other in others] == ["notes.txt", "talk.jsonl"]
    assert clip_names([*clips, Path("c/2.mp4")]) == ["a", "1", clips[2].as_posix(), "c/2.mp4"]


def test_conversations_keep_their_order_and_notes(tmp_path: Path):
    lines = [
        '{"id": "b", "utterances": [{"text": "Hm.", "label": "joy", "mood": 1}]}',
        '{"id": "a", "utterances": [{"text": ""}]}',
    ]
    (tmp_path / "talk.jsonl").write_text("\n".join(lines))
    conversations, notes = with_known_labels(jsonl(tmp_path / "talk.jsonl"), LABELS)
    assert [c.id for c in conversations] == ["b", "a"]
    assert notes == [
        "fields that merc does not know were kept in extra: mood (1)",
        "1 of 2 utterances has an empty text",
    ]


def test_labels_that_differ_from_the_runs_by_capitals_alone_are_an_error(tmp_path: Path):
    said = [{"text": "Hm.", "label": label} for label in ("Joy", " anger", "bored", "Bored")]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"id": "a", "utterances": said}))
    with pytest.raises(MercError, match=r"1 of 3 labels .*\n  'joy' \(declared\), 'Joy' \(1 utterance; the first: "):
        with_known_labels(jsonl(tmp_path / "talk.jsonl"), LABELS)


def test_labels_that_the_run_does_not_know_are_taken_off_and_counted(tmp_path: Path):
    said = [{"text": "Hm.", "label": label} for label in ("bored", "joy", "worried", "bored", None)]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"id": "a", "utterances": said}))
    conversations, notes = with_known_labels(jsonl(tmp_path / "talk.jsonl"), LABELS)
    assert [u.label for u in conversations[0].utterances] == [None, "joy", None, None, None]
    assert notes == [
        "3 of 5 utterances have labels that the run does not know: bored (2), worried (1); they are left aside, for "
        "predicting needs none (the run's are joy, anger)"
    ]
