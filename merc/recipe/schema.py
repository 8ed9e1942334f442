"""What a recipe becomes once it is resolved and checked: plain frozen data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from merc.components import Backbone, Component, Decoder, Frozen, Metric, Prompter, Tuning, Verbalizer
from merc.conversation import Conversation, LabelSpace, Split
from merc.recipe.content import content_of
from merc.registry import get_registry

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from merc.recipe.choices import Choices


@dataclass(frozen=True, kw_only=True)
class ComponentRef:
    """A component that a recipe names: its registered name, all its parameters as plain values (defaults included,
    ``${env:...}`` filled in), and the component made of them. ``from_environment`` says that it was given, or reads,
    something of the environment, which must not be written down."""

    name: str
    params: Mapping[str, Any]
    component: Component
    from_environment: bool = False


@dataclass(frozen=True, kw_only=True)
class Splitting:
    """How conversations are divided into train, dev and test, in place of what the corpus states.

    >>> Splitting(test=0.2, folds=5)
    Traceback (most recent call last):
    ValueError: test and folds exclude each other: each fold is the test part once; leave one of them out
    """

    by: str = "conversation"
    """What must not stand in two parts: a ``conversation``, a ``speaker``, or a field of conversations or
    utterances."""
    dev: float | tuple[str | int, ...] = 0.1
    """A share of all conversations, or a list of names of what is divided ``by``."""
    test: float | tuple[str | int, ...] | None = None
    """The same for test. Without it and ``folds``, the test part is the one that the corpus states."""
    folds: int | Literal["all"] | None = None
    """So many parts, each of which is test once; ``all`` makes one of each name."""
    fold: int | None = None
    """The fold that a run tests, from 1."""
    stratify: bool = False
    """Whether the share of each label is alike in all parts."""
    seed: int = 0
    """What is drawn follows it, and never the seed of the run."""

    def __post_init__(self) -> None:
        if () in (self.dev, self.test):
            raise ValueError("dev and test are shares, or lists of at least one name; this list is empty")
        shares = {key: value for key in ("dev", "test") if isinstance(value := getattr(self, key), int | float)}
        for key, value in shares.items():
            if not 0 <= value < 1 or (key == "test" and not value):
                least = "from 0 to" if key == "dev" else "above 0 and"
                raise ValueError(f"{key} is a share of the conversations, {least} less than 1, not {value:g}")
        if sum(shares.values()) >= 1:
            raise ValueError(f"dev ({self.dev}) and test ({self.test}) leave nothing to learn from")
        if self.test is not None and self.folds is not None:
            raise ValueError(
                "test and folds exclude each other: each fold is the test part once; leave one of them out"
            )
        if isinstance(self.folds, int):
            _at_least(2, folds=self.folds)
            if sum(shares.values()) + 1 / self.folds >= 1:
                raise ValueError(f"dev ({self.dev}) and one of {self.folds} folds leave nothing to learn from")
            if self.fold is not None and self.fold > self.folds:
                raise ValueError(f"fold is from 1 to {self.folds}, not {self.fold}")
        if self.fold is not None and self.folds is None:
            raise ValueError("fold is one of several folds; say how many: folds: 5")
        if not self.by.strip():
            raise ValueError("by is empty; it is conversation, speaker, or a field of the corpus")
        _at_least(1, fold=self.fold)
        _at_least(0, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class StageData:
    """The conversations that a stage learns from.

    >>> StageData(segments=(5, 8))
    Traceback (most recent call last):
    ValueError: segments: [5, 8] cannot divide every conversation; the most is at least 9, twice the least less one
    >>> StageData(segments=(26, 5))
    Traceback (most recent call last):
    ValueError: segments: [26, 5]: the least comes first, then the most
    """

    split: Literal["train", "dev"] = "train"
    """The split that they are of."""
    datasets: tuple[str, ...] | None = None
    """Only conversations of these datasets; ``null``: of all."""
    limit: int | None = None
    """Only the first so many of them, for trials; ``null``: all."""
    segments: tuple[int, int] | None = None
    """Divides them into segments of so many utterances, the least and the most."""
    targets: Literal["all", "last"] = "all"
    """``last`` learns the last utterance of each conversation or segment alone."""
    label_history: bool = False
    """Whether the prompter is given the labels of the utterances before."""

    def __post_init__(self) -> None:
        _at_least(1, limit=self.limit)
        _check_segments(self.segments)
        if self.datasets is not None and not self.datasets:
            raise ValueError("datasets names none; leave it out to learn from all")

    def chosen(self, conversations: Iterable[Conversation]) -> list[Conversation]:
        """Those of the conversations that it names, whole."""
        some = [c for c in conversations if c.split == self.split]
        if self.datasets is not None:
            some = [c for c in some if c.dataset in self.datasets]
        return some[: self.limit]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a stage learns: a prompter's answers, from some of the data."""

    prompter: ComponentRef
    """What writes the prompts."""
    data: StageData = field(default_factory=StageData)
    """What is learned from."""
    demonstrations: ComponentRef | None = None
    """What chooses labelled utterances that stand before the question; ``null``: none."""
    share: float | None = None
    """How much of an epoch is this task's, against the shares of the stage's other tasks; ``null``: all its data
    once an epoch."""
    beside: bool = False
    """Ask in the trees of the first task's conversations, which are computed anyway; ``share`` is then the part of
    those that an epoch has of the first task, from 0 to 1. Other conversations of ``data`` are not asked about."""
    path: str = field(default="", compare=False)
    """Where it stands in the recipe: ``stages.0``, or ``stages.0.tasks.1``."""

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share < math.inf:
            raise ValueError(f"share is above 0, not {self.share}")
        if self.beside and (self.share or 0) > 1:
            raise ValueError(
                f"share of a task beside the first is a part of its conversations, 1 at most, not {self.share}"
            )


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a curriculum: one task or several, learned together. Dev is asked as the first task asks."""

    id: str
    """Its name, and that of its folder in the run."""
    tasks: tuple[Task, ...]
    """What it learns, in place of ``prompter``, ``data`` and ``demonstrations`` of its own."""
    trainer: ComponentRef
    """What trains, with the settings of this stage."""
    trainable: tuple[str, ...] | None = None
    """What learns: names or globs among ``backbone``, ``connectors.<stream>``, ``fusers.<name>``, ``heads.<name>``
    and ``encoders.<stream>``; ``null``: all that the tuning, the connectors, the fusers and the heads make
    trainable."""

    @property
    def prompter(self) -> ComponentRef:
        """The first task's."""
        return self.tasks[0].prompter

    @property
    def demonstrations(self) -> ComponentRef | None:
        """The first task's."""
        return self.tasks[0].demonstrations


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """How the trained model is measured."""

    splits: tuple[Split, ...] = ("dev", "test")
    """The splits that are measured."""
    prompter: ComponentRef | None = None
    """What writes the prompts; ``null``: the last stage's."""
    demonstrations: ComponentRef | None = None
    """What chooses demonstrations; ``null``: none. A recipe that does not speak of them takes the last stage's."""
    decoder: Decoder = field(default_factory=Verbalizer)
    """How a label is had of the model."""
    text_decoder: Decoder | None = None
    """How the model answers the columns of a benchmark that ask for a text, where ``decoder`` scores labels;
    ``null``: by ``generate``."""
    states: bool = False
    """Whether the hidden states at which labels were scored are kept, for the report's picture of them."""
    limit: int | None = None
    """The first so many conversations of dev and of test, to look quickly; train stays whole."""
    segments: tuple[int, int] | None = None
    """Divides conversations into segments of so many utterances, the least and the most."""
    segments_seed: int = 0
    """What the places of ``segments`` are drawn by, and not the seed of the run: what is measured is the same for
    every seed."""
    label_history: Literal["gold", "predicted"] | None = None
    """Whose labels of the utterances before the model is given: ``gold`` the corpus's, which a recording does not
    have, ``predicted`` its own."""
    metrics: Mapping[str, ComponentRef] = field(default_factory=dict)
    """What is measured, by the names of metrics."""
    corrupt: Mapping[str, ComponentRef] = field(default_factory=dict)
    """Corruptions by name: everything is measured again with such worse media and words."""
    corrupt_seed: int = 0
    """What of them is random comes from it, and not from the seed of the run."""

    def __post_init__(self) -> None:
        if not self.splits or len(set(self.splits)) != len(self.splits):
            raise ValueError(f"splits names at least one split, each once, not {list(self.splits)}")
        _at_least(1, limit=self.limit)
        if self.limit is not None and "train" in self.splits:
            raise ValueError(
                "limit is of dev and test, since train is learned from; leave train out of splits, or limit"
            )
        _check_segments(self.segments)
        _at_least(0, segments_seed=self.segments_seed, corrupt_seed=self.corrupt_seed)
        if self.states and "states" not in self.decoder.gives:
            raise ValueError(
                f"states: true needs a decoder that gives states, such as {{name: verbalizer}}; "
                f"{get_registry().name_of(self.decoder)!r} gives none"
            )
        if self.text_decoder is not None and self.text_decoder.answers != "none":
            raise ValueError(
                "text_decoder answers prompts that ask for a text, and "
                f"{get_registry().name_of(self.text_decoder)!r} scores labels; give one that lets the model write"
            )

    def choices(self) -> Choices:
        """The numbers that a state, or a setting, may be chosen by. Raises MercError where a metric cannot say it."""
        from merc.recipe.choices import choices_of

        return choices_of({name: cast(Metric, part.component) for name, part in self.metrics.items()})

    def looks_ahead(self, prompter: Prompter) -> int:
        """How many utterances after the one that is asked about a prompter, or the decoder, shows."""
        return max(prompter.looks_ahead(), self.decoder.looks_ahead())


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """What the model computes on."""

    name: Literal["torch", "deepspeed"] = "torch"
    """``torch``: one process; ``deepspeed``: as many as a launcher starts."""
    device: str = "auto"
    """``auto`` (the GPU when there is one), ``cpu``, ``cuda``, ``cuda:0`` (or another number) or ``mps``."""
    zero: Literal[0, 1, 2, 3] = 1
    """DeepSpeed's ZeRO stage."""
    threads: int | None = None
    """Threads of torch on a CPU; ``null``: torch's own choice."""
    batch_tokens: int = 4096
    """How many tokens inference takes at a time."""
    shard: Literal["none", "auto"] = "none"
    """``auto`` spreads a backbone that exceeds one GPU over those of this machine, and the CPU where they are too
    small, for inference."""

    def __post_init__(self) -> None:
        _at_least(1, threads=self.threads, batch_tokens=self.batch_tokens)
        if self.shard == "auto" and self.name != "torch":
            raise ValueError(
                "shard: auto spreads one process's model over GPUs; deepspeed shares weights among processes (zero: 3)"
            )
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise ValueError(f"device is auto, cpu, cuda, cuda:0 (or another number) or mps, not {self.device!r}")


@dataclass(frozen=True, kw_only=True)
class Features:
    """Where encoders' features are kept, and what decoding media for them may cost."""

    store: str | None = None
    """The folder of the features; ``null``: the user's cache."""
    workers: int = 2
    """How many processes decode media."""
    seed: int = 0
    """Says, with the clip's content, which frames are drawn where random ones are wanted, whatever the run's own
    seed."""
    decode_seconds: float = 300.0
    """The most seconds that a span of a file may take to decode."""
    decode_gigabytes: float = 6.0
    """The most memory that decoding a clip may take."""
    decode_megapixels: float = 64.0
    """The most pixels of a picture, in millions."""

    def __post_init__(self) -> None:
        _at_least(0, workers=self.workers, seed=self.seed)
        for key in ("decode_seconds", "decode_gigabytes", "decode_megapixels"):
            if not 0 < getattr(self, key) < float("inf"):
                raise ValueError(f"{key} is more than 0, not {getattr(self, key)}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe, resolved and valid."""

    name: str
    """The file's name, or that of the shipped recipe."""
    corpus: ComponentRef
    """The component that gives the conversations."""
    title: str = ""
    """One line, which ``merc recipes`` lists."""
    description: str = ""
    """As long as you like."""
    seed: int = 0
    """Where every random choice comes from; 0 to 4294967295."""
    data_root: Path | None = None
    """The folder of your data, for ``${data_root}`` to refer to."""
    labels: LabelSpace | None = None
    """The labels in the order that they are reported in, each with the words that stand for it; ``null``: those of
    the corpus."""
    relabel: Mapping[str, str | None] = field(default_factory=dict)
    """What becomes of labels of the corpus: another name, or ``null`` for no label."""
    split: Splitting | None = None
    """How conversations are divided, where the corpus does not state it or states it otherwise."""
    backbone: ComponentRef | None = None
    """The component that loads the language model; its key ``tuning`` says what of it learns."""
    encoders: Mapping[str, ComponentRef] = field(default_factory=dict)
    """What sees and hears, by the name of the stream that it gives."""
    connectors: Mapping[str, ComponentRef] = field(default_factory=dict)
    """What brings a stream to the language model, by the stream's name."""
    fusers: Mapping[str, ComponentRef] = field(default_factory=dict)
    """What makes one more stream of several, by the name of that stream."""
    heads: Mapping[str, ComponentRef] = field(default_factory=dict)
    """Small modules that give numbers or several labels beside the label, by name."""
    annotators: Mapping[str, ComponentRef] = field(default_factory=dict)
    """Teachers that write texts beside an utterance, by name."""
    init_from: Path | None = None
    """The directory of a run whose trained weights this one starts from."""
    stages: tuple[Stage, ...] = ()
    """What is learned, step by step; each stage trains what the one before it left."""
    evaluate: Evaluate | None = None
    """How the trained model is measured; ``null``: not at all."""
    trackers: Mapping[str, ComponentRef] = field(default_factory=dict)
    """Where curves and numbers of a run are shown beside its directory."""
    workers: ComponentRef | None = None
    """Where passes over data are done; ``null``: in this process."""
    strategy: Strategy = field(default_factory=Strategy)
    """What the model computes on."""
    features: Features = field(default_factory=Features)
    """Where encoders' features are kept, and what decoding may cost."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """By dotted path, where each value came from."""
    resolved: dict[str, Any] = field(default_factory=dict)
    """The recipe with every default and absolute paths, as plain values: what ``recipe.yaml`` of a run holds.
    There, ``${env:NAME}`` stays as written, so that no secret is recorded; in ``ComponentRef.params`` it is filled
    in."""
    arguments: tuple[str, ...] = field(default=(), compare=False)
    """The file or name and the overrides that it was loaded from, for messages that name a command."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Sentences for the user about settings that have no effect."""

    @property
    def config(self) -> DictConfig:
        """The resolved recipe as an OmegaConf ``DictConfig``, to be composed with others in Python."""
        from omegaconf import OmegaConf

        return OmegaConf.create(self.resolved)

    @property
    def content(self) -> dict[str, Any]:
        """``resolved`` without what says only where and how fast the work is done: what its numbers depend on."""
        return content_of(self.resolved)

    @property
    def tuning(self) -> Tuning:
        """How the backbone learns; nothing of it where there is none."""
        component = self.backbone.component if self.backbone is not None else None
        return component.tuning if isinstance(component, Backbone) else Frozen()

    @property
    def learning_encoders(self) -> tuple[str, ...]:
        """The encoders that some stage's ``trainable`` names, wholly or in part: their features are computed by the
        model, in every step, and not kept."""
        named = [one.split(".") for stage in self.stages for one in stage.trainable or ()]
        patterns = [part[1] for part in named if part[0] == "encoders" and len(part) > 1]
        return tuple(name for name in self.encoders if any(fnmatchcase(name, pattern) for pattern in patterns))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of all stages, in order."""
        return tuple(task for stage in self.stages for task in stage.tasks)

    @property
    def last_prompter(self) -> ComponentRef | None:
        """The prompter that predictions are made with: the evaluation's own, or the last stage's, if there is any."""
        own = self.evaluate.prompter if self.evaluate is not None else None
        return own or (self.stages[-1].prompter if self.stages else None)


def _check_segments(lengths: tuple[int, int] | None) -> None:
    if lengths is not None:
        least, most = lengths
        _at_least(1, segments=least)
        if most < least:
            raise ValueError(f"segments: {list(lengths)}: the least comes first, then the most")
        if most < 2 * least - 1:
            raise ValueError(
                f"segments: {list(lengths)} cannot divide every conversation; the most is at least {2 * least - 1}, "
                "twice the least less one"
            )


def _at_least(least: int, **values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < least:
            raise ValueError(f"{name} counts from {least}, not {value}")
