"""The runs that ship: a folder of this package each, which ``make_runs.py`` beside it has packed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import merc

_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class MeldText(merc.Run):
    """The seven emotions of MELD (neutral, surprise, fear, sadness, joy, disgust, anger) from English words alone:
    SmolLM2-135M, tuned with LoRA on MELD's train split, chosen on its dev split. Its card says how well it does and
    where it fails."""

    def folder(self) -> Path:
        """Where it lies in the package."""
        return _HERE / "meld-text"


@dataclass(frozen=True, kw_only=True)
class MeldFace(merc.Run):
    """The words of ``meld-text`` and the face of who is seen, decided together (``late-fusion``, half each): for
    recordings with a picture. Where no face is seen the words decide alone. Its card says what was measured."""

    def folder(self) -> Path:
        """A folder of the user's cache: its own recipe with the weights of ``meld-text``, which the package holds once.
        It is made at the first use."""
        words = _files(MeldText().folder(), "stages/", "labels.json", "provenance.json")
        files = {**words, **_files(_HERE / "meld-face", "recipe.yaml")}
        names = "".join(f"{name} {merc.hash_file(file)}\n" for name, file in sorted(files.items()))
        target = merc.cache_folder("ready") / f"meld-face-{hashlib.sha256(names.encode()).hexdigest()[:16]}"
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
            made = Path(temporary) / "run"
            for name, file in files.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, made / name)
            try:
                made.rename(target)
            except OSError:  # another process was first
                if not target.is_dir():
                    raise
        return target


def _files(folder: Path, *starts: str) -> dict[str, Path]:
    """The files of a folder whose names in it begin so, by these names."""
    names = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: file for name, file in names.items() if name.startswith(starts)}
