"""merc encode on a Ray cluster of this machine: clips an hour with 1 and 2 workers, beside those of one process.

    python bench/ray_pass.py [CLIPS] [SECONDS]

An encoder waits SECONDS for each of CLIPS clips, as one does whose network is on another device, so two workers can be
measured on one core; decoding, hashing, keys, the store and merc's own start are real, and in the numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.media.clips import write_clip  # noqa: E402
from tests.registry.distributions import Distribution, install  # noqa: E402

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("waiting", "merc_waiting.parts:Waiting")
"""

PARTS = """\
import time
from dataclasses import dataclass

import merc
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Waiting(merc.Encoder):
    modality = "audio"
    batch = 8
    seconds: float = 0.1

    def sampling(self):
        return merc.Waveform()

    def spec(self):
        return merc.FeatureSpec(dim=1)

    def load(self, device):
        def encode(clips):
            time.sleep(self.seconds * len(clips))
            return [np.array([[np.abs(c.samples).mean()]], "float32") for c in clips]

        return encode
"""


def main(clips: int, seconds: float) -> None:
    """Measure, and print."""
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="ray-pass-"))
    (folder / "site").mkdir()
    site = install([Distribution("waiting", PLUGIN, {"parts.py": PARTS})], folder / "site")
    environment = {
        **os.environ, "PYTHONPATH": str(site),
        "MERC_PLUGINS": "waiting,merc-ray", "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip
    utterances = []
    for number in range(clips):
        write_clip(folder / f"{number}.wav", video=None, audio="pcm_s16le", seconds=1 + number / 16_000, frames=1)
        utterances.append({"id": f"u{number}", "text": "So.", "audio": f"{number}.wav"})
    talk = {"id": "c", "split": "train", "utterances": utterances}
    (folder / "talk.jsonl").write_text(json.dumps(talk) + "\n")
    (folder / "recipe.yaml").write_text(
        f"corpus: {{name: jsonl, path: talk.jsonl}}\nencoders: {{heard: {{name: waiting, seconds: {seconds}}}}}\n"
        "strategy: {device: cpu}\n"
    )
    os.environ.update(environment)
    small = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    cluster.add_node(**small)

    def measured(name: str, *arguments: str) -> float:
        command = [str(Path(sys.executable).with_name("merc")), "encode", "recipe.yaml", f"features.store={name}"]
        start = time.monotonic()
        done = subprocess.run([*command, *arguments, "--json"], cwd=folder, env=environment, capture_output=True)
        took = time.monotonic() - start
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout)["streams"]["heard"]["encoded"] == clips
        print(f"{name:10} {took:7.1f} s  {clips / took * 3600:9,.0f} clips an hour", flush=True)
        return took

    try:
        plain = measured("plain")
        for count in (1, 2):
            workers = f"workers={{name: ray, address: {cluster.address!r}, count: {count}}}"
            took = measured(f"ray-{count}", workers, "--allow", f"http://{cluster.address}")
            print(f"           {took / plain:.3f} of one process", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["1000"])[0]), float((sys.argv[2:] or ["0.2"])[0]))
