"""What encoders that learn are given is kept as it is, under keys that no feature has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from merc.components import Missing
from merc.errors import MercError
from merc.features import FeatureStore, encode, prepared
from tests.features.parts import clips_talk, part
from tests.learning import Look
from tests.media.clips import write_clip


@dataclass(frozen=True, kw_only=True)
class Other(Look):
    """A Look whose inputs are ``given``, by name."""

    given: str = "none"

    def prepare(self) -> Any:
        kinds: dict[str, Any] = {
            "none": Missing("no face in it"),
            "ids": np.arange(3),
            "half": np.zeros((2, 3), "float16"),
            "list": [1.0],
            "empty": np.zeros((0, 3), "float32"),
            "nan": np.full((1, 3), np.nan, "float32"),
        }
        return lambda clips: [kinds[self.given] for _ in clips]


@pytest.fixture
def talk(tmp_path: Path) -> Any:
    paths = [tmp_path / f"{number}.mp4" for number in range(2)]
    for number, path in enumerate(paths):
        write_clip(path, frames=4 + number)
    return clips_talk(paths)


def names(store: FeatureStore) -> set[str]:
    return {path.name for path in store.root.rglob("*.safetensors")}


def test_inputs_and_features_never_meet(tmp_path: Path, talk: Any) -> None:
    store, seen = FeatureStore(tmp_path / "store"), {"face": part(Look())}
    features = encode(store, seen, talk, seed=0)
    kept = names(store)
    inputs = encode(store, prepared(seen, ["face"]), talk, seed=0)
    assert len(names(store)) == 2 * len(kept) == 4
    for utterance in talk[0].utterances:
        frames = inputs.get("face", utterance.id)
        assert isinstance(frames, np.ndarray) and frames.dtype == np.uint8 and frames.shape == (2, 8, 8, 3)
        (wanted,) = Look().build()([torch.from_numpy(frames)])
        np.testing.assert_allclose(features.get("face", utterance.id), wanted.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert encode(store, prepared(seen, ["face"]), talk, seed=0).encoded == {"face": 0}
    assert prepared(seen, []) == seen


def test_numbers_of_tokens_are_kept_as_whole_numbers(tmp_path: Path, talk: Any) -> None:
    table = encode(FeatureStore(tmp_path / "store"), prepared({"face": part(Other(given="ids"))}, ["face"]), talk, 0)
    ids = table.get("face", talk[0].utterances[0].id)
    assert isinstance(ids, np.ndarray) and ids.dtype == np.int64 and ids.tolist() == [0, 1, 2]


def test_what_has_no_input_is_missing_with_its_reason(tmp_path: Path, talk: Any) -> None:
    table = encode(FeatureStore(tmp_path / "store"), prepared({"face": part(Other())}, ["face"]), talk, 0)
    assert set(table.missing.values()) == {"no face in it"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("half", ("float16", "float32, uint8, int64")),
        ("list", ("a list", "numpy array")),
        ("empty", ("[0, 3]", "Missing")),
        ("nan", ("not finite",)),
    ],
)
def test_inputs_that_cannot_be_kept_are_named(tmp_path: Path, talk: Any, given: str, words: tuple[str, ...]) -> None:
    with pytest.raises(MercError) as error:
        encode(FeatureStore(tmp_path / "store"), prepared({"face": part(Other(given=given))}, ["face"]), talk, 0)
    assert all(word in str(error.value) for word in (*words, "face")), error.value


def test_why_an_encoder_cannot_learn() -> None:
    class NoNetwork(Look):
        build = Look.__mro__[1].build  # type: ignore[assignment]

    assert Look().why_frozen() is None
    assert "no build()" in str(NoNetwork().why_frozen())

    class Placed(Look):
        def spec(self) -> Any:
            return replace(super().spec(), axes=("row",))

    assert "where their tokens lie" in str(Placed().why_frozen())
