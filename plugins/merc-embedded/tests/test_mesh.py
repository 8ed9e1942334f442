from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from merc_embedded.face import Box, FaceFinder
from merc_embedded.mesh import CHIN, FOREHEAD, LOWER_LIP, UPPER_LIP, FaceMesh, mouth_opening

needs_weights = pytest.mark.skipif(
    not all(map(find_spec, ("mediapipe", "ai_edge_litert"))), reason="mediapipe or ai-edge-litert is not installed"
)


@pytest.fixture(scope="module")
def mesh():
    return FaceMesh.load()


@needs_weights
def test_points_lie_on_the_face(mesh, portrait):
    (box,) = FaceFinder.load().find(portrait)
    points = mesh.points(portrait, box)
    assert points.shape == (468, 3)
    mouth = (points[UPPER_LIP, :2] + points[LOWER_LIP, :2]) / 2
    assert np.hypot(*(mouth - box.points[3])) < 0.12 * box.size
    assert points[FOREHEAD, 1] < box.points[0][1] < mouth[1] < points[CHIN, 1]
    assert mouth_opening(points) < 0.08


@needs_weights
@pytest.mark.parametrize("angle", [-25, 25])
def test_points_turn_with_the_picture(mesh, portrait, angle):
    height, width = portrait.shape[:2]
    turn = cv2.getRotationMatrix2D((260, 190), angle, 1.0)
    turned = cv2.warpAffine(portrait, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    finder = FaceFinder.load()
    upright, tilted = (mesh.points(one, finder.find(one)[0]) for one in (portrait, turned))
    expected = upright[:, :2] @ turn[:, :2].T + turn[:, 2]
    assert np.median(np.hypot(*(tilted[:, :2] - expected).T)) < 12


@needs_weights
def test_where_there_is_no_face_there_are_no_points(mesh):
    grey = np.full((100, 100, 3), 99, np.uint8)
    assert mesh.points(grey, Box(20, 20, 50, 0.9)) is None


def test_the_opening_is_measured_in_heights_of_the_face():
    points = np.zeros((468, 3))
    points[FOREHEAD], points[CHIN] = (0, 0, 0), (0, 200, 0)
    points[UPPER_LIP], points[LOWER_LIP] = (3, 150, 4), (3, 170, 4)
    assert mouth_opening(points) == pytest.approx(0.1)
    assert mouth_opening(points * 7) == pytest.approx(0.1)
    assert mouth_opening(np.zeros((468, 3))) == 0
