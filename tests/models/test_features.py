from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import directloss as dl
from directloss.datasets.errors import DataError
from directloss.datasets.voc import Box, VOCFolder
from directloss.models import features as module
from directloss.models.features import CropSettings, crop_features, cut_crops, features_of
from directloss.paper.action.persons import read_persons
from tests.voc_folders import write_image

BOXES = (Box(3, 4, 33, 40), Box(20, 10, 60, 50))
SETTINGS = CropSettings("squeezenet1_1", "random", 64, mirror=True)


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3)).astype(np.uint8)
    return write_image(tmp_path, "a", pixels)


def test_a_copy_and_its_mirror_image_of_every_box(photograph: Path) -> None:
    pixels = cut_crops(SETTINGS, photograph, BOXES)
    assert pixels.shape == (2, 2, 64, 64, 3)
    np.testing.assert_array_equal(pixels[1], pixels[0][:, :, ::-1])
    alone = CropSettings("squeezenet1_1", "random", 64)
    np.testing.assert_array_equal(cut_crops(alone, photograph, BOXES), pixels[:1])


def test_features_are_those_of_the_network(photograph: Path) -> None:
    features = crop_features(SETTINGS, photograph, BOXES)
    assert features.shape == (2, 2, 512)
    pixels = torch.from_numpy(cut_crops(SETTINGS, photograph, BOXES))
    with torch.no_grad():
        wanted = SETTINGS.load()(pixels[1].permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(features[1], wanted, rtol=1e-5, atol=1e-5)


def test_the_size_of_a_batch_changes_nothing(
    photograph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.concatenate(list(cut_crops(SETTINGS, photograph, BOXES)))
    at_once = features_of(SETTINGS.load(), pixels)
    monkeypatch.setattr(module, "_BATCH", 3)
    np.testing.assert_allclose(features_of(SETTINGS.load(), pixels), at_once, rtol=1e-4, atol=1e-5)
    assert features_of(SETTINGS.load(), pixels[:0]).shape == (0, 512)
    monkeypatch.setattr(module, "_CROPS_AT_ONCE", 1)
    each = crop_features(SETTINGS, photograph, BOXES)
    np.testing.assert_allclose(each.reshape(4, 512), at_once, rtol=1e-4, atol=1e-5)
    assert crop_features(SETTINGS, photograph, []).shape == (2, 0, 512)


def test_the_identity_names_all_that_features_depend_on() -> None:
    identity = SETTINGS.identity()
    assert identity[1] == SETTINGS.load().fingerprint
    others = [
        CropSettings("squeezenet1_1", "random", 80, mirror=True),
        CropSettings("squeezenet1_1", "random", 64, mirror=False),
        CropSettings("squeezenet1_1", "random", 64, padding=8, mirror=True),
    ]
    assert all(other.identity() != identity for other in others)


def test_a_corrupt_photograph_is_one_line(photograph: Path) -> None:
    photograph.write_bytes(photograph.read_bytes()[:500])
    with pytest.raises(DataError, match=r"^JPEGImages/a\.jpg cannot be read: .*$"):
        crop_features(SETTINGS, photograph, BOXES)


def test_pretrained_features_tell_riders_from_others(data_dir: Path) -> None:
    persons = read_persons(VOCFolder(data_dir / "willow_actions"), "trainval", ["ridinghorse"])
    alone = [k for k, photograph in enumerate(persons.photographs) if len(photograph.boxes) == 1]
    label = {int(image): persons.labels[k, 0] for k, image in enumerate(persons.image_of_person)}
    chosen = [k for k in alone if label[k] == 1][:24] + [k for k in alone if label[k] == -1][:48]
    settings = CropSettings("squeezenet1_1", str(data_dir / "weights" / "squeezenet11_ndf.pt"))
    photographs = [persons.photographs[k] for k in chosen]
    features = np.concatenate([crop_features(settings, p.file, p.boxes)[0] for p in photographs])
    positive = np.array([label[k] == 1 for k in chosen])
    first = np.arange(len(chosen)) % 2 == 0
    means = [features[first & (positive == which)].mean(axis=0) for which in (True, False)]
    scores = torch.from_numpy(features[~first] @ (means[0] - means[1]))
    ap = dl.AveragePrecision().metric(scores, torch.from_numpy(positive[~first]))
    assert ap > 0.8  # a third of them are positive
