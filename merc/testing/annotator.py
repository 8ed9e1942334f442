"""The contract of annotators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from merc.components import Annotator, AudioClip, CannotEncode, Frames, Observation, Query, VideoClip, Waveform
from merc.testing import samples
from merc.testing.contract import ComponentContract, require


class AnnotatorContract(ComponentContract):
    """What an annotator must keep. Override ``observations`` where synthetic media don't suit."""

    kind = "annotator"
    component: ClassVar[Annotator]
    device: ClassVar[str] = "cpu"

    def observations(self) -> Sequence[Observation]:
        """What it is shown: the sample conversation, with the media that it asks for."""
        talk = samples.conversation()
        wants_video, wants_audio = self.component.video(), self.component.audio()
        videos = samples.clips(wants_video) if wants_video else []
        audios = samples.clips(wants_audio) if wants_audio else []
        shown = []
        for index in range(len(talk.utterances)):
            video = videos[index % len(videos)] if videos else CannotEncode("not asked for")
            audio = audios[index % len(audios)] if audios else CannotEncode("not asked for")
            assert isinstance(video, VideoClip | CannotEncode) and isinstance(audio, AudioClip | CannotEncode)
            query = Query(conversation=talk, index=index, labels=samples.LABELS)
            shown.append(Observation(query=query, video=video, audio=audio))
        return shown

    def test_wants_media_as_declared(self) -> None:
        """``fields`` names its cues; ``video`` gives Frames or None, ``audio`` a Waveform or None."""
        fields = self.component.fields()
        require(fields and len(set(fields)) == len(fields), f"fields() of {self.title} gives {fields!r}")
        for what, given, wanted in (
            ("video", self.component.video(), Frames),
            ("audio", self.component.audio(), Waveform),
        ):
            require(
                given is None or isinstance(given, wanted),
                f"{what}() of {self.title} gives {type(given).__name__}; it must give merc.{wanted.__name__} or None",
            )

    def test_an_answer_for_each_observation(self) -> None:
        """Each answer has declared fields with words in them, or is CannotEncode with its reason."""
        shown = self.observations()
        answers = self.component.load(self.device)(shown)
        require(len(answers) == len(shown), f"{len(shown)} observations went in and {len(answers)} answers came out")
        for number, answer in enumerate(answers):
            self._check(number, answer)
        require(
            any(not isinstance(answer, CannotEncode) for answer in answers),
            f"{self.title} gave CannotEncode for everything, so nothing was checked; override observations()",
        )

    def _check(self, number: int, answer: Mapping[str, str] | CannotEncode) -> None:
        if isinstance(answer, CannotEncode):
            require(answer.reason.strip(), f"CannotEncode for observation {number} says no reason")
            return
        declared = self.component.fields()
        for name, text in answer.items():
            require(
                name in declared, f"observation {number} got the cue {name!r}; fields() declares {', '.join(declared)}"
            )
            require(
                isinstance(text, str) and text.strip(),
                f"observation {number}: the cue {name!r} is {text!r}; leave out a cue that says nothing",
            )

    def test_media_that_are_missing_raise_nothing(self) -> None:
        """Without picture and sound it says what it can, or CannotEncode; it invents nothing and does not stop."""
        gone = CannotEncode("the file is missing")
        shown = [Observation(query=one.query, video=gone, audio=gone) for one in self.observations()]
        for number, answer in enumerate(self.component.load(self.device)(shown)):
            self._check(number, answer)

    def test_answers_do_not_depend_on_the_batch(self) -> None:
        """An observation alone gets what it gets among others, every time."""
        shown = self.observations()
        annotate = self.component.load(self.device)
        together = annotate(shown)
        for number, one in enumerate(shown):
            (alone,) = annotate([one])
            require(
                alone == together[number],
                f"observation {number} gets {together[number]!r} in the batch and {alone!r} alone",
            )
