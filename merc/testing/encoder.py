"""The contract of encoders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from merc.components import (
    AudioClip,
    Clip,
    Encoder,
    Features,
    FeatureSpec,
    Frames,
    Missing,
    Named,
    TextClip,
    VideoClip,
    Waveform,
    Words,
)
from merc.features.prepared import wrong_input
from merc.testing import samples
from merc.testing.contract import ComponentContract, require

_WANTS = {"video": Frames, "audio": Waveform, "text": Words}


class EncoderContract(ComponentContract):
    """What an encoder must keep. Override ``clips`` where synthetic media don't suit (a face encoder wants a face)."""

    kind = "encoder"
    component: ClassVar[Encoder]
    device: ClassVar[str] = "cpu"
    """Where it computes."""
    tolerance: ClassVar[float] = 1e-4
    """How far features may differ between batches, relatively and absolutely."""

    def clips(self) -> Sequence[Clip]:
        """At least two clips, as the encoder's ``sampling`` asks for; features must come of at least one."""
        return samples.clips(self.component.sampling())

    def test_sampling_suits_the_modality(self) -> None:
        """A video encoder wants Frames, an audio encoder a Waveform, a text encoder Words; one that looks numbers up
        wants Named."""
        contract, sampling = _WANTS[self.component.modality], self.component.sampling()
        require(
            isinstance(sampling, contract | Named),
            f"{self.title} has modality {self.component.modality!r} and its sampling() gives "
            f"{type(sampling).__name__}; it must give merc.{contract.__name__}",
        )

    def test_spec_and_version(self) -> None:
        """``spec`` gives a dimension, and perhaps a number of tokens, without loading anything."""
        spec = self.component.spec()
        require(isinstance(spec, FeatureSpec), f"spec() of {self.title} gives {spec!r}; it must give merc.FeatureSpec")
        require(spec.dim >= 1 and (spec.tokens is None or spec.tokens >= 1), f"spec() counts from 1; it gives {spec}")
        version = self.component.version
        require(isinstance(version, str) and version, f"version is a string such as '1', not {version!r}")

    def test_what_features_are_kept_by_is_plain(self) -> None:
        """``identity`` gives what JSON can hold, the same every time."""
        first, second = self.component.identity(), self.component.identity()
        try:
            texts = [json.dumps(one, sort_keys=True) for one in (first, second)]
        except (TypeError, ValueError) as error:
            require(False, f"identity() of {self.title} gives {first!r}, which is no plain value ({error})")
        require(texts[0] == texts[1], f"identity() of {self.title} gives {first} and then {second}")

    def test_features_have_the_declared_shape(self) -> None:
        """An answer for each clip: float32 ``[tokens, dim]``, finite, or Missing with its reason."""
        clips = self.clips()
        answers = self.component.load(self.device)(clips)
        require(
            len(answers) == len(clips),
            f"{len(clips)} clips went into {self.title} and {len(answers)} answers came out; it must be one a clip",
        )
        spec = self.component.spec()
        for number, answer in enumerate(answers):
            self._check(number, answer, spec)
        require(
            any(not isinstance(answer, Missing) for answer in answers),
            f"{self.title} gave Missing for every clip, so nothing was checked; override clips() with media "
            f"that it can encode. Its reasons: {[a.reason for a in answers if isinstance(a, Missing)]}",
        )

    def test_remarks_are_words_or_nothing(self) -> None:
        """``remark`` says something of a clip and its features, or gives None."""
        clips = self.clips()
        for number, (clip, answer) in enumerate(zip(clips, self.component.load(self.device)(clips), strict=True)):
            if not isinstance(answer, Missing):
                remark = self.component.remark(clip, answer)
                require(
                    remark is None or (isinstance(remark, str) and bool(remark.strip())),
                    f"clip {number}: remark() of {self.title} gives {remark!r}; it must give a sentence or None",
                )

    def _check(self, number: int, answer: object, spec: FeatureSpec) -> None:
        if isinstance(answer, Missing):
            require(answer.reason.strip(), f"Missing for clip {number} says no reason")
            return
        require(
            isinstance(answer, np.ndarray),
            f"clip {number}: {self.title} gives {type(answer).__name__}; it must give a numpy array or Missing",
        )
        assert isinstance(answer, np.ndarray)
        require(answer.dtype == np.float32, f"clip {number}: features are {answer.dtype}; they must be float32")
        shape = f"clip {number}: features have shape {list(answer.shape)}"
        require(answer.ndim == 2, f"{shape}; they must have two axes, [tokens, dim]")
        axes = f" and {len(spec.axes)} axes" if spec.axes else ""
        require(answer.shape[1] == spec.width, f"{shape}; spec() says dim={spec.dim}{axes}")
        require(len(answer) >= 1, f"{shape}; a clip without features is Missing with the reason")
        require(spec.tokens is None or len(answer) <= spec.tokens, f"{shape}; spec() says at most {spec.tokens} tokens")
        require(np.isfinite(answer).all(), f"clip {number}: features hold NaN or infinity; give Missing instead")

    def test_same_clip_gives_same_features(self) -> None:
        """Loading again and encoding again gives the very same numbers."""
        clips = self.clips()
        first, second = self.component.load(self.device)(clips), self.component.load(self.device)(clips)
        for number, (one, two) in enumerate(zip(first, second, strict=True)):
            require(
                _same(one, two, 0.0),
                f"clip {number} gives other features the second time; leave training mode (model.eval()), and seed "
                "what is random",
            )

    def test_features_do_not_depend_on_the_batch(self) -> None:
        """A clip alone, and a clip among others in another order, gives what it gives in the batch."""
        clips = list(self.clips())
        encode = self.component.load(self.device)
        together = encode(clips)
        backwards = list(encode(clips[::-1]))[::-1]
        for number, clip in enumerate(clips):
            (alone,) = encode([clip])
            for other, how in ((alone, "alone"), (backwards[number], "in a batch in reversed order")):
                require(
                    _same(together[number], other, self.tolerance),
                    f"clip {number} gives other features {how} than in the batch; padding must not change them",
                )

    def test_clips_are_left_as_they_are(self) -> None:
        """One decoded clip is shown to several encoders, so none may write into it."""
        clips, untouched = self.clips(), self.clips()
        self.component.load(self.device)(clips)
        for number, (clip, original) in enumerate(zip(clips, untouched, strict=True)):
            require(
                np.array_equal(_array(clip), _array(original)), f"{self.title} wrote into clip {number}; copy it first"
            )

    def test_what_is_prepared_can_be_kept(self) -> None:
        """Of an encoder that may learn: ``prepare`` gives arrays, the same each time, and Missing where ``load``
        gives Missing."""
        if self.component.why_frozen() is not None:
            return
        clips = self.clips()
        features = self.component.load(self.device)(clips)
        first, second = self.component.prepare()(clips), self.component.prepare()(clips)
        require(len(first) == len(clips), f"prepare() of {self.title} gives {len(first)} inputs for {len(clips)} clips")
        for number, (one, two, feature) in enumerate(zip(first, second, features, strict=True)):
            if isinstance(feature, Missing) or isinstance(one, Missing):
                require(one == feature, f"clip {number}: load() gives {feature!r} and prepare() {one!r}")
                continue
            problem = wrong_input(one)
            require(problem is None, f"clip {number}: {problem}")
            same = not isinstance(two, Missing) and one.dtype == two.dtype and np.array_equal(one, two)
            require(same, f"clip {number}: prepare() of {self.title} gives another input the second time")

    def test_the_network_gives_the_features_that_are_kept_while_it_is_frozen(self) -> None:
        """Of an encoder that may learn: before its first step, the network of ``build`` gives what ``load`` gives, for
        a clip alone and in a batch, as many tokens as ``places`` says and where it says, and its parameters get a
        gradient."""
        if self.component.why_frozen() is not None:
            return
        import torch

        clips = self.clips()
        features = self.component.load(self.device)(clips)
        prepared = [one for one in self.component.prepare()(clips) if not isinstance(one, Missing)]
        arrays = [one for one in features if not isinstance(one, Missing)]
        network = self.component.build().to(self.device).eval()
        inputs = [torch.from_numpy(one).to(self.device) for one in prepared]
        together = network(inputs)
        require(
            len(together) == len(inputs),
            f"{len(inputs)} inputs went in and {len(together)} features came out of build()",
        )
        for number, (prepared_input, frozen, mine) in enumerate(zip(inputs, arrays, together, strict=True)):
            places, spec = self.component.places(prepared_input.cpu().numpy()), self.component.spec()
            require(
                tuple(mine.shape) == (len(places), spec.dim) and frozen.shape == (len(places), spec.width),
                f"input {number}: the network gives {list(mine.shape)}, load() gives {list(frozen.shape)} and "
                f"places() says {len(places)} tokens",
            )
            require(
                np.array_equal(frozen[:, spec.dim :], places),
                f"input {number}: places() says that tokens lie elsewhere than load() says",
            )
            for how, other in (("in a batch", mine), ("alone", network([prepared_input])[0])):
                near = _same(other.detach().cpu().float().numpy(), frozen[:, : spec.dim], self.tolerance)
                require(near, f"input {number}, {how}: the network of build() gives other features than load()")
        learning = {name: p for name, p in network.named_parameters() if p.requires_grad}
        require(learning, f"no parameter of the network of {self.title} may learn; leave build() out, or let some")
        total = torch.stack([one.square().sum() for one in together]).sum()
        gradients = torch.autograd.grad(total, list(learning.values()), allow_unused=True)
        idle = [name for name, g in zip(learning, gradients, strict=True) if g is None or not torch.isfinite(g).all()]
        require(
            not idle,
            f"parameters of the network of {self.title} get no gradient, or none that is a number: "
            f"{', '.join(idle[:3])}; set requires_grad of what features don't depend on to False",
        )


def _array(clip: Clip) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    if isinstance(clip, VideoClip):
        return clip.frames
    if isinstance(clip, AudioClip):
        return clip.samples
    return np.array(clip.text if isinstance(clip, TextClip) else clip.id)


def _same(one: Features | Missing, two: Features | Missing, tolerance: float) -> bool:
    if isinstance(one, Missing) or isinstance(two, Missing):
        return one == two
    return one.shape == two.shape and bool(np.allclose(one, two, rtol=tolerance, atol=tolerance))
