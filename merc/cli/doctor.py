"""``merc doctor``: what of this machine and this installation works, and what to do about what does not."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

_FEW_GIGABYTES = 5
_SECONDS_FOR_HUB = 5.0
_OPTIONAL = {"deepspeed": "training on several processes or GPUs: pip install 'merc[deepspeed]'"}


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing. ``state`` is ``ok``, ``note`` for what only some need, or ``broken``."""

    about: str
    state: Literal["ok", "note", "broken"]
    says: str


def command(
    hub: Annotated[bool, typer.Option("--hub", help="Also see whether the model hub can be reached.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Say what works here, and what to do about what does not: Python, torch, GPUs, media, plugins, folders, memory.

    Nothing is sent anywhere without --hub. It ends with 1 where something is broken, else with 0.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()
    findings = []
    for check in (_python, _torch, _packages, _media, _plugins, _folders, _memory, *([_hub] if hub else [])):
        for finding in _checked(check):
            findings.append(finding)
            if not as_json:
                typer.echo(f"{finding.state:<7} {finding.about}: {finding.says}", results)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in findings], indent=2), results)
    broken = sum(one.state == "broken" for one in findings)
    if broken:
        typer.echo(f"{broken} of {len(findings)} things are broken", err=True)
        raise typer.Exit(1)


def _checked(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; one that fails itself is a finding."""
    try:
        yield from check()
    except Exception as error:
        yield Finding(check.__name__.strip("_"), "broken", f"{type(error).__name__}: {error}")


def _python() -> Iterator[Finding]:
    from merc.version import __version__

    version = platform.python_version()
    yield Finding("merc", "ok", f"{__version__}, in {Path(__file__).parents[1]}")
    yield Finding("Python", "ok", f"{version} on {platform.system()} {platform.machine()}, {sys.executable}")


def _torch() -> Iterator[Finding]:
    import torch

    from merc.model.precision import computes_bfloat16

    yield Finding("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            float16 = "bfloat16" if torch.cuda.is_bf16_supported() else "no bfloat16: use float16"
            name = torch.cuda.get_device_name(number)
            memory = f"{free / 1e9:.0f} of {total / 1e9:.0f} GB free"
            yield Finding(f"GPU {number}", "ok", f"{name}, {memory}, {float16}")
    elif torch.backends.mps.is_available():
        yield Finding("GPU", "ok", "Apple's, as strategy.device=mps")
    else:
        why = "this torch was built without CUDA" if torch.version.cuda is None else "torch finds no GPU and driver"
        yield Finding("GPU", "note", f"{why}; models run on the CPU")
    if not torch.cuda.is_available():
        fast = "has instructions for bfloat16"
        slow = "has no instructions for bfloat16: a backbone and a precision of bfloat16 are computed in float32"
        yield Finding("CPU", "ok", fast if computes_bfloat16("cpu") else slow)


def _packages() -> Iterator[Finding]:
    for name in ("transformers", "peft", "faiss-cpu"):
        yield Finding(name, "ok", metadata.version(name))
    for name, needed_for in _OPTIONAL.items():
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "note", f"is not installed; it is for {needed_for}")


def _media() -> Iterator[Finding]:
    """A clip of sound and pictures is written and decoded, by the libraries that decode everybody's."""
    import av
    import numpy as np

    from merc.components import Frames, Missing, Waveform
    from merc.conversation import Utterance
    from merc.media import decode

    with tempfile.TemporaryDirectory(prefix="merc-doctor-") as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w") as container:
            pictures, sound = container.add_stream("mpeg4", rate=10), container.add_stream("aac", rate=16_000)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            for shade in range(10):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * shade, "uint8"), format="rgb24")
                container.mux(pictures.encode(frame))
            tone = np.sin(np.arange(16_000) / 10).astype("float32")[None]
            samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            samples.sample_rate = 16_000
            container.mux(sound.encode(samples))
            for stream in (pictures, sound):
                container.mux(stream.encode(None))
        utterance = Utterance(id="clip", text="", video=path, audio=path)
        clips = decode(utterance, {"pictures": Frames(count=4), "sound": Waveform()}, seed=0)
    library = f"PyAV {av.__version__} with libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
    lost = [f"{name}: {clip.reason}" for name, clip in clips.items() if isinstance(clip, Missing)]
    if lost:
        yield Finding("media", "broken", f"{'; '.join(lost)}; install PyAV again: pip install --force-reinstall av")
    else:
        yield Finding("media", "ok", f"a clip of pictures and sound was written and decoded; {library}")


def _plugins() -> Iterator[Finding]:
    from merc.registry import get_registry

    plugins = get_registry().plugins()
    for plugin in plugins:
        if plugin.error:
            yield Finding(f"plugin {plugin.label}", "broken", plugin.error)
    fine = [plugin for plugin in plugins if plugin.status == "ok"]
    components = sum(len(plugin.components) for plugin in fine)
    yield Finding("plugins", "ok", f"{len(fine)} with {components} components: {', '.join(p.name for p in fine)}")
    for plugin in fine:
        for one in plugin.components:
            if hint := one.install_hint():
                yield Finding(f"plugin {plugin.name}", "note", hint)


def _folders() -> Iterator[Finding]:
    from merc.errors import MercError
    from merc.files import cache_folder

    try:
        cache = cache_folder()
    except (MercError, OSError) as error:
        yield Finding("cache", "broken", f"{error}; set MERC_CACHE to a folder that can be written to")
    else:
        yield _writable("cache", cache, "set MERC_CACHE to a folder with room")
    yield _writable("this folder", Path.cwd(), "give runs another place with --run-dir")


def _writable(about: str, folder: Path, remedy: str) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"merc")
        free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return Finding(about, "broken", f"{folder} cannot be written to ({error.strerror}); {remedy}")
    if free < _FEW_GIGABYTES:
        return Finding(
            about, "note", f"{folder} has {free:.1f} GB free, which large models and features may fill; {remedy}"
        )
    return Finding(about, "ok", f"{folder}, {free:.0f} GB free")


def _memory() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        kilobytes = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
        total, free = kilobytes["MemTotal"] / 1e6, kilobytes["MemAvailable"] / 1e6
    except (OSError, ValueError, KeyError):  # not Linux
        yield Finding("machine", "ok", f"{cores} cores")
        return
    yield Finding("machine", "ok", f"{cores} cores, {total:.0f} GB of memory, {free:.0f} GB of it free")


def _hub() -> Iterator[Finding]:
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        yield Finding("hub", "note", "HF_HUB_OFFLINE is set: models are taken from folders and the cache alone")
        return
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    token = "a token is set" if os.environ.get("HF_TOKEN") else "no token in HF_TOKEN, which only some models need"
    try:
        urlopen(Request(address, method="HEAD"), timeout=_SECONDS_FOR_HUB).close()
    except HTTPError:
        yield Finding("hub", "ok", f"{address} answers; {token}")
    except (URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        yield Finding("hub", "note", f"{address} cannot be reached ({why}); give models as folders: path=FOLDER")
    else:
        yield Finding("hub", "ok", f"{address} answers; {token}")
