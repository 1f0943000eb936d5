"""When a run saves itself, and the random numbers that it goes on with."""

from __future__ import annotations

import time

from directloss._world import World
from directloss.errors import DirectLossError
from directloss.training._replay import TorchRandomState
from directloss.training.checkpoints import CheckpointError, Checkpoints, Found, State


class Saving:
    """Keeps the state of a run, of several processes too.

    Args:
        checkpoints: where.
        every: seconds between two checkpoints; 0 saves after every step.
    """

    def __init__(self, checkpoints: Checkpoints, every: float) -> None:
        self.checkpoints = checkpoints
        self._every = every
        self._saved = time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time for the next checkpoint, by the clock of any process."""
        return World().any(time.monotonic() - self._saved >= self._every)

    def save(self, step: int, state: State) -> None:
        """Writes a checkpoint; all processes wait for it."""
        world = World()
        randomness = world.agree(None, vars(TorchRandomState.now()))
        with world.together():
            if world.rank == 0:
                self.checkpoints.save(step, state | {"randomness": randomness})
        self._saved = time.monotonic()

    def latest(self) -> Found | None:
        """The newest checkpoint, with the random numbers of this process set to what they were.

        Raises:
            CheckpointError: none can be believed, or not all processes see the same.
            DirectLossError: it was made by another number of processes.
        """
        world, found = World(), None
        for first in (True, False):  # the first one moves what it refuses out of the way
            with world.together():
                if first is (world.rank == 0):
                    found = self.checkpoints.latest()
        if len(set(world.agree(None, None if found is None else found.step))) > 1:
            raise CheckpointError(f"the processes do not all see {self.checkpoints.folder}")
        if found is None:
            return None
        randomness = found.state["randomness"]
        if len(randomness) != world.size:
            raise DirectLossError(
                f"the run was made by {len(randomness)} processes, not {world.size}: other "
                "processes would get other batches"
            )
        TorchRandomState(**randomness[world.rank]).set()
        return found
