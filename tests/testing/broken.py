"""Helpers of the tests in which a component breaks its contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest


def said(contract: type[Any], component: object, check: str, *arguments: object, **attributes: object) -> str:
    """What a check says of a component that must fail it."""
    case = type("Case", (contract,), {"component": component, **attributes})()
    with pytest.raises(AssertionError) as caught:
        getattr(case, check)(*arguments)
    return str(caught.value)


def frozen(cls: type) -> Any:
    """The class as a component: a frozen dataclass with a docstring."""
    cls.__doc__ = cls.__doc__ or "A component."
    return dataclass(frozen=True, kw_only=True)(cls)
