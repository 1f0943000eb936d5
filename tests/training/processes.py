"""Functions run by several processes of torch.distributed on this machine."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from directloss.errors import MissingPackageError

SECONDS = 300
CLONE_NEWNET = 0x40000000


def _context() -> Any:
    """How processes start; where the library is installed alone, each with its own imports."""
    try:
        from directloss.study.workers import process_context
    except MissingPackageError:
        return multiprocessing.get_context("spawn")
    return process_context()


@dataclass(frozen=True)
class Host:
    """A network namespace, in which a process finds an interface of this name."""

    namespace: str
    interface: str

    def enter(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.namespace}") as file:
            if libc.setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {self.namespace}")
        os.environ["GLOO_SOCKET_IFNAME"] = self.interface


@dataclass(frozen=True)
class Meeting:
    """Where processes find each other; each on a host of its own, if there are hosts."""

    address: str = "127.0.0.1"
    hosts: Sequence[Host] = ()
    port: int = field(default_factory=lambda: _free_port())


def run(
    function: Callable[..., Any],
    size: int,
    *arguments: Any,
    lost: int | None = None,
    meeting: Meeting | None = None,
    seconds: float = SECONDS,
) -> list[Any]:
    """What `function(rank, *arguments)` returns on each of `size` ranks.

    Args:
        lost: a rank that is expected to end without a result; its result is None.
        seconds: within which every process has to end.

    Raises:
        AssertionError: a process failed, or did not end.
    """
    context = _context()
    meeting = meeting or Meeting()
    with tempfile.TemporaryDirectory() as folder:
        given = (size, meeting, folder, function, arguments, lost is None)
        processes = [context.Process(target=_child, args=(rank, *given)) for rank in range(size)]
        for process in processes:
            process.start()
        try:
            for process in processes:
                process.join(seconds)
            codes = [process.exitcode for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.join()
        assert all(code == 0 for rank, code in enumerate(codes) if rank != lost), codes
        return [
            None if rank == lost else torch.load(Path(folder) / f"{rank}.pt", weights_only=False)
            for rank in range(size)
        ]


def _child(
    rank: int,
    size: int,
    meeting: Meeting,
    folder: str,
    function: Callable[..., Any],
    arguments: Any,
    together: bool,
) -> None:
    torch.set_num_threads(1)
    if meeting.hosts:
        meeting.hosts[rank].enter()
    # What torchrun sets.
    os.environ |= {
        "MASTER_ADDR": meeting.address,
        "MASTER_PORT": str(meeting.port),
        "WORLD_SIZE": str(size),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "OMP_NUM_THREADS": "1",
    }
    dist.init_process_group("gloo")
    result = function(rank, *arguments)
    torch.save(result, Path(folder) / f"{rank}.pt")
    if together:
        dist.barrier()
    dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
