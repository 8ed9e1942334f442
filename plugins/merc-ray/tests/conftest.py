"""A cluster of two nodes on this machine, a plugin whose parts say who does what, and merc as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from tests.media.clips import write_clip
from tests.registry.distributions import Distribution, install

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("traced", "merc_traced.parts:Traced")

@merc.hookimpl
def register_annotators(register):
    register("traced", "merc_traced.parts:TracedTeacher")
"""

PARTS = """\
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import merc
import numpy as np


class Settings:
    \"\"\"What the test says that is no parameter, and so in no key: ``seconds`` for a clip, ``deadly`` is a number of
    samples that ends the process, and ``refuses`` says that each clip is refused.\"\"\"

    def __init__(self):
        folder = Path(os.environ["MERC_TEST_FOLDER"])
        self.trace = folder / "trace"
        values = json.loads((folder / "settings").read_text())
        self.seconds, self.deadly, self.refuses = (values.get(one, 0) for one in ("seconds", "deadly", "refuses"))

    def note(self, what):
        file = os.open(self.trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{os.getpid()} {what}\\n".encode())
        os.close(file)


@dataclass(frozen=True, kw_only=True)
class Traced(merc.Encoder):
    \"\"\"Mean loudness and length.\"\"\"

    modality = "audio"
    batch = 2

    def sampling(self):
        return merc.Waveform()

    def spec(self):
        return merc.FeatureSpec(dim=2)

    def load(self, device):
        settings = Settings()
        settings.note("load")

        def encode(clips):
            for clip in clips:
                if settings.refuses:
                    raise ValueError("it is refused")
                if len(clip.samples) == settings.deadly:
                    os._exit(1)
                time.sleep(settings.seconds)
                settings.note("clip")
            return [np.array([[np.abs(c.samples).mean(), len(c.samples)]], "float32") for c in clips]

        return encode


@dataclass(frozen=True, kw_only=True)
class TracedTeacher(merc.Annotator):
    \"\"\"Says how long a text is, and how many utterances stand before it.\"\"\"

    version = "1"

    def fields(self):
        return ("length",)

    def load(self, device):
        settings = Settings()
        settings.note("load")

        def annotate(observations):
            for one in observations:
                time.sleep(settings.seconds)
                settings.note("answer")
                yield one.query.target.id, merc.Annotation(
                    cues={"length": f"{len(one.query.target.text)} after {one.query.index}"}
                )

        return annotate
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin, to stand on the path."""
    return install([Distribution("traced", PLUGIN, {"parts.py": PARTS})], tmp_path_factory.mktemp("traced"))


@pytest.fixture(scope="session")
def environment(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of merc's processes and of the cluster's."""
    return {
        **os.environ, "PYTHONPATH": str(site), "MERC_PLUGINS": "traced,merc-ray,merc-embedded,merc-speech",
        "MERC_CACHE": str(tmp_path_factory.mktemp("cache")),
        "MERC_TEST_FOLDER": str(tmp_path_factory.mktemp("settings")), "OMP_NUM_THREADS": "1", "COLUMNS": "100",
        "RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip


class Cluster:
    """Two nodes, each with room for one worker."""

    def __init__(self, environment: dict[str, str]) -> None:
        ray = pytest.importorskip("ray")
        assert ray
        from ray.cluster_utils import Cluster as LocalCluster

        before = dict(os.environ)
        os.environ.update(environment)
        try:
            small = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
            self.whole = LocalCluster(initialize_head=True, head_node_args=small)
            self.nodes = [self.whole.head_node, self.whole.add_node(num_cpus=1, object_store_memory=80_000_000)]
            self.address: str = self.whole.address
        finally:
            os.environ.clear()
            os.environ.update(before)

    @property
    def named(self) -> list[str]:
        """The arguments that name it."""
        return [f"workers={{name: ray, address: {self.address!r}}}", "--allow", f"http://{self.address}"]

    def stop(self) -> None:
        """End its processes."""
        self.whole.shutdown()


@pytest.fixture
def new_cluster(environment: dict[str, str]) -> Iterator[Cluster]:
    """A cluster of a test's own, to do harm to."""
    cluster = Cluster(environment)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def cluster(environment: dict[str, str]) -> Iterator[Cluster]:
    """The cluster of all tests that leave it whole."""
    cluster = Cluster(environment)
    yield cluster
    cluster.stop()


class Folder:
    """A folder with clips, a corpus of them and a recipe, in which merc is run."""

    def __init__(self, path: Path, environment: dict[str, str], clips: int) -> None:
        self.path, self.environment = path, environment
        settings = Path(environment["MERC_TEST_FOLDER"])
        self.trace, self._settings = settings / "trace", settings / "settings"
        self.trace.unlink(missing_ok=True)
        self.set()
        for number in range(clips):
            write_clip(path / f"u{number}.wav", video=None, audio="pcm_s16le", seconds=0.1 + number / 1000, frames=1)
        talks = [
            {"id": f"c{number // 4}", "split": "train", "utterances": [
                {"id": f"u{one}", "text": "w" * one, "label": "joy", "audio": f"u{one}.wav"}
                for one in range(number, min(number + 4, clips))
            ]}
            for number in range(0, clips, 4)
        ]  # fmt: skip
        (path / "talk.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
        (path / "recipe.yaml").write_text(
            "corpus: {name: jsonl, path: talk.jsonl}\n"
            "encoders: {heard: {name: traced}}\n"
            "annotators: {teacher: {name: traced}}\n"
            "strategy: {device: cpu}\nfeatures: {store: store/features, workers: 1}\n"
        )

    def set(self, **settings: Any) -> None:
        """Set what the parts do when they are loaded next: ``seconds``, ``deadly``, ``refuses``."""
        self._settings.write_text(json.dumps(settings))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start merc."""
        command = [str(Path(sys.executable).with_name("merc")), *arguments]
        return subprocess.Popen(
            command, cwd=self.path, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def merc(self, *arguments: str) -> tuple[int, str, str]:
        """Run merc: its code, what it wrote, and what it told."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def record(self, *arguments: str) -> dict[str, Any]:
        """Run merc, which succeeds and writes JSON."""
        code, out, err = self.merc(*arguments)
        assert code == 0, err
        record: dict[str, Any] = json.loads(out)
        return record

    def traced(self, what: str) -> list[int]:
        """The processes that did something, once for each time."""
        if not self.trace.exists():
            return []
        lines = [line.split() for line in self.trace.read_text().splitlines()]
        return [int(process) for process, one in lines if one == what]

    def features(self) -> dict[str, list[Any]]:
        """The features in the store, by key."""
        files = self.path.glob("store/features/*/*.safetensors")
        return {path.stem: load_file(path)["features"].tolist() for path in files}

    def leavings(self) -> list[Path]:
        """What should not be there when all is done."""
        return [*self.path.glob("store/**/.*.tmp"), *self.path.glob("store/**/.workers-*")]


@pytest.fixture
def folder(environment: dict[str, str], tmp_path: Path) -> Callable[[int], Folder]:
    """A function that makes a folder with so many clips."""
    made = 0

    def make(clips: int) -> Folder:
        nonlocal made
        made += 1
        path = tmp_path / f"folder-{made}"
        path.mkdir()
        return Folder(path, environment, clips)

    return make
