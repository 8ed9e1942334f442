"""What servers answered, kept on this machine: no question is paid for twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import merc


class KeptAnswers:
    """Responses in the cache, a file each, found by the server, the model and all of the question."""

    def __init__(self, server: str, model: str) -> None:
        self._folder = merc.cache_folder() / "served"
        self._of = {"server": server, "model": model}

    def _file(self, question: Mapping[str, Any]) -> Any:
        text = json.dumps({**self._of, **question}, sort_keys=True, ensure_ascii=False)
        name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / f"{name}.json"

    def read(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        """The response to a question; None where it is not kept, or its file is damaged."""
        try:
            response = json.loads(self._file(question).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return response if isinstance(response, dict) and response.get("choices") else None

    def write(self, question: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """Keep a response."""
        file = self._file(question)
        file.parent.mkdir(parents=True, exist_ok=True)
        with merc.whole_file(file) as part:
            part.write_text(json.dumps(response, ensure_ascii=False), encoding="utf-8")
