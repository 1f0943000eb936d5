"""Work for worker processes, which can only call what they can import."""

from __future__ import annotations

import os
import signal
import time

import torch

from directloss.errors import ArgumentError


def process_and_square(item: int) -> tuple[int, int]:
    return os.getpid(), item * item


def threads(_: int) -> int:
    return torch.get_num_threads()


def hears_interrupts(_: int) -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def fail_at_three(item: int) -> int:
    if item == 3:
        raise ArgumentError("item", item, "another")
    return item


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def report_and_sleep(_: int) -> None:
    os.write(1, f"{os.getpid()}\n".encode())
    time.sleep(60)
