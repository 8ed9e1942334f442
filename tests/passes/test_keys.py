"""Keys are those of earlier versions, so that what users have encoded, and paid teachers for, is found again."""

from __future__ import annotations

import pytest

from merc.components import Missing, Query
from merc.conversation import LabelSpace
from merc.cues.key import key_of as key_of_answer
from merc.cues.key import keys_among, teacher_of
from merc.errors import MercError
from merc.features.key import Source, key_of, recipe_of
from merc.media import MEDIA_VERSION, Want
from merc.passes import digest
from tests.cues.parts import Senses, part, talk
from tests.features.parts import Brightness, Letters

FEATURES = {
    "text": "0d83324729091f6e4394cab9a418ec228b15e001f1aa2e0ccff9e2fb093a5d76",
    "video": "ad70537ec8de5b0ee1ba819ae46ffa99b1fb73d7f64efc66e4639ce676ba4b94",
}
TEACHER = "2d6f17a6bc3ff7c8b590cc8a283ea1c0b9934c21aa378e704fadffaad5cff5c7"
ANSWER = "5eec94ad90e4f485a2d6f7ce9b6e07a8d44105c6402eb7544541a62fc80676cd"
AMONG_ALL = "a3484e2c102e75a53efdbdb789602e2382b340b1490b90d562cd7a3c028dad14"


def test_the_version_of_decoding_that_the_keys_below_are_of() -> None:
    """Another version gives other numbers and so other keys; then write the new ones below."""
    assert MEDIA_VERSION == 1


def test_the_key_of_a_feature_is_that_of_before() -> None:
    letters, brightness = Letters(), Brightness()
    of_text = key_of(Source("Well, \ud800 yes."), recipe_of("toy/letters", letters), letters, 3, 0)
    source = Source("ab" * 32, 0.5, 2.0, (0.0, 0.0, 0.5, 1.0))
    of_video = key_of(source, recipe_of("brightness", brightness), brightness, 3, 1)
    assert {"text": of_text, "video": of_video} == FEATURES


def test_the_key_of_an_answer_is_that_of_before() -> None:
    teacher = teacher_of("it", part(Senses(), "toy/senses"))
    query = Query(conversation=talk("Well.", "Yes."), index=1, labels=LabelSpace(()))
    video = ("ab" * 32, Want(teacher.samplings["video"], 0.5, 2.0))
    key = key_of_answer(teacher, query, {"video": video, "audio": Missing("no sound")}, {})
    assert (teacher.digest, key, keys_among([key, "b"])[0]) == (TEACHER, ANSWER, AMONG_ALL)


def test_what_is_no_plain_value_is_named() -> None:
    with pytest.raises(MercError, match=r"encoder 'x': its parameters must be plain values.*not JSON serializable"):
        digest({"model": object()}, "encoder 'x': its parameters")
