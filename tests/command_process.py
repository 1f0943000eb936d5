"""A command in a process of its own, with its imports behind it.

Not in a fork of the test's process: autograd refuses to run where that has had threads of its own.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from directloss.study.workers import process_context


@dataclass
class Command:
    """A command that runs; what it says goes to a file."""

    process: BaseProcess
    said: Path

    def running(self) -> bool:
        return self.process.is_alive()

    def kill(self) -> None:
        self.process.kill()

    def wait(self, seconds: float = 120.0) -> int | None:
        """Its exit code, or minus the signal that ended it; None where it still runs."""
        self.process.join(seconds)
        return self.process.exitcode

    def text(self) -> str:
        """What it has said."""
        return self.said.read_text(errors="replace") if self.said.exists() else ""


def start(arguments: list[str], said: Path) -> Command:
    """Runs a command in the folder of the test."""
    process: BaseProcess = process_context().Process(
        target=_run, args=(arguments, said, Path.cwd())
    )
    process.start()
    return Command(process, said)


def _run(arguments: list[str], said: Path, folder: Path) -> None:
    os.chdir(folder)
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
    from directloss.cli._app import app

    app(arguments)
