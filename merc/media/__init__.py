"""Decode and sample video and audio, once a file for all encoders that want it. Free of torch.

Everything here that reads a file does so in a process of its own: a damaged file can end its reader in ways that no
exception tells of. ``decode_here`` and ``probe_here`` do the same in this process.
"""

from merc.media.decode import Decoded, Want
from merc.media.isolation import Decoders
from merc.media.limits import DECODING, Decoding, Limits
from merc.media.playing import Moment, listen, play, watch
from merc.media.probe import MediaInfo
from merc.media.reading import decode, decode_file, probe_media
from merc.media.sampling import MEDIA_VERSION

__all__ = [
    "DECODING",
    "MEDIA_VERSION",
    "Decoded",
    "Decoders",
    "Decoding",
    "Limits",
    "MediaInfo",
    "Moment",
    "Want",
    "decode",
    "decode_file",
    "listen",
    "play",
    "probe_media",
    "watch",
]
