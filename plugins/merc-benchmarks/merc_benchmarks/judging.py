"""Judges that are language models: asked over HTTP, or replayed from answers that were kept; every answer is kept."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from merc import MercError, Metric, in_threads, user_path, whole_file

Message = dict[str, Any]
Step = Callable[[Sequence[str]], "Ask"]
_PICTURE = "data:image/"
_SAID: dict[tuple[Any, ...], list[str]] = {}
"""What judges said in this process, so that columns with one judge ask it once."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One question to a judge."""

    part: str
    """What is asked for, such as ``logic``."""
    content: str
    """The prompt."""
    read: Callable[[str], Any]
    """Makes a value of an answer. Raises ValueError with what does not fit."""
    pictures: Sequence[str] = ()
    """Pictures beside the prompt, as data URLs."""

    def messages(self) -> list[Message]:
        """The first turn."""
        if not self.pictures:
            return [{"role": "user", "content": self.content}]
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in self.pictures]
        return [{"role": "user", "content": [{"type": "text", "text": self.content}, *parts]}]


@dataclass(frozen=True, kw_only=True)
class JudgedMetric(Metric):
    """A metric whose numbers are a judge's.

    The judge is asked at ``base_url``, or its kept answers are replayed from ``judgements``, or both: what the file has
    is not asked again, and what was asked is added to it.
    """

    model: str
    """The judge's name on the server; of kept answers those of this model count."""
    base_url: str | None = None
    """The address of the judge's server, such as ``http://localhost:8000/v1``; null asks nobody."""
    judgements: Path | None = None
    """A .jsonl file of raw answers, each with the model, the prompt and the answer: they are used again for the same
    prompt, and new ones are added."""
    key: str | None = None
    """The *name* of the environment variable that holds the key; null sends none."""
    attempts: int = 3
    """How often an answer that does not fit is asked for."""
    json_mode: Literal["none", "object"] = "none"
    """Whether the server is asked for a JSON ``object``."""
    temperature: float | None = 0.0
    """The temperature that is sent; null sends none, for models that take none."""
    max_tokens: int | None = 800
    """The most tokens of an answer that are asked for; null sends none, for models that take none."""
    concurrency: int = 4
    """Requests that are on their way at once."""
    timeout: float = 120.0
    """Seconds without a byte after which a request has failed."""
    deadline: float | None = None
    """Seconds after which a response that is not complete is given up; null is twice ``timeout``."""
    retries: int = 5
    """How often a failed request is sent again."""
    budget: int | None = None
    """The most requests of one computation, retries included; null is no limit."""
    give_up: int = 10
    """After so many samples in a row that failed, no more are asked."""

    def __post_init__(self) -> None:
        if self.base_url is not None:
            parts = urlsplit(self.base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
                raise ValueError(
                    "base_url is an address such as http://localhost:8000/v1, with http or https and without user or "
                    "query"
                )
        if self.key is not None and not re.fullmatch("[A-Z_][A-Z0-9_]*", self.key):
            raise ValueError("key is the name of an environment variable, such as OPENAI_API_KEY, not the key itself")
        if self.judgements is not None and self.judgements.suffix != ".jsonl":
            raise ValueError(f"judgements is a .jsonl file, not {self.judgements}")
        for name in ("attempts", "concurrency", "give_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} counts from 1, not {getattr(self, name)}")

    def servers(self) -> Sequence[str]:
        """The server at ``base_url``."""
        return (self.base_url,) if self.base_url else ()

    def variables(self) -> Sequence[str]:
        """The variable that holds the key."""
        return (self.key,) if self.key and self.base_url else ()

    def needs(self) -> Sequence[str]:
        """The text that is judged."""
        return ("text",)

    def choices(self) -> Sequence[str]:
        """None: a judge is not asked to choose a state."""
        return ()

    def repeatable(self) -> bool:
        """Not: each time would ask the judge about every sample."""
        return False

    def judge(self, samples: Mapping[str, Sequence[Step]], who: str) -> dict[str, list[dict[str, Any]]]:
        """Ask about samples, each a chain of questions; a later one is made of the raw answers to those before it.

        Args:
            samples: The questions about each sample, by its name.
            who: The metric, for messages.

        Returns:
            For each sample a record for each question that was reached: ``part``, ``value`` (what was read) or
            ``unscored`` (why there is none), and ``answers`` (all that the judge said, the one that fits last).

        Raises:
            MercError: There is neither a server nor kept answers; the server wants another key, or has no such model;
                the file of judgements is damaged.
        """
        self.check_judge(who)
        return _Judging(self, who).all(samples)

    def check_judge(self, who: str) -> None:
        """Raise MercError where there is nobody to ask and nothing to replay, or what was kept is damaged."""
        if self.base_url is None and self.judgements is None:
            raise MercError(f"{who}: give the judge's base_url, where it is asked, or judgements, its kept answers")
        if self.base_url is None and self.judgements is not None and not user_path(self.judgements).is_file():
            raise MercError(f"{who}: judgements {self.judgements} is not there, and no base_url says whom to ask")
        if self.judgements is not None:
            read_judgements(user_path(self.judgements), self.model)


@dataclass
class _Judging:
    """Asks one judge about many samples, some at once."""

    metric: JudgedMetric
    who: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    failed_in_a_row: int = 0

    def __post_init__(self) -> None:
        path = self.metric.judgements
        self.path = user_path(path) if path is not None else None
        self.stored = read_judgements(self.path, self.metric.model) if self.path is not None else {}
        self.fresh: list[dict[str, Any]] = []
        self.server: Any = None

    def all(self, samples: Mapping[str, Sequence[Step]]) -> dict[str, list[dict[str, Any]]]:
        """A record for each question, by sample."""
        try:
            ask = in_threads(lambda one: self._sample(*one), samples.items(), self.metric.concurrency, self._stop)
            with closing(ask) as answers:
                return {name: records for (name, _), records in answers}
        finally:
            self._keep()

    def _stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    def _sample(self, name: str, steps: Sequence[Step]) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        before: list[str] = []
        for step in steps:
            records.append(self._one(name, step(before)))
            if "unscored" in records[-1]:
                break
            before.append(records[-1]["answers"][-1])
        return records

    def _one(self, name: str, ask: Ask) -> dict[str, Any]:
        messages, key = ask.messages(), prompt_key(ask.content, ask.pictures)
        asking = (self.metric.base_url, self.metric.model, self.metric.temperature, key)
        stored = self.stored.get(key, ())
        answers = list(stored or _SAID.get(asking, ()))
        fault = "no answer was kept"
        for answer in reversed(answers):
            try:
                record = {"part": ask.part, "value": ask.read(answer), "answers": answers}
                return {**record, "replayed": True} if stored else record
            except ValueError as error:
                fault = str(error)
        if self.metric.base_url is None:
            return {"part": ask.part, "unscored": f"not among the kept answers: {fault}", "answers": answers}
        if self.failed_in_a_row >= self.metric.give_up:
            given_up = f"not asked, since {self.metric.give_up} in a row had failed"
            return {"part": ask.part, "unscored": given_up, "answers": answers}
        record = self._ask(name, ask, messages)
        _SAID[asking] = record["answers"]
        with self.lock:
            self.failed_in_a_row = self.failed_in_a_row + 1 if "unscored" in record else 0
        return record

    def _ask(self, name: str, ask: Ask, messages: list[Message]) -> dict[str, Any]:
        from merc_bemerc import Passing

        answers: list[str] = []
        fault = ""
        for _ in range(self.metric.attempts):
            try:
                answer, cut = self._server().ask(messages)
            except Passing as error:
                return {"part": ask.part, "unscored": str(error), "answers": answers}
            answers.append(answer)
            with self.lock:
                self.fresh.append(
                    {
                        "metric": self.who, "model": self.metric.model, "sample": name, "part": ask.part,
                        "prompt": ask.content, "pictures": [_digest(url) for url in ask.pictures], "answer": answer,
                    }
                )  # fmt: skip
            try:
                return {"part": ask.part, "value": ask.read(answer), "answers": answers}
            except ValueError as error:
                fault = "the answer was cut off at max_tokens" if cut else str(error)
            messages += [
                {"role": "assistant", "content": answer or "(nothing)"},
                {"role": "user", "content": f"That does not fit: {fault}. Answer in the form that was asked for."},
            ]
        unscored = f"no answer of {self.metric.attempts} fitted: {fault}"
        return {"part": ask.part, "unscored": unscored, "answers": answers}

    def _server(self) -> Any:
        with self.lock:
            if self.server is None:
                try:
                    from merc_bemerc import Server
                except ImportError:
                    raise MercError(
                        f"{self.who} asks a judge by the client of merc-bemerc: pip install 'merc-benchmarks[judge]'"
                    ) from None
                self.server = Server(self.metric, f"metric {self.who}")
            return self.server

    def _keep(self) -> None:
        """Add what was asked to the file, behind what others added meanwhile."""
        if self.path is None or not self.fresh:
            return
        before = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.fresh)
        with whole_file(self.path) as temporary:
            temporary.write_text(before + lines, encoding="utf-8", errors="backslashreplace")
        self.fresh = []


def prompt_key(prompt: str, pictures: Sequence[str] = ()) -> str:
    """What a kept answer is found by: a hash of the prompt and its pictures."""
    digests = [url if not url.startswith(_PICTURE) else _digest(url) for url in pictures]
    return hashlib.sha256(json.dumps([prompt, digests]).encode()).hexdigest()


def read_judgements(path: Path, model: str) -> dict[str, list[str]]:
    """The raw answers of a judge that a file keeps, by ``prompt_key``, in the file's order; none where it is not there.

    Raises MercError, naming the line, for what is no such answer, and where the file has answers of other models alone.
    """
    if not path.exists():
        return {}
    stored: dict[str, list[str]] = {}
    models: set[str] = set()
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise MercError(f"judgements {path} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name, prompt, answer, pictures = row["model"], row["prompt"], row["answer"], row.get("pictures", [])
            right = all(isinstance(one, str) for one in (name, prompt, answer, *pictures))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            right = False
        if not right:
            raise MercError(
                f"judgements {path}, line {number}: a JSON object with 'model', 'prompt' and 'answer' was expected"
            )
        models.add(name)
        if name == model:
            stored.setdefault(prompt_key(prompt, pictures), []).append(answer)
    if models and model not in models:
        raise MercError(f"judgements {path} has no answer of {model!r}; it has those of {', '.join(sorted(models))}")
    return stored


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
