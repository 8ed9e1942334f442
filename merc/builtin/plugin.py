"""What merc brings itself, registered as any plugin registers its own."""

from __future__ import annotations

from merc.builtin.commands import COMMANDS
from merc.registry.hooks import Register, RegisterCommand, hookimpl


@hookimpl
def register_connectors(register: Register) -> None:
    register("identity", "merc.builtin.connectors:Identity")
    register("linear", "merc.builtin.connectors:Linear")
    register("soft", "merc.builtin.connectors:Soft")
    register("mlp", "merc.builtin.connectors:Mlp")


@hookimpl
def register_fusers(register: Register) -> None:
    register("none", "merc.builtin.fusers:NoFusion")
    register("concat", "merc.builtin.fusers:Concat")


@hookimpl
def register_prompters(register: Register) -> None:
    register("conversation", "merc.builtin.prompters:ConversationPrompter")


@hookimpl
def register_tunings(register: Register) -> None:
    register("frozen", "merc.components.tuning:Frozen")
    register("full", "merc.builtin.tunings:Full")
    register("lora", "merc.builtin.tunings:LoRA")


@hookimpl
def register_losses(register: Register) -> None:
    register("token-nll", "merc.builtin.losses:TokenNLL")
    register("label-ce", "merc.builtin.losses:LabelCE")
    register("head", "merc.builtin.losses:HeadLoss")


@hookimpl
def register_heads(register: Register) -> None:
    register("regression", "merc.builtin.heads:Regression")
    register("multi-label", "merc.builtin.heads:MultiLabel")


@hookimpl
def register_decoders(register: Register) -> None:
    register("verbalizer", "merc.components.decoder:Verbalizer")
    register("generate", "merc.builtin.decoders:Generate")


@hookimpl
def register_trainers(register: Register) -> None:
    register("sft", "merc.builtin.sft:SupervisedFineTuning")


@hookimpl
def register_corpora(register: Register) -> None:
    register("jsonl", "merc.builtin.jsonl:JsonlCorpus")
    register("parquet", "merc.builtin.parquet:ParquetCorpus", needs=("pyarrow",), extra="merc[parquet]")


@hookimpl
def register_backbones(register: Register) -> None:
    register("hf", "merc.builtin.backbones:HuggingFace")


@hookimpl
def register_metrics(register: Register) -> None:
    register("classification", "merc.builtin.metrics:Classification")
    register("last-utterance", "merc.builtin.metrics:LastUtterance")
    register("micro-f1", "merc.builtin.metrics:MicroF1")
    register("reweighted", "merc.builtin.metrics:Reweighted")
    register("regression", "merc.builtin.value_metrics:RegressionMetric")
    register("label-sets", "merc.builtin.value_metrics:LabelSets")


@hookimpl
def register_selectors(register: Register) -> None:
    register("fixed", "merc.builtin.selectors:Fixed")
    register("random", "merc.builtin.selectors:Random")
    register("balanced", "merc.builtin.selectors:Balanced")
    register("retrieved", "merc.builtin.selectors:Retrieved")
    register("diverse", "merc.builtin.selectors:Diverse")


@hookimpl
def register_workers(register: Register) -> None:
    register("local", "merc.builtin.local_workers:Local")


@hookimpl
def register_commands(register: RegisterCommand) -> None:
    for name, line in COMMANDS.items():
        register(name, f"merc.cli.{name}:command", help=line)
