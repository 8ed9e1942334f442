"""What ``merc run --dry-run`` shows: parameters, and seconds and memory of each part of a run."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from merc.cli.progress import TerminalReporter
from merc.cli.remaining import clock

if TYPE_CHECKING:
    from rich.console import Console

    from merc.recipe import Recipe
    from merc.session.dry_run import RunEstimate


def show_estimate(recipe: Recipe, results: IO[str], folds: bool, seeds: int) -> None:
    """Try a recipe and show what the run of it would take. Where it has ``folds`` or several ``seeds``, the first is
    tried. Raises MercError for what the run would stop at."""
    from rich.console import Console

    from merc.session.dry_run import estimate_run
    from merc.session.fold_recipes import fold_recipes

    runs = seeds
    if folds:
        own = fold_recipes(recipe)
        recipe, runs = next(iter(own.values())).recipe, seeds * len(own)
    estimate = estimate_run(recipe, TerminalReporter())
    console = Console(file=results, highlight=False)
    _show_parameters(estimate, console)
    _show_parts(estimate, console)
    if estimate.memory is not None:
        use = estimate.memory
        console.print(
            f"of the memory, by shapes: weights {use.weights / 1e9:.2f} GB, gradients {use.gradients / 1e9:.2f} GB, "
            f"optimizer {use.optimizer / 1e9:.2f} GB; the rest is activations, data, and Python with its libraries",
            markup=False,
        )
    for sentence in estimate.unknown:
        console.print(f"not estimated: {sentence}", markup=False)
    if runs > 1:
        console.print(f"these are the numbers of one of {runs} runs", markup=False)
    console.print(
        "the seconds are of this machine as busy as it was just now; stages are taken not to stop early, and memory "
        "does not count the processes that decode media",
        markup=False,
    )


def _show_parameters(estimate: RunEstimate, console: Console) -> None:
    from rich.table import Table

    table = Table()
    table.add_column("part")
    for name in ("parameters", "trainable"):
        table.add_column(name, justify="right")
    for part in estimate.parameters:
        table.add_row(part.part, f"{part.total:,}", f"{part.trainable:,}")
    table.add_section()
    total, trainable = (sum(n) for n in zip(*((p.total, p.trainable) for p in estimate.parameters), strict=True))
    table.add_row("all", f"{total:,}", f"{trainable:,}")
    console.print(table)


def _show_parts(estimate: RunEstimate, console: Console) -> None:
    from rich.table import Table

    on_gpu = any(part.device_bytes is not None for part in estimate.parts)
    table = Table()
    table.add_column("part")
    for name in ("time", "CPU time", "peak until then, GB", *(["of the GPU, GB"] if on_gpu else [])):
        table.add_column(name, justify="right")
    table.add_column("tried")
    rows = [(p.part, p.seconds, p.peak_bytes, p.device_bytes, p.probe) for p in estimate.parts]
    device = max((p.device_bytes or 0 for p in estimate.parts), default=0)
    for part, seconds, peak, own, probe in [*rows, ("all", estimate.seconds, estimate.peak_bytes, device, "")]:
        if part == "all":
            table.add_section()
        gpu = [f"{(own or 0) / 1e9:.2f}"] if on_gpu else []
        table.add_row(part, clock(seconds.wall), clock(seconds.cpu), f"{peak / 1e9:.2f}", *gpu, probe)
    console.print(table)
