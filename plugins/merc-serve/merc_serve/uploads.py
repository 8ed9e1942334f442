"""Files that a client sends: kept in a temporary folder under names of the server's own, and removed after."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from starlette.datastructures import UploadFile

import merc

_CHUNK = 2**20


class Uploads:
    """The media of one request, by the names that its client gave them. Use it as a context."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._files: dict[str, Path] = {}

    def __enter__(self) -> Uploads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def files(self) -> Mapping[str, Path]:
        """Where each lies."""
        return self._files

    async def add(self, upload: UploadFile) -> None:
        """Keep a file. Raises MercError for one that is empty, has no media file's ending, or has the name of
        another."""
        name = upload.filename or ""
        # The client's name only ever says what the file is; a path in it has no effect.
        ending = Path(name.replace("\\", "/")).suffix.lower()
        if name in self._files:
            raise merc.MercError(f"two files are named {name!r}; give each its own name")
        if not ending[1:].isalnum():
            raise merc.MercError(f"the file {name!r} has no ending such as .mp4 or .wav, which says what it is")
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="merc-serve-"))
        path = self._folder / f"upload-{secrets.token_hex(8)}{ending}"
        size = 0
        with path.open("wb") as file:
            while chunk := await upload.read(_CHUNK):
                size += len(chunk)
                file.write(chunk)
        if not size:
            raise merc.MercError(f"the file {name!r} is empty")
        self._files[name] = path

    def named(self, name: str, where: str) -> Path:
        """The file of a name. Raises MercError where no such file was sent: a path on the server is none."""
        if name not in self._files:
            sent = ", ".join(sorted(self._files)) or "none"
            raise merc.MercError(f"{where} names the file {name!r}, which was not sent with the request; sent: {sent}")
        return self._files[name]
