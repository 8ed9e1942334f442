"""What a recipe says of the work itself, beside where and how fast that is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

PLACE_AND_SPEED = ("strategy", "features.store", "features.workers")
"""The keys that say where and how fast work is done. The others of ``features`` change numbers: ``seed`` says which
frames are drawn, and the limits of decoding say which media are missing."""

# Hashes that were made before the rest of ``features`` was part of the content stay valid for these values.
_FEATURES_BEFORE = {"seed": 0, "decode_seconds": 300.0, "decode_gigabytes": 6.0, "decode_megapixels": 64.0}


def content_of(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved recipe without ``PLACE_AND_SPEED``, and without ``features`` where nothing in it was changed.

    >>> content_of({"seed": 1, "strategy": {"device": "cpu"}, "features": {"store": "/features", "seed": 2}})
    {'seed': 1, 'features': {'seed': 2}}
    """
    content = {
        name: {key: one for key, one in value.items() if not is_part_of(f"{name}.{key}", PLACE_AND_SPEED)}
        if isinstance(value, Mapping)
        else value
        for name, value in resolved.items()
        if name not in PLACE_AND_SPEED
    }
    if content.get("features") == _FEATURES_BEFORE:
        del content["features"]
    return content


def is_part_of(path: str, keys: Collection[str]) -> bool:
    """Whether a dotted path is one of some keys, or stands below one.

    >>> is_part_of("strategy.device", ("strategy",)), is_part_of("features", ("features.store",))
    (True, False)
    """
    return any(path == key or path.startswith(f"{key}.") for key in keys)
