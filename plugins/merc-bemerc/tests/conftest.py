from collections.abc import Callable

import numpy as np
import pytest

import merc

SAID = (
    ("Ann", "Did you hear? We won!"),
    ("Ben", "Again? I can't believe it."),
    ("Ann", "Never mind, come on."),
    (None, ""),
)


@pytest.fixture(scope="session")
def talk() -> merc.Conversation:
    """Four utterances; the last has neither speaker nor words."""
    said = tuple(merc.Utterance(id=f"talk_u{i}", speaker=who, text=text) for i, (who, text) in enumerate(SAID))
    return merc.Conversation(id="talk", split="train", utterances=said)


@pytest.fixture(scope="session")
def observe(talk) -> Callable[..., merc.Observation]:
    """Make an observation of utterance ``index``, of frames or sound."""

    def make(index=0, *, frames=None, sound=None, conversation=talk) -> merc.Observation:
        gone = merc.Missing("the file is missing")
        query = merc.Query(conversation=conversation, index=index, labels=merc.LabelSpace(()))
        video = gone if frames is None else clip(frames)
        return merc.Observation(query=query, video=video, audio=gone if sound is None else sound)

    return make


def clip(frames) -> merc.VideoClip:
    frames = np.asarray(frames, np.uint8)
    return merc.VideoClip(frames=frames, times=np.arange(len(frames), dtype=float) / 4)


@pytest.fixture(autouse=True)
def with_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teachers and judges of these tests are on this machine."""
    monkeypatch.setenv("MERC_ALLOW", "127.0.0.1,localhost,env:TEACHER_KEY")
