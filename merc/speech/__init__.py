"""From a plain recording to utterances: where somebody speaks, who, and what is said. Free of torch."""

from merc.speech.listener import Hearing, Listener, has_default
from merc.speech.streaming import LiveHearing

__all__ = ["Hearing", "Listener", "LiveHearing", "has_default"]
