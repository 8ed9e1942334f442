"""MME-Emotion: eight tasks on clips of other sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import merc
from merc_corpora.importers.clips import Clips
from merc_corpora.importers.questions import Entry, entries_of, joined, text_of, texts_of
from merc_corpora.importers.tables import folder_of

TASKS: Mapping[str, tuple[str, str]] = {
    "ER-Lab": ("emotion", "the person in the video feels"),
    "ER-Wild": ("emotion", "the person in the video feels"),
    "Noise-ER": ("emotion", "the person in the video feels"),
    "FG-ER": ("emotion or emotions", "the body of the person in the video shows"),
    "ML-ER": ("emotions", "the person in the video feels"),
    "SA": ("sentiment", "the person in the video expresses"),
    "FG-SA": ("fine-grained sentiment", "the person in the video expresses"),
    "IR": ("intent", "the person in the video has"),
}
"""What each task asks for."""
SOURCE = "MME-Emotion (Zhang et al., 2025)"


@dataclass(frozen=True, kw_only=True)
class MmeEmotionCorpus(merc.Corpus):
    """MME-Emotion (Zhang et al., 2025), all for testing: for each task a folder (``ER-Lab``) with
    ``question/ER_Lab.json`` and ``audio_clue/ER_Lab_qwen2_audio_clues.json``.

    A question has ``video_id`` (``IEMOCAP/video/Ses05M_script01_1_F034.mp4``), ``label`` (several between commas or
    semicolons) and ``label_set``; a clue has ``video_id`` and ``audio_clue``, a description of the sound. The clips are
    looked for below ``root`` by ``video_id``, in the task's folder or beside it. ``extra``'s ``reference`` holds
    ``task``, ``labels``, ``label_set``, ``audio_clue`` and ``clip``, which the judge of the benchmark ``mme-emotion``
    is given; ``question`` is merc's own words, for the published ones are not in the release, and asks to reason first.
    A conversation's dataset is ``mme-emotion-<task>``.

    Layout, keys and numbers were read off the release's own files (FunAudioLLM/MME-Emotion, which held the questions).
    """

    root: Path
    """The folder that holds the tasks' folders."""

    def load(self) -> merc.CorpusData:
        """Read the questions. Raises MercError where a file is not as it should be, naming the entry."""
        root = folder_of(self.root, "mme-emotion", [], "the folder with the tasks' folders (ER-Lab, …) in it")
        files = {task: root / task / "question" / f"{task.replace('-', '_')}.json" for task in TASKS}
        absent = [task for task, file in files.items() if not file.is_file()]
        if len(absent) == len(files):
            folder_of(root, "mme-emotion", [str(file.relative_to(root)) for file in files.values()],
                      "the folder with the tasks' folders in it")  # fmt: skip
        parts = {
            f"mme-emotion-{task.lower()}": self._read(root, task, file)
            for task, file in files.items()
            if file.is_file()
        }
        data = joined(parts, [f"tasks that are not there: {', '.join(absent)}"] if absent else [])
        count = merc.ReportedCount(what="clips", found=len(data.conversations), reported=6500, source=SOURCE)
        return replace(data, counts=(count,))

    def _read(self, root: Path, task: str, file: Path) -> merc.CorpusData:
        clues_file = root / task / "audio_clue" / f"{file.stem}_qwen2_audio_clues.json"
        clues = {}
        if clues_file.is_file():
            for where, entry in entries_of(clues_file, ("video_id", "audio_clue")):
                clues[text_of((where, entry), "video_id")] = str(entry["audio_clue"] or "")
        clips = Clips(f"mme-emotion-{task.lower()}", root)
        clueless = 0
        for where, entry in entries_of(file, ("video_id", "label", "label_set")):
            at: Entry = (where, entry)
            name, among = text_of(at, "video_id"), texts_of(at, "label_set")
            labels = _labels(text_of(at, "label"), among, where)
            stem = Path(name).with_suffix("").as_posix()
            places = [f"{task}/{stem}", stem, f"{task}/video/{stem}"]
            clip = next((clips.files[one.lower()] for one in places if one.lower() in clips.files), None)
            clueless += not clues.get(name)
            clips.add(
                stem.replace("/video/", "/"), "test", places, where, open_labels=tuple(labels),
                extra={
                    "question": _question(task, among),
                    "reference": {
                        "task": task, "labels": labels, "label_set": among, "audio_clue": clues.get(name, ""),
                        "clip": str(clip.absolute()) if clip is not None else "",
                    },
                },
            )  # fmt: skip
        notes = [f"clips without a description of the sound: {clueless} of {len(clips.talks)}"] if clueless else []
        data = clips.data(None, (), notes)
        others = tuple(note for note in data.notes if not note.startswith("clips without a subtitle"))
        return merc.CorpusData(conversations=data.conversations, labels=None, notes=others, counts=data.counts)


def _labels(text: str, among: list[str], where: str) -> list[str]:
    """The labels in a cell that separates them by commas or semicolons; a label of the set may hold such a mark."""
    known = {one.casefold(): one for one in among}
    whole = known.get(text.casefold())
    items = [whole] if whole else [known.get(one.strip().casefold()) for one in re.split("[,;]", text) if one.strip()]
    if not items or None in items:
        raise merc.MercError(f"{where}: 'label' is {text!r}; labels of {', '.join(among)} were expected")
    return list(dict.fromkeys(one for one in items if one is not None))


def _question(task: str, among: list[str]) -> str:
    what, who = TASKS[task]
    return (
        f"Say which {what} {who}, from what is seen, heard and said. Reason step by step, then end with the {what}. "
        f"Choose among: {', '.join(among)}."
    )
