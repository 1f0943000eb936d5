"""The training loop: it can be stopped at any moment and taken up again to the same numbers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch
from accelerate import Accelerator
from torch import nn

from directloss._world import World
from directloss.errors import DirectLossError
from directloss.training.batches import AllSamples, Batch, Batches
from directloss.training.checkpoints import Checkpoints, State
from directloss.training.config import FitConfig
from directloss.training.early_stop import EarlyStop, Kept
from directloss.training.history import Entry, History
from directloss.training.optimiser import make_optimiser
from directloss.training.saving import Saving
from directloss.training.score_memory import ScoreMemory
from directloss.training.signals import StopRequest
from directloss.training.steps import Gradients, refuse_non_finite
from directloss.training.warm_start import WarmStart


class InterruptedRunError(DirectLossError):
    """The run was asked to stop and has saved its last step."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


@dataclass
class _Progress:
    """Where a run is: steps taken, and sums over the steps since the last evaluation."""

    step: int = 0
    finished: bool = False
    losses: float = 0.0
    zero_gradients: int = 0
    steps: int = 0


class Run:
    """Trains `model` in place, saving as it goes.

    Accelerate puts the network where it computes (device, precision, DistributedDataParallel);
    whatever processes exchange goes by torch.distributed's default group.

    Attributes:
        model: as given.
        history: what the evaluations found so far.
        steps: how many the whole run has.
        switch: how many of them come before the second phase of a `WarmStart`; None without one.

    Args:
        model: features `(n, ...)` -> scores `(n,)`.
        loss_fn: a module of (scores, targets), with `groups=` where a batch has groups. A
            `WarmStart` hears of each step; there is an evaluation at its switch.
        batches: see `Batches`; of several processes, each has its share of every batch.
        evaluate: rates the model; it and the loss are in evaluation mode, without gradients.
        config: how to train; its batch size and seed are the business of `batches`.
        checkpoints: where to save; None: nowhere.
        higher_is_better: of the metric.
        every: seconds between two checkpoints; 0 saves after every step.
        on_step: called after every step with its number and loss.
        on_evaluation: called after every evaluation.
        accelerator: device and precision; by default Accelerate's own choice.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: nn.Module,
        batches: Batches,
        evaluate: Callable[[nn.Module], Entry],
        config: FitConfig,
        checkpoints: Checkpoints | None = None,
        *,
        higher_is_better: bool,
        every: float = 60.0,
        on_step: Callable[[int, float], None] = lambda *_: None,
        on_evaluation: Callable[[History], None] = lambda _: None,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.history = History()
        self.model = model
        accelerator = accelerator or Accelerator()
        prepared = accelerator.prepare_model(model)
        self._bare = accelerator.unwrap_model(prepared)
        self._optimiser = make_optimiser(self._bare, config)
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        self._falling = config.schedule == "linear"
        self._scaler = accelerator.scaler
        if self._scaler is not None:
            # Only a scaled precision needs Accelerate's wrapper, which costs time at each step.
            self._optimiser = accelerator.prepare_optimizer(self._optimiser)
        self._evaluated_loss = loss_fn.to(accelerator.device)
        self._loss_fn = loss_fn
        if config.score_memory:
            self._loss_fn = ScoreMemory(loss_fn, config.score_memory)
        self._gradients = Gradients(prepared, self._loss_fn, accelerator, self._where)
        self._batches = batches
        self._evaluate = evaluate
        self._saving = None if checkpoints is None else Saving(checkpoints, every)
        self._on_step, self._on_evaluation = on_step, on_evaluation
        self._early_stop = EarlyStop(
            self._bare,
            config.patience,
            keep_best=config.keep == "best",
            higher_is_better=higher_is_better,
        )
        self.steps = config.epochs * len(batches)
        found = (module for module in loss_fn.modules() if isinstance(module, WarmStart))
        self._warm_start = next(found, None)
        self.switch = None if self._warm_start is None else self._warm_start.switch(self.steps)
        self._evaluate_at = {
            max(1, round(self.steps * (k + 1) / config.evaluations))
            for k in range(config.evaluations)
        }
        if self.switch is not None:
            self._evaluate_at.add(self.switch)
        self._progress = _Progress()

    @property
    def step(self) -> int:
        """Steps taken."""
        return self._progress.step

    @property
    def first_phase(self) -> Kept | None:
        """The best weights before the switch, where the best are kept and the switch is over."""
        return self._early_stop.first_phase

    def restore(self) -> int | None:
        """Puts the best weights so far into the model; their entry, None where none are kept."""
        return None if self._early_stop.best is None else self._early_stop.restore(last=-1)

    def resume(self) -> tuple[str, ...]:
        """Goes on from the newest checkpoint, if there is one; says why newer ones were refused.

        Raises:
            CheckpointError: there are checkpoints, but none can be believed.
        """
        found = None if self._saving is None else self._saving.latest()
        if found is None:
            return ()
        self._restore(found.state)
        return found.refused

    def train(self, stop: StopRequest | None = None) -> int:
        """Trains to the end, and leaves the weights to keep in the model.

        Returns:
            The entry of `history` that belongs to these weights.

        Raises:
            InterruptedRunError: `stop` was set; the step was finished and saved.
            DivergedError: nothing of the step that failed was saved.
            CheckpointError: the first checkpoint cannot be written, or a later one neither; those
                that were written are kept.
        """
        if not len(self.history):
            self._add_entry()
            self._save()  # a folder or a disk that will not do is found before the first step
        for batch in self._remaining():
            self._take(batch)
            if self._progress.step in self._evaluate_at and self._add_entry():
                break
            if self._saving is not None:
                self._save_if_wanted(self._saving, batch, stop or StopRequest())
        if not self._progress.finished:
            self._progress.finished = True
            self._save()
        return self._early_stop.restore(last=len(self.history) - 1)

    def _remaining(self) -> Iterator[Batch | AllSamples]:
        if self._progress.finished:
            return
        epoch, start = divmod(self._progress.step, len(self._batches))
        for number in range(epoch, self.steps // len(self._batches)):
            yield from self._batches.epoch(number, start=start)
            start = 0

    def _take(self, batch: Batch | AllSamples) -> None:
        if self._warm_start is not None:
            self._warm_start.reach(self.step, self.steps)
        if self._falling:
            for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
                group["lr"] = rate * (1.0 - self.step / self.steps)
        self._optimiser.zero_grad()
        loss, zero_gradient = self._gradients.of(batch)
        self._optimiser.step()
        progress = self._progress
        progress.step += 1
        progress.steps += 1
        progress.losses += loss
        progress.zero_gradients += zero_gradient
        self._on_step(progress.step, loss)

    def _add_entry(self) -> bool:
        """Adds an entry to the history; returns whether to stop early."""
        modules = self._bare, self._evaluated_loss
        modes = [module.training for module in modules]
        for module in modules:
            module.eval()  # an evaluation must not set an automatic epsilon
        try:
            with torch.no_grad():
                entry = self._evaluate(self._bare)
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.train(mode)
        progress, steps = self._progress, self._progress.steps
        self.history.append(
            entry,
            iteration=progress.step,
            mean_loss=progress.losses / steps if steps else None,
            zero_gradient=progress.zero_gradients / steps if steps else 0.0,
        )
        self._progress = _Progress(step=progress.step)
        self._on_evaluation(self.history)
        stop = self._early_stop.saw(entry)
        if progress.step == self.switch:
            self._early_stop.end_first_phase()
        return stop and (self.switch is None or progress.step > self.switch)

    def _save_if_wanted(self, saving: Saving, last: Batch | AllSamples, stop: StopRequest) -> None:
        asked = World().any(stop.signal is not None)
        if asked or saving.is_due():
            self._save(last)
        if asked:
            number = stop.signal or signal.SIGTERM
            raise InterruptedRunError(
                f"stopped by {signal.Signals(number).name} after step {self.step} of "
                f"{self.steps}, which is saved: the same command resumes",
                number,
            )

    def _save(self, last: Batch | AllSamples | None = None) -> None:
        if self._saving is None:
            return
        weights = {f"weight of {name}": each for name, each in self._bare.state_dict().items()}
        refuse_non_finite(weights, lambda: self._where(last))
        self._saving.save(
            self.step,
            {
                "model": self._bare.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "scaler": None if self._scaler is None else self._scaler.state_dict(),
                "loss_fn": self._loss_fn.state_dict(),
                "early_stop": self._early_stop.state_dict(),
                "history": asdict(self.history),
                "progress": asdict(self._progress),
            },
        )

    def _restore(self, state: State) -> None:
        self._bare.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        scale = state.get("scaler")  # None, too, of a run that began in another precision
        if self._scaler is not None and scale is not None:
            self._scaler.load_state_dict(scale)
        self._loss_fn.load_state_dict(state["loss_fn"])
        self._early_stop.load_state_dict(state["early_stop"])
        self.history = History(**state["history"])
        self._progress = _Progress(**state["progress"])

    def _where(self, batch: Batch | AllSamples | None) -> str:
        epoch, number = divmod(self.step, len(self._batches))
        rows = f": {batch.names()}" if batch is not None else ""
        place = f"in step {self.step + 1} (epoch {epoch + 1}, batch {number + 1}{rows})"
        if isinstance(batch, Batch) and not bool(batch.part.features.isfinite().all()):
            return f"{place}. The batch itself holds features that are not finite"
        saved = [] if self._saving is None else self._saving.checkpoints.steps()
        kept = f"; the checkpoint of step {saved[-1]} is kept" if saved else ""
        return f"{place}. Try a smaller learning rate{kept}"
