from __future__ import annotations

import torch
from torch import nn

from directloss.models.image_scorer import FrozenScorer, features_of_images, moments


def frozen() -> FrozenScorer:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5), nn.Dropout())
    return FrozenScorer(backbone, 5, (3,), generator=torch.Generator().manual_seed(1))


def test_images_and_their_features_have_the_same_scores() -> None:
    model, images = frozen(), torch.randn(40, 3, 2, 2)
    features = features_of_images(model.backbone, images.split(16))
    model.standardise_by(features)
    torch.testing.assert_close(model(images), model(features))
    standardised = model.standardised(features)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(standardised.std(0, correction=0), torch.ones(5))


def test_only_the_perceptron_is_trained() -> None:
    model, images = frozen().train(), torch.randn(8, 3, 2, 2)
    assert not any(module.training for module in model.backbone.modules())
    model(images).sum().backward()
    with_gradient = {name for name, each in model.named_parameters() if each.grad is not None}
    assert with_gradient == {name for name, _ in model.named_parameters() if "head." in name[:5]}


def test_a_feature_that_hardly_changes_stays_small() -> None:
    features = torch.stack([torch.randn(100), 1e-7 * torch.randn(100), torch.ones(100)], 1)
    mean, scale = moments(features)
    assert ((features - mean) / scale)[:, 1:].abs().max() < 1e-2
    assert moments(torch.ones(4, 2))[1].tolist() == [1, 1]
