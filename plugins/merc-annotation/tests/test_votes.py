"""Votes of teachers: the majority, Dawid and Skene, and what is uncertain."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from merc_annotation.dawid_skene import dawid_skene, majority
from merc_annotation.triplet import Triplet
from merc_annotation.voting import DawidSkeneVote, MajorityVote

import merc

LABELS = ["anger", "joy", "sadness"]


def triplet(label: str) -> str:
    return Triplet(label=label, steps=(f"So it is {label}.",)).text()


def consensus(annotator: merc.Annotator, *observations: merc.Observation) -> dict[str, dict]:
    given = dict(annotator.load("cpu")(iter(observations)))
    return {name: json.loads(one.cues["consensus"]) for name, one in given.items() if one.cues}


def simulated(seed: int = 1) -> tuple[dict[str, dict[str, str]], list[str]]:
    """400 items of which one rater is right in 95 %, and three in 55 % who then all confuse joy with anger."""
    draw = np.random.default_rng(seed)
    truth = [LABELS[at] for at in draw.integers(0, 3, 400)]
    votes = {}
    for item, label in enumerate(truth):
        said = {"good": label if draw.random() < 0.95 else LABELS[draw.integers(3)]}
        for name in ("a", "b", "c"):
            wrong = "anger" if label == "joy" else LABELS[draw.integers(3)]
            said[name] = label if draw.random() < 0.55 else wrong
        votes[f"u{item}"] = said
    return votes, truth


def right(shares: dict, truth: list[str]) -> float:
    return float(np.mean([max(one, key=one.get) == label for one, label in zip(shares.values(), truth, strict=True)]))


def test_dawid_skene_finds_out_who_is_reliable() -> None:
    votes, truth = simulated()
    settled = dawid_skene(votes, LABELS)
    assert right(settled.shares, truth) > right(majority(votes, LABELS).shares, truth) + 0.03
    assert settled.confusion["good"]["joy"]["joy"] > 0.9
    assert 0.45 < settled.confusion["a"]["joy"]["joy"] < 0.65 and settled.confusion["a"]["joy"]["anger"] > 0.3


def test_dawid_skene_of_two_who_agree_is_what_they_say() -> None:
    settled = dawid_skene({"u": {"a": "joy", "b": "joy"}, "v": {"a": "anger", "b": "anger"}}, ["anger", "joy"])
    assert settled.shares["u"]["joy"] > 0.99 and settled.shares["v"]["anger"] > 0.99


def test_a_majority_a_tie_and_a_single_vote(observe: Callable[..., merc.Observation]) -> None:
    vote = MajorityVote(teachers=["x", "y", "z"])
    two = observe(
        id="two", cues={"triplet_x": triplet("joy"), "triplet_y": triplet("joy"), "triplet_z": triplet("anger")}
    )
    tie = observe(id="tie", cues={"triplet_x": triplet("joy"), "triplet_z": triplet("anger")})
    one = observe(id="one", cues={"triplet_x": triplet("joy")})
    settled = consensus(vote, two, tie, one)
    assert settled["two0"]["label"] == "joy" and not settled["two0"]["uncertain"]
    assert settled["two0"]["votes"] == {"x": "joy", "y": "joy", "z": "anger"}
    assert settled["tie0"]["uncertain"] and settled["one0"]["uncertain"]  # nobody else says so
    (nothing,) = dict(vote.load("cpu")(iter([observe()]))).values()
    assert nothing.reason == "no teacher gave a label"


def test_weighing_teachers_is_deterministic(observe: Callable[..., merc.Observation]) -> None:
    votes, _ = simulated()
    shown = [
        observe(id=f"{name}_", cues={f"triplet_{who}": triplet(label) for who, label in said.items()})
        for name, said in list(votes.items())[:60]
    ]
    vote = DawidSkeneVote(teachers=["good", "a", "b", "c"])
    assert consensus(vote, *shown) == consensus(vote, *reversed(shown))


@pytest.mark.parametrize("teachers", [["x"], ["x", "x"], ["x", "a b"]])
def test_teachers_are_two_names(teachers: list[str]) -> None:
    with pytest.raises(ValueError, match="teacher"):
        MajorityVote(teachers=teachers)
