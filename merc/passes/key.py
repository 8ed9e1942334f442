"""Keys of content: the hash of all that a result depends on, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from merc.components.encoder import Sampling
from merc.errors import MercError


def digest(whole: Mapping[str, Any], what: str) -> str:
    """64 hexadecimal digits. Raises MercError, beginning with ``what``, for what is no plain value.

    >>> digest({"text": "Oh, no."}, "it")[:8]
    'ef9f01b6'
    """
    try:
        text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise MercError(f"{what} must be plain values, since results are kept by them ({error})") from None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def class_of(component: object) -> str:
    """The class of a component, as it stands in a key."""
    return f"{type(component).__module__}:{type(component).__qualname__}"


def sampling_of(sampling: Sampling) -> dict[str, Any]:
    """A sampling as it stands in a key; ``times`` and ``sound`` are there only where it has some, so that older keys
    stay."""
    return {key: value for key, value in asdict(sampling).items() if key not in ("times", "sound") or value}
