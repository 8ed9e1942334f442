"""What ``merc transcribe`` does: hears recordings, shows what it hears, keeps it as it comes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

import merc
from merc_speech.elsewhere import Elsewhere


class Transcribing:
    """Recordings that become conversations, in a file or on standard output.

    FILE.part holds a line for each passage that was heard: the recording and the utterances. A torn last line, as a
    killed process leaves it, does not count.
    """

    def __init__(self, listener: merc.Listener, recordings: Sequence[Path], output: Path | None, resume: bool) -> None:
        every = [one for path in recordings for one in _recordings(path)]
        _check_names(every)
        self.listener, self.recordings, self.output = listener, every, output
        self.names = _names(self.recordings)
        self.part = None if output is None else output.with_name(f"{output.name}.part")
        self.lines: list[dict[str, Any]] = []
        self.header = {"segmenter": repr(listener.segmenter), "transcriber": repr(listener.transcriber)}
        self.faults: dict[Path, str] = {}
        if output is not None:
            self._check(output, resume)
        self.lines = self.lines or [{"heard_by": self.header}]

    def _check(self, output: Path, resume: bool) -> None:
        if output.suffix.lower() not in (".jsonl", ".ndjson"):
            raise merc.MercError(f"--output {output}: conversations are written as JSON Lines; name a .jsonl file")
        if output.is_dir() or not output.absolute().parent.is_dir():
            raise merc.MercError(f"--output {output}: there is no folder {output.absolute().parent} to write a file in")
        assert self.part is not None
        if self.part.exists() and not resume:
            raise merc.MercError(f"{self.part} is of an interrupted command; go on with --resume, or remove it")
        if self.part.exists():
            self.lines = _whole_lines(self.part)
            if self.lines and self.lines[0].get("heard_by") not in (None, self.header):
                raise merc.MercError(
                    f"{self.part} was heard with another segmenter or transcriber; name these again, or remove it"
                )

    def _begin(self) -> None:
        """Write the file of what is kept, as far as it is there."""
        if self.part is not None:
            text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in self.lines)
            with merc.whole_file(self.part) as file:
                file.write_text(text, encoding="utf-8")

    def hear_elsewhere(self, elsewhere: Elsewhere) -> None:
        """Let workers hear the recordings that are not heard to their end. What they could not is left for ``run``."""
        recordings, jobs = [], []
        for recording, name in zip(self.recordings, self.names, strict=True):
            earlier = self._earlier(recording)
            if not (earlier and earlier[-1].get("whole")):
                count = sum(len(line["utterances"]) for line in earlier)
                place = str(recording.absolute())
                recordings.append(recording)
                jobs.append(
                    merc.Job(name=name, value={"recording": place, "name": name, "skip": len(earlier), "count": count})
                )
        self._begin()
        progress = _Shown(f"{len(jobs)} recordings")
        for result in elsewhere.workers.run(elsewhere.work(jobs), progress, lambda sentence: _say(f"· {sentence}")):
            recording, value = recordings[result.place], result.value
            if result.fault:
                _say(f"· {recording.name}: {result.fault}; it is heard here")
            elif "error" in value:
                self.faults[recording] = value["error"]
            else:
                for utterances in value["passages"]:
                    self._keep({"recording": str(recording.absolute()), "utterances": utterances})
                self._keep({"recording": str(recording.absolute()), "utterances": [], "whole": True})
                for note in value["notes"]:
                    _say(f"· {note}")

    def run(self) -> None:
        """Hear all recordings. Raises MercError where in none of them somebody speaks."""
        self._begin()
        conversations, faults = [], []
        for recording, name in zip(self.recordings, self.names, strict=True):
            try:
                utterances = self._hear(recording, name)
            except merc.MercError as error:
                if len(self.recordings) == 1 or not recording.exists():
                    raise
                faults.append(str(error))
                _say(f"· {error}")
                continue
            if utterances:
                conversations.append({"id": name, "utterances": utterances})
                if self.output is None:
                    typer.echo(json.dumps(self._beside(conversations[-1], Path.cwd()), ensure_ascii=False))
            else:
                faults.append(f"{recording.name}: nobody speaks in it")
        if not conversations:
            if self.part is not None:
                self.part.unlink(missing_ok=True)
            more = f" (and so with {len(faults) - 1} more)" if len(faults) > 1 else ""
            raise merc.MercError(f"{faults[0]}{more}; nothing was written")
        if faults:
            _say(f"· {len(faults)} of {len(self.recordings)} recordings gave no conversation; the notes above say why")
        if self.output is not None and self.part is not None:
            home = self.output.absolute().parent
            lines = [json.dumps(self._beside(one, home), ensure_ascii=False) for one in conversations]
            with merc.whole_file(self.output) as file:
                file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            self.part.unlink()
            count = sum(len(one["utterances"]) for one in conversations)
            _say(f"{self.output}: {len(conversations)} conversations, {count} utterances")

    def _hear(self, recording: Path, name: str) -> list[dict[str, Any]]:
        """The utterances of a recording: those that were kept, and those that are heard now."""
        if recording in self.faults:
            raise merc.MercError(self.faults[recording])
        earlier = self._earlier(recording)
        utterances = [one for line in earlier for one in line["utterances"]]
        if earlier and earlier[-1].get("whole"):
            return utterances
        progress = _Shown(recording.name)
        hearing = self.listener.hear(recording, name=name, progress=progress, skip=len(earlier), count=len(utterances))
        for heard in hearing.passages():
            records = [record_of(one) for one in heard.utterances]
            self._keep({"recording": str(recording.absolute()), "utterances": records})
            for one in records:
                progress.line(one)
            utterances += records
        for note in hearing.notes():
            _say(f"· {note}")
        self._keep({"recording": str(recording.absolute()), "utterances": [], "whole": True})
        return utterances

    def _earlier(self, recording: Path) -> list[dict[str, Any]]:
        """The lines that are kept of a recording."""
        return [line for line in self.lines if line.get("recording") == str(recording.absolute())]

    def _keep(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        if self.part is None:
            return
        with self.part.open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"{json.dumps(line, ensure_ascii=False)}\n")

    @staticmethod
    def _beside(conversation: dict[str, Any], home: Path) -> dict[str, Any]:
        """The conversation with the paths of media as seen from the file's folder, where they lie below it."""
        utterances = [
            {key: _seen_from(value, home) if key in ("video", "audio") else value for key, value in utterance.items()}
            for utterance in conversation["utterances"]
        ]
        return {**conversation, "utterances": utterances}


def record_of(utterance: merc.Utterance) -> dict[str, Any]:
    """An utterance as a line of conversations has it; media by their whole paths."""
    record = {
        "id": utterance.id, "speaker": utterance.speaker, "text": utterance.text,
        "video": None if utterance.video is None else str(utterance.video.absolute()),
        "audio": None if utterance.audio is None else str(utterance.audio.absolute()),
        "start": utterance.start, "end": utterance.end, "missing": dict(utterance.missing) or None,
        **utterance.extra,
    }  # fmt: skip
    return {key: value for key, value in record.items() if value is not None}


def _seen_from(path: str, home: Path) -> str:
    return Path(path).relative_to(home).as_posix() if Path(path).is_relative_to(home) else path


def _recordings(path: Path) -> list[Path]:
    """A file, or the recordings in a folder and below it; what else is there is counted and named. Raises MercError for
    a folder without one."""
    if not path.is_dir():
        return [path]
    files = sorted(
        one
        for one in path.rglob("*")
        if one.is_file() and not any(part.startswith(".") for part in one.relative_to(path).parts)
    )
    recordings = [one for one in files if one.suffix.lower() in merc.MEDIA_ENDINGS]
    others = [one.relative_to(path).as_posix() for one in files if one not in set(recordings)]
    if not recordings:
        raise merc.MercError(f"the folder {path} holds no recording ({merc.first_names(merc.MEDIA_ENDINGS)})")
    if others:
        _say(f"· {path}: {len(recordings)} recordings; {len(others)} other files are left aside: "
             f"{merc.first_names(others)}")  # fmt: skip
    return recordings


def _check_names(recordings: Sequence[Path]) -> None:
    """Raise MercError for names of files that are any bytes and no text: conversations could not hold them."""
    strange = [path for path in recordings if _is_no_text(str(path.absolute()))]
    if strange:
        count = f" ({len(strange)} of {len(recordings)} recordings)" if len(recordings) > 1 else ""
        raise merc.MercError(
            f"the name {os.fsencode(strange[0])!r} is no text in UTF-8{count}, so no file of conversations could hold "
            "it; rename it"
        )


def _is_no_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _names(recordings: Sequence[Path]) -> list[str]:
    """A name for each recording: that of its file without the ending, or its whole path where several have it."""
    stems = [one.stem for one in recordings]
    names = [stem if stems.count(stem) == 1 else path.as_posix() for stem, path in zip(stems, recordings, strict=True)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise merc.MercError(f"{twice} is given twice; give each recording once")
    return names


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError
        except ValueError:
            raise merc.MercError(
                f"{path}, line {number} is none of merc transcribe's; remove the file, or leave out --resume"
            ) from None
        lines.append(value)
    return lines


_STEP = 0.05
"""The share of the work after which the user reads again how far it is."""


class _Shown:
    """What is heard, on standard error: a line for each utterance, and before there is one, how far speech is looked
    for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.share, self.reported = 0.0, -1.0
        self.lines = False

    def __call__(self, share: float, text: str) -> None:
        self.share = share
        if not self.lines and (share - self.reported >= _STEP or self.reported < 0):
            self.reported = share
            _say(f"{share:4.0%}  {self.name}: {text}")

    def line(self, record: dict[str, Any]) -> None:
        """An utterance."""
        self.lines = True
        who = f"{record['speaker']}: " if "speaker" in record else ""
        text = record["text"] or f"[{record['missing']['text']}]"
        _say(f"{self.share:4.0%}  {_clock(record['start'])}-{_clock(record['end'])}  {who}{text}")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"


def _say(line: str) -> None:
    typer.echo(line, err=True)
