"""Looks at one faulty plugin after the other, as a process of its own that a plugin may end: a line in, a line out."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from merc.cli.results import take_standard_output
from merc.errors import MercError
from merc.recipe import load_recipe
from merc.registry import Registry, get_registry


def outcome(plugin: str, only: str, where: str) -> dict[str, object]:
    """What merc makes of it: the state of the plugin and its error, that of its component, and what went wrong else."""
    os.environ["MERC_PLUGINS"] = f"{only},sound"
    get_registry.cache_clear()
    registry = Registry.discover()
    states = {one.name: one for one in registry.plugins()}
    registry.resolve("encoder", "loudness")
    if registry.resolve("corpus", "jsonl").__module__ != "merc.builtin.jsonl":
        return {"fault": "merc's own name means another component"}
    found: dict[str, object] = {
        "state": states[plugin].status,
        "error": states[plugin].error or "",
        "others": [states["merc"].status, states["sound"].status],
    }
    if where != "plugin":
        recipe = Path(sys.argv[1]) / "r.yaml"
        recipe.write_text("corpus: {name: jsonl, path: a.jsonl}\nencoders: {a: {name: thing}}\n")
        try:
            if where == "component":
                registry.resolve("encoder", "thing")
            else:
                load_recipe(str(recipe))
            found["component"] = "nothing is wrong"
        except MercError as error:
            found["component"] = str(error)
    return found


def main() -> None:
    """Serve until the input ends."""
    results = take_standard_output()
    asking = os.fdopen(os.dup(0))  # exit() closes sys.stdin before it raises
    for line in asking:
        asked = json.loads(line)
        try:
            ended = outcome(asked["plugin"], asked["only"], asked["where"])
        except BaseException:
            ended = {"fault": traceback.format_exc()[-3000:]}
        print(json.dumps(ended), file=results, flush=True)


if __name__ == "__main__":
    main()
