"""A decoder that reads media on its own: nothing that it cannot see is left to it, and what it lacks is said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

import merc
from merc.components import Corruption, Verbalizer
from merc.errors import MercError
from merc.recipe import ComponentRef, Recipe, load_recipe
from merc.session.evaluation import evaluate_again
from merc.session.journal import Journal
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from merc.testing.examples.corruption import Example as Softer
from tests.session.test_session import arrays, plugin, session, talks

__all__ = ["plugin", "session", "talks"]


@dataclass(frozen=True, kw_only=True)
class Listens(Verbalizer):
    """Hears utterances beside the recipe, and nothing of the last one."""

    times_asked: ClassVar[int] = 0

    def reads_media(self):
        return ("voice of runs/two",)

    def looks_ahead(self):
        type(self).times_asked += 1
        return 0

    def decode(self, model, queries):
        answers = super().decode(model, queries)
        lacks = {"voice of runs/two": "no sound"}
        return [replace(one, missing=lacks if q.is_last else {}) for q, one in zip(queries, answers, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Shout(Corruption):
    modalities = ("text",)
    unit = ""
    severities: tuple[float, ...] = (1.0,)


def listening(session: merc.Session) -> merc.Session:
    how = replace(session.setup.how, decoder=Listens())
    return session.changed(replace(session.setup, how=how), Journal(Silent()))


def test_a_session_says_what_sees_or_hears_for_it(session: merc.Session) -> None:
    assert session.media == ("seen", "heard")
    assert listening(session).media == ("seen", "heard", "voice of runs/two")


def test_what_the_decoder_lacks_stands_beside_what_the_prompts_lack(
    session: merc.Session, talks: list[merc.Conversation]
) -> None:
    bare = replace(talks[-1], utterances=tuple(replace(u, video=None) for u in talks[-1].utterances))
    Listens.times_asked = 0
    first, last = listening(session).predict(bare)
    assert set(first.missing) == {"seen", "heard"} and set(last.missing) == {"seen", "heard", "voice of runs/two"}
    assert Listens.times_asked == 1


def test_arrays_are_refused_and_words_are_not(session: merc.Session, talks: list[merc.Conversation]) -> None:
    said = talks[0].utterances[0]
    own = listening(session)
    live = own.live()
    for predict in (own.predict, live.predict):
        with pytest.raises(MercError) as caught:
            predict({"id": "one", "text": said.text, **arrays(said)})
        assert "the media of one are arrays, and evaluate.decoder reads media from files alone (voice of runs/two)" in (
            str(caught.value)
        )
    assert own.predict({"text": "Oh!"})[0].label and live.predict({"text": "Oh!"}).label


def corrupted(recipe: Recipe, corruption: Corruption) -> Recipe:
    part = ComponentRef(name="worse", params={}, component=corruption)
    assert recipe.evaluate is not None
    return replace(recipe, evaluate=replace(recipe.evaluate, decoder=Listens(), corrupt={"worse": part}))


def test_worse_media_that_it_would_not_hear_are_refused_before_any_work(
    senses: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(senses / "media.yaml")
    refused = r"evaluate\.corrupt: worse would not reach what evaluate\.decoder reads on its own \(voice of runs/two\)"
    with pytest.raises(MercError, match=refused):
        run_recipe(corrupted(recipe, Softer()), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()
    from merc.session import evaluation

    real = evaluation.open_run

    def opened(*arguments):
        run = real(*arguments)
        return replace(run, recipe=corrupted(run.recipe, Softer()))

    monkeypatch.setattr(evaluation, "open_run", opened)
    with pytest.raises(MercError, match=refused):
        evaluate_again(trained, [], "worse", Silent())


def test_worse_words_reach_it(senses: Path) -> None:
    from merc.conversation import LabelSpace
    from merc.session.own_media import check_corrupted
    from merc.session.wiring import Setup

    recipe = corrupted(load_recipe(senses / "media.yaml"), Shout())
    check_corrupted(recipe, Setup.of(recipe, LabelSpace(("joy",))))
