"""The gradient of one step, of a batch or of all samples; numbers that are not finite stop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from directloss._world import World
from directloss.errors import DirectLossError
from directloss.training.batches import AllSamples, Batch
from directloss.training.data import Part
from directloss.training.distributed import GlobalBatchLoss, raise_on_all
from directloss.training.whole_dataset import Chunk, whole_dataset_step


class DivergedError(DirectLossError):
    """A loss, a score or a weight is NaN or infinite; the message says where. On all processes."""


class Gradients:
    """Leaves the gradient of a loss in the parameters of a model.

    Args:
        model: as `accelerator` has prepared it.
        loss_fn: a module of (scores, targets), with `groups=` where a batch has groups.
        accelerator: device and precision.
        where: what to say behind the complaint that a number of a batch is not finite.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: nn.Module,
        accelerator: Accelerator,
        where: Callable[[Batch | AllSamples], str],
    ) -> None:
        self._model = model
        self._loss_fn = loss_fn
        self._joint_loss = GlobalBatchLoss(loss_fn)
        self._accelerator = accelerator
        self._where = where

    def of(self, batch: Batch | AllSamples) -> tuple[float, bool]:
        """The loss of all processes' samples, and whether no score of them has a gradient.

        Raises:
            DivergedError: a score or the loss is NaN or infinite.
        """
        taken = self._of_batch(batch) if isinstance(batch, Batch) else self._of_all(batch)
        loss, gradient = taken
        return loss, not World().any(gradient is not None and bool(gradient.any()))

    def _of_batch(self, batch: Batch) -> tuple[float, Tensor | None]:
        with raise_on_all():
            part = batch.part.to(self._accelerator.device)
            scores = self._model(part.features)
        refuse_non_finite({"score": scores}, lambda: self._where(batch))
        scores.retain_grad()
        loss = self._joint_loss(scores, part.targets, **part.lists)
        refuse_non_finite({"loss": loss}, lambda: self._where(batch))
        # Not accelerator.backward, which searches the disk for packages at each step.
        (self._scale() * loss).backward()
        return float(loss.detach()), scores.grad

    def _of_all(self, batch: AllSamples) -> tuple[float, Tensor | None]:
        complaint: str | None = None

        def read(part: Part) -> Chunk:
            moved = part.to(self._accelerator.device)
            return Chunk(moved.features, moved.targets, moved.groups)

        def score(network: nn.Module, features: Tensor) -> Tensor:
            nonlocal complaint
            scores: Tensor = network(features)
            complaint = complaint or _complaint(scores, "score")
            # The step goes on to its end, where all processes hear of it.
            return torch.nan_to_num(scores, 0.0, 0.0, 0.0) if complaint else scores

        step = whole_dataset_step(
            self._model, batch, self._loss_fn, read=read, score=score, scale=self._scale()
        )
        complaint = complaint or _complaint(step.loss, "loss")
        _raise_anywhere(complaint, lambda: self._where(batch))
        return float(step.loss), step.score_gradient

    def _scale(self) -> float:
        """Factor of the loss that keeps gradients of half precision from vanishing."""
        scaler = self._accelerator.scaler
        if scaler is None:
            return 1.0
        # Not get_scale: a scaler refuses its step before it has scaled something.
        return float(scaler.scale(torch.ones((), device=self._accelerator.device)))


def refuse_non_finite(tensors: Mapping[str, Tensor], where: Callable[[], str]) -> None:
    """Raises on all processes unless all numbers are finite on all of them.

    Args:
        tensors: the name of a number -> all numbers of that name.
        where: what to say behind it.

    Raises:
        DivergedError: names the first of them.
    """
    complaints = (_complaint(tensor, name) for name, tensor in tensors.items())
    _raise_anywhere(next(filter(None, complaints), None), where)


def _complaint(tensor: Tensor, what: str) -> str | None:
    finite = tensor.detach().isfinite()
    if bool(finite.all()):
        return None
    value = float(tensor.detach()[~finite].flatten()[0])
    count = f"{int((~finite).sum())} of {finite.numel()} " if finite.numel() > 1 else ""
    plural = "s" if count else ""
    return f"training stopped: {count}{what}{plural} became {value}"


def _raise_anywhere(complaint: str | None, where: Callable[[], str]) -> None:
    world = World()
    if world.any(complaint is not None):
        own = None if complaint is None else f"{complaint} {where()}"
        raise DivergedError(next(filter(None, world.agree(None, own))))
