"""Each check of the contract of encoders fails for a component that breaks it, and says why."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import merc
import merc.testing
from merc.testing.examples import encoder
from tests.testing.broken import frozen, said


def broken_encoder(encode: Callable[[Any, Any], Any]) -> Any:
    """The example, with what it gives for the clips changed by ``encode(load, clips)``."""

    @frozen
    class Broken(encoder.Example):
        def load(self, device: str) -> Any:
            inner = super().load(device)
            return lambda clips: encode(inner, clips)

    return Broken()


FEATURES = "test_features_have_the_declared_shape"


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda f, c: f(c)[:-1], "3 clips went into Broken and 2 answers came out; it must be one a clip"),
        (lambda f, c: [None for _ in c], "clip 0: Broken gives NoneType; it must give a numpy array or Missing"),
        (lambda f, c: [x.astype("float64") for x in f(c)], "clip 0: features are float64; they must be float32"),
        (
            lambda f, c: [x[:, 0] for x in f(c)],
            "clip 0: features have shape [2]; they must have two axes, [tokens, dim]",
        ),
        (lambda f, c: [np.hstack([x, x]) for x in f(c)], "clip 0: features have shape [2, 2]; spec() says dim=1"),
        (
            lambda f, c: [x[:0] for x in f(c)],
            "clip 0: features have shape [0, 1]; a clip without features is Missing with the reason",
        ),
        (lambda f, c: [x * np.nan for x in f(c)], "clip 0: features hold NaN or infinity; give Missing instead"),
        (lambda f, c: [merc.Missing(" ") for x in f(c)], "Missing for clip 0 says no reason"),
    ],
)
def test_features_that_are_wrong(encode: Callable[[Any, Any], Any], message: str) -> None:
    assert said(merc.testing.EncoderContract, broken_encoder(encode), FEATURES) == message


def test_encoder_that_encodes_nothing() -> None:
    broken = broken_encoder(lambda f, clips: [merc.Missing("no face") for _ in clips])
    message = said(merc.testing.EncoderContract, broken, FEATURES)
    assert message.startswith("Broken gave Missing for every clip, so nothing was checked; override clips()")
    assert "no face" in message


def test_more_tokens_than_declared() -> None:
    @frozen
    class Broken(encoder.Example):
        def spec(self) -> merc.FeatureSpec:
            return merc.FeatureSpec(dim=1, tokens=1)

    message = said(merc.testing.EncoderContract, Broken(), FEATURES)
    assert message == "clip 0: features have shape [2, 1]; spec() says at most 1 tokens"


def test_random_features() -> None:
    counter = itertools.count(1)
    broken = broken_encoder(lambda f, clips: [x * next(counter) for x in f(clips)])
    message = said(merc.testing.EncoderContract, broken, "test_same_clip_gives_same_features")
    assert message.startswith("clip 0 gives other features the second time; leave training mode")


def test_features_that_depend_on_the_batch() -> None:
    broken = broken_encoder(lambda f, clips: [x * len(clips) for x in f(clips)])
    message = said(merc.testing.EncoderContract, broken, "test_features_do_not_depend_on_the_batch")
    assert message == "clip 0 gives other features alone than in the batch; padding must not change them"
    broken = broken_encoder(lambda f, clips: [x * (i + 1) if len(clips) > 1 else x for i, x in enumerate(f(clips))])
    message = said(merc.testing.EncoderContract, broken, "test_features_do_not_depend_on_the_batch")
    assert message.startswith("clip 0 gives other features in a batch in reversed order")


def test_encoder_that_writes_into_its_clips() -> None:
    def encode(inner: Any, clips: Any) -> Any:
        clips[0].samples[:] = 0.5
        return inner(clips)

    message = said(merc.testing.EncoderContract, broken_encoder(encode), "test_clips_are_left_as_they_are")
    assert message == "Broken wrote into clip 0; copy it first"


def test_sampling_and_spec_that_do_not_suit() -> None:
    @frozen
    class Broken(encoder.Example):
        version = ""

        def sampling(self) -> Any:
            return merc.Frames(count=1)

    message = said(merc.testing.EncoderContract, Broken(), "test_sampling_suits_the_modality")
    assert message == "Broken has modality 'audio' and its sampling() gives Frames; it must give merc.Waveform"
    message = said(merc.testing.EncoderContract, Broken(), "test_spec_and_version")
    assert message == "version is a string such as '1', not ''"


def test_a_remark_that_says_nothing() -> None:
    @frozen
    class Broken(encoder.Example):
        def remark(self, clip: Any, features: Any) -> Any:
            return " "

    assert said(merc.testing.EncoderContract, Broken(), "test_remarks_are_words_or_nothing") == (
        "clip 0: remark() of Broken gives ' '; it must give a sentence or None"
    )


def test_identity_that_features_cannot_be_kept_by() -> None:
    counter = itertools.count(1)

    @frozen
    class Broken(encoder.Example):
        def identity(self) -> Any:
            return {"weights": next(counter)}

    check = "test_what_features_are_kept_by_is_plain"
    assert said(merc.testing.EncoderContract, Broken(), check) == (
        "identity() of Broken gives {'weights': 1} and then {'weights': 2}"
    )

    @frozen
    class Strange(encoder.Example):
        def identity(self) -> Any:
            return {"weights": {1.5}}

    assert said(merc.testing.EncoderContract, Strange(), check) == (
        "identity() of Strange gives {'weights': {1.5}}, which is no plain value (Object of type set is not JSON "
        "serializable)"
    )
