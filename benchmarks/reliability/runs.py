"""A small training run in a process of its own, that can be killed at any moment."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

FINISHED = ("weights.safetensors", "metrics.json", "preprocessing.json")
"""Files that must be the same, byte for byte, whatever has happened to a run."""

ROWS = 2000
EPOCHS = 12


def write_table(path: Path) -> None:
    """A table of `ROWS` rows, 10 % positive."""
    generator = np.random.default_rng(21)
    rare = generator.random(ROWS) < 0.1
    values = generator.normal(size=(ROWS, 6)) + 0.8 * rare[:, None]
    table = pd.DataFrame(values, columns=list("abcdef"))
    table["colour"] = generator.choice(["red", "green", "blue"], ROWS)
    table["y"] = rare.astype(int)
    table.to_parquet(path, row_group_size=500)


def command(table: Path, out: Path, *, seconds: float = 0.0) -> list[str]:
    """Mini-batches of a direct loss on a table that is read in blocks."""
    return [
        *("train", "--data", str(table), "--target", "y", "--method", "pos", "--batch", "128"),
        *("--epochs", str(EPOCHS), "--evaluations", "4", "--hidden", "32", "--no-log"),
        *("--checkpoint-seconds", str(seconds), "--out", str(out)),
    ]


@dataclass
class Child:
    """A process that runs one command; what it says goes to a file."""

    pid: int
    said: Path
    status: int | None = None

    def running(self) -> bool:
        """Whether it still runs."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is None

    def kill(self, number: int = signal.SIGKILL) -> bool:
        """Sends a signal; returns whether it still ran."""
        if not self.running():
            return False
        os.kill(self.pid, number)
        return True

    def wait(self, seconds: float = 120.0) -> int:
        """Its exit code, or minus the signal that ended it.

        Raises:
            TimeoutError: it does not end; it was killed.
        """
        end = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"process {self.pid} did not end: {self.text()}")
            time.sleep(0.002)
        assert self.status is not None
        return os.waitstatus_to_exitcode(self.status)

    def text(self) -> str:
        """What it has said."""
        return self.said.read_text(errors="replace")


def start(arguments: list[str], said: Path, **environment: str) -> Child:
    """Runs a command in a fork of this process, which has all imports behind it."""
    # The first optimiser would load it, for most of the length of so short a run.
    import torch._dynamo  # noqa: F401

    import directloss.jobs.train  # noqa: F401
    from directloss.cli._app import app

    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, said)
    code = 70
    try:
        os.environ.update(environment)
        handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        faulthandler.enable(2)
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        app(arguments, standalone_mode=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def contents(out: Path) -> dict[str, bytes]:
    """The finished files of a run."""
    return {name: (out / name).read_bytes() for name in FINISHED}


def undisturbed(folder: Path) -> tuple[Path, dict[str, bytes], float]:
    """A table, the files of a run on it that nothing happened to, and how long that took."""
    table = folder / "table.parquet"
    write_table(table)
    for attempt in ("warm", "undisturbed"):  # the first one may compile kernels
        began = time.monotonic()
        child = start(command(table, folder / attempt), folder / f"{attempt}.txt")
        assert child.wait() == 0, child.text()
    return table, contents(folder / "undisturbed"), time.monotonic() - began


def last_step(out: Path) -> int:
    """Step of the newest checkpoint; -1 without any."""
    steps = (int(path.stem[5:]) for path in (out / "checkpoints").glob("*.checkpoint"))
    return max(steps, default=-1)
