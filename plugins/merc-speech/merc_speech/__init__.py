"""From a plain recording to utterances: where somebody speaks, who, and what is said."""

__version__ = "0.1.0"
