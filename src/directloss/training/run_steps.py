"""The gradient of one step, of a batch or of all samples; numbers that are not finite stop it."""

from __future__ import annotations

from collections.abc import Callable

from accelerate import Accelerator
from torch import Tensor, nn

from directloss.errors import DirectLossError
from directloss.training.batches import AllSamples, Batch
from directloss.training.data import Part
from directloss.training.distributed import GlobalBatchLoss, raise_on_all
from directloss.training.whole_dataset import Chunk, whole_dataset_step


class NonFiniteLossError(DirectLossError):
    """A loss, a score or a weight is NaN or infinite; the message says with which batch."""


class Gradients:
    """Leaves the gradient of a loss in the parameters of a model.

    Args:
        model: as `accelerator` has prepared it.
        loss_fn: a module of (scores, targets), with `groups=` where a batch has groups.
        accelerator: device, precision and processes.
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

    def of(self, batch: Batch | AllSamples) -> tuple[float, Tensor | None]:
        """The loss, and its gradient with respect to the scores.

        Raises:
            NonFiniteLossError: a score or the loss is NaN or infinite.
        """
        return self._of_batch(batch) if isinstance(batch, Batch) else self._of_all(batch)

    def _of_batch(self, batch: Batch) -> tuple[float, Tensor | None]:
        with raise_on_all():
            part = batch.part.to(self._accelerator.device)
            scores = self._model(part.features)
            self._check(scores, "score", batch)
        scores.retain_grad()
        loss = self._joint_loss(scores, part.targets, **part.lists)
        self._check(loss, "loss", batch)
        # Not accelerator.backward, which looks for packages on the disk at every step.
        (self._scale() * loss).backward()
        return float(loss.detach()), scores.grad

    def _of_all(self, batch: AllSamples) -> tuple[float, Tensor | None]:
        def read(part: Part) -> Chunk:
            moved = part.to(self._accelerator.device)
            return Chunk(moved.features, moved.targets, moved.groups)

        def score(network: nn.Module, features: Tensor) -> Tensor:
            scores: Tensor = network(features)
            self._check(scores, "score", batch)
            return scores

        step = whole_dataset_step(
            self._model, batch, self._loss_fn, read=read, score=score, scale=self._scale()
        )
        self._check(step.loss, "loss", batch)
        return float(step.loss), step.score_gradient

    def _scale(self) -> float:
        """Factor of the loss that keeps gradients of half precision from vanishing."""
        scaler = self._accelerator.scaler
        return 1.0 if scaler is None else float(scaler.get_scale())

    def _check(self, tensor: Tensor, what: str, batch: Batch | AllSamples) -> None:
        refuse_non_finite(tensor, what, lambda: self._where(batch))


def refuse_non_finite(tensor: Tensor, what: str, where: Callable[[], str]) -> None:
    """Raises `NonFiniteLossError` unless all numbers of a tensor are finite.

    Args:
        tensor: of any shape.
        what: the name of one of its numbers.
        where: what to say behind it.
    """
    finite = tensor.detach().isfinite()
    if bool(finite.all()):
        return
    value = float(tensor.detach()[~finite].flatten()[0])
    count = f"{int((~finite).sum())} of {finite.numel()} " if finite.numel() > 1 else ""
    plural = "s" if count else ""
    raise NonFiniteLossError(f"training stopped: {count}{what}{plural} became {value} {where()}")
