"""``merc params``: count the parameters of a recipe's model, by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from merc.cli.arguments import Overrides, RecipeName

if TYPE_CHECKING:
    from rich.table import Table

    from merc.model.memory_use import MemoryUse
    from merc.recipe import Recipe


def command(
    recipe: RecipeName,
    overrides: Overrides = None,
    processes: Annotated[int, typer.Option(min=1, help="How many GPUs ZeRO shares the memory of training among.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Count the parameters of a recipe's model, by part, and the memory that training takes. Nothing is loaded but
    configurations."""
    import json

    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    from merc.components import Encoder
    from merc.model.build import build_meta
    from merc.model.memory_use import memory_use
    from merc.model.parameters import count_networks, count_parameters, shares

    encoders = {n: p.component for n, p in loaded.encoders.items() if isinstance(p.component, Encoder)}
    networks, silent = count_networks(encoders, loaded.learning_encoders)
    model = build_meta(loaded)
    parts = [*count_parameters(model), *networks]
    tokens, checkpointing = _pass(loaded)
    memory = {
        (bits, zero): memory_use(
            model, dtype, tokens=tokens, checkpointing=checkpointing, zero=zero, processes=processes if zero else 1
        )
        for bits, dtype in (("16", "bfloat16"), ("32", "float32"))
        for zero in range(4 if processes > 1 else 1)
    }
    total, trainable = sum(p.total for p in parts), sum(p.trainable for p in parts)
    if as_json:
        record = {
            "total": total,
            "trainable": trainable,
            "parts": {p.part: {"total": p.total, "trainable": p.trainable} for p in parts},
        }
        if networks:
            record["shares"] = {s.of: {"total": s.total, "percent": round(s.percent, 4)} for s in shares(parts)}
        if silent:
            record["uncounted"] = [f"encoders.{name}" for name in silent]
        record["memory"] = {
            "tokens": tokens,
            "activation_checkpointing": checkpointing,
            "processes": processes,
            "bytes": [
                {"bits": int(bits), "zero": zero, **asdict(use), "total": use.total}
                for (bits, zero), use in memory.items()
            ],
        }
        typer.echo(json.dumps(record, indent=1), results)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("part")
    for name in ("total", "trainable", "trainable %"):
        table.add_column(name, justify="right")
    for p in parts:
        table.add_row(p.part, f"{p.total:,}", f"{p.trainable:,}", f"{100 * p.trainable / max(1, p.total):.2f}")
    table.add_section()
    for share in shares(parts):
        of = "all" if share.of == "all parts" else share.of
        table.add_row(of, f"{share.total:,}", f"{share.trainable:,}", f"{share.percent:.2f}")
    console = Console(file=results, highlight=False)
    console.print(table)
    if silent:
        console.print(f"not counted, as their encoders state no size: {', '.join(silent)}")
    console.print(_memory_table(memory, processes))
    again = "computed again (activation_checkpointing)" if checkpointing else "all kept"
    console.print(
        f"memory of each GPU to train all that may learn, a pass of {tokens:,} tokens, activations {again} and roughly "
        "estimated; encoders are not in it"
        + (f": {', '.join(learning)} will learn and need more" if (learning := loaded.learning_encoders) else "")
    )


def _pass(recipe: Recipe) -> tuple[int, bool]:
    """The most tokens of a training pass, and whether every stage computes activations again."""
    trainers = [stage.trainer.component for stage in recipe.stages if stage.trainer is not None]
    tokens = [int(getattr(one, "batch_tokens", recipe.strategy.batch_tokens)) for one in trainers]
    again = [bool(getattr(one, "activation_checkpointing", False)) for one in trainers]
    return max(tokens, default=recipe.strategy.batch_tokens), bool(again) and all(again)


def _memory_table(memory: Mapping[tuple[str, int], MemoryUse], processes: int) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column(f"GB, {processes} GPUs" if processes > 1 else "GB")
    for name in ("weights", "gradients", "optimizer", "activations", "together"):
        table.add_column(name, justify="right")
    for (bits, zero), use in memory.items():
        sizes = (use.weights, use.gradients, use.optimizer, use.activations, use.total)
        shared = f"ZeRO-{zero}" if zero else "no ZeRO"
        texts = ("-" if size is None else f"{size / 1e9:.2f}" for size in sizes)
        table.add_row(f"{bits} bits, {shared}", *texts)
    return table
