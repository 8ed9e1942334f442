from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import merc
from tests.chat_server import ChatServer


@pytest.fixture(autouse=True)
def with_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teachers and judges of these tests are on this machine."""
    monkeypatch.setenv("MERC_ALLOW", "127.0.0.1,localhost,env:TEACHER_KEY")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(scope="session")
def observe() -> Callable[..., merc.Observation]:
    """An observation of the last of a conversation's texts, with cues, and media where they are given."""

    def make(
        *texts: str, cues: dict[str, str] | None = None, label: str | None = None, frames=None, sound=None, id="c_u",
        lacking: dict[str, str] | None = None,
    ) -> merc.Observation:  # fmt: skip
        texts = texts or ("Oh, you came!",)
        last = len(texts) - 1
        talk = tuple(
            merc.Utterance(
                id=f"{id}{at}", text=text, speaker="Ann" if at % 2 else "Bo",
                cues=(cues or {}) if at == last else {}, label=label if at == last else None,
            )
            for at, text in enumerate(texts)
        )  # fmt: skip
        gone = merc.Missing("the file is missing")
        video = gone
        if frames is not None:
            frames = np.asarray(frames, np.uint8)
            video = merc.VideoClip(frames=frames, times=np.arange(len(frames), dtype=float) / 10)
        query = merc.Query(
            conversation=merc.Conversation(id="c", utterances=talk), index=last, labels=merc.LabelSpace(())
        )
        return merc.Observation(query=query, video=video, audio=gone if sound is None else sound, lacking=lacking or {})

    return make


def answers(annotator: merc.Annotator, *observations: merc.Observation) -> dict[str, merc.Annotation]:
    """What an annotator gives, by utterance."""
    return dict(annotator.load("cpu")(iter(observations)))
