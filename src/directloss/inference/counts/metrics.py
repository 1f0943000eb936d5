"""Task losses that are functions of two counts: true positives and false positives.

With P positives and N negatives in the list, n = P + N, fn = P - tp and tn = N - fp:

    kind            parameters     Delta(tp, fp)                           undefined
    ERROR_RATE      none           (fp + fn) / n                           n = 0
    BALANCED_ERROR  none           (fn / P + fp / N) / 2                   P = 0 or N = 0
    TVERSKY         alpha, beta    1 - tp / (tp + alpha fp + beta fn)      n = 0
    GMEAN           none           1 - sqrt(tp tn / (P N))                 P = 0 or N = 0
    MATTHEWS        none           (1 - mcc) / 2                           P = 0 or N = 0

Members of the Tversky family: Jaccard (1, 1), Dice and F1 (1/2, 1/2), F-beta
(1 / (1 + beta^2), beta^2 / (1 + beta^2)), precision (1, 0), recall (0, 1).

Where Tversky is 0/0: without positives in the list, 0 if nothing is predicted and else 1; with
positives, 1 where none of them is predicted. Where nothing or everything is predicted, mcc is 0,
as in scikit-learn.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from directloss.inference._kernel import Array, kernel

ERROR_RATE = 0
BALANCED_ERROR = 1
TVERSKY = 2
GMEAN = 3
MATTHEWS = 4
TABLE = 5
"""Any Delta(tp, fp), read from a table."""


class Metric(NamedTuple):
    """A task loss of counts.

    Attributes:
        kind, parameters: as in the table above.
        tables, starts: for TABLE, else None: Delta of list l is float64
            tables[starts[l] + tp * (N + 1) + fp], where lists of the same P and N may share a
            table; starts, int64 (L,), is -1 where the metric is undefined.
    """

    kind: int
    parameters: Array
    tables: Array | None = None
    starts: Array | None = None


@kernel
def is_defined(kind: int, P: int, N: int) -> bool:
    """Whether the metric has a meaning in a list of P positives and N negatives."""
    if kind == ERROR_RATE or kind == TVERSKY:
        return P + N > 0
    return P > 0 and N > 0


@kernel
def task_loss(kind: int, parameters: Array, tp: int, fp: int, P: int, N: int) -> float:
    """Delta in [0, 1] by the table above, where the metric is defined.

    Args:
        kind: one of the constants of this module.
        parameters: float64; alpha and beta, both >= 0, for TVERSKY.
        tp, fp: numbers of positives and of negatives that are predicted.
        P, N: numbers of positives and of negatives in the list.
    """
    if kind == ERROR_RATE:
        return (P - tp + fp) / (P + N)
    if kind == BALANCED_ERROR:
        return 0.5 * ((P - tp) / P + fp / N)
    if kind == TVERSKY:
        if P == 0:
            return 1.0 if fp > 0 else 0.0
        if tp == 0:
            return 1.0
        alpha: float = parameters[0]
        beta: float = parameters[1]
        return 1.0 - tp / (tp + alpha * fp + beta * (P - tp))
    if kind == GMEAN:
        return 1.0 - sqrt(float(tp * (N - fp)) / float(P * N))
    predicted = tp + fp
    if predicted == 0 or predicted == P + N:
        return 0.5
    # In float64: the product of four counts does not fit into 64 bits.
    scale = sqrt(float(predicted * (P + N - predicted)) * float(P * N))
    return 0.5 * (1.0 - (tp * N - fp * P) / scale)


@kernel
def task_losses(
    kind: int, parameters: Array, tp: Array, fp: Array, P: Array, N: Array, losses: Array
) -> None:
    """`task_loss` at many counts, all int64; 0 where the metric is undefined."""
    for index in range(tp.size):
        losses[index] = 0.0
        if is_defined(kind, P[index], N[index]):
            losses[index] = task_loss(kind, parameters, tp[index], fp[index], P[index], N[index])
