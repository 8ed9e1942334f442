"""The contract of annotators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, replace
from dataclasses import fields as dataclass_fields
from typing import Any, ClassVar

from merc.components import (
    Annotation,
    Annotator,
    AudioClip,
    Frames,
    Missing,
    Observation,
    Query,
    VideoClip,
    Waveform,
)
from merc.conversation import LabelSpace
from merc.testing import samples
from merc.testing.contract import ComponentContract, require


class AnnotatorContract(ComponentContract):
    """What an annotator must keep. Override ``observations`` where synthetic media don't suit."""

    kind = "annotator"
    component: ClassVar[Annotator]
    device: ClassVar[str] = "cpu"
    """Where it computes."""

    def observations(self) -> Sequence[Observation]:
        """What it is shown: the sample conversation as the pass would show it, with the media that it asks for."""
        talk = samples.conversation()
        talk = replace(talk, utterances=tuple(replace(u, label=None, cues={}) for u in talk.utterances))
        wants_video, wants_audio = self.component.video(), self.component.audio()
        videos = samples.clips(wants_video) if wants_video else []
        audios = samples.clips(wants_audio) if wants_audio else []
        observations = []
        for index in range(len(talk.utterances)):
            video = videos[index % len(videos)] if videos else Missing("not asked for")
            audio = audios[index % len(audios)] if audios else Missing("not asked for")
            assert isinstance(video, VideoClip | Missing) and isinstance(audio, AudioClip | Missing)
            query = Query(conversation=talk, index=index, labels=LabelSpace(()))
            if self.component.reads() or self.component.sees_label():
                query = self.shown(query, "joy" if self.component.sees_label() else None)
            observations.append(Observation(query=query, video=video, audio=audio))
        return observations

    def shown(self, query: Query, label: str | None) -> Query:
        """The query with the cues of its target that the annotator reads, and its label where it sees it. Override
        where the words of a cue matter."""
        cues = {field: f"a cue of {field}" for field in self.component.reads()}
        own = replace(query.target, cues=cues, label=label)
        before, after = query.conversation.utterances[: query.index], query.conversation.utterances[query.index + 1 :]
        return replace(query, conversation=replace(query.conversation, utterances=(*before, own, *after)))

    def test_reads_and_sees_what_it_says(self) -> None:
        """``reads`` names cues that it does not write itself; the gold label is seen only where a parameter says so."""
        reads = self.component.reads()
        require(
            isinstance(reads, tuple) and all(isinstance(field, str) for field in reads),
            f"reads() of {self.title} gives {reads!r}; it must give a tuple of names",
        )
        both = [field for field in reads if field in self.component.fields()]
        require(not both, f"{self.title} reads {', '.join(both)}, which it writes itself")
        required = [one for one in dataclass_fields(self.component) if one.default is MISSING]
        if self.component.sees_label() and not [one for one in required if one.default_factory is MISSING]:
            require(
                not type(self.component)().sees_label(),
                f"{self.title} sees the gold label by default; let a parameter that is false by default say so",
            )

    def test_cues_that_are_lacking_raise_nothing(self) -> None:
        """Without the cues that it reads it says what it can, or the reason."""
        if self.component.reads():
            lacking = dict.fromkeys(self.component.reads(), "nobody saw anything")
            self._annotate([replace(self._bare(one), lacking=lacking) for one in self.observations()])

    @staticmethod
    def _bare(one: Observation) -> Observation:
        talk = one.query.conversation
        utterances = tuple(replace(u, cues={}) for u in talk.utterances)
        return replace(one, query=replace(one.query, conversation=replace(talk, utterances=utterances)))

    def test_wants_media_as_declared(self) -> None:
        """``fields`` names its cues; ``video`` gives Frames or None, ``audio`` a Waveform or None."""
        fields = self.component.fields()
        require(
            isinstance(fields, tuple) and fields and len(set(fields)) == len(fields),
            f"fields() of {self.title} gives {fields!r}; it must give a tuple of names, each once",
        )
        for what, want, contract in (
            ("video", self.component.video(), Frames),
            ("audio", self.component.audio(), Waveform),
        ):
            require(
                want is None or isinstance(want, contract),
                f"{what}() of {self.title} gives {type(want).__name__}; it must give merc.{contract.__name__} or None",
            )
        video = self.component.video()
        require(video is None or video.draws == 1, f"video() of {self.title} wants several draws; it is asked once")

    def test_an_annotation_for_each_observation(self) -> None:
        """Each observation gets one Annotation: declared fields with words in them, or a reason."""
        answers = self._annotate(self.observations())
        require(
            any(answer.cues for answer in answers.values()),
            f"{self.title} gave no cue at all, so nothing was checked; override observations()",
        )

    def test_media_that_are_missing_raise_nothing(self) -> None:
        """Without picture and sound it says what it can, or the reason; it invents nothing and does not stop."""
        gone = Missing("the file is missing")
        self._annotate([replace(one, video=gone, audio=gone) for one in self.observations()])

    def test_answers_do_not_depend_on_what_else_is_asked(self) -> None:
        """An observation alone gets what it gets among others, in any order, every time; one that ``needs_all`` gives
        the same for the same set."""
        observations = self.observations()
        together = self._annotate(observations)
        again = self._annotate(list(reversed(observations)))
        for one in observations:
            name = one.query.target.id
            self._same(name, together[name], again[name], "in another order")
            if not self.component.needs_all:
                self._same(name, together[name], self._annotate([one])[name], "alone")

    def test_the_function_may_be_called_again(self) -> None:
        """The pass calls a loaded function again for what another process had taken: it gives the same."""
        observations, annotate = self.observations(), self.component.load(self.device)
        first, second = (dict(annotate(iter(observations))) for _ in range(2))
        for one in observations:
            name = one.query.target.id
            require(name in second, f"{self.title} gave no answer for {name!r} when its function was called again")
            self._same(name, first[name], second[name], "when its function is called again")

    def test_what_answers_are_kept_by_is_plain(self) -> None:
        """``identity`` and ``context`` give what JSON can hold, the same every time."""
        for one in self.observations():
            for what, give in (
                ("identity()", lambda: self.component.identity()),
                ("context(query)", lambda one=one: self.component.context(one.query)),
            ):
                first, second = (_plain(give()) for _ in range(2))
                require(first is not None, f"{what} of {self.title} gives {give()!r}, which is no plain value")
                require(first == second, f"{what} of {self.title} gives {first} and then {second}")

    def _annotate(self, observations: Sequence[Observation]) -> dict[str, Annotation]:
        """What a newly loaded function gives, checked."""
        taken: list[str] = []

        def observe() -> Any:
            for one in observations:
                taken.append(one.query.target.id)
                yield one

        annotations: dict[str, Annotation] = {}
        for pair in self.component.load(self.device)(observe()):
            require(
                isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Annotation),
                f"{self.title} gave {pair!r}; it must give (utterance id, merc.Annotation)",
            )
            name, annotation = pair
            require(name in taken, f"{self.title} answered for {name!r}, which it had not been given")
            require(name not in annotations, f"{self.title} answered twice for {name!r}")
            self._check(name, annotation)
            annotations[name] = annotation
        lacking = [name for name in taken if name not in annotations]
        require(not lacking, f"{self.title} took {', '.join(lacking)} and gave no answer")
        require(len(taken) == len(observations), f"{self.title} took {len(taken)} of {len(observations)} observations")
        return annotations

    def _check(self, name: str, annotation: Annotation) -> None:
        parameters = [one.name for one in dataclass_fields(self.component)]
        for limit in annotation.reached:
            require(
                limit in parameters,
                f"utterance {name!r} reached {limit!r}, which is no parameter of {self.title}: {', '.join(parameters)}",
            )
        declared = self.component.fields()
        for field, text in annotation.cues.items():
            require(
                field in declared, f"utterance {name!r} got the cue {field!r}; fields() declares {', '.join(declared)}"
            )
            require(
                isinstance(text, str) and text.strip(),
                f"utterance {name!r}: the cue {field!r} is {text!r}; leave out a cue that says nothing",
            )

    def _same(self, name: str, one: Annotation, other: Annotation, how: str) -> None:
        require(
            (one.cues, one.reason) == (other.cues, other.reason),
            f"utterance {name!r} gets {one.cues or one.reason!r} among the others and {other.cues or other.reason!r} "
            f"{how}",
        )


def _plain(value: object) -> str | None:
    """A value as JSON, or None if it is not plain."""
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return None
