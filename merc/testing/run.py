"""The contract of runs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from merc.components import Run
from merc.files import hash_file
from merc.session.api import load
from merc.testing.contract import ComponentContract, require


class RunContract(ComponentContract):
    """What a run that a plugin brings must keep. Override ``texts`` with words that suit it."""

    kind = "run"
    component: ClassVar[Run]

    def texts(self) -> list[str]:
        """What is said in a conversation that the run is asked about."""
        return ["We won!", "I don't believe you."]

    def files(self) -> dict[str, str]:
        """The run's files and the hash of each."""
        folder = self.component.folder()
        return {str(file.relative_to(folder)): hash_file(file) for file in folder.rglob("*") if file.is_file()}

    def test_its_folder_is_there(self) -> None:
        """``folder`` gives a folder with a recipe and labels, the same each time."""
        folder = self.component.folder()
        require(isinstance(folder, Path), f"folder() of {self.title} gives {type(folder).__name__}; give a Path")
        require(folder == self.component.folder(), f"folder() of {self.title} gives another folder each time")
        for name in ("recipe.yaml", "labels.json"):
            require((folder / name).is_file(), f"{folder} holds no {name}; give the folder of a run")

    def test_it_answers_and_nothing_is_written(self) -> None:
        """Its model is loaded and gives each utterance one of its labels; no file of its folder changes."""
        before = self.files()
        session = load(self.component.folder())
        labels = [prediction.label for text in self.texts() for prediction in session.predict({"text": text})]
        require(
            len(labels) == len(self.texts()) and all(label in session.labels.labels for label in labels),
            f"{self.title} gives {labels}; it must give each utterance one of its labels",
        )
        require(self.files() == before, f"using {self.title} changed files of its own folder")

    def test_it_names_no_place_of_the_machine_that_made_it(self) -> None:
        """No text of it holds an absolute path: make it with ``merc.pack_run``."""
        from merc.session.places import places_in

        folder = self.component.folder()
        places = {name: paths for name in self.files() if (paths := places_in(folder / name))}
        require(not places, f"files of {self.title} name folders of the machine that made it: {places}; use pack_run")
