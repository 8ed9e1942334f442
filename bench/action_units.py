"""How well the action-unit proxies of merc-annotation follow drawn faces: correlation with the drawn parameters by
unit, and where the peak frame lies. Intensities are those of ``action-units``, which knows one clip, and those of
``calibrated-units``, which knows all of them. Clips are those of skits, whose expressions grow and then nearly stay,
and with ``--rising`` the same acted otherwise: the expression rises to one moment and fades. Prints tables of Markdown.

    python bench/action_units.py --clips 200
    python bench/action_units.py --clips 200 --rising
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from merc_annotation.action_units import measured_frames
from merc_annotation.face_units import UNITS, compared_with, intensities, rests
from merc_annotation.unit_table import UnitTable
from merc_embedded import FaceFinder, FaceMesh
from merc_skits.clip import drawn_expressions, make_clip
from merc_skits.expression import Acting, Expression
from merc_skits.script import Conflicts, write_script

from merc.components import Frames, Missing, VideoClip
from merc.media.decode import Want, decode_here

DRAWN: Mapping[str, tuple[str, Callable[[Expression], float]]] = {
    "AU01": ("brow_inner", lambda e: max(0.0, e.brow_inner)),
    "AU02": ("brow_outer", lambda e: max(0.0, e.brow_outer)),
    "AU04": ("-brow_inner, brow_squeeze", lambda e: (max(0.0, -e.brow_inner) + max(0.0, e.brow_squeeze)) / 2),
    "AU05": ("lids", lambda e: max(0.0, e.lids)),
    "AU06": ("cheeks", lambda e: max(0.0, e.cheeks)),
    "AU09": ("nose", lambda e: max(0.0, e.nose)),
    "AU10": ("upper_lip", lambda e: max(0.0, e.upper_lip)),
    "AU12": ("smile", lambda e: max(0.0, e.smile)),
    "AU15": ("-smile", lambda e: max(0.0, -e.smile)),
    "AU20": ("stretch", lambda e: max(0.0, e.stretch)),
    "AU25": ("jaw", lambda e: max(0.0, e.jaw)),
    "AU26": ("jaw", lambda e: max(0.0, e.jaw)),
    "AU45": ("-lids, shut", lambda e: float(e.lids <= -1.0)),
}
"""The drawn parameters that a unit stands for."""
PEAK = [name for name in DRAWN if name not in ("AU45", "AU26")]
"""What the drawn peak sums: no blinks, and what one parameter draws once."""
Clip = dict[str, Any]


class Rising(Acting):
    """An expression that rises to one moment and fades, on a face that is nearly at rest before and after it."""

    def __init__(self, emotion: Any, strength: float, seconds: float, draw: random.Random) -> None:
        super().__init__(emotion, strength, seconds, draw)
        self.apex = draw.uniform(0.15, 0.85) * seconds

    def weight(self, time: float) -> float:
        return 0.1 + 0.9 * math.exp(-(((time - self.apex) / 0.45) ** 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--rising", action="store_true", help="let every expression rise to one moment and fade")
    options = parser.parse_args()
    clips, unseen = measured(options.clips, options.seed, Rising if options.rising else Acting)
    by_speaker: dict[str | None, list[dict[str, float]]] = defaultdict(list)
    for clip in clips:
        by_speaker[clip["speaker"]].append({name: float(np.median(v)) for name, v in clip["measures"].items()})
    known = rests(by_speaker)
    ways = {
        "action-units": [intensities(clip["measures"]) for clip in clips],
        "calibrated-units": [compared_with(known[clip["speaker"]], clip["measures"]) for clip in clips],
    }
    print(f"| unit | meaning | drawn by | {' | '.join(f'r, {way}' for way in ways)} |")
    print(f"|---|---|---|{'---|' * len(ways)}")
    for name, (drawn_by, _) in DRAWN.items():
        drawn = np.concatenate([clip["drawn"][name] for clip in clips])
        rs = [np.corrcoef(np.concatenate([values[name] for values in those]), drawn)[0, 1] for those in ways.values()]
        print(f"| {name} | {UNITS[name].meaning} | `{drawn_by}` | {' | '.join(f'{r:.2f}' for r in rs)} |")
    frames = sum(len(clip["at"]) for clip in clips)
    print(f"\n{len(clips)} clips ({unseen} more without a face), {frames} frames\n")
    print("| peak frame by | from the drawn peak, mean (median) | drawn sum there, of its highest |")
    print("|---|---|---|")
    rows = {way: [UnitTable(way, np.array(c["at"], float), v).peak() for c, v in zip(clips, those, strict=True)]
            for way, those in ways.items()}  # fmt: skip
    for way, places in rows.items():
        distances = [abs(clip["at"][at] - int(clip["sums"].argmax())) for clip, at in zip(clips, places, strict=True)]
        shares = [clip["sums"][clip["at"][at]] / clip["sums"].max() for clip, at in zip(clips, places, strict=True)]
        print(f"| {way} | {np.mean(distances):.1f} ({np.median(distances):.0f}) | {np.mean(shares):.2f} |")
    chance = [np.abs(np.arange(len(c["sums"])) - int(c["sums"].argmax())) for c in clips]
    mean, middle = np.mean([one.mean() for one in chance]), np.mean([np.median(one) for one in chance])
    print(f"| a frame by chance | {mean:.1f} ({middle:.0f}) | "
          f"{np.mean([clip['sums'].mean() / clip['sums'].max() for clip in clips]):.2f} |")  # fmt: skip
    near = np.mean([np.mean(clip["sums"] >= 0.9 * clip["sums"].max()) for clip in clips])
    print(f"\n{near:.0%} of the frames of a clip are drawn at 90 % of its peak or more")


def measured(count: int, seed: int, acting: type[Acting]) -> tuple[list[Clip], int]:
    """The measures of clips, frame by frame, with what is drawn; and how many have no face."""
    scenes = write_script(seed, {"train": -(-count // 5), "dev": 0, "test": 0}, 5, 0.0, Conflicts())
    finder, mesh = FaceFinder.load(), FaceMesh.load()
    clips: list[Clip] = []
    unseen = 0
    with tempfile.TemporaryDirectory() as folder:
        for line in [line for scene in scenes for line in scene.lines][:count]:
            path = Path(folder) / "clip.mp4"
            make_clip(line, path, acting)
            (decoded,) = decode_here(path, [Want(Frames(count=1000))], 0)
            assert isinstance(decoded.clip, VideoClip)
            frames = measured_frames(finder, mesh, decoded.clip)
            if isinstance(frames, Missing):
                unseen += 1
                continue
            expressions = drawn_expressions(line, acting)
            at = [int(np.abs(decoded.clip.times - time).argmin()) for time in frames[0]]
            drawn = {name: np.array([value(e) for e in expressions]) for name, (_, value) in DRAWN.items()}
            clips.append({
                "speaker": str(line.speaker.seed), "measures": frames[1], "at": at,
                "drawn": {name: values[at] for name, values in drawn.items()},
                "sums": np.sum([drawn[name] for name in PEAK], axis=0),
            })  # fmt: skip
    return clips, unseen


if __name__ == "__main__":
    main()
