"""Which merc this is."""

__version__ = "0.1.0"

PLUGIN_API = 2
"""The version of the contract between merc and its plugins. A plugin states the one it was written for, as its module's
``MERC_PLUGIN_API``."""
