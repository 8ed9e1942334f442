"""What is installed: hooks, discovery, plugins and what failed."""

from __future__ import annotations

from merc.registry.hooks import KINDS
from merc.registry.registry import Registry, get_registry
from merc.registry.status import PluginStatus, Registration

__all__ = ["KINDS", "PluginStatus", "Registration", "Registry", "get_registry"]
