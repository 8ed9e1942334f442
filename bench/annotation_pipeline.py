"""From recordings to a released folder in one command, killed and resumed at five moments, held against one that
nobody killed: with offline parts alone, or with a scripted server on this machine as the models. Recordings are clips
of skits, or those of a folder. Prints what came of it.

    python bench/annotation_pipeline.py WORK --clips 200
    python bench/annotation_pipeline.py WORK --clips 200 --served
    python bench/annotation_pipeline.py WORK --recordings FOLDER [--served]
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

from merc_annotation.records import read_records
from merc_skits.clip import make_clip
from merc_skits.script import Conflicts, write_script

from tests.chat_server import ChatServer
from tests.releasing import OFFLINE, SERVED, kill_at, moments, release, result, scripted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a folder for recordings, stores and releases")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--recordings", type=Path, help="a folder of recordings, in place of drawn clips")
    parser.add_argument("--served", action="store_true", help="ask a scripted server")
    parser.add_argument("--store", type=Path, help="a store whose answers are taken over, as of WORK/whole-offline")
    options = parser.parse_args()
    work, kind = options.work.resolve(), "served" if options.served else "offline"
    recordings = work / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    if options.recordings is not None:
        for path in options.recordings.glob("*.mp4"):
            shutil.copyfile(path, recordings / path.name)
    else:
        draw(recordings, options.clips)
    server = ChatServer()
    server.plan = scripted
    (work / "recipe.yaml").write_text((SERVED if options.served else OFFLINE).replace("URL", server.url))
    out = f"out-{kind}"  # the same path for both, since records name media by it
    if options.store is not None:
        for name in ("whole", "resumed"):
            shutil.copytree(options.store, work / f"{name}-{kind}", dirs_exist_ok=True)
    whole, seconds = once(work, f"whole-{kind}", out)
    requests = len(server.asked)
    records = read_records(work / out)
    shutil.rmtree(work / out)
    count = len(records)
    later = [("visual-objective", count // 3), ("description-teacher", count // 2), ("dawid-skene", count // 2)]
    if not options.served:
        later = [("face-measures", count // 3), ("audio-tone", count // 2), ("composed-description", count // 2)]
    killed = kill_at(work, f"resumed-{kind}", out, moments(work, f"resumed-{kind}", out, later))
    resumed, _ = once(work, f"resumed-{kind}", out)
    missing = Counter(f"{name}: {reason}" for r in records for name, reason in r["quality"]["missing"].items())
    print(
        f"{len(list(recordings.glob('*.mp4')))} recordings, {kind}: {count} records in {seconds:.0f} s, "
        f"{requests} requests"
    )
    print(
        f"labels: {dict(Counter(r['label_source'] for r in records))}; "
        f"splits: {dict(Counter(r['split'] for r in records))}"
    )
    print(f"missing: {dict(missing)}")
    print(
        f"killed at {killed} moments, {len(server.asked) - requests} requests for the second, some of them asked again"
    )
    same = [name for name in whole["files"] if whole["files"][name] == resumed["files"].get(name)]
    print(f"{len(same)} of {len(whole['files'])} files are the same; the whole manifest: {whole == resumed}")


def draw(folder: Path, clips: int) -> None:
    scenes = write_script(5, {"train": -(-clips // 5), "dev": 0, "test": 0}, 5, 0.0, Conflicts())
    for line in [line for scene in scenes for line in scene.lines][:clips]:
        if not (folder / f"{line.id}.mp4").is_file():
            make_clip(line, folder / f"{line.id}.mp4")


def once(work: Path, store: str, out: str) -> tuple[dict[str, Any], float]:
    start = time.monotonic()
    process = release(work, store, out)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors)
    return result(work, out), time.monotonic() - start


if __name__ == "__main__":
    main()
