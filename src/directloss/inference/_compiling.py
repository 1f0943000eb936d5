"""What happens while kernels are compiled: whoever waits is told why, and waits no longer than need
be."""

from __future__ import annotations

import gc
import logging
from typing import Any

from numba.core.event import Event, Listener, register

__all__ = ["watch"]

_log = logging.getLogger("directloss")


class _Watch(Listener):
    """Hears of each function that numba compiles, which it does not where the disk has the code.

    One compilation holds those of all that is called; numba does one at a time, by a lock.
    """

    def __init__(self) -> None:
        self.said = False
        self.depth = 0
        self.collecting = False

    def on_start(self, event: Event) -> None:
        dispatcher = event.data["dispatcher"]
        if self.depth == 0:
            module = dispatcher.py_func.__module__  # none of a function that `exec` made
            if not (module or "").startswith("directloss."):
                return
            self._say(dispatcher)
            # Compiling makes so many objects that the collector would walk through all that torch
            # consists of, again and again, for a twelfth of the time.
            self.collecting = gc.isenabled()
            gc.disable()
        self.depth += 1

    def on_end(self, event: Event) -> None:
        if self.depth == 0:
            return
        self.depth -= 1
        if self.depth == 0 and self.collecting:
            gc.enable()

    def _say(self, dispatcher: Any) -> None:
        if self.said:
            return
        self.said = True
        kept = dispatcher.stats.cache_path
        # Nothing is wrong; but only a warning shows where nobody has set up a log.
        _log.warning(
            "directloss compiles what this loss needs, for some seconds; %s",
            f"later processes find it in {kept}"
            if kept
            else "and so will each process, as no folder to keep it in can be written to "
            "(NUMBA_CACHE_DIR can name one)",
        )


def watch() -> None:
    """Look after every compilation of a kernel in this process."""
    register("numba:compile", _Watch())  # type: ignore[no-untyped-call]
