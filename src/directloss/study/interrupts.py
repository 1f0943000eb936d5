"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever the program is. Within a destructor or a callback of a weak
reference, such as those of file locks and of pools of connections, it prints the exception and goes
on, as if nobody had pressed a key.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_kept() -> Iterator[Callable[[], None]]:
    """Within, Ctrl-C acts as ever; the function given raises one that was lost.

    Whoever does long work calls it between its steps. Python prints none that was lost. Nothing is
    changed outside the main thread, or where Ctrl-C is ignored or has a handler of somebody's own.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: None
        return
    kept = False

    def keep(number: int, frame: FrameType | None) -> None:
        nonlocal kept
        kept = True
        signal.default_int_handler(number, frame)

    def raise_kept() -> None:
        if kept:
            raise KeyboardInterrupt

    before = sys.unraisablehook

    def say_others(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)

    signal.signal(signal.SIGINT, keep)
    sys.unraisablehook = say_others
    try:
        yield raise_kept
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = before


@contextmanager
def interrupts_withheld() -> Iterator[None]:
    """Within, Ctrl-C waits; a process that is started there never sees one."""
    before = block_interrupts()
    try:
        yield
    finally:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def block_interrupts() -> set[int]:
    """From here on Ctrl-C waits; returns what waited before."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return set()
    return signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
