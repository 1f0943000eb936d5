"""A training run that can be stopped at any moment and taken up again to the same numbers."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from directloss.errors import DirectLossError
from directloss.training.batches import AllSamples, Batch, Batches
from directloss.training.checkpoints import CheckpointError, Checkpoints, State
from directloss.training.config import FitConfig
from directloss.training.early_stop import EarlyStop
from directloss.training.log import Log, Look
from directloss.training.optimiser import make_optimiser
from directloss.training.run_steps import Gradients, refuse_non_finite
from directloss.training.signals import StopRequest


class InterruptedRunError(DirectLossError):
    """The run was asked to stop and has saved its last step."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


@dataclass
class _Progress:
    """Where a run is: steps taken, and sums over the steps since the last look."""

    step: int = 0
    finished: bool = False
    losses: float = 0.0
    zero_gradients: int = 0
    steps: int = 0


class Run:
    """Trains `model` in place, saving as it goes.

    Attributes:
        model: as given.
        log: what was seen so far.
        steps: how many the whole run has.

    Args:
        model: features `(n, ...)` -> scores `(n,)`.
        loss_fn: a module of (scores, targets), with `groups=` where a batch has groups.
        batches: see `Batches`.
        evaluate: rates the model in evaluation mode on the validation part.
        config: how to train; its batch size and seed are the business of `batches`.
        checkpoints: where to save.
        higher_is_better: of the metric.
        every: seconds between two checkpoints; 0 saves after every step.
        on_step: called after every step with its number and loss.
        on_look: called after every look.
        accelerator: device, precision and processes; by default Accelerate's own choice.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: nn.Module,
        batches: Batches,
        evaluate: Callable[[nn.Module], Look],
        config: FitConfig,
        checkpoints: Checkpoints,
        *,
        higher_is_better: bool,
        every: float = 60.0,
        on_step: Callable[[int, float], None] = lambda *_: None,
        on_look: Callable[[Log], None] = lambda _: None,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.log = Log()
        self.model = model
        self._accelerator = accelerator or Accelerator()
        self._model, self._optimiser = self._accelerator.prepare(
            model, make_optimiser(model, config)
        )
        self._bare = self._accelerator.unwrap_model(self._model)
        self._loss_fn = loss_fn.to(self._accelerator.device)
        self._gradients = Gradients(self._model, self._loss_fn, self._accelerator, self._where)
        self._batches = batches
        self._evaluate = evaluate
        self._checkpoints = checkpoints
        self._every = every
        self._on_step, self._on_look = on_step, on_look
        self._early_stop = EarlyStop(self._bare, config.patience, higher_is_better=higher_is_better)
        self.steps = config.epochs * len(batches)
        self._look_at = {
            max(1, round(self.steps * (k + 1) / config.evaluations))
            for k in range(config.evaluations)
        }
        self._progress = _Progress()

    @property
    def step(self) -> int:
        """Steps taken."""
        return self._progress.step

    def resume(self) -> tuple[str, ...]:
        """Goes on from the newest checkpoint, if there is one; says why newer ones were refused.

        Raises:
            CheckpointError: there are checkpoints, but none can be believed.
        """
        with self._accelerator.main_process_first():  # it moves what it refuses out of the way
            found = self._checkpoints.latest()
        step = -1 if found is None else found.step
        if len(set(gather_object([step]))) > 1:
            raise CheckpointError(f"the processes do not all see {self._checkpoints.folder}")
        if found is None:
            return ()
        self._restore(found.state)
        return found.refused

    def train(self, stop: StopRequest) -> int:
        """Trains to the end, and leaves the weights to keep in the model.

        Returns:
            The entry of `log` that belongs to these weights.

        Raises:
            InterruptedRunError: `stop` was set; the step was finished and saved.
            NonFiniteLossError: nothing of the step that failed was saved.
            CheckpointError: the first checkpoint cannot be written, or a later one neither; those
                that were written are kept.
        """
        if not self.log.step:
            self._look()
            self._save()  # a folder or a disk that will not do is found before the first step
        saved = time.monotonic()
        for batch in self._remaining():
            self._take(batch)
            ended = self._progress.step in self._look_at and self._look()
            if ended:
                break
            asked = self._anywhere(stop.signal is not None)
            if asked or self._anywhere(time.monotonic() - saved >= self._every):
                self._save(batch)
                saved = time.monotonic()
            if asked:
                number = stop.signal or signal.SIGTERM
                raise InterruptedRunError(
                    f"stopped by {signal.Signals(number).name} after step {self.step} of "
                    f"{self.steps}, which is saved: the same command resumes",
                    number,
                )
        if not self._progress.finished:
            self._progress.finished = True
            self._save()
        return self._early_stop.restore(last=len(self.log) - 1)

    def _remaining(self) -> Iterator[Batch | AllSamples]:
        if self._progress.finished:
            return
        epoch, start = divmod(self._progress.step, len(self._batches))
        for number in range(epoch, self.steps // len(self._batches)):
            yield from self._batches.epoch(number, start=start)
            start = 0

    def _take(self, batch: Batch | AllSamples) -> None:
        self._optimiser.zero_grad()
        loss, gradient = self._gradients.of(batch)
        self._optimiser.step()
        progress = self._progress
        progress.step += 1
        progress.steps += 1
        progress.losses += loss
        progress.zero_gradients += int(gradient is None or not gradient.any())
        self._on_step(progress.step, loss)

    def _look(self) -> bool:
        """Adds an entry to the log; returns whether to stop early."""
        modes = self._bare.training, self._loss_fn.training
        self._bare.eval()
        self._loss_fn.eval()
        with torch.no_grad():
            look = self._evaluate(self._bare)
        self._bare.train(modes[0])
        self._loss_fn.train(modes[1])
        progress, steps = self._progress, self._progress.steps
        self.log.append(
            step=progress.step,
            epoch=progress.step // len(self._batches),
            loss=progress.losses / steps if steps else None,
            metric=look.metric,
            spread=look.spread,
            threshold=look.threshold,
            zero_gradient=progress.zero_gradients / steps if steps else None,
        )
        self._progress = _Progress(step=progress.step)
        self._on_look(self.log)
        return self._early_stop.saw(look.metric)

    def _save(self, last: Batch | AllSamples | None = None) -> None:
        for name, tensor in self._bare.state_dict().items():
            refuse_non_finite(tensor, f"weight of {name}", lambda: self._where(last))
        randomness = self._randomness_of_all()
        if self._accelerator.is_main_process:
            self._checkpoints.save(self.step, self._state(randomness))
        self._accelerator.wait_for_everyone()

    def _state(self, randomness: list[Tensor]) -> State:
        return {
            "model": self._bare.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "loss_fn": self._loss_fn.state_dict(),
            "early_stop": self._early_stop.state_dict(),
            "log": asdict(self.log),
            "progress": asdict(self._progress),
            "randomness": randomness,
        }

    def _restore(self, state: State) -> None:
        processes = len(state["randomness"])
        if processes != self._accelerator.num_processes:
            raise DirectLossError(
                f"the run was made by {processes} processes, not {self._accelerator.num_processes}:"
                " other processes would get other batches"
            )
        self._bare.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._loss_fn.load_state_dict(state["loss_fn"])
        self._early_stop.load_state_dict(state["early_stop"])
        self.log = Log(**state["log"])
        self._progress = _Progress(**state["progress"])
        self._set_randomness(state["randomness"][self._accelerator.process_index])

    def _randomness(self) -> Tensor:
        """State of the generators that a step draws from, the CPU's first."""
        state = torch.get_rng_state()
        if self._accelerator.device.type == "cuda":
            state = torch.cat([state, torch.cuda.get_rng_state(self._accelerator.device)])
        return state

    def _set_randomness(self, state: Tensor) -> None:
        of_cpu = len(torch.get_rng_state())
        # Copies: torch 2.14 looks for the state of a view in the wrong place, outside its memory.
        torch.set_rng_state(state[:of_cpu].clone())
        if len(state) > of_cpu:
            torch.cuda.set_rng_state(state[of_cpu:].clone(), self._accelerator.device)

    def _randomness_of_all(self) -> list[Tensor]:
        mine = self._randomness()
        if self._accelerator.num_processes == 1:
            return [mine]
        everyone = self._accelerator.gather(mine.to(self._accelerator.device))
        return list(everyone.cpu().view(self._accelerator.num_processes, -1))

    def _anywhere(self, mine: bool) -> bool:
        """Whether it is so on any process."""
        if self._accelerator.num_processes == 1:
            return mine
        flag = torch.tensor([float(mine)], device=self._accelerator.device)
        return bool(self._accelerator.reduce(flag).item() > 0)

    def _where(self, batch: Batch | AllSamples | None) -> str:
        epoch, number = divmod(self.step, len(self._batches))
        rows = f": {batch.names()}" if batch is not None else ""
        place = f"in step {self.step + 1} (epoch {epoch + 1}, batch {number + 1}{rows})"
        if isinstance(batch, Batch) and not bool(batch.part.features.isfinite().all()):
            return f"{place}. The batch itself holds features that are not finite"
        saved = self._checkpoints.steps()
        kept = f"; the checkpoint of step {saved[-1]} is kept" if saved else ""
        return f"{place}. Try a smaller learning rate{kept}"
