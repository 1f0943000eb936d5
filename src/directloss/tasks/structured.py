"""A linear chain: labels along a sequence, its score, its two argmaxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from directloss.errors import ArgumentError
from directloss.lists import widened
from directloss.tasks._chain import solve_on_host

__all__ = ["ChainSolution", "LinearChain"]


class ChainSolution(NamedTuple):
    """The best labels of B sequences at W weights, S + weight * C maximal.

    Attributes:
        labels: int64 (W, B, T), 0 beyond a sequence's length; on the emissions' device.
        task_losses: float64 (W, B), C / m: the mean cost of the m positions with a target.
        scaled_values: float64 (W, B), S / m * 2^exponent, infinite scores counted as 0.
        counted: float64 (B,), m; 0 where the task loss is undefined.
        exponent: int64 (), 0 unless a sum of the scores may be too large for float64.
    """

    labels: Tensor
    task_losses: Tensor
    scaled_values: Tensor
    counted: Tensor
    exponent: Tensor

    @property
    def values(self) -> Tensor:
        """S / m, float64 (W, B); infinite where no float64 is large enough."""
        return times_power_of_two(self.scaled_values, -self.exponent)


def times_power_of_two(values: Tensor, exponent: Tensor) -> Tensor:
    """values * 2^exponent, also where no float64 is that power; `torch.ldexp` takes float32's."""
    half = exponent // 2
    return values * torch.exp2(half.double()) * torch.exp2((exponent - half).double())


@dataclass(frozen=True, slots=True, eq=False)
class LinearChain:
    r"""Scores of the labellings of B sequences of up to T positions with K labels.

    .. math:: S(y) = start_{y_1} + \sum_{t=1}^n emission_{t, y_t}
              + \sum_{t=2}^n transition_{y_{t-1}, y_t} + end_{y_n}

    Any floating type. A score of -inf forbids what it belongs to, as long as there is another
    labelling, +inf forces it; both count as 0 in S and get gradient 0. What lies beyond a
    sequence's length may be anything, NaN included, and gets gradient 0.

    Args:
        emissions: (B, T, K).
        transitions: (K, K), from a label (row) to the next (column); or (B, T - 1, K, K), one
            matrix for each step.
        start, end: (K,), scores of the first and the last label.
        lengths: integers (B,), 0 .. T: the number of positions n of each sequence; None for T.

    Example:
        >>> chain = LinearChain(model(words), transitions, lengths=lengths)
        >>> best = chain.decode()  # the best labels, (B, T)

    Raises:
        ArgumentError: a tensor has the wrong shape or type.
    """

    emissions: Tensor
    transitions: Tensor
    start: Tensor | None = None
    end: Tensor | None = None
    lengths: Tensor | None = None

    def __post_init__(self) -> None:
        _check_type("emissions", self.emissions)
        if self.emissions.ndim != 3 or self.emissions.shape[2] == 0:
            came = f"shape {tuple(self.emissions.shape)}"
            raise ArgumentError("emissions", came, "(B, T, K) with at least one label, K >= 1")
        sequences, positions, classes = self.emissions.shape
        steps = (sequences, max(positions - 1, 0), classes, classes)
        _check("transitions", self.transitions, (classes, classes), steps)
        if self.start is not None:
            _check("start", self.start, (classes,))
        if self.end is not None:
            _check("end", self.end, (classes,))
        if self.lengths is not None:
            _check_integers("lengths", self.lengths, (sequences,))

    def valid(self) -> Tensor:
        """Which positions belong to their sequence: bool (B, T)."""
        _, positions, _ = self.emissions.shape
        at = torch.arange(positions, device=self.emissions.device)
        return at < self._lengths()[:, None]

    def score(self, labels: Tensor) -> Tensor:
        """S of a labelling, differentiable in all scores.

        Args:
            labels: int64 (B, T), 0 .. K - 1; beyond a sequence's length they may be anything.

        Returns:
            (B,), float32 or wider; 0 for a sequence of length 0.
        """
        _check_integers("labels", labels, tuple(self.emissions.shape[:2]))
        _, positions, classes = self.emissions.shape
        valid = self.valid()
        labels = torch.where(valid, labels, 0).long()
        chosen = self.emissions.gather(2, labels[:, :, None])[:, :, 0]
        total = _kept(chosen, valid).sum(1)
        before, after = labels[:, :-1], labels[:, 1:]
        if self.transitions.ndim == 2:
            chosen = self.transitions[before, after]
        else:
            step = before * classes + after
            chosen = self.transitions.flatten(2).gather(2, step[:, :, None])[:, :, 0]
        total = total + _kept(chosen, valid[:, 1:]).sum(1)
        if positions > 0 and self.start is not None:
            total = total + _kept(self.start[labels[:, 0]], valid[:, 0])
        if positions > 0 and self.end is not None:
            final = (self._lengths() - 1).clamp(min=0)
            total = total + _kept(self.end[labels.gather(1, final[:, None])[:, 0]], valid[:, 0])
        return total

    def measured_from_itself(self) -> LinearChain:
        """The chain less its scores as they are: all 0, with the same gradients.

        A sum of them is 0, however large the scores are; and parts of a gradient meet in float32
        at least, before half precision rounds them.
        """

        def less(scores: Tensor) -> Tensor:
            finite = widened(torch.where(scores.isfinite(), scores, 0.0))
            return finite - finite.detach()

        return LinearChain(
            less(self.emissions),
            less(self.transitions),
            None if self.start is None else less(self.start),
            None if self.end is None else less(self.end),
            self.lengths,
        )

    def decode(self) -> Tensor:
        """The labels of greatest S, int64 (B, T), 0 beyond a sequence's length.

        Raises:
            NonFiniteScoreError: a score that takes part is NaN.
        """
        nothing = torch.full(self.emissions.shape[:2], -1)
        return self.solve(nothing, [0.0], ignore_index=-1).labels[0]

    def solve(
        self,
        targets: Tensor,
        weights: Sequence[float | Tensor],
        *,
        cost: Tensor | None = None,
        ignore_index: int | None = None,
        refuse_undefined: bool = False,
    ) -> ChainSolution:
        """argmax over y of S(y) + weight * C(y), at each weight: exact, by Viterbi.

        Args:
            targets: integers (B, T), the right labels; or floating (B, T, K), the cost of each
                label at each position.
            weights: any sign; 0 is the prediction (among equals the one of largest C), -inf the
                ground truth (least C first, then largest S).
            cost: (K, K), [target, label], finite and >= 0; None: 0 where they agree, else 1.
            ignore_index: target of a position that has a label but no cost, and is not counted.
            refuse_undefined: whether a sequence without any counted position is an error.

        Raises:
            ArgumentError: an argument has the wrong shape, type or value.
            NonFiniteScoreError: a score that takes part is NaN.
            UndefinedMetricError: see `refuse_undefined`.
        """
        sequences, positions, classes = self.emissions.shape
        if isinstance(targets, Tensor) and targets.is_floating_point() and targets.ndim == 3:
            _check("targets", targets, (sequences, positions, classes))
            if cost is not None:
                raise ArgumentError("targets", "costs of labels", "labels, where a cost is given")
        else:
            _check_integers("targets", targets, (sequences, positions))
        if cost is not None:
            _check("cost", cost, (classes, classes))
        numbers = [torch.as_tensor(weight, dtype=torch.float64).cpu() for weight in weights]
        return ChainSolution(
            *solve_on_host(
                self.emissions.detach(),
                self.transitions.detach(),
                None if self.start is None else self.start.detach(),
                None if self.end is None else self.end.detach(),
                self.lengths,
                targets.detach(),
                None if cost is None else cost.detach(),
                torch.stack(numbers),
                ignore_index,
                refuse_undefined,
            )
        )

    def _lengths(self) -> Tensor:
        sequences, positions, _ = self.emissions.shape
        if self.lengths is None:
            return torch.full((sequences,), positions, device=self.emissions.device)
        return self.lengths.to(self.emissions.device)


def _kept(scores: Tensor, valid: Tensor) -> Tensor:
    """Scores at least float32 wide, 0 where they are beyond the length or infinite."""
    wide = torch.promote_types(scores.dtype, torch.float32)
    return torch.where(valid & scores.isfinite(), scores, 0.0).to(wide)


def _check(name: str, tensor: Tensor, *shapes: tuple[int, ...]) -> None:
    _check_type(name, tensor)
    if tuple(tensor.shape) not in shapes:
        wanted = " or ".join(str(shape) for shape in shapes)
        raise ArgumentError(name, f"shape {tuple(tensor.shape)}", f"shape {wanted}")


def _check_type(name: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise ArgumentError(name, _kind(tensor), "a tensor of a floating type")


def _check_integers(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(tensor, Tensor) or tensor.is_floating_point() or tensor.is_complex():
        raise ArgumentError(name, _kind(tensor), f"a tensor of integers {shape}")
    if tuple(tensor.shape) != shape:
        raise ArgumentError(name, f"shape {tuple(tensor.shape)}", f"shape {shape}")


def _kind(value: object) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
