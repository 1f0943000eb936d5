from __future__ import annotations

import pytest
import torch

from directloss.datasets.synthetic import (
    flip_labels,
    gaussian_features,
    linear_labels,
    network_labels,
)
from directloss.errors import ArgumentError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("share", [0.001, 0.2, 0.8])
def test_the_share_of_positives_is_exact(share: float) -> None:
    features = gaussian_features(1000, 10, generator())
    labels = network_labels(features, (10, 10, 10), share, generator())
    assert labels.sum() == round(1000 * share)
    assert set(labels.tolist()) == {0, 1}


def test_the_top_of_the_network_is_positive() -> None:
    # Without hidden layers the network is phi = <w, x>, whose top a line cuts off.
    features = gaussian_features(500, 3, generator())
    labels = network_labels(features, (), 0.3, generator(1))
    weights = torch.randn(3, generator=generator(1))
    scores = features @ weights
    assert scores[labels == 1].min() > scores[labels == 0].max()


def test_the_limit_never_lies_among_equal_scores() -> None:
    """A layer of one unit rests at 0 for half of the points: many a network has to be redrawn."""
    features = gaussian_features(200, 2, generator())
    for seed in range(20):
        labels = network_labels(features, (1,), 0.6, generator(seed))
        hidden = {tuple(row) for row in features[labels == 1].tolist()}
        assert len(hidden) == 120
        twice = network_labels(features[torch.arange(200).flip(0)], (1,), 0.6, generator(seed))
        assert torch.equal(twice.flip(0), labels), "labels depend on the order of the points"


def test_a_network_that_tells_nothing_apart_is_refused() -> None:
    with pytest.raises(ArgumentError, match="hidden: got"):
        network_labels(torch.zeros(10, 2), (3,), 0.5, generator())


def test_a_seed_gives_the_same_labels_and_another_seed_others() -> None:
    features = gaussian_features(200, 10, generator())
    first, again, other = (
        network_labels(features, (10, 10), 0.2, generator(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_linear_labels_are_the_sign_of_the_sum() -> None:
    features = torch.tensor([[1.0, -0.5], [-1.0, 0.5], [0.0, 0.0]])
    assert linear_labels(features).tolist() == [1, 0, 0]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 1.0])
def test_exactly_the_share_is_flipped(share: float) -> None:
    labels = (torch.arange(1000) < 200).long()
    flipped = flip_labels(labels, share, generator())
    assert (flipped != labels).sum() == round(1000 * share)
    assert labels.sum() == 200, "the original stays as it is"


def test_flips_do_not_look_at_the_class() -> None:
    labels = (torch.arange(20_000) < 4000).long()
    changed = flip_labels(labels, 0.3, generator()) != labels
    for value in (0, 1):
        # A share over thousands of labels: five standard deviations are below 0.04.
        assert changed[labels == value].double().mean() == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 0.0001])
def test_a_share_without_both_classes_is_refused(share: float) -> None:
    with pytest.raises(ArgumentError, match="positives: got"):
        network_labels(gaussian_features(100, 2, generator()), (), share, generator())


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_of_flips_is_a_share(share: float) -> None:
    with pytest.raises(ArgumentError, match="flips: got"):
        flip_labels(torch.zeros(10, dtype=torch.int64), share, generator())
