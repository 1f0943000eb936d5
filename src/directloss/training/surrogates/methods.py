"""The surrogate losses as methods: their smoothing in units of the spread of the scores.

`Settings.epsilon` is the smoothing, so that it means the same whatever the length of a list, and
about the same for all: the difference of scores over which the top of the ranking is blurred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor, nn

from directloss.training.methods import LossFactory, Method, Settings, TaskFactory
from directloss.training.surrogates.blackbox import blackbox_map_loss
from directloss.training.surrogates.smooth_ap import fast_smooth_ap_loss
from directloss.training.surrogates.soft_rank import soft_rank_ap_loss

BLACKBOX_MARGIN = 0.02
"""In units of the spread; the value of its authors for normalised scores."""


class Surrogate(nn.Module):
    """A loss of one list, with its smoothing fixed.

    Args:
        loss: (scores, targets, width) -> loss.
        width: smoothing, in units of the scores.
    """

    def __init__(self, loss: Callable[[Tensor, Tensor, float], Tensor], width: float) -> None:
        super().__init__()
        self.loss = loss
        self.width = width

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        return self.loss(scores, targets, self.width)


def _smooth_ap(spread: float) -> Callable[[Tensor, Tensor, float], Tensor]:
    return lambda scores, targets, width: fast_smooth_ap_loss(scores, targets, temperature=width)


def _blackbox(spread: float) -> Callable[[Tensor, Tensor, float], Tensor]:
    def loss(scores: Tensor, targets: Tensor, width: float) -> Tensor:
        # dL/drank is at most 1/P, for a positive at the top: it then moves by `width`.
        interpolation = width * float((targets > 0).sum())
        return blackbox_map_loss(
            scores, targets, interpolation=interpolation, margin=BLACKBOX_MARGIN * spread
        )

    return loss


def _soft_rank(spread: float) -> Callable[[Tensor, Tensor, float], Tensor]:
    # Ranks n apart share one pool where their scores differ by less than `width`.
    return lambda scores, targets, width: soft_rank_ap_loss(
        scores, targets, strength=width / scores.numel()
    )


def _factory(make: Callable[[float], Callable[[Tensor, Tensor, float], Tensor]]) -> LossFactory:
    def loss(settings: Settings, spread: float, _: TaskFactory) -> nn.Module:
        assert settings.epsilon is not None, "the grid of a surrogate has a smoothing"
        return Surrogate(make(spread), settings.epsilon * spread)

    return loss


_RATES = (0.03, 0.1, 0.3, 1.0)

SURROGATES: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method(
                "smooth-ap",
                "Smooth-AP: a sigmoid for each comparison",
                _factory(_smooth_ap),
                {"learning_rate": _RATES, "l2": (0.0,), "epsilon": (0.03, 0.1, 0.3)},
            ),
            Method(
                "blackbox-ap",
                "blackbox differentiation of average precision",
                _factory(_blackbox),
                {"learning_rate": _RATES, "l2": (0.0,), "epsilon": (0.1, 1.0, 10.0)},
            ),
            Method(
                "soft-rank-ap",
                "average precision of soft ranks",
                _factory(_soft_rank),
                {"learning_rate": _RATES, "l2": (0.0,), "epsilon": (1.0, 3.0, 10.0)},
            ),
        )
    }
)
