"""From tensors of a linear chain to arrays of the solver, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from directloss._range import LARGEST_VALUE, exponent_of, scaled
from directloss.errors import ArgumentError, NonFiniteScoreError, UndefinedMetricError
from directloss.inference._kernel import Array
from directloss.inference.threads import over_lists
from directloss.inference.viterbi import solve_chain
from directloss.lists import host

__all__ = ["solve_on_host"]


@torch.library.custom_op("directloss::solve_chain", mutates_args=())
def solve_on_host(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor | None,
    end: Tensor | None,
    lengths: Tensor | None,
    targets: Tensor,
    cost: Tensor | None,
    weights: Tensor,
    ignore_index: int | None,
    refuse_undefined: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """`LinearChain.solve`: its checks of values, and the kernel.

    An operator, so that torch.compile and torch.func need not look into numpy.
    """
    sequences, positions, classes = emissions.shape
    sizes = _sizes(lengths, sequences, positions)
    valid = np.arange(positions) < sizes[:, None]
    scores = _without_nan("emissions", emissions, valid[:, :, None])
    shared = transitions.ndim == 2
    steps = _without_nan("transitions", transitions, None if shared else valid[:, 1:, None, None])
    ends = [
        np.zeros(classes) if side is None else _without_nan(name, side)
        for name, side in (("start", start), ("end", end))
    ]
    if targets.ndim == 3:
        costs, rows = _costs_of_labels(targets, valid)
    else:
        costs, rows = _costs_of_targets(targets, cost, classes, valid, ignore_index)
    terms = weights.numpy()
    exponent = exponent_of(terms, scores, steps, *ends)
    if exponent:
        scores, steps, *ends = (scaled(part, exponent) for part in (scores, steps, *ends))
    labels = np.empty((terms.size, sequences, positions), np.int64)
    task_losses = np.empty((terms.size, sequences))
    values = np.empty_like(task_losses)
    counted = np.empty(sequences)
    over_lists(
        solve_chain,
        np.append(0, np.cumsum(sizes * classes**2)),
        scores,
        steps.reshape(-1, classes, classes),
        shared,
        *ends,
        sizes,
        costs,
        rows,
        scaled(terms, exponent) if exponent else terms,
        labels,
        task_losses,
        values,
        counted,
    )
    if refuse_undefined and not counted.all():
        where = np.flatnonzero(counted == 0)
        raise UndefinedMetricError(
            "targets",
            f"{where.size} of {sequences} sequences without a position that counts "
            f"(first: sequence {where[0]})",
            "a length and a target that is not ignored, or empty='skip'",
        )
    return (
        torch.from_numpy(labels).to(emissions.device),
        torch.from_numpy(task_losses),
        torch.from_numpy(values),
        torch.from_numpy(counted),
        torch.tensor(exponent),
    )


@solve_on_host.register_fake
def _(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor | None,
    end: Tensor | None,
    lengths: Tensor | None,
    targets: Tensor,
    cost: Tensor | None,
    weights: Tensor,
    ignore_index: int | None,
    refuse_undefined: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    sequences, positions, _ = emissions.shape
    terms = weights.shape[0]
    numbers = weights.new_empty((terms, sequences))
    return (
        emissions.new_empty((terms, sequences, positions), dtype=torch.int64),
        numbers,
        torch.empty_like(numbers),
        weights.new_empty((sequences,)),
        weights.new_empty((), dtype=torch.int64),
    )


def _sizes(lengths: Tensor | None, sequences: int, positions: int) -> Array:
    if lengths is None:
        return np.full(sequences, positions)
    sizes = host(lengths).astype(np.int64)
    wrong = np.flatnonzero((sizes < 0) | (sizes > positions))
    if wrong.size:
        came = f"{sizes[wrong[0]]} at index {wrong[0]}"
        raise ArgumentError("lengths", came, f"0 to {positions}, the positions of emissions")
    return sizes


def _without_nan(name: str, scores: Tensor, used: Array | None = None) -> Array:
    """Scores as float64; NaN is an error where they are used."""
    array = np.ascontiguousarray(host(scores), np.float64)
    wrong = np.isnan(array)
    if used is not None:
        wrong &= used
    if wrong.any():
        places = np.argwhere(wrong)
        first = tuple(int(k) for k in places[0])
        came = f"{len(places)} NaN of {wrong.size} scores (first at index {first})"
        raise NonFiniteScoreError(name, came, "numbers; +inf and -inf are allowed")
    return array


def _costs_of_targets(
    targets: Tensor, cost: Tensor | None, classes: int, valid: Array, ignore_index: int | None
) -> tuple[Array, Array]:
    """Costs (K, K), and the row of each position: its target, or -1."""
    rows = host(targets).astype(np.int64)
    counts = valid if ignore_index is None else valid & (rows != ignore_index)
    wrong = counts & ((rows < 0) | (rows >= classes))
    if wrong.any():
        first = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise ArgumentError(
            "targets", f"{rows[first]} at index {first}", f"labels 0 to {classes - 1}"
        )
    costs = 1.0 - np.eye(classes) if cost is None else host(cost).astype(np.float64)
    _check_costs("cost", costs)
    return costs, np.where(counts, rows, -1)


def _costs_of_labels(targets: Tensor, valid: Array) -> tuple[Array, Array]:
    """Costs (B * T, K), and the row of each position: its number, or -1."""
    costs = np.ascontiguousarray(host(targets), np.float64)
    _check_costs("targets", np.where(valid[:, :, None], costs, 0.0))
    rows = np.arange(valid.size).reshape(valid.shape)
    return costs.reshape(valid.size, costs.shape[2]), np.where(valid, rows, -1)


def _check_costs(name: str, costs: Array) -> None:
    wrong = ~((costs >= 0) & (costs <= LARGEST_VALUE))
    if wrong.any():
        first = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise ArgumentError(
            name, f"{costs[first]} at index {first}", f"costs from 0 to {LARGEST_VALUE:.3g}"
        )
