"""Each peer against its definition, written out in loops, and its gradient against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from math import exp, log, log2

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import peers

Loss = Callable[[Tensor, Tensor], Tensor]
Definition = Callable[[Sequence[float], Sequence[float]], float]


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def smooth_ap(s: Sequence[float], y: Sequence[float], tau: float = 0.5) -> float:
    total = 0.0
    positives = [i for i in range(len(s)) if y[i] > 0]
    for i in positives:
        own = 1 + sum(sigmoid((s[j] - s[i]) / tau) for j in positives if j != i)
        others = sum(sigmoid((s[j] - s[i]) / tau) for j in range(len(s)) if y[j] == 0)
        total += own / (own + others)
    return 1 - total / len(positives)


def ideal_dcg(y: Sequence[float]) -> float:
    return sum((2**rel - 1) / log2(1 + p) for p, rel in enumerate(sorted(y, reverse=True), 1))


def approx_ndcg(s: Sequence[float], y: Sequence[float], alpha: float = 2.0) -> float:
    total = 0.0
    for i in range(len(s)):
        position = 1 + sum(sigmoid(alpha * (s[j] - s[i])) for j in range(len(s)) if j != i)
        total += (2 ** y[i] - 1) / log2(1 + position)
    return 1 - total / ideal_dcg(y)


def lambda_rank(s: Sequence[float], y: Sequence[float]) -> float:
    n = range(len(s))
    rank = [1 + sum(s[j] > s[i] for j in n) for i in n]
    total = 0.0
    for i in n:
        for j in n:
            if y[i] > y[j]:
                change = (2 ** y[i] - 2 ** y[j]) * (1 / log2(1 + rank[i]) - 1 / log2(1 + rank[j]))
                total += abs(change) / ideal_dcg(y) * log(1 + exp(-(s[i] - s[j])))
    return total


def lovasz(s: Sequence[float], y: Sequence[float]) -> float:
    def jaccard_loss(mispredicted: set[int]) -> float:
        union = {i for i in range(len(s)) if y[i] > 0} | mispredicted
        return len(mispredicted) / len(union) if union else 0.0

    margins = [max(0.0, 1 - (1 if y[i] > 0 else -1) * s[i]) for i in range(len(s))]
    order = sorted(range(len(s)), key=lambda i: -margins[i])
    return sum(
        margins[order[i]] * (jaccard_loss(set(order[: i + 1])) - jaccard_loss(set(order[:i])))
        for i in range(len(s))
    )


def soft_ranks(s: Sequence[float], strength: float = 0.3) -> np.ndarray:
    """Soft ranks through the min-max formula of isotonic regression."""
    z = -np.asarray(s) / strength
    order = np.argsort(-z)
    target = z[order] - np.arange(len(s), 0, -1)
    n = len(s)
    fitted = [
        min(max(target[a : b + 1].mean() for b in range(i, n)) for a in range(i + 1))
        for i in range(n)
    ]
    ranks = np.empty(n)
    ranks[order] = z[order] - fitted
    return ranks


def soft_rank_ap(s: Sequence[float], y: Sequence[float]) -> float:
    positive = np.asarray(y) > 0
    among_positives = soft_ranks(np.asarray(s)[positive])
    return 1 - float((among_positives / soft_ranks(s)[positive]).mean())


DIFFERENTIABLE: dict[str, tuple[Loss, Definition, bool]] = {
    "smooth-ap": (lambda s, y: peers.smooth_ap_loss(s, y, temperature=0.5), smooth_ap, False),
    "approx-ndcg": (lambda s, y: peers.approx_ndcg_loss(s, y, alpha=2.0), approx_ndcg, True),
    "lambda-rank": (peers.lambda_rank_loss, lambda_rank, True),
    "lovasz": (peers.lovasz_hinge, lovasz, False),
    "soft-rank-ap": (
        lambda s, y: peers.soft_rank_ap_loss(s, y, strength=0.3),
        soft_rank_ap,
        False,
    ),
}


def draw(seed: int, *, graded: bool = False) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    n = 5 + seed % 6
    scores = torch.randn(n, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 4 if graded else 2, (n,), generator=generator)
    targets[0], targets[1] = 0, 3 if graded else 1
    return scores.requires_grad_(), targets


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("seed", range(10))
def test_value_and_gradient_are_those_of_the_definition(name: str, seed: int) -> None:
    loss_fn, definition, graded = DIFFERENTIABLE[name]
    scores, targets = draw(seed, graded=graded)
    loss = loss_fn(scores, targets)
    (gradient,) = torch.autograd.grad(loss, scores)
    s, y = scores.tolist(), targets.tolist()
    assert loss.item() == pytest.approx(definition(s, y), abs=1e-12)
    for i in range(len(s)):
        # So small a step changes no order, so what a definition holds constant stays constant.
        up, down = s.copy(), s.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        slope = (definition(up, y) - definition(down, y)) / 2e-6
        assert gradient[i].item() == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_soft_ranks_are_the_projection_onto_the_permutahedron(seed: int) -> None:
    z = np.random.default_rng(seed).normal(size=5) * 3
    ranks = peers.soft_rank(torch.tensor(-0.5 * z), strength=0.5).numpy()
    corners = np.array(list(permutations(range(1, 6))))
    # A projection r of z is the point of the hull with <z - r, corner - r> <= 0 for every corner.
    assert ((corners - ranks) @ (z - ranks)).max() < 1e-9
    assert ranks.sum() == pytest.approx(15)


def test_soft_ranks_harden() -> None:
    scores = torch.tensor([0.3, -1.0, 2.0, 0.1])
    assert peers.soft_rank(scores, strength=1e-3).tolist() == pytest.approx([2, 4, 1, 3], abs=1e-3)


def ranks_from_top(scores: Sequence[float]) -> list[int]:
    return [1 + sum(other > own for other in scores) for own in scores]


@pytest.mark.parametrize(
    "blackbox", [peers.blackbox_map_loss, peers.blackbox_map_loss_sorted_twice]
)
@pytest.mark.parametrize("seed", range(10))
def test_blackbox_gradient_is_the_difference_of_two_rankings(
    seed: int, blackbox: Callable[..., Tensor]
) -> None:
    margin, interpolation = 0.1, 5.0
    scores, targets = draw(seed)
    loss = blackbox(scores, targets, interpolation=interpolation, margin=margin)
    (gradient,) = torch.autograd.grad(loss, scores)

    s, y = scores.tolist(), targets.tolist()
    shifted = [v - margin / 2 if t else v + margin / 2 for v, t in zip(s, y, strict=True)]
    positives = [i for i in range(len(s)) if y[i]]
    all_ranks = ranks_from_top(shifted)
    own_ranks = dict(zip(positives, ranks_from_top([shifted[i] for i in positives]), strict=True))
    precision = sum(own_ranks[i] / all_ranks[i] for i in positives) / len(positives)
    assert loss.item() == pytest.approx(1 - precision, abs=1e-12)

    # dL/drank, then the ranking once more at scores + lambda * dL/drank.
    by_all = [
        own_ranks[i] / all_ranks[i] ** 2 / len(positives) if y[i] else 0.0 for i in range(len(s))
    ]
    by_own = {i: -1 / all_ranks[i] / len(positives) for i in positives}
    moved = ranks_from_top([shifted[i] + interpolation * by_all[i] for i in range(len(s))])
    wanted = [(moved[i] - all_ranks[i]) / interpolation for i in range(len(s))]
    moved_own = ranks_from_top([shifted[i] + interpolation * by_own[i] for i in positives])
    for i, rank in zip(positives, moved_own, strict=True):
        wanted[i] += (rank - own_ranks[i]) / interpolation
    assert gradient.tolist() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("interpolated", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_ap_loss_passes_its_primary_terms_back(seed: int, interpolated: bool) -> None:
    scores, targets = draw(seed)
    # Several blocks even here.
    loss = peers.ap_loss(scores, targets, delta=0.7, interpolated=interpolated, block_size=20)
    (gradient,) = torch.autograd.grad(loss, scores)

    s, y = scores.tolist(), targets.tolist()
    positives = sorted((i for i in range(len(s)) if y[i]), key=lambda i: s[i])
    wanted, best = [0.0] * len(s), 0.0
    for i in positives:
        h = [min(max((s[k] - s[i]) / 1.4 + 0.5, 0.0), 1.0) for k in range(len(s))]
        h[i] = 1.0
        terms = {j: h[j] / sum(h) for j in range(len(s)) if not y[j]}
        error = sum(terms.values())
        best = max(best, 1 - error)
        allowed = 1 - best if interpolated else error
        wanted[i] -= allowed / len(positives)
        for j, term in terms.items():
            wanted[j] += term * (allowed / error if error else 0.0) / len(positives)
    assert gradient.tolist() == pytest.approx(wanted, abs=1e-12)
    assert loss.item() == pytest.approx(-sum(wanted[i] for i in positives), abs=1e-12)
