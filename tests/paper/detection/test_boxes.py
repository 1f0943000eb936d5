"""Overlap and suppression, by hand and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from directloss.paper.detection.boxes import best_overlaps, overlaps, suppress


def test_overlap_by_hand() -> None:
    boxes = [[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 10, 5]]
    expected = [1.0, 50 / 150, 0.0, 0.5]
    np.testing.assert_allclose(overlaps(boxes, [[0, 0, 10, 10]])[:, 0], expected)


def test_one_pixel_of_voc_is_a_box_of_area_one() -> None:
    # xmin = xmax = 3, ymin = ymax = 3 in the file.
    assert overlaps([[2, 2, 3, 3]], [[2, 2, 4, 3]]).tolist() == [[0.5]]


def test_without_others_the_best_overlap_is_zero() -> None:
    assert best_overlaps([[0, 0, 1, 1]], np.empty((0, 4))).tolist() == [0.0]
    assert best_overlaps(np.empty((0, 4)), [[0, 0, 1, 1]]).shape == (0,)


def test_an_overlap_of_exactly_the_threshold_is_kept() -> None:
    # 3 of 10 rows in common.
    boxes = [[0, 0, 1, 10], [0, 0, 1, 3]]
    assert suppress(boxes, [2.0, 1.0], 0.3).tolist() == [0, 1]
    assert suppress(boxes, [2.0, 1.0], 0.29).tolist() == [0]


def test_a_suppressed_box_suppresses_nothing() -> None:
    row = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]
    # The middle one goes for the first, and so the last, which only overlaps the middle one, stays.
    assert suppress(row, [3.0, 2.0, 1.0], 0.3).tolist() == [0, 2]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_suppression_is_that_of_plain_loops(threshold: float) -> None:
    generator = np.random.default_rng(1)
    corners = generator.uniform(0, 50, (200, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(5, 40, (200, 2))], axis=1)
    scores = generator.integers(0, 40, 200)  # with ties
    table = overlaps(boxes, boxes)
    kept: list[int] = []
    for place in sorted(range(200), key=lambda k: -scores[k]):
        if all(table[place, k] <= threshold for k in kept):
            kept.append(place)
    assert suppress(boxes, scores, threshold).tolist() == kept
