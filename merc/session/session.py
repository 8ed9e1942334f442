"""A run in memory: what predicting needs is loaded once and kept. Every command that uses a run is its client."""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.components import Decoder, Prediction, Query
from merc.consent import hide
from merc.conversation import Conversation, LabelSpace
from merc.cues import CueTable
from merc.errors import MercError
from merc.evaluation import read_metrics
from merc.media import Decoding
from merc.model.emotion_model import EmotionModel
from merc.model.state import load_stage
from merc.recipe import Recipe, load_recipe
from merc.registry.faults import naming_component
from merc.session.answering import Answered, answer
from merc.session.arrays import Arrays, annotate_arrays, with_arrays, without
from merc.session.cues import SHOWN, annotators_of, read_cues
from merc.session.data import encoders_of, load_data
from merc.session.demonstrations import Demonstrations, check_length
from merc.session.directory import recipe_name
from merc.session.inputs import Given, Reader
from merc.session.journal import Journal
from merc.session.label_history import check_label_history_shown, gold_note
from merc.session.loading import kept_loaded
from merc.session.own_media import media_readers
from merc.session.predicting import check_room
from merc.session.python_inputs import read_given
from merc.session.read_files import check_rewards
from merc.session.records import as_record
from merc.session.trained import TrainedRun, check_run
from merc.session.wiring import Material, Request, Setup, Wiring
from merc.speech import Listener, has_default

if TYPE_CHECKING:
    from merc.session.live import Live


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Conversations on their way to the model: what prompts are made of beside words, and the queries."""

    material: Material
    groups: list[list[Query]]

    def of(self, split: str) -> list[list[Query]]:
        """The queries of one split."""
        return [group for group in self.groups if group[0].conversation.split == split]


class _SharedState:
    """What several sessions of one run share: the model, and the lock that lets one thread compute at a time; what
    hears recordings, and the lock that lets one thread make it."""

    def __init__(self) -> None:
        self.model: EmotionModel | None = None
        self.lock = threading.RLock()
        self.listener: Listener | None = None
        self.hearing = threading.Lock()


class Session:
    """A trained run, ready to predict: its model, encoders, annotators and tokenizer are loaded when they are first
    needed and kept. It may be used from several threads; the model computes for one at a time.

    ``merc.load`` gives one. What is loaded stays, so that a session goes on when its run's directory is gone.
    ``setup`` says how labels are asked for.

    Args:
        run: The trained run.
        journal: Takes what there is to say.
        keep: Whether encoders and annotators stay loaded when they have done their work.
    """

    def __init__(self, run: TrainedRun, journal: Journal, keep: bool = True) -> None:
        self._shared_state = _SharedState()
        self._take(replace(run, recipe=kept_loaded(run.recipe)) if keep else run, run.setup, journal)

    def _take(self, run: TrainedRun, setup: Setup, journal: Journal) -> None:
        self._run, self.setup, self.journal = run, setup, journal
        self.wiring = Wiring(run.recipe, run.directory, run.device, journal)
        self._demonstrations: Demonstrations | None = None
        self._train: Sequence[Conversation] = ()
        self._last: list[list[Query]] = []

    def changed(self, setup: Setup, journal: Journal) -> Session:
        """The same run with the same model, used in another way, and reporting to somebody else."""
        other = copy.copy(self)
        other._take(replace(self._run, recipe=replace(self.recipe, evaluate=setup.how)), setup, journal)
        return other

    def __repr__(self) -> str:
        """The run, its labels, backbone and device, in a line."""
        ref = self.recipe.backbone
        texts = {} if ref is None else {key: value for key, value in ref.params.items() if isinstance(value, str)}
        options = hide(", ".join(f"{key}={value}" for key, value in texts.items()))
        backbone = f"{ref.name if ref else 'none'}{options and f' ({options})'}"
        labels = ", ".join(self.labels.labels)
        return f"<Session of {self.path}: labels {labels}; backbone {backbone}; device {self._run.device}>"

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self._run.directory.path

    @property
    def outputs(self) -> Path:
        """Where what is made with the run goes: its directory, unless a plugin brings the run."""
        return self._run.directory.outputs

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._run.device

    @property
    def recipe(self) -> Recipe:
        """The run's recipe, with what was changed for this session."""
        return self._run.recipe

    @property
    def labels(self) -> LabelSpace:
        """The labels that answers are among."""
        return self.setup.labels

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """The numbers that the run itself has, by split; none where it was not evaluated. Raises MercError where the
        run's directory is not there any more."""
        file = self._run.directory.metrics
        if not self._run.directory.recipe_file.exists():
            raise MercError(f"{self.path} is not there any more, and neither are the numbers of its run; bring it back")
        return {split: dict(numbers) for split, numbers in read_metrics(file).items()} if file.exists() else {}

    def predict(
        self,
        inputs: Any,
        *,
        text: str | None = None,
        speaker: str | None = None,
        clips: Mapping[str, Any] | None = None,
        listener: Listener | None = None,
    ) -> list[Prediction]:
        """A prediction for every utterance of what is given, in order.

        Args:
            inputs: The path of a clip, of a folder of clips or of a ``.jsonl`` file of conversations; a
                ``merc.Conversation``; a ``merc.AudioClip`` or ``merc.VideoClip``; a mapping of ``text``, ``speaker``,
                ``audio`` and ``video`` (clips, or paths), which is one utterance; or a list of these.
            text: What is said in a clip, which is one utterance then; "" where nothing is. A clip without it that is
                longer than half a minute, or of a run that goes by the words, is a recording: its utterances are heard
                and answered one after the other, where merc-speech is installed.
            speaker: Who speaks in the clips.
            clips: Arrays for utterances of a ``merc.Conversation``, by id: ``{"u0": {"audio": merc.AudioClip(...)}}``.
            listener: What hears recordings, in place of the default: every clip without ``text`` is one then.

        Returns:
            One ``merc.Prediction`` an utterance. One whose prompt is too long for the model has no label, and
            ``unanswered`` says so; and so has a clip of several of which nothing can be used.

        Raises:
            MercError: What is given cannot be read or is not what a clip holds, or ids occur twice.
        """
        return list(self.predict_iter(inputs, text=text, speaker=speaker, clips=clips, listener=listener))

    def predict_iter(
        self,
        inputs: Any,
        *,
        text: str | None = None,
        speaker: str | None = None,
        clips: Mapping[str, Any] | None = None,
        listener: Listener | None = None,
    ) -> Iterator[Prediction]:
        """The same, each prediction as soon as it is there: conversation by conversation, and of a recording as it is
        heard. What an iterator gives is read when all before it is answered."""
        with naming_component():
            for block in read_given(inputs, self.reader(listener), text, speaker, clips):
                for answered in self.answers(block, alone=len(block) == 1 and not isinstance(inputs, Iterator)):
                    yield from answered.predictions

    def predict_together(self, requests: Sequence[Any]) -> list[list[Prediction] | Exception]:
        """Several requests answered in as few passes of the model as there can be, for a server whose clients ask at
        the same time.

        Args:
            requests: Each something that ``predict`` takes. Those whose utterances have names of their own (a mapping
                may have an ``id``) are computed together; two with the same name are answered one after the other.

        Returns:
            For each request its predictions, as ``predict`` gives them alone but for rounding, or the error
            that says why it has none: a ``MercError``, but where a component has a fault.
        """
        from merc.session.together import predict_together

        with naming_component():
            return predict_together(self, requests)

    def live(self, conversation: str = "live", history: int | None = None) -> Live:
        """A conversation whose utterances come one by one: what was said stays computed, so each costs little.

        Args:
            conversation: Its name; utterances without an ``id`` are ``live-1``, ``live-2``, ...
            history: How many utterances are kept before the one that is asked about; when there are more, the older
                half is forgotten, so that the rest stays computed until then, and likewise where a prompt would be
                longer than the model's context. Answers are those of the conversation that is kept
                (``Live.conversation``). None keeps all.

        Raises:
            MercError: The run's prompts show the labels of before, or what is said after (it is offline).
        """
        from merc.session.live import Live

        return Live(self, conversation, history)

    @property
    def looks_ahead(self) -> int:
        """How many utterances after the one that is asked about its prompts show; above 0 the run is offline."""
        return self.setup.how.looks_ahead(self.setup.prompter)

    @property
    def media(self) -> tuple[str, ...]:
        """What sees or hears utterances for its answers, by name: encoders, annotators and what its decoder reads on
        its own. None where words are all that counts."""
        return media_readers(self.recipe, self.setup)

    def record(self, prediction: Prediction) -> dict[str, Any]:
        """A prediction as plain JSON values: what ``merc predict`` writes of it in a line."""
        return as_record(prediction, self.setup.how)

    def reader(self, listener: Listener | None = None, corpus: str | None = None) -> Reader:
        """What reads inputs for this run; ``listener`` hears clips whose words are not given, and ``corpus`` ("NAME
        key=value...") reads files that are no clips."""
        return Reader(
            recipe=self.recipe, setup=self.setup, say=self.journal.say, listener=listener,
            default_listener=self.listener, corpus=corpus,
        )  # fmt: skip

    def listener(self) -> Listener | None:
        """What hears recordings where nobody names anything else: the default segmenter and transcriber, loaded once
        for all that use this run; None where no plugin brings them. Raises MercError where they lack a package."""
        shared = self._shared_state
        with shared.hearing:
            if shared.listener is None and has_default():
                shared.listener = Listener(device=self.device, limits=Decoding.of(self.recipe).limits)
            return shared.listener

    def answers(
        self, block: Sequence[Given], alone: bool = False, packed: bool = False, before: int = 0
    ) -> Iterator[Answered]:
        """The predictions of conversations that somebody gave, one conversation after the other, when the cues and
        features of all are made, and those of a recording as it is heard.

        Args:
            block: The inputs, as ``reader`` reads them.
            alone: Whether a clip of which nothing can be used is an error.
            packed: Whether several conversations are computed in one pass.
            before: How many utterances at the beginning of each conversation are context alone.

        Raises:
            MercError: A clip is ``alone``, and nothing of it can be used.
        """
        yield from answer(self, block, alone, packed, before)

    def prepared(self, conversations: Sequence[Conversation], cues: CueTable, arrays: Arrays | None = None) -> Prepared:
        """Conversations with their cues beside the utterances on the rest of their way to the model: demonstrations and
        features."""
        groups, examples = self.queries(conversations)
        check_rewards(self.setup.how.decoder, self.setup.labels, [query for group in groups for query in group])
        talks = [*conversations, *examples]
        wiring, streams = self.wiring, self.setup.prompter.streams()
        table = wiring.features(streams, without(talks, arrays) if arrays else talks)
        if arrays:
            utterances = [u for c in conversations for u in c.utterances if u.id in arrays]
            table = with_arrays(table, encoders_of(self.recipe, streams), utterances, arrays, wiring)
        return Prepared(material=Material(cues=cues, table=table), groups=groups)

    def predictions(self, prepared: Prepared, request: Request) -> list[Prediction]:
        """What the model says to a request that is about prepared conversations."""
        with self._shared_state.lock:
            model = self._model_for(prepared.material, request.groups)
            return self.wiring.predictions(model, self.setup, prepared.material, request)

    def fitted(self, prepared: Prepared) -> Decoder:
        """The decoder as it is fitted to conversations of the split that it ``fits_on``."""
        with self._shared_state.lock:
            model = self._model_for(prepared.material, prepared.groups)
            return self.wiring.fitted(model, self.setup, prepared.material, prepared.groups)

    def _model_for(self, material: Material, groups: Sequence[Sequence[Query]]) -> EmotionModel:
        """The model with the media of what it is asked next, and room for the answers."""
        model = self.load()
        model.media.source = material.source
        check_room(model, self.setup.prompter, self.setup.how, groups)
        return model

    def load(self) -> EmotionModel:
        """The model, with the weights that the run's last stage left; loaded the first time. Raises MercError where the
        run is not there any more, or another process works in it."""
        with self._shared_state.lock:
            if self._shared_state.model is None:
                directory = self._run.directory
                directory.check_usable()
                with self.journal.task("model") as progress:
                    stages = self.recipe.stages  # each keeps the whole state, what it did not train included
                    last = directory.stage(stages[-1].id) if stages else None
                    model = self.wiring.model(None if last is None else partial(load_stage, folder=last))
                    progress(1.0, "loaded")
                model.eval()
                if model.note:
                    self.journal.say(model.note)
                self._shared_state.model = model
            return self._shared_state.model

    def checksums(self) -> Any:
        """The checksums of the weights that it predicts with (``RunDirectory.checksums``)."""
        return self._run.directory.checksums(self.recipe)

    def identity(self) -> str:
        """The run and how it is asked, in a line: its directory, and a hash of its weights' checksums and of the recipe
        but for where and how fast it is done."""
        whole = json.dumps([self.recipe.content, self.checksums()], sort_keys=True, default=str)
        return f"{self.path.absolute()} {hashlib.sha256(whole.encode()).hexdigest()[:16]}"

    def check_demonstrations(self) -> None:
        """Raise MercError, naming it, for a demonstration among those shown last that alone is longer than the model's
        context."""
        check_length("evaluate.demonstrations", self.load(), self.setup.prompter, self._last)

    def check(self, loads: bool = False) -> None:
        """See that the run's backbone can be loaded and is the one that the run was made with, before anything is
        encoded for it. Where nothing is, or the caller ``loads`` it now, loading is the first half of that."""
        check_run(self._run, self.journal.say, loads or not self.setup.prompter.streams())

    def annotated(self, conversations: Sequence[Conversation], arrays: Arrays) -> CueTable:
        """The cues that the run's prompts show: its own annotators are asked for them, about one input at a time."""
        prompter = self.setup.prompter
        with self._shared_state.lock:
            if not arrays:
                return self.wiring.annotated(prompter, conversations)
            own = [c for c in conversations if any(u.id in arrays for u in c.utterances)]
            others = [c for c in conversations if c not in own]
            parts = annotators_of(self.recipe, [("", prompter)])
            tables = [annotate_arrays(parts, own, arrays, self._run.device)]
            if others:
                tables.append(self.wiring.annotated(prompter, others))
        return CueTable.joined(tables)

    def queries(self, conversations: Sequence[Conversation]) -> tuple[list[list[Query]], list[Conversation]]:
        """The queries about conversations, with demonstrations where the run has some, and the conversations that these
        are of."""
        setup = self.setup
        groups, where = setup.queries(conversations), "evaluate.demonstrations"
        if setup.how.label_history:
            check_label_history_shown("evaluate.label_history", setup.prompter, groups)
        if setup.how.label_history == "gold" and (note := gold_note("evaluate.label_history: gold", groups)):
            self.journal.say(note)
        if setup.selector is None:
            return groups, []
        with self._shared_state.lock:
            chooses = self._chooses()
            chooses.forget()
            chooses.fill(setup.selector, where, groups)
            examples, asking = chooses.shown, [(SHOWN, setup.prompter)]
            cues = read_cues(chooses.recipe, asking, lambda fields: examples, self._train, self.journal)
            chooses.use(cues.beside(examples), conversations)
            self._last = chooses.fill(setup.selector, where, groups)
            return self._last, chooses.shown

    def _chooses(self) -> Demonstrations:
        """What chooses from the run's own train split, which is read the first time: the run's corpus is needed for it,
        whatever is predicted. Raises MercError where it cannot be read."""
        if self._demonstrations is None:
            self._run.directory.check_usable()
            own = load_recipe(recipe_name(self.path), use="predict")
            with self.journal.task("the run's train split") as progress:
                try:
                    data = load_data(own, self.labels, self._run.directory.split)
                except MercError as error:
                    raise MercError(
                        "this run shows demonstrations from its own train split, which cannot be read: "
                        f"{str(error).rstrip('.')}; bring it back to where it was, or ask without, by "
                        "evaluate.demonstrations=null"
                    ) from None
                progress(1.0, f"{len(data.split('train'))}")
            recipe = replace(own, features=self.recipe.features, encoders=self.recipe.encoders)
            wiring = Wiring(recipe, self._run.directory, self._run.device, self.journal)
            self._demonstrations, self._train = wiring.demonstrations(data), data.conversations
        return self._demonstrations
