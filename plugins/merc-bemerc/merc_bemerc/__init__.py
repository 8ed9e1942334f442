"""BeMERC (Fu et al., 2025) for merc: behaviour seen in the video, as text beside the utterance."""

__version__ = "0.1.0"

from merc_bemerc.server import Passing, Reached, Server

__all__ = ["Passing", "Reached", "Server"]  # how its teachers ask a server, for judges of other plugins too
