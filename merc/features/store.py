"""Features on disk: a file each, under a key that names all that its numbers depend on."""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merc.components.encoder import Features, Missing
from merc.errors import MercError
from merc.files import whole_file
from merc.passes import Hashes, Store

_STALE_SECONDS = 3600

# As safetensors names them: features are F32, what encoders that learn are given may be others.
_DTYPES = {"F32": "<f4", "U8": "|u1", "I64": "<i8"}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


class Damaged(Exception):
    """A file of the store that is not what was written."""


@dataclass(frozen=True)
class Entry:
    """What is known of a kept feature without reading its numbers.

    ``cannot`` is the encoder's reason where it found nothing to encode; then there are no numbers. ``frames`` is how
    many frames the clip gave, ``remarks`` what was to be said of it.
    """

    shape: tuple[int, ...]
    cannot: str | None = None
    frames: int | None = None
    remarks: tuple[str, ...] = ()
    dtype: str = "F32"


class FeatureStore(Store):
    """A folder of features, which several processes may fill and read at once.

    A feature is a safetensors file that is written whole or not at all, float32 ``[tokens, dim]``.

    >>> import tempfile
    >>> store = FeatureStore(Path(tempfile.mkdtemp()))
    >>> store.look("ab" * 32) is None
    True
    >>> store.save("ab" * 32, np.ones((2, 3), "float32"))
    >>> store.look("ab" * 32).shape, store.load("ab" * 32).sum()
    ((2, 3), np.float32(6.0))
    """

    what = "feature store"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.make()
        self.hashes = Hashes(root / "hashes.json")
        """The hashes of media files, kept for all passes that are given this store."""
        self._swept: set[Path] = set()

    def path(self, key: str) -> Path:
        """The file of a feature, there or not."""
        return self.root / key[:2] / f"{key}.safetensors"

    def look(self, key: str) -> Entry | None:
        """What is kept under a key, ``None`` where nothing is. Raises Damaged for a file that is torn."""
        try:
            with self.path(key).open("rb") as file:
                head = file.read(8192)
                size = os.fstat(file.fileno()).st_size
                if len(head) == 8192 and (more := struct.unpack("<Q", head[:8])[0] + 8 - len(head)) > 0:
                    head += file.read(min(more, size))
                entry, _, expected = _header(head)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MercError(f"{self.path(key)} cannot be read: {error.strerror}") from None
        if size != expected:
            raise Damaged(f"{size} bytes instead of {expected}")
        return entry

    def load(self, key: str) -> Features | Missing:
        """A kept feature, checked against the sum that was written with it. Raises MercError for a damaged one, after
        removing it."""
        path = self.path(key)
        try:
            data = path.read_bytes()
            entry, begin, expected = _header(data)
            if len(data) != expected:
                raise Damaged(f"{len(data)} bytes instead of {expected}")
            if entry.cannot is not None:
                return Missing(entry.cannot)
            if _checksum(entry.shape, memoryview(data)[begin:]) != _parse(data)[0]["__metadata__"]["checksum"]:
                raise Damaged("its numbers changed since they were written")
        except Damaged as error:
            path.unlink(missing_ok=True)
            raise MercError(
                f"the feature file {path} is damaged ({error}) and was removed; run the same command again and it is "
                "encoded anew"
            ) from None
        except OSError as error:
            raise MercError(
                f"the feature file {path} cannot be read ({error.strerror}); was the store emptied meanwhile? "
                "Run the same command again"
            ) from None
        return np.frombuffer(data, _DTYPES[entry.dtype], offset=begin).reshape(entry.shape).copy()

    def save(
        self, key: str, value: Features | Missing, frames: int | None = None, remarks: tuple[str, ...] = ()
    ) -> None:
        """Keep a feature, or an encoder's reason why there is none. Raises MercError when the disk is full."""
        from safetensors.numpy import save

        notes: dict[str, str] = {"remarks": json.dumps(remarks)}
        tensors: Mapping[str, Features] = {}
        if frames is not None:
            notes["frames"] = str(frames)
        if isinstance(value, Missing):
            notes["cannot"] = value.reason
        else:
            whole = np.ascontiguousarray(value, _DTYPES[_NAMES.get(value.dtype, "F32")])
            notes["checksum"] = _checksum(whole.shape, memoryview(whole.tobytes()))
            tensors = {"features": whole}
        path = self.path(key)
        try:
            if path.parent not in self._swept:
                self._sweep(path.parent)
            # Many and small, and each is checked when it is read, so none waits for the disk.
            with whole_file(path, sync=False) as temporary:
                temporary.write_bytes(save(dict(tensors), metadata=notes))
        except OSError as error:
            raise MercError(
                f"the feature {path} could not be written: {error.strerror or error}; what was written before is "
                "whole, mend that and run the same command again"
            ) from error

    def _sweep(self, folder: Path) -> None:
        """Remove what killed processes left."""
        self._swept.add(folder)
        for left in folder.glob(".*.tmp"):
            try:
                if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                    left.unlink()
            except FileNotFoundError:
                continue


def _header(data: bytes) -> tuple[Entry, int, int]:
    """What a file states of itself, where its numbers begin and how long it should be."""
    header, begin = _parse(data)
    notes = header.get("__metadata__", {})
    tensor = header.get("features")
    try:
        if ("cannot" in notes) == (tensor is not None):
            raise Damaged("it holds neither a feature nor a reason")
        frames = int(notes["frames"]) if "frames" in notes else None
        remarks = tuple(json.loads(notes["remarks"]))
        if tensor is None:
            return Entry((), notes["cannot"], frames, remarks), begin, begin
        length = tensor["data_offsets"][1]
        shape = tuple(tensor["shape"])
        dtype = tensor["dtype"]
        if length != np.dtype(_DTYPES[dtype]).itemsize * int(np.prod(shape)) or "checksum" not in notes:
            raise Damaged("its header is wrong")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Damaged("its header is wrong") from None
    return Entry(shape, None, frames, remarks, dtype), begin, begin + length


def _checksum(shape: tuple[int, ...], numbers: memoryview) -> str:
    return str(zlib.crc32(numbers, zlib.crc32(str(tuple(shape)).encode())))


def _parse(data: bytes) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file: its length in 8 bytes, then JSON."""
    if len(data) < 8:
        raise Damaged(f"only {len(data)} bytes")
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    try:
        header = json.loads(data[8:begin])
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise Damaged("it has no header")
    return header, begin
