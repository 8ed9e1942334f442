"""Reads recipes one after the other, as a process of its own that may hang or die: a line in, a line out.

A line in is ``{"file": …, "overrides": […]}``; the line out says how it ended: ``ok``, ``refused``, or ``fault``.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from merc.errors import MercError
from merc.recipe import dump_recipe, load_recipe

LONGEST = 100_000
"""Characters of a message."""


def outcome(file: str, overrides: list[str]) -> dict[str, Any]:
    """How reading a recipe ends. One that is read must be read again, as the same, from what a run records."""
    try:
        recipe = load_recipe(file, overrides)
        kept = Path(file).with_name("recorded.yaml")
        kept.write_text(dump_recipe(recipe), encoding="utf-8")
        if load_recipe(str(kept)).resolved != recipe.resolved:
            return {"end": "fault", "what": "what is recorded is read as something else"}
    except MercError as error:
        said = str(error)
        if not said.strip() or len(said) > LONGEST:
            return {"end": "fault", "what": f"a message of {len(said)} characters"}
        return {"end": "refused"}
    except BaseException:
        return {"end": "fault", "what": traceback.format_exc()[-3000:]}
    return {"end": "ok"}


def main() -> None:
    """Serve until the input ends."""
    load_recipe("skits")  # what is imported once is no part of a recipe's time
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        before = time.process_time()
        ended = outcome(asked["file"], asked["overrides"])
        print(json.dumps({**ended, "seconds": time.process_time() - before}), flush=True)


if __name__ == "__main__":
    main()
