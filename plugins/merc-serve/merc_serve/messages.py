"""What goes over ``WS /v1/live``, as pydantic models: the README says it in words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SOUND, PICTURE = 1, 2
"""The first byte of a binary message."""


class Start(BaseModel):
    """The client's first message."""

    model_config = ConfigDict(extra="forbid", strict=True)

    run: str | None = None
    """The run that answers; the first that is served where it is absent."""
    rate: Annotated[int, Field(ge=8000, le=192_000)] = 16_000
    """Samples a second of the sound to come."""
    speaker: Annotated[str, Field(max_length=200)] | None = None
    """Who speaks."""
    video: bool = False
    """Whether pictures come too."""


class Stop(BaseModel):
    """The client's last message."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["end"]
    """What the message is."""


class Ready(BaseModel):
    """Sound may come."""

    type: Literal["ready"]
    """What the message is."""
    run: str
    """The run that answers."""
    labels: list[str]
    """The labels, in the run's order."""
    streams: list[str]
    """The streams that its prompts show beside words, such as a face and a voice."""


class Latency(BaseModel):
    """Seconds that the parts took; those that were not needed are absent. Parts overlap: words are written down while
    the pause lasts."""

    voice_activity: float | None = None
    """Finding speech in the last piece of sound."""
    pause: float | None = None
    """From the last voiced sample to the one that ended the utterance."""
    transcription: float | None = None
    """Writing down what was said."""
    features: float | None = None
    """Encoding face, voice and words."""
    scoring: float | None = None
    """Asking the model."""
    total: float
    """From the last sample that it is about, which is the last voiced one of an utterance that ended, to this
    message."""


class Prediction(BaseModel):
    """A label for an utterance: the fields of a line of ``merc predict``, and what is particular to live use."""

    model_config = ConfigDict(extra="allow")

    id: str
    """The utterance's; provisional messages about it have the same as its final one."""
    conversation: str
    """The id of the conversation."""
    speaker: str | None
    """Who speaks, where that is known."""
    text: str
    """The words that are known; "" where there are none."""
    start: float
    """Where the utterance begins, in seconds of the sound."""
    end: float
    """Where it ends, or until where it was heard so far."""
    label: str | None
    """The likeliest label."""
    probabilities: dict[str, float] = {}
    """Of each label."""
    missing: dict[str, str]
    """Why the model did not see a stream, by stream; ``text`` says which words are not known."""
    context: int
    """How many utterances before it the model was shown."""
    latency: Latency
    """How long the answer took."""


class Provisional(Prediction):
    """What is known while somebody speaks."""

    type: Literal["provisional"]
    """What the message is."""


class Final(Prediction):
    """An utterance that ended; it does not change any more."""

    type: Literal["final"]
    """What the message is."""


class Dropped(BaseModel):
    """What was answered provisionally was no utterance after all: no final message comes of it."""

    type: Literal["dropped"]
    """What the message is."""
    id: str
    """That of the provisional messages."""


class Note(BaseModel):
    """What was not heard, or was left out."""

    type: Literal["note"]
    """What the message is."""
    text: str
    """A sentence."""


class Failure(BaseModel):
    """What is wrong; the connection is closed after it."""

    type: Literal["error"]
    """What the message is."""
    error: str
    """A sentence."""


class End(BaseModel):
    """All is answered; the connection is closed after it."""

    type: Literal["end"]
    """What the message is."""


ServerMessage = Annotated[Ready | Provisional | Final | Dropped | Note | Failure | End, Field(discriminator="type")]
"""What the server sends."""
