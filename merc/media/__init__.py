"""Decode and sample video and audio, once a file for all encoders that want it. Free of torch."""

from merc.media.decode import Decoded, Want, decode, decode_file
from merc.media.sampling import MEDIA_VERSION

__all__ = ["MEDIA_VERSION", "Decoded", "Want", "decode", "decode_file"]
