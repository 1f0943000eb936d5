"""Ranking by position: metrics that discount the gain of each item by its position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from directloss._arguments import check_function, number, whole_number
from directloss.errors import ArgumentError
from directloss.inference import device, positions
from directloss.inference._kernel import Array
from directloss.inference.positions import ByPosition, Divisor
from directloss.inference.threads import over_lists
from directloss.lists import Lists, WithoutPositives
from directloss.tasks._grades import Gains
from directloss.tasks._names import MetricName
from directloss.tasks._relevance import BinaryRelevance
from directloss.tasks._tables import FixedTable
from directloss.tasks.base import Direction, Solution, Task

__all__ = ["BEDROC", "NDCG", "PrecisionAtK", "RPrecision", "RankBiasedPrecision", "RecallAtK"]

_ONE = np.ones(1)

_SLOWEST = 1e-20
"""Rate of a decay that is linear to the last digit: BEDROC has a limit as alpha tends to 0."""

_EXPONENTS = 1024
"""Of 2, that float64 ends at."""


class _ByPosition(Task):
    r"""What metrics by position share.

    With gains g_i >= 0, a discount D(p) that never grows, and a divisor Z,

    .. math:: 1 - \Delta = \frac1Z \sum_i g_i D(p_i), \qquad
              F = \frac{\max g}{Z} \sum_i \phi_i D(p_i),

    so that F + weight * Delta is a sort by phi_i - weight * g_i / max g, in both directions:
    epsilon is the largest shift of a score, in units of the scores, whatever the list's length.
    """

    ranks: ClassVar[bool] = True
    without_positives: ClassVar[WithoutPositives | None] = "skip"

    _cutoff: int = positions.NO_CUTOFF
    _decay: float = 0.0
    _divisor: Divisor

    def _discounts(self, length: int) -> Array:
        """D(1), D(2), ...; the last entry goes on for ever."""
        return _ONE

    def _discount(self, place: Tensor, size: Tensor) -> Tensor:
        """The same of places from 0, in lists of a size."""
        return torch.ones_like(place)

    def on_device(self) -> device.Solver[Any] | None:
        return device.ByPosition(self._discount, self._divisor, self._cutoff)

    def _batch(self, lists: Lists) -> ByPosition:
        longest = int(np.diff(lists.offsets).max(initial=0))
        gains: Gains = lists.targets
        return ByPosition(
            lists.scores,
            gains.grades,
            gains.gains,
            lists.offsets,
            self._discounts(longest),
            self._cutoff,
            self._decay,
            int(self._divisor),
        )

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        solution = Solution.empty(lists, weights.size)
        terms = share_ties, weights, coefficients
        over_lists(positions.solve, lists.offsets, self._batch(lists), *terms, solution.outputs)
        return solution

    def loss_of(self, configurations: Lists) -> Array:
        losses = np.zeros(len(configurations))
        over_lists(positions.price, configurations.offsets, self._batch(configurations), losses)
        return losses

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        """The mean over all orders of tied items, as scikit-learn's ``ndcg_score`` takes it."""
        metrics, defined = np.zeros(len(lists)), np.empty(len(lists), np.bool_)
        over_lists(positions.evaluate, lists.offsets, self._batch(lists), metrics, defined)
        return metrics, defined


class NDCG(_ByPosition):
    r"""Normalised discounted cumulative gain, for binary and graded relevance.

    .. math:: NDCG@k = \frac{1}{IDCG} \sum_{p_i \le k} \frac{g_i}{\log_2(p_i + 1)}, \qquad
              \Delta = 1 - NDCG@k

    IDCG is the largest value of the sum. Undefined for a list whose gains are all 0. With a cutoff
    the loss is at its maximum where nothing relevant is in the top k, and the positive direction
    dead; hence the default "both" there.

    Args:
        k: positions that count; None: all.
        gain: "exp2": g = 2^relevance - 1; "linear": g = relevance; or a function of the array of
            relevances, non-negative and finite.

    Targets are relevances >= 0, of any type.

    Source: Järvelin and Kekäläinen 2002; exponential gain: Burges et al. 2005.
    """

    graded: ClassVar[bool] = True
    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("ndcg", "NDCG"),
        MetricName("ndcg", "NDCG at {}", int),
    )
    _divisor = Divisor.IDEAL

    def __init__(
        self,
        k: int | None = None,
        *,
        gain: Literal["exp2", "linear"] | Callable[[Array], Array] = "exp2",
    ) -> None:
        if not callable(gain) and gain not in ("exp2", "linear"):
            raise ArgumentError("gain", repr(gain), "'exp2', 'linear' or a function")
        if callable(gain):
            check_function("gain", gain, "relevances")
        self.k = None if k is None else whole_number("k", k, wanted="an int >= 1, or None")
        self.gain = gain
        self._table = FixedTable(_logarithmic, name="discount")
        if self.k is not None:
            self._cutoff = self.k

    def __repr__(self) -> str:
        return f"NDCG(k={self.k}, gain={self.gain!r})"

    @property
    def direction(self) -> Direction:  # type: ignore[override]
        return "positive" if self.k is None else "both"

    def _discounts(self, length: int) -> Array:
        return self._table.up_to(length)

    def _discount(self, place: Tensor, size: Tensor) -> Tensor:
        return 1.0 / torch.log2(place + 2.0)

    def on_device(self) -> device.Solver[Any] | None:
        if callable(self.gain):  # a function of numpy's arrays
            return None
        gain = _exponential if self.gain == "exp2" else _linear
        return device.ByPosition(self._discount, self._divisor, self._cutoff, gain)

    def read_targets(self, targets: Array) -> Gains:
        if callable(self.gain):
            # Whatever the function makes of the whole, not of each relevance alone.
            relevance = targets.astype(np.float64)
            _refuse_negative(relevance)
            gains = np.asarray(self.gain(relevance), np.float64)
            if gains.shape != relevance.shape:
                came = f"gains of shape {gains.shape} for relevances {relevance.shape}"
                raise ArgumentError("gain", came, "one gain a relevance")
            return Gains.of(_checked(gains), _same)
        return Gains.of(targets, self._gain_of)

    def _gain_of(self, relevance: Array) -> Array:
        _refuse_negative(relevance)
        if self.gain == "linear":
            return relevance
        if (relevance >= _EXPONENTS).any():
            raise ArgumentError(
                "targets",
                relevance.max(),
                f"relevances below {_EXPONENTS}, as the gain is 2^relevance - 1 (gain='linear' "
                "takes counts)",
            )
        small = np.minimum(relevance, 1.0)  # whose power of 2 has lost digits beside the 1
        return np.where(relevance < 1.0, np.expm1(small * np.log(2.0)), np.exp2(relevance) - 1.0)


def _same(relevance: Array) -> Array:
    return relevance


def _linear(relevance: Tensor) -> Tensor:
    """Gains of relevances of any type; NaN for what is none."""
    wide = relevance.double()
    return torch.where((wide >= 0.0) & wide.isfinite(), wide, np.nan)


def _exponential(relevance: Tensor) -> Tensor:
    wide = _linear(relevance)
    gains = torch.where(wide < 1.0, torch.expm1(wide * np.log(2.0)), torch.exp2(wide) - 1.0)
    return torch.where(wide < _EXPONENTS, gains, np.nan)


def _refuse_negative(relevance: Array) -> None:
    wrong = ~(np.isfinite(relevance) & (relevance >= 0.0))
    if wrong.any():
        raise ArgumentError("targets", relevance[wrong][0], "relevances >= 0")


def _checked(gains: Array) -> Array:
    if not (np.isfinite(gains) & (gains >= 0.0)).all():
        raise ArgumentError("gain", "a negative or non-finite gain", "finite gains >= 0")
    return gains


class _OfRelevant(_ByPosition, BinaryRelevance):
    """What those share that gain 1 from a relevant item and 0 from any other."""

    def read_targets(self, targets: Array) -> Gains:
        return Gains.binary(super().read_targets(targets))


class PrecisionAtK(_OfRelevant):
    r"""Precision at k: Delta = 1 - (relevant among the first k) / k.

    Where fewer than k items are relevant, Delta = 0 does not exist. Undefined without positives.
    Dead in the positive direction where no positive is in the top k; hence "both".

    Args:
        k: positions that count.
        relevant_from: the relevance from which an item is relevant, so that targets may be graded,
            as those of `NDCG`; None: targets are 0 and 1.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("precision-at-k", "precision at {}", int, short=("p", "precision")),
    )
    direction: ClassVar[Direction] = "both"
    _divisor = Divisor.CUTOFF

    def __init__(self, k: int, *, relevant_from: float | None = None) -> None:
        self.k = self._cutoff = whole_number("k", k)
        self._take_relevant_from(relevant_from)

    def __repr__(self) -> str:
        return self._call(f"{self.k}")


class RecallAtK(_OfRelevant):
    r"""Recall at k: Delta = 1 - (relevant among the first k) / P.

    Undefined without positives. Dead in the positive direction where no positive is in the top k;
    hence "both".

    Args:
        k: positions that count.
        relevant_from: the relevance from which an item is relevant, so that targets may be graded,
            as those of `NDCG`; None: targets are 0 and 1.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("recall-at-k", "recall at {}", int, short=("r", "recall")),
    )
    direction: ClassVar[Direction] = "both"
    _divisor = Divisor.TOTAL

    def __init__(self, k: int, *, relevant_from: float | None = None) -> None:
        self.k = self._cutoff = whole_number("k", k)
        self._take_relevant_from(relevant_from)

    def __repr__(self) -> str:
        return self._call(f"{self.k}")


class RPrecision(_OfRelevant):
    r"""R-precision: precision at P, the number of positives in the list.

    Undefined without positives. Dead in the positive direction where no positive is in the top P;
    hence "both".

    Args:
        relevant_from: the relevance from which an item is relevant, so that targets may be graded,
            as those of `NDCG`; None: targets are 0 and 1.
    """

    names: ClassVar[tuple[MetricName, ...]] = (MetricName("r-precision", "R-precision"),)
    direction: ClassVar[Direction] = "both"
    _cutoff = positions.CUTOFF_RELEVANT
    _divisor = Divisor.CUTOFF

    def __init__(self, *, relevant_from: float | None = None) -> None:
        self._take_relevant_from(relevant_from)

    def __repr__(self) -> str:
        return self._call()


class RankBiasedPrecision(_OfRelevant):
    r"""Rank-biased precision: Delta = 1 - (1 - p) * sum over the relevant of p^(position - 1).

    The expected gain of a reader who goes on to the next item with probability p. F has the same
    discounts. Delta = 0 does not exist: P relevant items reach p^P at best. Undefined without
    positives. Far down a list an item hardly counts, in Delta and in the gradient; hence "both".

    Args:
        persistence: p, in (0, 1): .5 for an impatient reader, .95 for a patient one.
        relevant_from: the relevance from which an item is relevant, so that targets may be graded,
            as those of `NDCG`; None: targets are 0 and 1.

    Source: Moffat and Zobel 2008, section 3.
    """

    direction: ClassVar[Direction] = "both"
    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName(
            "rank-biased-precision", "rank-biased precision, persistence {}", float, 0.8, ("rbp",)
        ),
    )
    _divisor = Divisor.ONE

    def __init__(self, persistence: float = 0.8, *, relevant_from: float | None = None) -> None:
        self._take_relevant_from(relevant_from)
        self.persistence = number(
            "persistence", persistence, lambda p: 0.0 < p < 1.0, "a number in (0, 1)"
        )

    def __repr__(self) -> str:
        return self._call(f"{self.persistence:g}")

    def _discounts(self, length: int) -> Array:
        places = np.arange(max(length, 1))
        return (1.0 - self.persistence) * self.persistence**places

    def _discount(self, place: Tensor, size: Tensor) -> Tensor:
        powers: Tensor = self.persistence**place
        return (1.0 - self.persistence) * powers


class BEDROC(_OfRelevant):
    r"""Boltzmann-enhanced discrimination of ROC: early recognition in virtual screening.

    With R = sum over the positives of exp(-alpha p_i / n),

    .. math:: BEDROC = \frac{R - R_{min}}{R_{max} - R_{min}}, \qquad \Delta = 1 - BEDROC,

    R_min and R_max of the worst and the best ranking: the affine form of RIE in [0, 1]. Undefined
    without positives or without negatives. In F, D(p) is measured from D(n), which changes F by the
    same for all rankings.

    Args:
        alpha: rate of the decay; 20 puts 80 % of the weight on the first 8 % of the list. As it
            grows the first position alone counts; as it tends to 0 the metric tends to ROC AUC.
        relevant_from: the relevance from which an item is relevant, so that targets may be graded,
            as those of `NDCG`; None: targets are 0 and 1.

    Source: Truchon and Bayly 2007, equation 36.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("bedroc", "BEDROC, alpha {}", float, 20.0),
    )
    _divisor = Divisor.RANGE

    def __init__(self, alpha: float = 20.0, *, relevant_from: float | None = None) -> None:
        self._take_relevant_from(relevant_from)
        self.alpha = number(
            "alpha", alpha, lambda rate: 0.0 < rate < np.inf, "a positive finite number"
        )
        self._decay = max(self.alpha, _SLOWEST)

    def __repr__(self) -> str:
        return self._call(f"alpha={self.alpha:g}")

    def _discount(self, place: Tensor, size: Tensor) -> Tensor:
        rest = -torch.expm1(self._decay * (place + 1.0 - size) / size)
        return torch.exp(-self._decay * place / size) * rest


def _logarithmic(index: Array) -> Array:
    """DCG's discount, entry 0 for position 1."""
    return 1.0 / np.log2(index + 2.0)
