"""Weights that others publish: fetched once when the user says so, checked by hash, kept in merc's cache; and files of
weights as tensors."""

from __future__ import annotations

import pickle
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import Tensor

_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file at an address, and how the SHA-256 of its content begins, as many digits as its publisher states."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]

    def path(self) -> Path:
        """The file in merc's cache, fetched if it is not there yet. Raises MercError when it cannot be fetched, or is
        not what was published."""
        target = merc.cache_folder("weights") / self.name
        if target.is_file() and merc.hash_file(target).startswith(self.sha256):
            return target
        with merc.whole_file(target) as temporary:
            self._fetch(temporary)
            if not (digest := merc.hash_file(temporary)).startswith(self.sha256):
                raise merc.MercError(
                    f"what {self.url} gave is not the published file: its SHA-256 begins with "
                    f"{digest[: len(self.sha256)]}, not {self.sha256}; run the same command again, or fetch the file "
                    "by other means and give its path"
                )
        return target

    def _fetch(self, target: Path) -> None:
        try:
            with urllib.request.urlopen(self.url, timeout=_SECONDS) as answer, target.open("wb") as file:
                shutil.copyfileobj(answer, file)
                stated = answer.headers.get("Content-Length")
                if stated is not None and file.tell() != int(stated):
                    raise HTTPException(f"{file.tell()} bytes came of {stated}")
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
        except urllib.error.URLError as error:
            reason = str(error.reason)
        except (HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(error) or type(error).__name__
        else:
            return
        raise merc.MercError(
            f"{self.url} could not be downloaded ({reason}); fetch it by other means and give its path instead of "
            "'download'"
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name: safetensors, or what ``torch.save`` wrote, of which nothing but tensors is read.

    Raises MercError for a file that is not there or holds something else.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except FileNotFoundError:
        raise merc.MercError(f"the file with weights {path} is not there") from None
    except (SafetensorError, pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0][:160] or type(error).__name__
        raise merc.MercError(
            f"{path} cannot be read as weights, a .safetensors or .pth file of tensors ({reason})"
        ) from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise merc.MercError(f"{path} holds no mapping of names to tensors; a model's state dict is wanted")
    return state
