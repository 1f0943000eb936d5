"""The part of each box in training, on a hand-made image."""

from __future__ import annotations

import numpy as np
import pytest

from directloss.paper.detection.labels import NEGATIVE, POSITIVE, UNUSED, Objects, label
from directloss.paper.detection.rows import Rows, choose_rows

CAT, DOG, BACKGROUND = 0, 1, 2

OBJECTS = Objects(
    np.array([[0.0, 0, 10, 10], [100, 0, 110, 10], [200, 0, 210, 10]]),
    np.array([CAT, DOG, CAT]),
    np.array([False, False, True]),
)


@pytest.mark.parametrize(
    ("box", "by_class", "joint"),
    [
        pytest.param([0, 0, 10, 10], [POSITIVE, NEGATIVE], CAT, id="the object itself"),
        pytest.param([0, 0, 10, 5], [POSITIVE, NEGATIVE], CAT, id="half of it"),
        pytest.param([0, 0, 10, 4.9], [UNUSED, NEGATIVE], UNUSED, id="a little less than half"),
        pytest.param([0, 0, 10, 3], [UNUSED, NEGATIVE], UNUSED, id="three tenths"),
        pytest.param([0, 0, 10, 2.9], [NEGATIVE, NEGATIVE], BACKGROUND, id="less than that"),
        pytest.param([100, 0, 110, 10], [NEGATIVE, POSITIVE], DOG, id="the other class"),
        pytest.param([50, 0, 60, 10], [NEGATIVE, NEGATIVE], BACKGROUND, id="nothing"),
        pytest.param([200, 0, 210, 10], [UNUSED, NEGATIVE], UNUSED, id="a difficult object"),
    ],
)
def test_label(box: list[float], by_class: list[int], joint: int) -> None:
    labels = label(np.array([box]), OBJECTS, 2)
    assert labels.by_class.tolist() == [by_class]
    assert labels.joint.tolist() == [joint]


def test_a_box_of_two_classes_is_of_the_nearer_one_in_the_joint_choice() -> None:
    objects = Objects(
        np.array([[0.0, 0, 10, 10], [0, 0, 10, 14]]), np.array([CAT, DOG]), np.zeros(2, bool)
    )
    labels = label(np.array([[0.0, 0, 10, 13]]), objects, 2)
    assert labels.by_class.tolist() == [[POSITIVE, POSITIVE]]
    assert labels.joint.tolist() == [DOG]


def test_an_image_without_objects_is_all_background() -> None:
    nothing = Objects(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0, bool))
    labels = label(np.array([[0.0, 0, 5, 5]]), nothing, 2)
    assert labels.by_class.tolist() == [[NEGATIVE, NEGATIVE]]
    assert labels.joint.tolist() == [BACKGROUND]


def test_rows_are_all_boxes_near_objects_and_some_of_the_others() -> None:
    far = [[300.0 + 20 * k, 0, 310.0 + 20 * k, 10] for k in range(20)]
    boxes = np.array([[50.0, 0, 60, 10], [0, 0, 10, 10], *far, [0, 0, 10, 4]])
    labels = label(boxes, OBJECTS, 2)
    rows = choose_rows(labels, 5, "image")
    assert {1, 22} <= set(rows.tolist())
    assert len(rows) == 7
    assert rows.tolist() == sorted(rows.tolist())
    assert rows.tolist() == choose_rows(labels, 5, "image").tolist()
    assert rows.tolist() != choose_rows(labels, 5, "another image").tolist()
    assert choose_rows(labels, 1000, "image").tolist() == list(range(23))


def test_standardised_rows_have_mean_zero_and_deviation_one() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(3, 5, (400, 4)).astype(np.float16)
    features[:, 3] = 2.0  # constant: nothing to scale by
    labels = label(np.tile([[0.0, 0, 10, 10]], (200, 1)), OBJECTS, 2)
    rows = Rows.of([features[:200], features[200:]], [labels, labels])
    values = rows.batch(np.arange(400)).double().numpy()
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(values.std(axis=0), [1, 1, 1, 0], atol=1e-3)
    raw = values * rows.scale + rows.mean
    np.testing.assert_allclose(raw, features, atol=0.02)
