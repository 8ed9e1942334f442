"""The model hub through ``huggingface_hub``: address and token from the environment, its faults in a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import merc

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TOKEN = "HF_TOKEN"
ADDRESS = "HF_ENDPOINT"


def is_folder(name: str) -> bool:
    """Whether a name is a folder's path, and not a repository: it is there, or is written as paths are.

    >>> is_folder("./out"), is_folder("/tmp/out"), is_folder("ann/meld")
    (True, True, False)
    """
    return name.startswith(("/", "./", "../", "~")) or Path(name).is_dir()


def check_name(name: str) -> None:
    """Raise MercError for what is no name of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        raise merc.MercError(
            f"{name!r} is no name of a repository: write OWNER/NAME, with letters, digits, '-', '_' and '.'; a folder "
            "is written with ./ before it"
        ) from None


def hub(user: str) -> HfApi:
    """The hub, with the token of the environment if there is one; no other is looked for."""
    from huggingface_hub import HfApi

    merc.allow(f"env:{TOKEN}", source=user)
    return HfApi(endpoint=os.environ.get(ADDRESS) or None, token=merc.read_variable(TOKEN, user) or False)


@contextmanager
def in_a_sentence(name: str, doing: str, api: HfApi) -> Iterator[None]:
    """Raise MercError in place of what the hub's library raises."""
    from huggingface_hub import errors

    has_token = bool(api.token)
    remedy = f"the token of {TOKEN} does not allow it" if has_token else f"put a token that may into {TOKEN}"
    try:
        yield
    except errors.GatedRepoError:
        raise merc.MercError(f"{name} asks its readers to accept terms first: do so on its page; {remedy}") from None
    except errors.RepositoryNotFoundError:
        raise merc.MercError(f"there is no repository {name} at {api.endpoint}, or it is private: {remedy}") from None
    except errors.RevisionNotFoundError:
        raise merc.MercError(f"{name} has no such revision; give the name of a branch, a tag or a commit") from None
    except errors.OfflineModeIsEnabled:
        raise merc.MercError(f"HF_HUB_OFFLINE is set, so {name} cannot be {doing}; unset it") from None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise merc.MercError(f"{api.endpoint} refuses that {name} is {doing} ({status}): {remedy}") from None
        why = " ".join(str(error.server_message or error).split())[:200]
        raise merc.MercError(f"{api.endpoint} failed while {name} was {doing} ({status}): {why}; try again") from None
    except Exception as error:
        if not _is_of_the_network(error):
            raise
        why = _cause(error)
        raise merc.MercError(
            f"{api.endpoint} cannot be reached, so {name} was not {doing}: {why}; see that this machine has a network, "
            f"and that {ADDRESS}, if it is set, is right"
        ) from None


def _is_of_the_network(error: BaseException) -> bool:
    """Whether a request got no answer. The library by which the hub's sends requests is its own choice."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    library = type(error).__module__.partition(".")[0]
    return isinstance(error, LocalEntryNotFoundError | ConnectionError) or library.startswith("httpx")


def _cause(error: BaseException) -> str:
    """The first line of what lies at the bottom of an error."""
    seen: Any = error
    while seen.__cause__ is not None:
        seen = seen.__cause__
    return " ".join(str(seen).split())[:120] or type(seen).__name__
