"""Recordings that are heard by workers that are not this process."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Workers, and what they hear with: the segmenter and the transcriber as texts, and the device."""

    workers: merc.Workers
    segmenter: str | None = None
    transcriber: str | None = None
    device: str = "cpu"

    def work(self, jobs: list[merc.Job]) -> merc.Work:
        """The work: each job is a recording, its name, and how much of it was heard."""
        values = {"segmenter": self.segmenter, "transcriber": self.transcriber, "device": self.device}
        return merc.Work(function="merc_speech.elsewhere:hearing", values=values, jobs=jobs, what="conversations")


def hearing(values: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What a worker does: hears a recording to its end. A recording that cannot be heard is an ``error``."""
    from merc_speech.transcribing import record_of

    listener = merc.Listener(values["segmenter"], values["transcriber"], device=values["device"])

    def do(job: Mapping[str, Any]) -> dict[str, Any]:
        recording = Path(job["recording"])
        if not recording.exists():
            raise merc.MercError(
                f"{platform.node()} does not see {recording}; workers on other machines need a shared disk with the "
                "same paths"
            )
        try:
            heard = listener.hear(recording, name=job["name"], skip=job["skip"], count=job["count"])
            passages = [[record_of(one) for one in passage.utterances] for passage in heard.passages()]
        except merc.MercError as error:
            return {"error": str(error)}
        return {"passages": passages, "notes": list(heard.notes())}

    return do
