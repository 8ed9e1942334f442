"""Action units of drawn faces whose expression is known, the peak, and OpenFace's own files."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from merc_annotation.action_units import ActionUnits
from merc_annotation.calibrated_units import CalibratedUnits, FaceMeasures
from merc_annotation.face_units import MOST, UNITS, intensities, measures, rests
from merc_annotation.openface import OpenFaceTables, read_openface
from merc_annotation.peak_frame import PeakFrame, VisualExpression, peak_time
from merc_annotation.unit_table import UnitTable
from merc_embedded import FaceFinder, FaceMesh
from merc_skits.expression import Expression
from merc_skits.face import Face, Looks

import merc
import merc.testing
from tests.faces import need_faces

REST = Expression()
JOY = Expression(smile=1.0, cheeks=0.9, stretch=0.55, jaw=0.3, teeth=1.0)


def drawn(expressions: list[Expression], seed: int = 4) -> np.ndarray:
    face = Face(Looks.draw(random.Random(seed), woman=False))
    return np.stack([face.picture(one) for one in expressions])


@pytest.fixture(scope="module")
def mesh_of() -> Callable[[Expression], np.ndarray]:
    need_faces()
    finder, mesh = FaceFinder.load(), FaceMesh.load()

    def points(expression: Expression) -> np.ndarray:
        (frame,) = drawn([expression])
        found = mesh.points(frame, finder.find(frame)[0])
        assert found is not None
        return found

    return points


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        (Expression(brow_inner=1.0), "AU01"), (Expression(brow_outer=1.0), "AU02"),
        (Expression(brow_inner=-1.0, brow_squeeze=1.0), "AU04"), (Expression(lids=0.8), "AU05"),
        (Expression(cheeks=1.0, smile=0.6), "AU06"), (Expression(smile=1.0), "AU12"), (Expression(smile=-1.0), "AU15"),
        (Expression(stretch=0.9), "AU20"), (Expression(jaw=0.8), "AU25"), (Expression(jaw=0.8), "AU26"),
        (Expression(lids=-1.0), "AU45"),
    ],
)  # fmt: skip
def test_a_unit_is_stronger_where_it_is_drawn(mesh_of, expression, unit) -> None:
    rest, posed = measures(mesh_of(REST))[unit], measures(mesh_of(expression))[unit]
    assert posed > rest + 0.05 * UNITS[unit].span


def test_measures_know_no_size_place_and_tilt(mesh_of) -> None:
    points = mesh_of(JOY)
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    moved = 2.5 * points @ turn.T + np.array([40.0, -7.0, 3.0])
    one, two = measures(points), measures(moved)
    assert all(one[name] == pytest.approx(two[name], abs=1e-9) for name in UNITS)


def test_intensities_are_from_rest_to_the_strongest() -> None:
    rest = UNITS["AU12"].rest
    strength = intensities({"AU12": np.array([rest, rest, rest, rest + UNITS["AU12"].span, rest + 9.0, rest - 9.0])})
    assert strength["AU12"].tolist() == pytest.approx([0.0, 0.0, 0.0, MOST, MOST, 0.0])


def test_what_is_shown_throughout_is_still_seen() -> None:
    unit = UNITS["AU12"]
    held = intensities({"AU12": np.full(20, unit.rest + unit.span)})["AU12"]
    assert (held > 0.4 * MOST).all() and (held < MOST).all()  # some of it is taken for how this person looks


@pytest.fixture
def smile(observe) -> merc.Observation:
    need_faces()
    course = [REST] * 5 + [JOY.times(share) for share in (0.3, 0.6, 1.0, 0.8, 0.6)]
    return observe(frames=drawn(course))


def test_a_smile_is_found_where_it_is_strongest(smile, observe) -> None:
    ((_, units),) = ActionUnits().load("cpu")(iter([smile]))
    table = UnitTable.read(units.cues["action_units"])
    assert len(table.times) == 10 and table.values["AU12"].argmax() == 7
    assert table.values["AU12"][:4].max() < 0.5 * table.values["AU12"].max()
    seen = observe(cues=dict(units.cues))
    ((_, peak),) = PeakFrame().load("cpu")(iter([seen]))
    assert json.loads(peak.cues["peak_frame"])["frame"] == 7 and peak_time(peak.cues["peak_frame"]) == 0.7
    ((_, words),) = VisualExpression().load("cpu")(iter([seen]))
    assert "At its peak, 0.7 s in" in words.cues["visual_expression"]
    assert "lip corners pulled up (AU12" in words.cues["visual_expression"]


def test_a_clip_without_a_face_says_so(observe) -> None:
    need_faces()
    ((_, blank),) = ActionUnits().load("cpu")(iter([observe(frames=np.zeros((6, 64, 64, 3)))]))
    assert blank.reason == "no face is found"
    ((_, gone),) = ActionUnits().load("cpu")(iter([observe()]))
    assert gone.reason == "the file is missing"
    lacking = observe(lacking={"action_units": "no face is found"})
    for annotator in (PeakFrame(), VisualExpression()):
        ((_, none),) = annotator.load("cpu")(iter([lacking]))
        assert none.reason == "there are no action units: no face is found"


HEAD = "frame, face_id, timestamp, confidence, success, AU01_r, AU12_r, AU12_c\n"


def test_openface_files_are_read(tmp_path: Path, observe) -> None:
    rows = [
        "1, 0, 0.00, 0.98, 1, 0.10, 0.00, 0", "2, 0, 0.04, 0.98, 1, 0.30, 2.50, 1",
        "3, 0, 0.08, 0.20, 1, 5.00, 5.00, 1", "4, 0, 0.12, 0.98, 0, 5.00, 5.00, 1",
        "5, 1, 0.16, 0.98, 1, 5.00, 5.00, 1",
    ]  # fmt: skip
    (tmp_path / "c_u0.csv").write_text(HEAD + "\n".join(rows) + "\n")
    table = read_openface(tmp_path / "c_u0.csv")
    assert isinstance(table, UnitTable) and table.peak() == 1 and table.values["AU12"].tolist() == [0.0, 2.5]
    annotator = OpenFaceTables(folder=tmp_path)
    given = dict(annotator.load("cpu")(iter([observe(), observe(id="other")])))
    assert json.loads(given["c_u0"].cues["action_units"])["source"] == "OpenFace"
    assert given["other0"].reason == "OpenFace wrote no file other0.csv"
    before = annotator.context(observe().query)
    (tmp_path / "c_u0.csv").write_text(HEAD + rows[0] + "\n")
    assert annotator.context(observe().query) != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "is no table of OpenFace"),
        (HEAD + "1, 0, x, 0.9, 1, 0, 0, 0\n", "line 2: timestamp should be a number, not 'x'"),
        (HEAD + "1, 0, 0.0, 0.9, 1, nan, 0, 0\n", "line 2: AU01_r is nan"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(merc.MercError, match=message):
        read_openface(tmp_path / "a.csv")


class TestPeakFrame(merc.testing.AnnotatorContract):
    component = PeakFrame()
    name = "peak-frame"

    def shown(self, query: merc.Query, label: str | None) -> merc.Query:
        return with_units(super().shown(query, label))


class TestVisualExpression(merc.testing.AnnotatorContract):
    component = VisualExpression()
    name = "visual-expression"

    def shown(self, query: merc.Query, label: str | None) -> merc.Query:
        return with_units(super().shown(query, label))


def with_units(query: merc.Query) -> merc.Query:
    table = UnitTable("proxies", np.arange(3.0), {"AU12": np.array([0.0, 3.0, 1.0])})
    talk = query.conversation
    utterances = tuple(u.with_cues({"action_units": table.text()}) if u.cues else u for u in talk.utterances)
    return dataclasses.replace(query, conversation=dataclasses.replace(talk, utterances=utterances))


class TestActionUnits(merc.testing.AnnotatorContract):
    component = ActionUnits(frames=8)
    name = "action-units"

    def observations(self) -> list[merc.Observation]:
        need_faces()
        frames = drawn([REST, REST, REST, JOY])
        clip = merc.VideoClip(frames=frames, times=np.arange(4) / 10)
        return [dataclasses.replace(one, video=clip) for one in super().observations()]


def test_rests_are_had_of_all_clips_and_of_few_clips_less() -> None:
    clips = {"A": [{"AU12": 0.3}] * 5, "B": [{"AU12": 0.1}] * 15, None: [{"AU12": 0.1}]}
    known = rests(clips)
    assert {who: round(rest["AU12"], 3) for who, rest in known.items()} == {None: 0.1, "A": 0.2, "B": 0.1}


def measures_of(course: list[float], rest: float) -> dict[str, str]:
    table = UnitTable("measures", np.arange(float(len(course))), {n: np.full(len(course), 0.1) for n in UNITS})
    values = {**table.values, "AU12": rest + UNITS["AU12"].span * np.array(course)}
    return {"face_measures": UnitTable("measures", table.times, values).text(decimals=4)}


def test_a_unit_that_fades_is_not_taken_for_shown_where_other_clips_tell_the_rest(observe) -> None:
    """Whose mouth's corners always lie high, and fall in sadness, does not smile before they fall."""
    high = UNITS["AU12"].rest + 0.4 * UNITS["AU12"].span
    others = [observe(cues=measures_of([0.0, 0.0, 0.0, 0.0], high), id=f"o{n}") for n in range(8)]
    sad = observe(cues=measures_of([0.0, -0.3, -0.3, -0.3], high), id="sad")
    alone = intensities({"AU12": UnitTable.read(sad.query.target.cues["face_measures"]).values["AU12"]})["AU12"]
    assert alone[0] > 1.0  # what is known of the clip alone
    answers = dict(CalibratedUnits().load("cpu")(iter([*others, sad])))
    table = UnitTable.read(answers[sad.query.target.id].cues["action_units"])
    assert table.values["AU12"].max() < 0.05 and table.source == "proxies from a mesh, by speaker"


def test_a_rest_is_made_of_several_clips(observe) -> None:
    few = [observe(cues=measures_of([0.0, 1.0, 0.5], 0.1), id=f"o{n}") for n in range(3)]
    answers = dict(CalibratedUnits().load("cpu")(iter(few)))
    assert {a.reason for a in answers.values()} == {"a face at rest is made of at least 8 clips ('least'); there are 3"}
    ((_, none),) = CalibratedUnits().load("cpu")(iter([observe(lacking={"face_measures": "no face is found"})]))
    assert none.reason == "there are no measures of a face: no face is found"
    other = UnitTable("x", np.arange(3.0), {"AU12": np.zeros(3)}).text()
    ((_, odd),) = CalibratedUnits().load("cpu")(iter([observe(cues={"face_measures": other})]))
    assert odd.reason is not None and odd.reason.startswith("the cue face_measures lacks AU01, AU02")


def test_speakers_of_one_name_are_one_person_where_that_is_so(observe) -> None:
    seen = [observe(cues=measures_of([0.0] * 3, high), id=f"{n}_") for n, high in enumerate([0.2] * 9 + [0.4])]
    talks = [
        dataclasses.replace(one, query=dataclasses.replace(
            one.query, conversation=dataclasses.replace(one.query.conversation, id=f"talk{n}")
        ))
        for n, one in enumerate(seen)
    ]  # fmt: skip
    of_one = dict(CalibratedUnits(across=True).load("cpu")(iter(talks)))
    apart = dict(CalibratedUnits().load("cpu")(iter(talks)))
    first, second = (UnitTable.read(some["9_0"].cues["action_units"]).values["AU12"][0] for some in (of_one, apart))
    assert first == pytest.approx(MOST) and second == pytest.approx(MOST * 5 / 6, abs=0.01)


class TestFaceMeasures(merc.testing.AnnotatorContract):
    component = FaceMeasures(frames=8)
    name = "face-measures"

    def observations(self) -> list[merc.Observation]:
        need_faces()
        clip = merc.VideoClip(frames=drawn([REST, REST, REST, JOY]), times=np.arange(4) / 10)
        return [dataclasses.replace(one, video=clip) for one in super().observations()]


class TestCalibratedUnits(merc.testing.AnnotatorContract):
    component = CalibratedUnits(least=2)
    name = "calibrated-units"

    def shown(self, query: merc.Query, label: str | None) -> merc.Query:
        talk = super().shown(query, label).conversation
        cues = measures_of([0.0, 1.0, 0.5], 0.1)
        utterances = tuple(u.with_cues(cues) if u.cues else u for u in talk.utterances)
        return dataclasses.replace(query, conversation=dataclasses.replace(talk, utterances=utterances))
