"""VOC's average precision against values by hand and two implementations of other origin."""

from __future__ import annotations

import numpy as np
import pytest

from directloss.paper.detection.average_precision import (
    FALSE,
    FOUND,
    IGNORED,
    Curve,
    average_precision,
    eleven_point_average_precision,
    match,
    precision_recall,
)
from tests.paper.detection.plain_voc import Box, Image, plain_average_precision


def random_images(generator: np.random.Generator, count: int) -> list[Image]:
    images: list[Image] = []
    for _ in range(count):
        objects = [random_box(generator) for _ in range(generator.integers(0, 4))]
        found = [random_box(generator) for _ in range(generator.integers(0, 6))]
        # Near the objects, so that there are hits, second hits and near misses.
        found += [
            tuple((np.array(box) + generator.normal(0, 4, 4)).tolist())  # type: ignore[misc]
            for box in objects
            for _ in range(generator.integers(0, 4))
        ]
        found = [box for box in found if box[2] > box[0] and box[3] > box[1]]
        scores = generator.normal(size=len(found)).tolist()
        difficult = (generator.random(len(objects)) < 0.2).tolist()
        images.append((objects, difficult, list(zip(scores, found, strict=True))))
    return images


def random_box(generator: np.random.Generator) -> Box:
    left, top = generator.uniform(0, 60, 2).tolist()
    width, height = generator.uniform(8, 40, 2).tolist()
    return left, top, left + width, top + height


def curve_of(images: list[Image]) -> Curve:
    scores, outcomes = [], []
    for objects, difficult, found in images:
        ranked = sorted(found, key=lambda each: -each[0])
        boxes = np.array([box for _, box in ranked]).reshape(-1, 4)
        outcomes.append(match(boxes, np.array(objects).reshape(-1, 4), np.array(difficult, bool)))
        scores.append([score for score, _ in ranked])
    count = sum(not hard for _, difficult, _ in images for hard in difficult)
    return precision_recall(np.concatenate(scores), np.concatenate(outcomes), count)


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_is_that_of_a_plain_second_implementation(seed: int) -> None:
    images = random_images(np.random.default_rng(seed), 12)
    curve = curve_of(images)
    assert 0 < average_precision(curve) < 1
    assert average_precision(curve) == pytest.approx(plain_average_precision(images, False))
    assert eleven_point_average_precision(curve) == pytest.approx(
        plain_average_precision(images, True)
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_that_of_the_coco_evaluator(seed: int) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools").COCO()
    evaluator = pytest.importorskip("pycocotools.cocoeval").COCOeval
    generator = np.random.default_rng(seed)
    images = separate_objects(generator, 10)
    annotations, results = [], []
    for number, (objects, _, found) in enumerate(images):
        for box in objects:
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": 1}
            annotations.append({**entry, **in_coco(box), "iscrowd": 0})
        for score, box in found:
            entry = {"id": len(results) + 1, "image_id": number, "category_id": 1}
            results.append({**entry, **in_coco(box), "score": score})
    sizes = [{"id": number, "width": 1000, "height": 1000} for number in range(len(images))]
    coco.dataset = {"images": sizes, "annotations": annotations, "categories": [{"id": 1}]}
    coco.createIndex()
    evaluation = evaluator(coco, coco.loadRes(results), "bbox")
    evaluation.params.iouThrs = np.array([0.5])
    evaluation.params.maxDets = [1000]
    evaluation.params.areaRng = [[0, 1e10]]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    theirs = evaluation.eval["precision"][0, :, 0, 0, 0]
    curve = curve_of(images)
    highest = np.append(np.maximum.accumulate(curve.precision[::-1])[::-1], 0.0)
    ours = highest[np.searchsorted(curve.recall, evaluation.params.recThrs)]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def separate_objects(generator: np.random.Generator, count: int) -> list[Image]:
    """Objects so far from each other that no detection has two of them to choose from.

    COCO gives a detection whose best object is taken the next best one; VOC does not.
    """
    images: list[Image] = []
    for _ in range(count):
        objects: list[Box] = []
        found: list[tuple[float, Box]] = []
        for place in range(generator.integers(1, 5)):
            left = 200.0 * place
            objects.append((left, 0.0, left + 60, 50.0))
            for _ in range(generator.integers(0, 4)):
                moved = np.array(objects[-1]) + generator.normal(0, 12, 4)
                found.append((float(generator.normal()), tuple(moved.tolist())))  # type: ignore[arg-type]
        images.append((objects, [False] * len(objects), found))
    return images


def in_coco(box: Box) -> dict[str, object]:
    width, height = box[2] - box[0], box[3] - box[1]
    return {"bbox": [box[0], box[1], width, height], "area": width * height}


def test_a_second_detection_of_an_object_is_false_and_a_difficult_object_is_ignored() -> None:
    objects = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    boxes = np.array([[0.0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 30, 10], [50, 0, 60, 10]])
    outcomes = match(boxes, objects, np.array([False, True]))
    assert outcomes.tolist() == [FOUND, FALSE, IGNORED, FALSE]


def test_a_detection_belongs_to_the_object_that_it_overlaps_most_even_if_that_is_taken() -> None:
    objects = np.array([[0.0, 0, 10, 10], [0, 0, 10, 16]])
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 12]])
    # The second one overlaps the objects by 10/12 and 12/16.
    assert match(boxes, objects, np.zeros(2, bool)).tolist() == [FOUND, FALSE]


def test_an_overlap_of_exactly_a_half_is_enough() -> None:
    outcomes = match(np.array([[0.0, 0, 10, 5]]), np.array([[0.0, 0, 10, 10]]), np.zeros(1, bool))
    assert outcomes.tolist() == [FOUND]


def test_nothing_to_find_and_nothing_found() -> None:
    boxes = np.array([[0.0, 0, 10, 10]])
    assert match(boxes, np.empty((0, 4)), np.empty(0, bool)).tolist() == [FALSE]
    empty = precision_recall([], [], 3)
    assert average_precision(empty) == eleven_point_average_precision(empty) == 0.0


def test_values_by_hand() -> None:
    # Found, false, found, of two objects: precision 1 at recall 1/2, 2/3 at recall 1.
    curve = precision_recall([3.0, 2.0, 1.0], [FOUND, FALSE, FOUND], 2)
    assert average_precision(curve) == pytest.approx((1 + 2 / 3) / 2)
    assert eleven_point_average_precision(curve) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_three_tenths_of_the_objects_reach_the_recall_of_three_tenths() -> None:
    # 3 / 10 in floating point is less than the fourth of the eleven levels, 0.30000000000000004.
    curve = precision_recall([3.0, 2.0, 1.0], [FOUND] * 3, 10)
    assert eleven_point_average_precision(curve) == pytest.approx(4 / 11)


def test_a_weight_of_two_is_the_same_image_twice() -> None:
    scores, outcomes = [4.0, 3.0, 2.0, 1.0], [FOUND, FALSE, FOUND, IGNORED]
    twice = precision_recall(np.repeat(scores, 2), np.repeat(outcomes, 2), 6)
    weighted = precision_recall(scores, outcomes, 6, weights=[2, 2, 2, 2])
    assert average_precision(weighted) == pytest.approx(average_precision(twice))
    without = precision_recall(scores, outcomes, 3, weights=[0, 1, 1, 1])
    assert average_precision(without) == pytest.approx(1 / 3 * 1 / 2)
