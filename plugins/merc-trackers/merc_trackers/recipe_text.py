"""A recipe as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def as_yaml(recipe: Mapping[str, Any]) -> str:
    """A resolved recipe as YAML.

    >>> as_yaml({"title": "a run", "seed": 0})
    'title: a run\\nseed: 0\\n'
    """
    return yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
