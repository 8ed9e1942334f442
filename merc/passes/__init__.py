"""What the passes over data share: keys of content, claims between processes, decoding ahead, and the work itself."""

from merc.passes.claims import Claims
from merc.passes.content_pass import ContentPass, Progress
from merc.passes.hashes import Hashes
from merc.passes.key import class_of, digest, sampling_of
from merc.passes.store import Store

__all__ = ["Claims", "ContentPass", "Hashes", "Progress", "Store", "class_of", "digest", "sampling_of"]
