"""What a run would take, found out by doing a little of each of its parts."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from merc.components import Features, Missing, Prediction, Prompter, Query
from merc.components.base import Component
from merc.consent import addresses
from merc.conversation import Conversation
from merc.errors import MercError
from merc.evaluation import compute_metrics, write_metrics, write_predictions, write_report
from merc.features import FeatureTable
from merc.memory import peak_memory
from merc.model.emotion_model import EmotionModel
from merc.model.memory_use import MemoryUse, memory_use
from merc.model.parameters import PartCount, count_networks, count_parameters
from merc.recipe import ComponentRef, Recipe
from merc.session.corruption import cases_of
from merc.session.data import Data, FeatureCache, encoders_of, used_streams
from merc.session.demonstrations import Demonstrations, last_demonstrations, selectors_of
from merc.session.pipeline import Run
from merc.session.predicting import encode_group
from merc.session.reporter import Reporter
from merc.session.run_prompts import RunPrompts
from merc.session.stages import Stages
from merc.session.start import start_of
from merc.session.wiring import Material, Request, Setup, Wiring, last_prompter
from merc.training.probe import Seconds, StageEstimate, StepProbe, spread_over, summed

PROBE_SECONDS = 20.0
"""About how long training steps, predictions and encoding are each tried."""
_FEWEST, _MOST = 3, 8


@dataclass(frozen=True, kw_only=True)
class PartEstimate:
    """A part of a run: what it takes, what that was found out from, and the most bytes of memory that were held until
    its end. ``device_bytes`` are those of a GPU; None without one."""

    part: str
    seconds: Seconds
    probe: str
    peak_bytes: int
    device_bytes: int | None


@dataclass
class RunEstimate:
    """What a whole run would take, part by part and in order. ``unknown`` are sentences about what is in none of the
    parts. ``memory`` is by the shapes of what learns, without activations; None where nothing learns."""

    parts: list[PartEstimate] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    parameters: list[PartCount] = field(default_factory=list)
    memory: MemoryUse | None = None

    @property
    def seconds(self) -> Seconds:
        """All parts together."""
        return summed(part.seconds for part in self.parts)

    @property
    def peak_bytes(self) -> int:
        """The most memory that is held at a time."""
        return max(part.peak_bytes for part in self.parts)


def estimate_run(recipe: Recipe, reporter: Reporter) -> RunEstimate:
    """Do a little of each part of a run, in a folder that is removed, and give what all of it would take.

    Features that are encoded for it go to the feature store, where the run finds them. Raises MercError for a mistake
    of the user that the run would stop at.
    """
    with TemporaryDirectory(prefix="merc-dry-run-") as folder:
        return _DryRun(recipe, Path(folder), reporter).estimate()


class _SampledMaterial(Material):
    """Material of which some conversations are not encoded: the features of others stand in for theirs."""

    @cached_property
    def source(self) -> FeatureCache:
        """What gives the model the features."""
        return _StandIns(self.table)


class _StandIns(FeatureCache):
    def __init__(self, table: FeatureTable) -> None:
        super().__init__(table)
        self.known: dict[str, list[str]] = {}
        for stream, utterance in table.places:
            self.known.setdefault(stream, []).append(utterance)

    def __call__(self, stream: str, utterance: str, draw: int) -> Features | Missing:
        """Features of a stream, an utterance and a draw, or those of another utterance."""
        if (stream, utterance) not in self.table.places:
            known = self.known[stream]
            utterance = known[random.Random(utterance).randrange(len(known))]
        return super().__call__(stream, utterance, draw)


class _DryRun(Run):
    """The steps of a run, each with a part of its work."""

    def __init__(self, recipe: Recipe, folder: Path, reporter: Reporter) -> None:
        super().__init__(replace(recipe, trackers={}), folder / "run", reporter, resume=False)
        self.result = RunEstimate()
        self.sampled: dict[str, tuple[Seconds, str]] = {}
        if self.strategy.world > 1:
            raise MercError("--dry-run estimates for one process; give the same command without a launcher")

    def estimate(self) -> RunEstimate:
        """Do the steps, and give what was found."""
        recipe, result = self.recipe, self.result
        imports = Seconds(*[Seconds.now().cpu] * 2)  # until here nothing is waited for but files
        self._note("start of Python, imports", imports, "this process")
        if not recipe.stages and recipe.evaluate is None:
            raise MercError(f"{recipe.name}: there is nothing to do: give stages to train, or evaluate, or both")
        self.wiring = Wiring(recipe, self.directory, self.device, self.journal, self.strategy)
        start = start_of(recipe) if recipe.stages else None
        with self._measured("conversations"):
            data, cues = self._data()
            self._check_backbone({}, start)
            data = data.with_cues(cues)
        with self._measured("demonstrations" if selectors_of(recipe) else "queries"):
            demonstrations = self.wiring.demonstrations(data, keep=False) if selectors_of(recipe) else None
            run_prompts = RunPrompts(recipe, self.directory, self.journal, data, demonstrations)
            prompts = run_prompts.every()
        table = self._features(data, demonstrations)
        material = _SampledMaterial(cues=cues, table=table)
        with self._measured("model"):
            model, inherited = self._model(material, start)
        result.parameters = self._parameters(model)
        with self._measured("prompts, put together"):
            run_prompts.check(model, prompts)
        self._stages(model, run_prompts, material, inherited)
        self._predictions(model, run_prompts, material)
        return result

    def _parameters(self, model: EmotionModel) -> list[PartCount]:
        encoders = {name: part.component for name, part in self.recipe.encoders.items()}
        networks, silent = count_networks(encoders, self.recipe.learning_encoders)  # type: ignore[arg-type]
        if silent:
            self.result.unknown.append(f"the parameters of {', '.join(silent)}, as their encoders state no size")
        return [*count_parameters(model), *networks]

    def _features(self, data: Data, demonstrations: Demonstrations | None) -> FeatureTable:
        """The features of all conversations where the store has them, else of some."""
        streams, _ = used_streams(self.recipe)
        conversations = self._encoded_conversations(data, demonstrations)
        if not encoders_of(self.recipe, streams):
            return self.wiring.features(streams, [])
        reaching = [n for n, part in encoders_of(self.recipe, streams).items() if addresses(part.component)]
        if reaching:
            raise MercError(f"--dry-run asks no server, and {', '.join(reaching)} would; encode first (merc encode)")
        order = random.Random(self.recipe.seed).sample(range(len(conversations)), len(conversations))
        tried: list[tuple[float, Seconds]] = []
        encoded: list[Conversation] = []
        began, table, size = Seconds.now(), None, 1
        while len(encoded) < len(conversations) and (len(tried) < 2 or (Seconds.now() - began).wall < PROBE_SECONDS):
            some = [conversations[at] for at in order[len(encoded) : len(encoded) + size]]
            before = Seconds.now()
            own = self.wiring.features(streams, some)
            tried.append((float(len(some)), Seconds.now() - before))
            table = own if table is None else table.overlaid(own)
            encoded += some
            size *= 2  # the first ones load the networks; many at a time are quicker
        assert table is not None
        left = len(conversations) - len(encoded)
        timed = tried[1:] or tried
        each = summed(one for _, one in timed) * (1 / max(1.0, sum(count for count, _ in timed)))
        spent = summed(one for _, one in tried) + each * left
        self._note("features", spent, f"{len(encoded)} of {len(conversations)} conversations encoded, or read")
        return table

    def _stages(
        self,
        model: EmotionModel,
        run_prompts: RunPrompts,
        material: Material,
        inherited: Collection[str],
    ) -> None:
        data = run_prompts.data
        probe = StepProbe(PROBE_SECONDS)

        def predict(split: str, prompter: Prompter, selector: ComponentRef | None) -> list[Prediction]:
            groups = run_prompts.queries(split, selector)
            return self._sample(f"dev {id(prompter)}", groups, prompter, data, model, material)

        for stage in self.recipe.stages:
            if why := self._why_not(stage.trainer.component):
                self.result.unknown.append(f"stage {stage.id}: {why}")
                continue
            known, before = len(probe.estimates), Seconds.now()
            one = replace(self.recipe, stages=(stage,))
            stages = Stages(
                one, self.directory, self.strategy, self.journal, False, run_prompts.demonstrations, inherited
            )
            stages.probe = probe
            stages.run(model, data, self.metrics, predict)
            rest = Seconds.now() - before
            estimates = probe.estimates[known:]
            if not estimates:
                self.result.unknown.append(f"stage {stage.id}: its trainer does not train by merc.training.fit")
                continue
            rest -= summed(estimate.probe for estimate in estimates)  # setting up, and saving what was learned
            self.result.memory = self.result.memory or self._memory(model)
            for estimate in estimates:
                self._note_stage(stage.id, estimate, rest, next(iter(reversed(self.sampled.values())), None))
                rest = Seconds()

    def _note_stage(
        self, name: str, estimate: StageEstimate, rest: Seconds, evaluation: tuple[Seconds, str] | None
    ) -> None:
        probe = f"{estimate.tried} of {estimate.steps} steps, the largest among them"
        self._note(f"stage {name}, training", estimate.training + rest, probe)
        if estimate.evaluations and evaluation is not None:
            of = f"{estimate.evaluations} times, each from {evaluation[1]}"
            self._note(f"stage {name}, evaluation on dev", evaluation[0] * estimate.evaluations, of)
        writes = max(estimate.evaluations, estimate.checkpoints)
        self._note(f"stage {name}, checkpoints", estimate.checkpoint * writes, f"1 of at most {writes} written")

    def _predictions(self, model: EmotionModel, run_prompts: RunPrompts, material: Material) -> None:
        recipe, result, data = self.recipe, self.result, run_prompts.data
        if recipe.evaluate is None:
            return
        if why := self._why_not(self.how.decoder):
            result.unknown.append(f"evaluate: {why}")
            return
        if self.how.decoder.fits_on():
            result.unknown.append("the fitting of evaluate.decoder, and what a fitted one takes")
        if cases := cases_of(recipe, last_prompter(recipe)):
            result.unknown.append(f"evaluate.corrupt: encoding and predicting {len(cases)} more times")
        predictions: list[Prediction] = []
        for split in self.how.splits:
            groups = run_prompts.queries(split, last_demonstrations(recipe))
            predictions += self._sample(split, groups, last_prompter(recipe), data, model, material)
            seconds, of = self.sampled[split]
            self._note(f"predict {split}", seconds, of)
        with self._measured("metrics and report", "of what was predicted here"):
            try:
                metrics = compute_metrics(predictions, data.labels, self.metrics)
                self.directory.path.mkdir(parents=True, exist_ok=True)
                write_predictions(self.directory.predictions, predictions)
                write_metrics(self.directory.metrics, metrics)
                write_report(self.directory.path, data.conversations, data.labels)
            except MercError as error:
                result.unknown.append(f"metrics and report, since of a part of the predictions there are none: {error}")

    def _sample(
        self,
        name: str,
        groups: Sequence[Sequence[Query]],
        prompter: Prompter,
        data: Data,
        model: EmotionModel,
        material: Material,
    ) -> list[Prediction]:
        """Predict the largest group and some that stand for all, and keep what all would take under the name."""
        setup = Setup(prompter=prompter, labels=data.labels, how=self.how)
        sizes = [self._nodes(model, prompter, group) for group in groups]
        largest = max(range(len(groups)), key=lambda at: sizes[at])
        budget = self.recipe.strategy.batch_tokens
        per_pass = max(1, int(budget * len(groups) / max(1, sum(sizes))))  # groups that are computed together
        parts = [[largest]]
        if len(groups) > 1:
            order = spread_over(sizes, min(len(groups), _MOST * per_pass))
            random.Random(self.recipe.seed).shuffle(order)
            parts += [order[at : at + per_pass] for at in range(0, len(order), per_pass)]
        predictions: dict[int, list[Prediction]] = {}
        tried: list[tuple[float, Seconds]] = []
        began = Seconds.now()
        for part in parts:
            if len(tried) > _FEWEST and (Seconds.now() - began).wall > PROBE_SECONDS:
                break
            own = [list(groups[at]) for at in part]
            before = Seconds.now()
            made = iter(self.wiring.predictions(model, setup, material, Request(groups=own, title="")))
            tried.append((float(sum(sizes[at] for at in part)), Seconds.now() - before))
            predictions.update((at, [next(made) for _ in groups[at]]) for at in part)
        timed = tried[1:] or tried  # the first is the largest, and pays for what is done once
        each = summed(spent for _, spent in timed) * (1 / max(1.0, sum(size for size, _ in timed)))
        of = f"{len(predictions)} of {len(groups)} conversations"
        self.sampled.pop(name, None)
        self.sampled[name] = each * sum(sizes), of
        return [one for at in sorted(predictions) for one in predictions[at]]

    def _nodes(self, model: EmotionModel, prompter: Prompter, group: Sequence[Query]) -> int:
        """The tokens that are computed for a group."""
        answers = self.how.decoder.answers

        def encode(query: Query) -> Any:
            return model.encode(prompter.prompt(query), query, answers, query.labels, model.context)

        encoded = encode_group(group, encode, model.context)
        trees = model.trees([encoded], self.recipe.strategy.batch_tokens)
        return sum(len(tree) for some, _ in trees for tree in some) + len(group) * (self.how.decoder.new_tokens() or 0)

    def _memory(self, model: EmotionModel) -> MemoryUse:
        dtype = str(model.base.dtype).removeprefix("torch.")
        return replace(memory_use(model, dtype), activations=None)

    @contextmanager
    def _measured(self, part: str, probe: str = "all of it") -> Iterator[None]:
        """Note a block as a part that is done whole."""
        before = Seconds.now()
        yield
        self._note(part, Seconds.now() - before, probe)

    def _note(self, part: str, seconds: Seconds, probe: str) -> None:
        device = torch.cuda.max_memory_allocated() if self.device.startswith("cuda") else None
        self.result.parts.append(
            PartEstimate(part=part, seconds=seconds, probe=probe, peak_bytes=peak_memory(), device_bytes=device)
        )

    def _why_not(self, component: Any) -> str:
        """Why what needs the component and the backbone is not tried; empty where it is."""
        backbone = self.recipe.backbone and self.recipe.backbone.component
        asks = any(isinstance(one, Component) and addresses(one) for one in (component, backbone))
        return "it would ask a server, which a dry run does not" if asks else ""
