"""How well the action-unit proxies of merc-annotation follow drawn faces: correlation with the drawn parameters by
unit, and the distance of the peak frame from the drawn peak. Prints a table of Markdown.

    python bench/action_units.py --clips 200
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from merc_annotation.action_units import unit_table
from merc_annotation.face_units import MOST, UNITS
from merc_embedded import FaceFinder, FaceMesh
from merc_skits.clip import drawn_expressions, make_clip
from merc_skits.expression import Expression
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    scenes = write_script(options.seed, {"train": -(-options.clips // 5), "dev": 0, "test": 0}, 5, 0.0, Conflicts())
    lines = [line for scene in scenes for line in scene.lines][: options.clips]
    finder, mesh = FaceFinder.load(), FaceMesh.load()
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in DRAWN}
    within: dict[str, list[float]] = {name: [] for name in DRAWN}
    apart, by_chance, unseen = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        for line in lines:
            path = Path(folder) / "clip.mp4"
            make_clip(line, path)
            (decoded,) = decode_here(path, [Want(Frames(count=1000))], 0)
            assert isinstance(decoded.clip, VideoClip)
            table = unit_table(finder, mesh, decoded.clip)
            if isinstance(table, Missing):
                unseen += 1
                continue
            expressions = drawn_expressions(line)
            at = [int(np.abs(decoded.clip.times - time).argmin()) for time in table.times]
            for name, (_, value) in DRAWN.items():
                drawn = np.array([value(expressions[place]) for place in at])
                pairs[name] += zip(table.values[name].tolist(), drawn.tolist(), strict=True)
                if drawn.std() > 1e-3 and table.values[name].std() > 1e-3:
                    within[name].append(float(np.corrcoef(table.values[name], drawn)[0, 1]))
            sums = [[DRAWN[name][1](expression) for expression in expressions] for name in PEAK]
            total = np.sum(sums, axis=0)
            peak = int(total.argmax())
            apart.append(abs(at[table.peak()] - peak))
            by_chance.append(float(np.mean([abs(place - peak) for place in range(len(expressions))])))
    print("| unit | meaning | drawn by | r, all frames | r within a clip (median) |")
    print("|---|---|---|---|---|")
    for name, (drawn_by, _) in DRAWN.items():
        values = np.array(pairs[name])
        r = float(np.corrcoef(values.T)[0, 1])
        inside = f"{np.median(within[name]):.2f} ({len(within[name])})" if within[name] else "–"
        print(f"| {name} | {UNITS[name].meaning} | `{drawn_by}` | {r:.2f} | {inside} |")
    seen = len(apart)
    print()
    print(
        f"{seen} of {len(lines)} clips ({unseen} without a face), {len(pairs['AU12'])} frames, intensities from 0 to "
        f"{MOST:g}. The peak frame lies {np.mean(apart):.1f} frames (median {np.median(apart):.0f}) from the drawn "
        f"peak; a frame by chance {np.mean(by_chance):.1f}."
    )


if __name__ == "__main__":
    main()
