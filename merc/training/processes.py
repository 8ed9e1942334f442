"""The processes that a launcher started, and what they tell each other."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from merc.errors import MercError

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")

# The others wait while the first process encodes a corpus, which may take days; a process that ends is noticed at once.
_PATIENCE = timedelta(days=14)


class Processes:
    """This process among those of a run: ``rank`` of ``world``. Without a launcher it is the only one.

    Messages between them are numbers and JSON, never pickle. Raises MercError for variables of a launcher that are
    there only in part.
    """

    def __init__(self, device: str) -> None:
        _set_variables()
        if not dist.is_initialized():
            self._start(torch.device(device))
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        # Words between processes go through the CPU, also where tensors go from GPU to GPU.
        on_cpu = dist.get_backend() == "gloo"
        self._group = dist.group.WORLD if on_cpu else dist.new_group(backend="gloo", timeout=_PATIENCE)

    @staticmethod
    def _start(device: torch.device) -> None:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = "nccl" if device.type == "cuda" else "gloo"
        if os.environ["WORLD_SIZE"] == "1":
            alone = dist.HashStore()  # type: ignore[attr-defined]
            dist.init_process_group(backend, store=alone, rank=0, world_size=1, timeout=_PATIENCE)
        else:
            dist.init_process_group(backend, timeout=_PATIENCE)
        atexit.register(_end)

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes."""
        total = torch.tensor(list(values), dtype=torch.double)
        dist.all_reduce(total, group=self._group)
        return [float(v) for v in total.tolist()]

    def collect(self, items: list[Any]) -> list[Any]:
        """The items of all processes, in the order of their rank."""
        mine = torch.frombuffer(bytearray(json.dumps(items).encode()), dtype=torch.uint8)
        size = torch.tensor([len(mine)])
        sizes = [torch.zeros_like(size) for _ in range(self.world)]
        dist.all_gather(sizes, size, group=self._group)
        longest = max(int(s) for s in sizes)
        padded = torch.nn.functional.pad(mine, (0, longest - len(mine)))
        gathered = [torch.empty_like(padded) for _ in range(self.world)]
        dist.all_gather(gathered, padded, group=self._group)
        return [
            item
            for text, length in zip(gathered, sizes, strict=True)
            for item in json.loads(text[: int(length)].numpy().tobytes())
        ]

    def barrier(self) -> None:
        """Wait for the others."""
        dist.barrier(group=self._group)


def _set_variables() -> None:
    """See that what a launcher sets is there; for a process that was started without one, set it."""
    absent = [name for name in _VARIABLES if name not in os.environ]
    if not absent:
        return
    if len(absent) < len(_VARIABLES) and os.environ.get("WORLD_SIZE", "1") != "1":
        raise MercError(
            f"strategy deepspeed: the environment has {', '.join(n for n in _VARIABLES if n in os.environ)} but not "
            f"{', '.join(absent)}; start merc with a launcher that sets all of them, as in "
            "torchrun --nproc-per-node 2 -m merc run RECIPE strategy.name=deepspeed, or with none of them set"
        )
    alone = dict(zip(_VARIABLES, ("0", "1", "0", "127.0.0.1", "0"), strict=True))
    os.environ.update({name: alone[name] for name in absent})


def _end() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
