"""What MER-Factory wrote of clips: a folder for each, with its descriptions as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.clips import Clips
from merc_corpora.importers.tables import read_text

END = "_merr_data.json"
_PEAK = re.compile(r"Peak at\s+(\d+(?:\.\d+)?)s:\s*([A-Za-z ]+)")
_CUES = {"visual_expression": "visual_expression", "visual_objective": "visual_objective",
         "audio_tone": "audio_analysis", "video_content": "video_content"}  # fmt: skip
_NEAR = 0.1


@dataclass(frozen=True, kw_only=True)
class MerFactoryCorpus(merc.Corpus):
    """The output folder of MER-Factory's full pipeline (Lum1104/MER-Factory): for each clip a folder of its name with
    ``<name>_merr_data.json``.

    A clip is a conversation of one utterance. Its label is the first emotion that is named at the strongest moment
    (``overall_peak_frame_info``), which MER-Factory takes from action units, not from people; ``labels: false`` leaves
    it out. The descriptions become the cues ``visual_expression``, ``visual_objective``, ``audio_tone``,
    ``video_content`` and, for the summary, ``multimodal``, as of ``mmeverse``; ``N/A`` is none. The clip is
    ``source_path``, or where that is not there a file of its name below ``root``. Words are not kept apart there, so
    there are none.

    Names of files and keys are those that MER-Factory's ``export.py`` reads. What it exports is read by ``merr``,
    ``sharegpt`` and ``table``.
    """

    root: Path
    """The output folder."""
    labels: bool = True
    """Whether the emotion of the strongest moment is the label."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with folders that hold such a file of their name."""
        files = _files(path) if path.is_dir() else []
        what = f"descriptions of {len(files):,} clips by MER-Factory"
        return merc.Recognised(what=what, parameters={"root": str(path)}) if files else None

    def load(self) -> merc.CorpusData:
        """Read every clip's file. Raises MercError where there is none, or one is not as it should be."""
        root = merc.user_path(self.root)
        files = _files(root) if root.is_dir() else []
        if not files:
            state = f"holds no <name>/<name>{END}" if root.is_dir() else "is not there"
            raise merc.MercError(f"the folder {root} {state}; 'root' of the corpus mer-factory is its output folder")
        clips, silent = Clips("mer-factory", root), []
        for file in files:
            name, record = file.parent.name, _record(file)
            source = Path(str(record.get("source_path") or record.get("source_video") or ""))
            if source.is_file():
                clips.files[name.lower()] = source.absolute()
            parts = record.get("coarse_descriptions_at_peak")
            parts = parts if isinstance(parts, dict) else {}
            cues = {cue: _text(parts.get(key, parts.get(cue))) for cue, key in _CUES.items()}
            cues["multimodal"] = _text(record.get("final_summary"))
            label = _peak(record) if self.labels else None
            if self.labels and label is None:
                silent.append(name)
            clips.add(name, "train", [name, f"{name}/{name}"], str(file), "", cues=cues, label=label)
        count = f"{len(silent)} of {len(files)}"
        notes = [f"clips whose strongest moment names no emotion: {count} ({merc.first_names(silent, 10)})"]
        return clips.data(None, (), notes if silent else ())


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.glob(f"*/*{END}") if path.name == f"{path.parent.name}{END}")


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(read_text(file))
    except ValueError as error:
        raise merc.MercError(f"{file}: not JSON ({error})") from None
    if not isinstance(record, dict):
        raise merc.MercError(f"{file}: an object with the descriptions of a clip is expected")
    return record


def _text(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return "" if text in ("N/A", "n/a") else text


def _peak(record: dict[str, Any]) -> str | None:
    """The first emotion that is named at the strongest moment, or where no moment is its own, at the first."""
    peaks = record.get("chronological_emotion_peaks")
    moments = [match for one in peaks if (match := _PEAK.search(str(one)))] if isinstance(peaks, list) else []
    strongest = record.get("overall_peak_frame_info")
    at = strongest.get("timestamp") if isinstance(strongest, dict) else None
    near = [one for one in moments if isinstance(at, int | float) and abs(float(one[1]) - at) < _NEAR]
    best = next(iter([*near, *moments]), None)
    return best[2].strip().lower() if best is not None else None
