"""What a run keeps of its media: their content, wherever they lie."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import merc.files
from merc.components import Encoder, FeatureSpec, Frames, Waveform, Words
from merc.conversation import Conversation, Utterance
from merc.errors import MercError
from merc.recipe import ComponentRef, load_recipe
from merc.session.media_hash import media_hashes
from merc.session.provenance import record_provenance
from merc.session.reporter import Silent


@dataclass(frozen=True, kw_only=True)
class Reads(Encoder):
    modality = "video"
    how: object = None

    def sampling(self):
        return self.how

    def spec(self):
        return FeatureSpec(dim=1)

    def load(self, device):
        raise NotImplementedError


def recipe_of(tmp_path: Path, **encoders: object):
    (tmp_path / "talk.yaml").write_text("corpus: {name: jsonl, path: talk.jsonl}\n")
    recipe = load_recipe(str(tmp_path / "talk.yaml"), [f"features.store={tmp_path}/store"])
    parts = {name: ComponentRef(name=name, params={}, component=Reads(how=how)) for name, how in encoders.items()}
    return replace(recipe, encoders=parts)


def talks(folder: Path) -> list[Conversation]:
    said = [
        Utterance(id=f"u{n}", text="Hm.", video=folder / f"{n % 2}.mp4", audio=folder / f"{n}.wav", start=n, end=n + 1)
        for n in range(3)
    ]
    return [Conversation(id="c", split="test", utterances=tuple(said))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "media"
    made.mkdir()
    for name in ("0.mp4", "1.mp4", "0.wav", "1.wav"):
        (made / name).write_text(name)
    return made


def test_files_are_counted_and_hashed_by_content(tmp_path: Path, folder: Path):
    recipe = recipe_of(tmp_path, seen=Frames(count=1), heard=Waveform(rate=16_000))
    found = media_hashes(recipe, ["seen", "heard"], talks(folder), Silent())
    assert found["test"]["files"] == 5 and found["test"]["absent"] == 1  # 2.wav
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    os.utime(copy / "0.mp4", (1, 1))
    assert media_hashes(recipe, ["seen", "heard"], talks(copy), Silent()) == found


@pytest.mark.parametrize("change", ["content", "span", "a file that was not there"])
def test_what_changes_it(tmp_path: Path, folder: Path, change: str):
    recipe = recipe_of(tmp_path, seen=Frames(count=1), heard=Waveform(rate=16_000))
    before = media_hashes(recipe, ["seen", "heard"], talks(folder), Silent())
    conversations = talks(folder)
    if change == "content":
        (folder / "1.mp4").write_text("other")
    elif change == "span":
        moved = replace(conversations[0].utterances[0], end=5)
        conversations = [replace(conversations[0], utterances=(moved, *conversations[0].utterances[1:]))]
    else:
        (folder / "2.wav").write_text("there now")
    now = media_hashes(recipe, ["seen", "heard"], conversations, Silent())
    assert now["test"]["sha256"] != before["test"]["sha256"]
    file = tmp_path / "run" / "provenance.json"
    record_provenance(file, recipe, conversations, media=before)
    record_provenance(file, recipe, conversations, media=before)
    with pytest.raises(
        MercError, match=r"the media of .*run have changed since the run began: split test has files of"
    ):
        record_provenance(file, recipe, conversations, media=now)


def test_only_what_prompts_show_is_read(tmp_path: Path, folder: Path):
    recipe = recipe_of(tmp_path, seen=Frames(count=1), heard=Waveform(rate=16_000), read=Words())
    assert media_hashes(recipe, ["read"], talks(folder), Silent()) == {}
    assert media_hashes(recipe, ["seen"], talks(folder), Silent())["test"]["files"] == 2


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    recipe = recipe_of(tmp_path, seen=Frames(count=1))
    monkeypatch.setattr(merc.files, "_SETTLED_SECONDS", -1.0)
    first = media_hashes(recipe, ["seen"], talks(folder), Silent())
    read: list[Path] = []
    monkeypatch.setattr(merc.files, "hash_file", lambda path: read.append(path) or "read")
    assert media_hashes(recipe, ["seen"], talks(folder), Silent()) == first and not read
    (folder / "0.mp4").write_text("longer than before")
    assert media_hashes(recipe, ["seen"], talks(folder), Silent()) != first and read == [folder / "0.mp4"]
