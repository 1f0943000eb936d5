"""The methods of the synthetic experiments: the paper's nine, two of ours, three modern, a control.

A grid means the same for every setting: epsilon and every smoothing are in units of the spread of
the untrained scores, and a learning rate is multiplied by a factor that takes out how the size of
a gradient depends on that spread and on epsilon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from directloss.training.methods import METHODS, Method
from directloss.training.surrogates import SURROGATES

Grid = Mapping[str, tuple[float, ...]]

PAPER = (
    "logistic",
    "hinge-ap",
    "per-ap",
    "pos-ap",
    "neg-ap",
    "hinge-01",
    "per-01",
    "pos-01",
    "neg-01",
)
OURS = ("both-ap", "mix-ap")
ADDED = (*OURS, "smooth-ap", "blackbox-ap", "soft-rank-ap", "logistic-regularised")
NOISE = (
    "logistic",
    "logistic-regularised",
    "hinge-ap",
    "pos-ap",
    "neg-ap",
    "both-ap",
    "smooth-ap",
    "blackbox-ap",
)

SMALL_START = 0.1
"""Initial spread of the control's scores: far inside the linear part of cross-entropy."""

_DIRECT = ("pos", "neg", "both")


def _grid(
    rates: tuple[float, ...],
    *,
    l2: tuple[float, ...] = (0.0,),
    epsilons: tuple[float, ...] = (),
) -> Grid:
    axes = {"learning_rate": rates, "l2": l2}
    return {**axes, "epsilon": epsilons} if epsilons else axes


_SLOW = (0.003, 0.01, 0.03, 0.1)
_MIDDLE = (0.03, 0.1, 0.3, 1.0)
_FAST = (0.1, 0.3, 1.0, 3.0)
_STRONG = (0.003, 0.01, 0.03, 0.1)
_CLEAN_GRIDS: Mapping[str, Grid] = MappingProxyType(
    {
        **dict.fromkeys(
            ("logistic", "hinge-ap", "hinge-01", "per-01"),
            _grid((0.01, 0.03, 0.1, 0.3, 1.0, 3.0), l2=(0.0, 1e-3)),
        ),
        "per-ap": _grid((0.001, 0.003, 0.01, 0.03, 0.1, 0.3), l2=(0.0, 1e-3)),
        "pos-ap": _grid(_FAST, epsilons=(0.01, 0.1, 1.0)),
        "neg-ap": _grid(_MIDDLE, epsilons=(0.003, 0.01, 0.1)),
        "both-ap": _grid(_FAST, epsilons=(0.01, 0.1, 1.0)),
        "mix-ap": _grid(_FAST, epsilons=(0.01, 0.1, 1.0)),
        "pos-01": _grid(_MIDDLE, epsilons=(1.0, 10.0, 100.0)),
        "neg-01": _grid(_MIDDLE, epsilons=(1.0, 10.0, 100.0)),
        "smooth-ap": _grid(_FAST, epsilons=(0.03, 0.1, 0.3)),
        "blackbox-ap": _grid(_SLOW, epsilons=(0.1, 1.0, 10.0)),
        "soft-rank-ap": _grid(_MIDDLE, epsilons=(3.0, 10.0, 30.0)),
        "logistic-regularised": _grid((0.1, 0.3, 1.0), l2=_STRONG),
    }
)
_NOISY_RATES = (0.1, 0.3)
_NOISY_GRIDS: Mapping[str, Grid] = MappingProxyType(
    {
        "logistic": _grid(_NOISY_RATES, l2=(0.0, 1e-3)),
        "hinge-ap": _grid(_NOISY_RATES, l2=(0.0, 1e-3)),
        "logistic-regularised": _grid(_NOISY_RATES, l2=_STRONG),
        "pos-ap": _grid(_NOISY_RATES, epsilons=(1.0, 3.0, 10.0, 30.0)),
        # Larger rates make it collapse. The order decides which four of the eight points are tried:
        # the larger rate with the smaller epsilons, the smaller rate with the larger ones.
        "neg-ap": _grid((0.03, 0.01), epsilons=(0.003, 0.01, 0.03, 0.1)),
        "both-ap": _grid(_NOISY_RATES, epsilons=(0.3, 1.0, 3.0, 10.0)),
        "smooth-ap": _grid(_NOISY_RATES, epsilons=(0.1, 0.3, 1.0, 3.0)),
        "blackbox-ap": _grid((0.01, 0.03), epsilons=(1.0, 3.0, 10.0, 30.0)),
    }
)
_LARGE_STEP_RATES: tuple[float, ...] = (0.1, 1.0, 10.0)
LARGE_EPSILON = 10.0

GRIDS = ("clean", "noisy", "large-step")


@dataclass(frozen=True)
class Candidate:
    """A method with the settings worth trying.

    Attributes:
        method: its loss and grid.
        small_start: whether the untrained scores are scaled to `SMALL_START`.
    """

    method: Method
    small_start: bool = False

    def rate_factor(self, epsilon: float | None, spread: float) -> float:
        """What a learning rate of the grid is multiplied by.

        The gradient of direct loss falls as 1/epsilon once epsilon exceeds the spread. That of
        cross-entropy, hinge and perceptron has a size of its own where all others go with one over
        the spread, which matters when the untrained scores are far apart.
        """
        update = self.method.name.partition("-")[0]
        if update in _DIRECT and epsilon is not None:
            return max(1.0, epsilon)
        return 1.0 if self.method.name in SURROGATES else 1.0 / max(1.0, spread)


def candidate(name: str, grid: str = "clean") -> Candidate:
    """The method of that name with the grid of a kind of `GRIDS`."""
    control = name == "logistic-regularised"
    base = METHODS["logistic"] if control else {**METHODS, **SURROGATES}[name]
    if grid == "large-step":
        axes: Grid = {"learning_rate": _LARGE_STEP_RATES, "l2": (0.0,)}
        if "epsilon" in base.grid:
            axes = {**axes, "epsilon": (LARGE_EPSILON,)}
    else:
        axes = (_CLEAN_GRIDS if grid == "clean" else _NOISY_GRIDS)[name]
    words = "cross-entropy, small initial scores, strong L2" if control else base.description
    return Candidate(replace(base, name=name, description=words, grid=axes), small_start=control)
