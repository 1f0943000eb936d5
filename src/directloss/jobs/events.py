"""The log for TensorBoard. It is a by-product: a disk that is full ends the log, not the run."""

from __future__ import annotations

import warnings
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from directloss.jobs.watch import Watcher
from directloss.training.history import History


class EventLog(Watcher):
    """Writes the loss of each step, and every evaluation on the validation split.

    Args:
        folder: for `tensorboard --logdir`.
        first: the step from which training goes on; what an earlier process logged beyond it, and
            will be done again, disappears from the pictures.
    """

    def __init__(self, folder: Path, first: int) -> None:
        self._writer: SummaryWriter | None = SummaryWriter(str(folder), purge_step=first + 1)

    def stepped(self, step: int, loss: float) -> None:
        """See `Watcher`."""
        self._write(step, {"training/loss": loss})

    def evaluated(self, history: History) -> None:
        """See `Watcher`."""
        values = {
            "validation/metric": history.validation[-1],
            "validation/spread": history.spread[-1],
        }
        if len(history) > 1:  # before the first step there was none to have a gradient
            values["training/zero_gradient"] = history.zero_gradient[-1]
        self._write(history.iteration[-1], values)

    def _write(self, step: int, values: dict[str, float]) -> None:
        if self._writer is None:
            return
        try:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
        except OSError as error:
            self._writer = None
            warnings.warn(
                f"no more is logged for TensorBoard after step {step}: {error}", stacklevel=2
            )

    def close(self) -> None:
        """Writes what is still in memory."""
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                warnings.warn(f"the log for TensorBoard is incomplete: {error}", stacklevel=2)
            self._writer = None
