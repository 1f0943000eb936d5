"""What a step of a whole data set costs, from what `whole_dataset_step` does.

Every rank sends its rows forward (pass 1); rank 0 gathers scores and targets, solves, and scatters
the gradient; every rank sends its rows forward and backward (pass 2). With n rows, R ranks and
m = n / R rows of a rank:

    bytes sent        (n - m) (bytes of a row) + (n - m) (bytes of a gradient's entry)
    solve             s n log2(n) processor seconds, on rank 0 alone
    the rest          a n + b (bytes sent) + c R log2(R), the sum of all ranks
    memory            u + v n of rank 0, u' + w m of another rank

a is of the two passes, c of small messages, by which ranks agree that none has failed. The bytes
follow from the code, the other letters are fitted. n log n stands for a sort whose passes run out
of one cache after another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
from scipy.optimize import nnls

__all__ = [
    "Cost",
    "Model",
    "Row",
    "Shape",
    "fit",
    "gathered_bytes",
    "reduced_bytes",
    "scattered_bytes",
]


@dataclass(frozen=True)
class Shape:
    """Rows of all processes, and processes."""

    rows: int
    processes: int

    def shares(self) -> list[int]:
        """Rows of each process."""
        each, rest = divmod(self.rows, self.processes)
        return [each + (rank < rest) for rank in range(self.processes)]


@dataclass(frozen=True)
class Row:
    """Bytes of what a rank sends of a row, and of what it gets back.

    Attributes:
        scores: half precisions are sent as they are.
        others: targets, and groups and mask where there are some.
        gradient: 4, or 8 where scores are float64.
    """

    scores: int = 4
    others: int = 1
    gradient: int = 4


PLAIN = Row()
"""float32 scores, targets of one byte."""


def gathered_bytes(shares: Sequence[int], row: Row = PLAIN) -> int:
    """What ranks 1, 2, ... send to rank 0."""
    return sum(shares[1:]) * (row.scores + row.others)


def scattered_bytes(shares: Sequence[int], row: Row = PLAIN) -> int:
    """What rank 0 sends to the others."""
    return sum(shares[1:]) * row.gradient


def reduced_bytes(parameters: Sequence[int], itemsize: int = 4) -> int:
    """What each rank adds up: a flag of 4 bytes for each tensor of parameters, and the gradients.

    Args:
        parameters: entries of each tensor.
    """
    return 4 * len(parameters) + itemsize * sum(parameters)


@dataclass(frozen=True)
class Cost:
    """Of one step. Seconds are those of processors.

    Attributes:
        solve: of rank 0.
        rest: of everything else, the sum of all ranks.
        sent: bytes passed to `send`, the sum of all ranks.
        solving: peak growth of rank 0 in bytes.
        other: the same of the largest other rank; 0 with one process.
    """

    solve: float
    rest: float
    sent: int
    solving: float
    other: float

    @property
    def seconds(self) -> float:
        """The sum of all ranks."""
        return self.solve + self.rest


@dataclass(frozen=True)
class Model:
    """The fitted numbers.

    Attributes:
        solve: seconds where n log2(n) is 1.
        row: seconds of both passes.
        byte: seconds to send and to receive it.
        message: seconds where R log2(R) is 1.
        solving: bytes of rank 0, and bytes a row.
        other: bytes of another rank, and bytes a row of its own.
    """

    solve: float
    row: float
    byte: float
    message: float
    solving: tuple[float, float]
    other: tuple[float, float]

    def solve_seconds(self, rows: float) -> float:
        """Of rank 0."""
        return self.solve * _n_log_n(rows)

    def cost(self, shape: Shape) -> Cost:
        """What a step of this shape costs."""
        rest = (self.row, self.byte, self.message)
        own = shape.shares()[-1]
        return Cost(
            self.solve_seconds(shape.rows),
            sum(each * size for each, size in zip(rest, _rest(shape), strict=True)),
            _sent(shape),
            self.solving[0] + self.solving[1] * shape.rows,
            self.other[0] + self.other[1] * own if shape.processes > 1 else 0.0,
        )


def fit(measured: Mapping[Shape, Cost]) -> Model:
    """The numbers, none of them negative, that make the squares of relative errors least."""
    shapes, costs = list(measured), list(measured.values())
    several = [shape for shape in shapes if shape.processes > 1]
    (solve,) = _fit([(_n_log_n(shape.rows),) for shape in shapes], [c.solve for c in costs])
    row, byte, message = _fit([_rest(shape) for shape in shapes], [c.rest for c in costs])
    u, v = _fit([(1, shape.rows) for shape in shapes], [c.solving for c in costs])
    others = [measured[shape].other for shape in several]
    u_other, w = _fit([(1, shape.shares()[-1]) for shape in several], others)
    return Model(solve, row, byte, message, (u, v), (u_other, w))


def _fit(sizes: Sequence[Sequence[float]], costs: Sequence[float]) -> list[float]:
    """x >= 0 for which sizes @ x is near costs, in relation to these."""
    matrix, wanted = np.array(sizes, np.float64), np.array(costs)
    largest = matrix.max(axis=0)  # so that all columns are of one size
    found, _ = nnls(matrix / largest / wanted[:, None], np.ones(wanted.size))
    return list((found / largest).tolist())


def _n_log_n(n: float) -> float:
    return n * log2(n)


def _sent(shape: Shape) -> int:
    shares = shape.shares()
    return gathered_bytes(shares) + scattered_bytes(shares)


def _rest(shape: Shape) -> tuple[float, float, float]:
    return shape.rows, _sent(shape), _n_log_n(shape.processes)
