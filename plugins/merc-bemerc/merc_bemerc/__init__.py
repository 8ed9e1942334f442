"""BeMERC (Fu et al., 2025) for merc: behaviour seen in the video, as text beside the utterance."""

__version__ = "0.1.0"
