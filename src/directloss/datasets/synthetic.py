"""The synthetic data of Song, Schwing, Zemel and Urtasun (ICML 2016, section 5.1).

Features are drawn from a standard Gaussian. Labels come from a random network, or from a linear
function; a share of them may then be flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from directloss.errors import ArgumentError

_MOST_DRAWS = 100


def gaussian_features(points: int, features: int, generator: torch.Generator) -> Tensor:
    """Standard Gaussian features `(points, features)`."""
    return torch.randn(points, features, generator=generator)


def network_labels(
    features: Tensor, hidden: Sequence[int], positives: float, generator: torch.Generator
) -> Tensor:
    """Labels of a random network: 1 for the top share of its scores.

    The network has linear layers with ReLU between them and one score at the end; all weights and
    biases are drawn from N(0, 1). Where all units of a layer rest at 0 for several points, their
    scores are equal; a network that puts the limit of the top share among equal scores has no
    labels to give, and another one is drawn.

    Args:
        features: `(n, d)`.
        hidden: widths of the hidden layers; the paper's four layers are three hidden ones.
        positives: share of positives, in (0, 1).
        generator: source of the parameters.

    Returns:
        `(n,)` of 0 and 1, with exactly round(positives * n) ones.

    Raises:
        ArgumentError: a share that leaves one class empty, or widths that give equal scores only.
    """
    n = len(features)
    wanted = round(positives * n)
    if not 0 < wanted < n:
        raise ArgumentError("positives", positives, "a share in (0, 1) that leaves both classes")
    for _ in range(_MOST_DRAWS):
        scores = _random_network(features, hidden, generator)
        values, order = torch.sort(scores, descending=True, stable=True)
        if values[wanted - 1] > values[wanted]:
            labels = torch.zeros(n, dtype=torch.int64)
            labels[order[:wanted]] = 1
            return labels
    raise ArgumentError(
        "hidden", tuple(hidden), f"a network whose top {wanted} of {n} scores can be told apart"
    )


def _random_network(features: Tensor, hidden: Sequence[int], generator: torch.Generator) -> Tensor:
    values = features
    for fan_in, width in pairwise((features.shape[1], *hidden)):
        weights = torch.randn(fan_in, width, generator=generator)
        values = torch.relu(values @ weights + torch.randn(width, generator=generator))
    # The bias of the last layer moves every score alike and so decides nothing.
    return values @ torch.randn(values.shape[1], generator=generator)


def linear_labels(features: Tensor) -> Tensor:
    """1 where the sum of the coordinates is positive, else 0: `(n, d)` -> `(n,)`."""
    return (features.sum(1) > 0).long()


def flip_labels(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The labels with exactly round(share * n) of them flipped, drawn without regard to class.

    Raises:
        ArgumentError: a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ArgumentError("flips", share, "a share from 0 to 1")
    chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    flipped = labels.clone()
    flipped[chosen] = 1 - flipped[chosen]
    return flipped
