"""Making what is not there yet of a folder of skits, with several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

import merc
from merc_skits.script import Line, Scene

RECORD = "skits.json"
LIST = "conversations.jsonl"


def clip_path(folder: Path, line: Line) -> Path:
    """Where the clip of a line is."""
    return folder / "clips" / f"{line.id}.mp4"


def make(folder: Path, record: Mapping[str, Any], scenes: Sequence[Scene]) -> None:
    """Make the clips that are not there yet, and the list of conversations.

    Every file is written whole or not at all, so it can be interrupted at any time and goes on where it stopped. A
    second process that wants the same folder waits for the first. Raises MercError when the folder holds something
    else.
    """
    if _complete(folder, record, scenes):
        return
    _claim(folder, record)
    with _one_at_a_time(folder):
        lacking = [line for scene in scenes for line in scene.lines if not clip_path(folder, line).is_file()]
        if lacking:
            _make_clips(folder, lacking)
        text = "".join(
            json.dumps(_as_record(scene, "conflict" in record), ensure_ascii=False) + "\n" for scene in scenes
        )
        _write(folder / LIST, text)


def _complete(folder: Path, record: Mapping[str, Any], scenes: Sequence[Scene]) -> bool:
    if not (folder / LIST).is_file() or _read_record(folder) != record:
        return False
    there = {path.name for path in (folder / "clips").iterdir()} if (folder / "clips").is_dir() else set()
    return all(clip_path(folder, line).name in there for scene in scenes for line in scene.lines)


def _read_record(folder: Path) -> Any:
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _claim(folder: Path, record: Mapping[str, Any]) -> None:
    """Note in a new or empty folder what is made there, or check that it is the same."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / RECORD).is_file():
            there = _read_record(folder)
            if there != record:
                recorded = there if isinstance(there, dict) else {}
                differ = [f"{key}: {recorded.get(key)} there, {record.get(key)} asked for"
                          for key in dict.fromkeys([*record, *recorded])
                          if recorded.get(key) != record.get(key)]  # fmt: skip
                raise merc.MercError(
                    f"the folder {folder} holds skits made with other parameters ({'; '.join(differ)}); give another "
                    "'folder', or leave it out"
                )
        elif any(not path.name.startswith(".") for path in folder.iterdir()):
            raise merc.MercError(f"the folder {folder} holds something else than skits; give a new or an empty folder")
        else:
            _write(folder / RECORD, json.dumps(record, indent=1) + "\n")
    except OSError as error:
        raise merc.MercError(
            f"skits cannot be written to {folder} ({error.strerror or error}); give another 'folder'"
        ) from error


def _write(path: Path, text: str) -> None:
    with merc.whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _as_record(scene: Scene, marked: bool) -> dict[str, Any]:
    utterances = [
        {"id": line.id, "speaker": line.speaker.name, "text": line.text, "label": line.emotion,
         "video": f"clips/{line.id}.mp4", **extra_of(line, marked)}
        for line in scene.lines
    ]  # fmt: skip
    return {"id": scene.id, "split": scene.split, "utterances": utterances}


def extra_of(line: Line, marked: bool) -> dict[str, Any]:
    """What is kept of how a line was made; ``marked`` ones say which modality expresses what."""
    extra = {"hinted": line.hinted, "face_strength": line.face, "voice_strength": line.voice}
    return {**extra, "conflict": {"leads": line.leads, "says": line.says}} if marked else extra


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for another process that fills the same folder. Where the system has no locks both fill it, which costs
    time and does no harm."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"skits: waiting for another process that makes the clips in {folder}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            # a file system without locks
            pass
        yield


def _make_clips(folder: Path, lines: Sequence[Line]) -> None:
    queue: SimpleQueue[Line] = SimpleQueue()
    for line in lines:
        queue.put(line)
    made: SimpleQueue[Exception | None] = SimpleQueue()
    count = max(1, min(_cores(), 16, len(lines) // 4))
    workers = [_Worker() for _ in range(count)]
    threads = [threading.Thread(target=_feed, args=(w, queue, made, folder), daemon=True) for w in workers]
    try:
        for thread in threads:
            thread.start()
        with _progress(len(lines), folder) as advance:
            for _ in lines:
                fault = made.get()
                if fault is not None:
                    raise fault
                advance()
    finally:
        for worker in workers:
            worker.end()


def _feed(worker: _Worker, queue: SimpleQueue[Line], made: SimpleQueue[Exception | None], folder: Path) -> None:
    try:
        while True:
            line = queue.get_nowait()
            worker.ask({"line": asdict(line), "path": str(clip_path(folder, line))})
            made.put(None)
    except Empty:
        pass
    except Exception as error:
        made.put(error)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A process that makes clips, one at a time."""

    def __init__(self) -> None:
        self.complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "merc_skits.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.complaints, text=True, encoding="utf-8", env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def ask(self, job: Mapping[str, Any]) -> None:
        """Have a clip made. Raises MercError for what the user can mend, RuntimeError for a fault of the worker."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.complaints.seek(0)
            last = self.complaints.read().decode("utf-8", "replace")[-2000:]
            raise RuntimeError(f"the process that makes clips ended (code {self.process.wait()}): {last}")
        result = json.loads(answer)
        if "error" in result:
            kind = merc.MercError if result["user"] else RuntimeError
            raise kind(f"the clip {job['line']['id']} was not made: {result['error']}")

    def end(self) -> None:
        """End the process; a clip that it is at is not finished."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.complaints):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue


@contextmanager
def _progress(total: int, folder: Path) -> Iterator[Any]:
    """A progress bar on standard error where that is a terminal, else a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    console.print(f"skits: making {total} clips with drawn faces and synthetic speech in {folder}", soft_wrap=True,
                  highlight=False, markup=False)  # fmt: skip
    if console.is_terminal:
        with Progress(TextColumn("skits"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                      console=console) as bar:  # fmt: skip
            task = bar.add_task("skits", total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done * 5 // total != (done - 1) * 5 // total:
            console.print(f"skits: {done} of {total} clips", highlight=False)

    yield advance
