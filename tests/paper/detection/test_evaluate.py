"""Average precision over images, and its intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from directloss.datasets.voc import VOCFolder
from directloss.paper.detection.average_precision import FALSE, FOUND
from directloss.paper.detection.config import DetectionConfig
from directloss.paper.detection.detect import Detections
from directloss.paper.detection.evaluate import measure, resampled_means
from directloss.paper.detection.experiment import Experiment
from directloss.paper.detection.photographs import Photograph, photographs, read_split
from directloss.paper.detection.pictures import ANNOTATED, DETECTED, draw, top_pictures
from directloss.training.bootstrap import interval
from tests.paper.detection.plain_voc import Image, plain_average_precision


def detections(outcomes: list[int], images: list[int], objects: list[int]) -> Detections:
    """With scores that fall from the first to the last."""
    return Detections(
        -np.arange(len(outcomes), dtype=np.float64),
        np.array(outcomes, np.int8),
        np.array(images),
        np.zeros((len(outcomes), 4)),
        np.array(objects),
    )


def test_measure_is_the_average_precision_of_each_class() -> None:
    perfect = detections([FOUND, FOUND, FALSE], [0, 1, 1], [1, 1])
    half = detections([FALSE, FOUND], [0, 1], [1, 0])
    found = measure([perfect, half])
    np.testing.assert_allclose(found.all_points, [1.0, 0.5])
    np.testing.assert_allclose(found.eleven_points, [1.0, 0.5])


def test_a_perfect_detector_is_perfect_on_every_sample_of_images() -> None:
    perfect = detections([FOUND] * 10, list(range(10)), [1] * 10)
    assert resampled_means([[perfect]], 20).tolist() == [[1.0] * 20]


def test_all_detectors_see_the_same_samples() -> None:
    some = detections([FOUND, FALSE, FOUND, FALSE], [0, 1, 2, 3], [1, 1, 1, 1])
    first, second = resampled_means([[some], [some]], 50)
    np.testing.assert_array_equal(first, second)
    assert first.std() > 0
    low, high = interval(first)
    assert first.min() <= low < high <= first.max()


def test_a_sample_is_measured_as_if_its_images_were_the_data() -> None:
    generator = np.random.default_rng(3)
    some = detections(
        generator.choice([FOUND, FALSE], 40).tolist(),
        generator.integers(0, 6, 40).tolist(),
        [7] * 6,
    )
    (means,) = resampled_means([[some]], 5, seed=1)
    drawn = np.random.default_rng(1).multinomial(6, np.full(6, 1 / 6), size=5)
    for mean, weights in zip(means, drawn, strict=True):
        repeated = np.repeat(np.arange(40), weights[some.images])
        objects = some.objects * weights
        copy = Detections(*(part[repeated] for part in some[:4]), objects)
        assert mean == pytest.approx(measure([copy]).all_points[0])


def plain_images(found: Detections, images: list[Photograph], column: int) -> list[Image]:
    result: list[Image] = []
    for place, image in enumerate(images):
        objects = image.objects_of(column)
        here = found.images == place
        result.append(
            (
                [tuple(box) for box in objects.boxes.tolist()],
                objects.difficult.tolist(),
                [
                    (score, tuple(box))
                    for score, box in zip(
                        found.scores[here].tolist(), found.boxes[here].tolist(), strict=True
                    )
                ],
            )
        )
    return result


def agree_with_plain_loops(config: DetectionConfig, cache: Path) -> None:
    finished = Experiment(config, cache).run()
    for detector in finished.detections:
        found = measure(detector)
        for column, each in enumerate(detector):
            images = plain_images(each, finished.material.test, column)
            assert sum(len(boxes) for _, _, boxes in images) > 0
            for eleven, values in ((False, found.all_points), (True, found.eleven_points)):
                assert values[column] == pytest.approx(plain_average_precision(images, eleven))


def test_detections_of_drawn_images_are_worth_what_plain_loops_say(
    voc: Path, tmp_path: Path
) -> None:
    config = DetectionConfig(voc=str(voc), weights="random", side=96, iterations=5, batch=64)
    agree_with_plain_loops(config, tmp_path)


def test_detections_of_photographs_are_worth_what_plain_loops_say(
    data_dir: Path, tmp_path: Path
) -> None:
    config = DetectionConfig(
        voc=str(data_dir / "voc2012_subset"),
        weights=str(data_dir / "weights" / "squeezenet11_ndf.pt"),
        classes=("cat", "dog"),
        images=12,
        search_side=120,
        side=160,
        iterations=20,
    )
    agree_with_plain_loops(config, tmp_path)


def colour(text: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(text[1:]))


def test_boxes_are_drawn_where_they_are(voc: Path) -> None:
    folder = VOCFolder(voc)
    (image,) = photographs(folder, read_split(folder, "val", 1), ("square",))
    small = draw(image.read(), np.array([[48.0, 0, 96, 48]]), np.array([[0.0, 48, 48, 96]]))
    assert small.size == (320, 320)
    assert small.getpixel((160, 80)) == colour(DETECTED)
    assert small.getpixel((0, 240)) == colour(ANNOTATED)


def test_the_best_ranked_of_each_kind_are_shown_one_an_image(voc: Path) -> None:
    folder = VOCFolder(voc)
    images = photographs(folder, read_split(folder, "val", 3), ("square",))
    some = detections([FALSE, FALSE, FOUND, FOUND, FALSE], [0, 0, 1, 2, 2], [1, 1, 1])
    wrong = top_pictures(some, images, 0, FALSE, 2)
    assert [picture.caption for picture in wrong] == ["rank 1, image14", "rank 5, image16"]
    right = top_pictures(some, images, 0, FOUND, 1)
    assert [picture.caption for picture in right] == ["rank 3, image15"]
    assert right[0].source.startswith("data:image/jpeg;base64,")
