"""A direct loss on scores with noise: its gradient is that of the metric smoothed by the noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from directloss._arguments import whole_number
from directloss._noise import KINDS, Kind, draw_copies
from directloss._operators import transformed
from directloss._stepped import Auto, StepAttribute, SteppedModule
from directloss._update import Batch, ListBatch, Step
from directloss.errors import ArgumentError
from directloss.lists import widened

__all__ = ["Perturbation"]

SHARE = 0.3
"""Of the spread of the scores, the deviation that "auto" takes."""


_ONE_MORE = torch.tensor([0, 1], device="cpu")
"""What a draw adds to the state: 0 to the seed, 1 to the number of draws."""


class Perturbation(SteppedModule):
    r"""Noise on the scores of a `DirectLoss`, in training mode.

    The loss becomes the mean over K copies of the scores, in antithetic pairs,

    .. math:: \frac1K \sum_{k=1}^{K} \Delta(y_w(\phi + s Z_k)), \qquad Z_{2k} = -Z_{2k-1},

    an unbiased estimate of the smoothed metric :math:`M_s(\phi) = E_Z[\Delta(y_w(\phi + s Z))]`,
    which is differentiable. Its gradient is the mean of the copies' updates, and tends to
    :math:`\nabla M_s` as epsilon / s tends to 0: theorem 1 of Song et al. 2016, with the noise in
    the role of the data, so that it holds for a single list (`docs/theory.md`). In eval mode there
    is no noise, and the value is the metric.

    Args:
        scale: s, the deviation of the noise, in units of the scores; or "auto": 0.3 times the
            pooled within-list deviation of the scores of the first training batch that has one,
            then held fixed and kept in ``state_dict()``, as "auto" of epsilon is.
        samples: K, an even number. The cost of a step grows with it.
        kind: "normal" or "logistic".
        seed: of the noise, which does not depend on torch's generators. A step's noise follows from
            the seed, the number of steps before it (both in ``state_dict()``) and the shape of the
            batch: it is the same on all processes, on every device and in compiled graphs.

    Raises:
        ArgumentError: a value is wrong; in use, for a task that is not on lists of scores.

    Source: smoothing by perturbation: Berthet et al., NeurIPS 2020; antithetic pairs: Hammersley
    and Morton 1956.
    """

    _step = "scale"
    scale: StepAttribute
    state: Tensor

    def __init__(
        self,
        scale: float | Auto = "auto",
        *,
        samples: int = 2,
        kind: Kind = "normal",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.samples = whole_number("samples", samples, least=2, wanted="an even number >= 2")
        if self.samples % 2:
            raise ArgumentError("samples", samples, "an even number >= 2: copies come in pairs")
        if kind not in KINDS:
            raise ArgumentError("kind", repr(kind), "'normal' or 'logistic'")
        self.kind: Kind = kind
        self._seed = whole_number("seed", seed, least=0)
        self.register_buffer("state", torch.tensor([self._seed, 0]))
        self._register_step(scale)

    @property
    def _share(self) -> float:
        return SHARE

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        without_data = self.state.is_meta
        super()._apply(fn, recurse)
        if without_data and not self.state.is_meta:  # of `to_empty`
            self.state.copy_(torch.tensor([self._seed, 0], device="cpu"))
        return self

    def copies(self, batch: Batch, *, together: bool) -> tuple[ListBatch, Tensor | None]:
        """The batch of K copies with noise; and the scale, where it was measured just now.

        Args:
            batch: of the scores as they are.
            together: whether with all processes of torch.distributed.
        """
        if not isinstance(batch, ListBatch):
            raise ArgumentError("perturbation", repr(self), "None for a task that is not on lists")
        scale: Step | None = self._number()
        measured = None
        if scale is None:
            measured, scale = self._measured(batch, together=together)
        rows = widened(batch.layout.scores.detach())
        how = self.samples // 2, self.kind, scale
        copies = draw_copies(self.state, rows, *how, traced=batch.traced)
        largest = torch.finfo(rows.dtype).max
        if isinstance(scale, Tensor) or scale > largest * 2.0**-60:  # else no sum can overflow
            copies = torch.where(rows.isfinite(), copies.clamp(-largest, largest), rows)
        return batch.with_noise(copies), measured

    def keep(self, measured: Tensor | None) -> None:
        """After a step: what was measured, and that noise was drawn."""
        if torch.compiler.is_compiling() or not transformed():
            if measured is not None:
                self.scale.copy_(measured)
            state = self.state
            state.add_(_ONE_MORE.to(state.device))  # faster than to one entry

    def extra_repr(self) -> str:
        return f"scale={self._step_shown()}, samples={self.samples}, kind={self.kind!r}"
