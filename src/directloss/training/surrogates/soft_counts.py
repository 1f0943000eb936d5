"""Sums of sigmoids over all pairs, in O(n log n) instead of O(n^2).

With G(x) = 1 / (1 + exp(-x)) and a temperature tau,

    A_i = sum over j of G((points_j - at_i) / tau).

G is smooth on the scale of tau, so both arguments may be moved to the nodes of a grid of spacing
tau / 4 by polynomial interpolation through six nodes: spread the points over the nodes, convolve
with G by a fast Fourier transform, and read the result off at `at`. A pair is then wrong by less
than 1e-5 of a count, far below the effect of any temperature that is worth trying. Where the points
lie far apart for their temperature, G is a step for most pairs, and the few others are summed one
by one.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

NODES_PER_TEMPERATURE = 4
REACH = 32.0
"""In temperatures: beyond it G is 0 or 1 to fourteen digits."""

PAIRS_A_NODE = 16
"""So many pairs cost about as much as a node of the grid."""

MOST_NODES = 2**22
_STENCIL = (-2, -1, 0, 1, 2, 3)
_SCALES = torch.tensor(
    [1.0 / math.prod(node - other for other in _STENCIL if other != node) for node in _STENCIL],
    dtype=torch.float64,
    device="cpu",
)


def soft_counts(points: Tensor, at: Tensor, temperature: float) -> Tensor:
    """How many points lie above each place of `at`, softly; differentiable in both.

    Args:
        points: (n,), finite.
        at: (m,), finite.
        temperature: tau > 0, in units of both.

    Returns:
        (m,) in float64.
    """
    with torch.no_grad():
        low = min(float(points.min()), float(at.min()))
        high = max(float(points.max()), float(at.max()))
        nodes = (high - low) / temperature * NODES_PER_TEMPERATURE
        order = torch.argsort(points)
        near = _near(points[order], at, REACH * temperature)
        pairs = int((near.last - near.first).sum())
    if pairs < PAIRS_A_NODE * nodes or nodes > MOST_NODES:
        return _pair_by_pair(points[order], at, temperature, near)
    counts: Tensor = _SoftCounts.apply(points, at, temperature, low, high)
    return counts


class _Near(NamedTuple):
    """For each place the range of sorted points that are within reach: both (m,)."""

    first: Tensor
    last: Tensor


def _near(points: Tensor, at: Tensor, reach: float) -> _Near:
    return _Near(torch.searchsorted(points, at - reach), torch.searchsorted(points, at + reach))


def _pair_by_pair(points: Tensor, at: Tensor, temperature: float, near: _Near) -> Tensor:
    lengths = near.last - near.first
    place = torch.repeat_interleave(torch.arange(at.numel()), lengths)
    # Numbers 0, 1, ... within each range, from the running number of all pairs.
    within = torch.arange(place.numel()) - (lengths.cumsum(0) - lengths)[place]
    point = near.first[place] + within
    above = torch.sigmoid((points[point] - at[place]).double() / temperature)
    beyond = (points.numel() - near.last).double()
    return beyond.index_add(0, place, above)


class _Stencil(NamedTuple):
    """Six nodes and their weights for each value: both (6, n)."""

    nodes: Tensor
    weights: Tensor


class _SoftCounts(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, points: Tensor, at: Tensor, temperature: float, low: float, high: float
    ) -> Tensor:
        spacing = temperature / NODES_PER_TEMPERATURE
        size = 1 << (int((high - low) / spacing) + 2 * len(_STENCIL)).bit_length() + 1
        sources, places = (_stencil(values, low, spacing) for values in (points, at))
        spread = _spread(sources, None, size)
        ctx.save_for_backward(*sources, *places, spread)
        ctx.temperature, ctx.types = temperature, (points.dtype, at.dtype)
        return _read(places, _correlate(spread, _kernel(size, derivative=False)))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        saved = ctx.saved_tensors
        sources, places, spread = _Stencil(*saved[:2]), _Stencil(*saved[2:4]), saved[4]
        slope = _kernel(spread.numel(), derivative=True)
        of_places = -gradient * _read(places, _correlate(spread, slope)) / ctx.temperature
        # G' is even, so that the same correlation carries the gradient the other way.
        carried = _correlate(_spread(places, gradient, spread.numel()), slope)
        of_points = _read(sources, carried) / ctx.temperature
        return of_points.to(ctx.types[0]), of_places.to(ctx.types[1]), None, None, None


def _stencil(values: Tensor, low: float, spacing: float) -> _Stencil:
    """Lagrange's polynomial of degree five through the nodes around each value."""
    place = (values.double() - low) / spacing
    left = place.floor()
    gaps = [place - left - node for node in _STENCIL]
    before, after = gaps[0], gaps[-1]
    weights = torch.empty(len(_STENCIL), values.numel(), dtype=torch.float64)
    weights[0] = 1.0
    for k in range(1, len(_STENCIL)):
        # Products of all gaps before node k, and of all behind it.
        weights[k] = before
        before = before * gaps[k]
    for k in range(len(_STENCIL) - 2, -1, -1):
        weights[k] *= after
        after = after * gaps[k]
    weights *= _SCALES[:, None]
    offsets = torch.tensor(_STENCIL)[:, None] + 2
    return _Stencil(left.long() + offsets, weights)


def _spread(stencil: _Stencil, amounts: Tensor | None, size: int) -> Tensor:
    weights = stencil.weights if amounts is None else stencil.weights * amounts
    return torch.zeros(size, dtype=torch.float64).index_add_(
        0, stencil.nodes.reshape(-1), weights.reshape(-1)
    )


def _read(stencil: _Stencil, values: Tensor) -> Tensor:
    read: Tensor = (stencil.weights * values[stencil.nodes]).sum(0)
    return read


def _correlate(values: Tensor, kernel: Tensor) -> Tensor:
    result: Tensor = torch.fft.irfft(torch.fft.rfft(values) * kernel, n=values.numel())
    return result


@lru_cache(maxsize=32)
def _kernel(size: int, *, derivative: bool) -> Tensor:
    """Conjugate transform of G, or G', at the differences of nodes; the first half are >= 0."""
    steps = torch.arange(size, dtype=torch.float64)
    steps = torch.where(steps < size // 2, steps, steps - size)
    values = torch.sigmoid(steps / NODES_PER_TEMPERATURE)
    if derivative:
        values = values * (1.0 - values)
    transform: Tensor = torch.fft.rfft(values).conj().resolve_conj()
    return transform
