"""Published models of transformers: a folder of this machine, or a name on the model hub."""

from __future__ import annotations

import json
import os
import pickle
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from merc.errors import MercError, first_names
from merc.files import HashMemory, cache_folder
from merc.memory import is_out_of_memory

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
_OF_A_MODEL = (".safetensors", ".bin", ".json")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Where weights are looked for, in transformers' order."""
_BESIDE_WEIGHTS = (
    CONFIG, "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
    "vocab.txt", "merges.txt", "added_tokens.json", "special_tokens_map.json", "chat_template.jinja",
    "chat_template.json",
)  # fmt: skip

_PATIENCE = 10.0
"""Seconds in which the hub must answer."""
_REACHED: set[str] = set()
"""The addresses of hubs that did."""


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """While it lasts, modules that are not imported yet seem not to be installed.

    Args:
        *names: The modules.

    >>> import importlib.util
    >>> with absent("this"):
    ...     print(importlib.util.find_spec("this"))
    None
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@dataclass(frozen=True)
class Pretrained:
    """A model of transformers, in a folder or on the model hub.

    Nothing is fetched but what ``path`` names, and no code that comes with a model is run.

    >>> Pretrained("somebody/some-model", "backbone.path").folder() is None
    True
    """

    path: str
    """A ``merc.FolderOrName``."""
    where: str
    """What messages call the parameter that names it, such as ``backbone.path``."""
    revision: str | None = None
    """The version of a hub model (a branch, tag or commit); ``None`` is its main one."""

    def folder(self) -> Path | None:
        """The folder, or ``None`` for a name on the hub.

        Raises:
            MercError: The folder is not there, or the name could be either.
        """
        folder = Path(self.path).expanduser()
        named = self.path.startswith(("/", ".", "~"))
        if named and not folder.is_dir():
            raise MercError(
                f"{self.where}: there is no folder {self.path}; give the folder of a transformers model or a hub name"
            )
        if not named and folder.is_dir():  # which transformers would take for the model
            raise MercError(
                f"{self.where}: {self.path} is a name on the hub, and there is a folder of that name here too; for "
                f"the folder write ./{self.path}, for the hub start merc elsewhere"
            )
        return folder if named else None

    def identity(self) -> dict[str, Any]:
        """For an encoder's ``identity``: what its features are found by. Files are read once, and again when their size
        or times change.

        Returns:
            Under ``files``, the size and SHA-256 of each file of a folder that a model is made of, by name. Of a name
            on the hub nothing: ``path`` and ``revision`` say which model it is.

        Raises:
            MercError: The folder is not there, or a file cannot be read.
        """
        if (folder := self.folder()) is None:
            return {}
        files = sorted(file for file in folder.iterdir() if file.suffix in _OF_A_MODEL and file.is_file())
        hashes = HashMemory(cache_folder() / "weights.json")
        try:
            weights = {file.name: [file.stat().st_size, hashes.of(file)] for file in files}
        except OSError as error:
            raise MercError(f"{self.where}: {error.filename} cannot be read: {error.strerror}") from None
        hashes.write()
        return {"files": weights}

    def commit(self) -> str | None:
        """Which commit of the hub a name stands for here: the one that was fetched last. ``None`` for a folder, and
        for a model that was not fetched yet."""
        return None if self.folder() is not None or (snapshot := self._kept()) is None else snapshot.name

    def contents(self) -> dict[str, list[Any]]:
        """What a language model and its tokenizer are made of: the files of a folder, or what was fetched of a hub
        model. Of several forms of weights those count that transformers reads. A large file is read once, and again
        when its size or times change.

        Returns:
            Size and SHA-256 of each file, by name; empty where a hub model was not fetched yet.

        Raises:
            MercError: The folder is not there, or a file cannot be read.
        """
        folder = self.folder() or self._kept()
        if folder is None:
            return {}
        memory = HashMemory(cache_folder() / "weights.json")
        try:
            files = [folder / name for name in (*_weight_files(folder), *_BESIDE_WEIGHTS)]
            contents = {f.name: [f.stat().st_size, memory.of(f)] for f in files if f.is_file()}
        except OSError as error:
            raise MercError(f"{self.where}: {error.filename} cannot be read: {error.strerror}") from None
        memory.write()
        return contents

    def _kept(self) -> Path | None:
        """The folder of a hub model in the hub's cache, named by its commit."""
        from huggingface_hub import try_to_load_from_cache

        config = try_to_load_from_cache(self.path, CONFIG, revision=self.revision)
        return Path(config).parent if isinstance(config, str) else None

    def fetch(self, kind: Any, **more: Any) -> Any:
        """What ``kind.from_pretrained`` makes of it; on a hub name it may download.

        Args:
            kind: A class of transformers.
            **more: Further parameters of its ``from_pretrained``.

        Raises:
            MercError: It makes nothing of it.
        """
        folder = self.folder()
        with self._loading(), nullcontext() if folder else _asking_hub():
            return kind.from_pretrained(folder or self.path, revision=self.revision, trust_remote_code=False, **more)

    def network(self, kind: Any, *, unused: Sequence[str] = (), **more: Any) -> Any:
        """A frozen network with its weights, in evaluation mode: safetensors, or a ``.bin`` of which nothing but
        tensors is read.

        Args:
            kind: The network's class in transformers.
            unused: Parameters that the weights may lack; they get random numbers.
            **more: Further parameters of its ``from_pretrained``.

        Raises:
            MercError: The weights lack a tensor or have one of another shape, or there is an adapter of PEFT, which
                transformers would put into the network.
        """
        self.check_no_adapter()
        more |= {"output_loading_info": True, "weights_only": True, "ignore_mismatched_sizes": True}
        with quiet(), _as_they_are():
            net, info = self.fetch(kind, **more)
        name, total = type(net).__name__, len(net.state_dict())
        remedy = f"give one that holds a whole {name}"
        if lacking := sorted(set(info["missing_keys"]) - set(unused)):
            others = first_names(sorted(info["unexpected_keys"]), 3)
            has = f", and has {others}, which a {name} has not" if others else ""
            raise MercError(
                f"{self.where}: {self.path!r} holds other weights than a {name}'s: it lacks {len(lacking)} of {total} "
                f"tensors: {first_names(lacking, 3)}{has}; {remedy}"
            )
        if other := sorted(info["mismatched_keys"]):
            key, held, expected = other[0]
            raise MercError(
                f"{self.where}: {self.path!r} holds other weights than a {name}'s of its {CONFIG}: {len(other)} of "
                f"{total} tensors have another shape; {key} has {list(held)}, not {list(expected)}; {remedy}"
            )
        return net.eval().requires_grad_(False)

    def check_weights(self, kind: Any, *, unused: Sequence[str] = (), **more: Any) -> None:
        """See, before hours of other work, that ``network`` would find all weights: a hub model is fetched, names and
        shapes are compared, and no weights are read into memory. Takes and raises what ``network`` does."""
        self.network(kind, unused=unused, device_map="meta", **more)

    def check_no_adapter(self) -> None:
        """Raise MercError for a folder or hub model with an adapter of PEFT, alone or beside a model's weights."""
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            adapter = self.read_json(ADAPTER)
        except MercError as error:
            if not isinstance(error.__cause__, LocalEntryNotFoundError):  # the hub was not reached: others say so
                raise
            return
        if adapter is not None:
            of = f" of {adapter['base_model_name_or_path']}" if adapter.get("base_model_name_or_path") else ""
            raise MercError(
                f"{self.where}: {self.path!r} holds an adapter of PEFT{of} ({ADAPTER}), not a model alone; merge the "
                "two (merge_and_unload(), then save_pretrained()) and give the merged folder, or give the model that "
                "the adapter was made for"
            )

    def config(self, known: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
        """``config.json`` as plain values, read without torch.

        Args:
            known: Configurations by name, which stand in for a hub model that was not fetched yet, so that public
                models can be counted on a machine that reaches no hub.

        Raises:
            MercError: The model has none, or it cannot be read.
        """
        shape = (known or {}).get(self.path)
        config = self.read_json(CONFIG, here=shape is not None)
        if config is None and shape is None:
            raise MercError(f"{self.where}: {self.path!r} has no {CONFIG}; give the folder of a transformers model")
        return config if config is not None else dict(shape or {})

    def read_json(self, name: str, *, here: bool = False) -> dict[str, Any] | None:
        """A JSON file of the model.

        Args:
            name: The file's name.
            here: Whether only what is on this machine counts; else a hub is asked.

        Returns:
            The mapping that it holds; ``None`` where the model has no such file.

        Raises:
            MercError: It cannot be read, or holds no mapping.
        """
        with self._loading():
            path = folder / name if (folder := self.folder()) else self._fetched(name, here)
            if path is None or not path.is_file():
                return None
            value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise MercError(f"{self.where}: {path} holds no mapping; give the folder of a transformers model")
        return value

    def _fetched(self, name: str, here: bool) -> Path | None:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        cached = try_to_load_from_cache(self.path, name, revision=self.revision)
        if here or isinstance(cached, str):
            return Path(cached) if isinstance(cached, str) else None
        try:
            with _asking_hub():
                return Path(hf_hub_download(self.path, name, revision=self.revision))
        except LocalEntryNotFoundError:  # the hub was not reached
            raise
        except EntryNotFoundError:
            return None

    @contextmanager
    def _loading(self) -> Iterator[None]:
        """What transformers and the hub raise, as one sentence."""
        from safetensors import SafetensorError

        try:
            yield
        except (OSError, ValueError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
            if is_out_of_memory(error):
                raise
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MercError(
                f"{self.where}: {self.path!r} could not be loaded: {first} "
                "Give the folder of a transformers model, or a hub name on a machine that reaches the hub"
            ) from error


def _why_unreached() -> str | None:
    """Why the hub cannot be reached, where that is seen at once; else None."""
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or getproxies() or not address.hostname:  # a proxy may reach it
        return None
    if constants.ENDPOINT not in _REACHED:
        port = address.port or (80 if address.scheme == "http" else 443)
        try:
            socket.create_connection((address.hostname, port), timeout=_PATIENCE).close()
        except OSError as error:
            return f"{address.netloc} is not reached ({error.strerror or error})"
        _REACHED.add(constants.ENDPOINT)
    return None


def _is_of_the_cache(error: BaseException | None) -> bool:
    """Whether an error says that the cache lacks a file."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    while error is not None:
        if isinstance(error, (LocalEntryNotFoundError, OfflineModeIsEnabled)):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _asking_hub() -> Iterator[None]:
    """Where the hub cannot be reached, only what was fetched before counts inside the block: the hub's client would try
    for half a minute, for each file. Raises LocalEntryNotFoundError with the reason for what was not."""
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError

    unreached = _why_unreached()
    if unreached is None:
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    except Exception as error:
        if not _is_of_the_cache(error):
            raise
        words = f"{unreached}, and the model is not among those that were fetched before."
        raise LocalEntryNotFoundError(words) from error
    finally:
        constants.HF_HUB_OFFLINE = False


def _weight_files(folder: Path) -> list[str]:
    """The names of the files that transformers reads weights from, an index with its shards."""
    first = next((name for name in _WEIGHTS if (folder / name).is_file()), None)
    if first is None or not first.endswith(".index.json"):
        return [first] if first else []
    try:
        shards = json.loads((folder / first).read_text(encoding="utf-8"))["weight_map"].values()
        return [first, *sorted({str(shard) for shard in shards})]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [first]  # loading says what is wrong with it


@contextmanager
def _as_they_are() -> Iterator[None]:
    """transformers asks a service of the hub to convert weights that are no safetensors, and may take what it answers
    in their place. Inside the block it does not: only what was named is fetched."""
    name = "DISABLE_SAFETENSORS_CONVERSION"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and nothing below an error from transformers inside the block, so no report of weights that a
    part of a model has no use for; as before after it.

    >>> from transformers.utils import logging
    >>> with quiet():
    ...     logging.get_verbosity() == logging.ERROR, logging.is_progress_bar_enabled()
    (True, False)
    """
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
