"""What all commands share: how they end, and how they read lists."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import typer

from directloss._extras import TRAIN, require
from directloss.cli import REFUSED

INTERRUPTED = 130


@contextmanager
def one_line_errors(stopped: str) -> Iterator[None]:
    """Ends with one line and exit code 2 for what the user can mend, 130 for Ctrl-C.

    Args:
        stopped: what to say after Ctrl-C.
    """
    from directloss.errors import DirectLossError
    from directloss.terminal import printable

    try:
        _require_text(sys.argv)
        require("this command", "train", TRAIN)
        with warnings.catch_warnings():
            # Of damaged EXIF, say: in words of the library, without the name of a file.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    except (DirectLossError, OSError) as error:
        typer.echo(f"directloss: {printable(' '.join(str(error).split()))}", err=True)
        raise typer.Exit(REFUSED) from error
    except KeyboardInterrupt:
        typer.echo(stopped, err=True)
        raise typer.Exit(INTERRUPTED) from None


def _require_text(arguments: Iterable[str]) -> None:
    from directloss.errors import ArgumentError
    from directloss.files import is_text

    for argument in arguments:
        if not is_text(argument):
            raise ArgumentError(
                "command line", ascii(argument), "names that are text in the encoding of the system"
            )


def items(text: str) -> tuple[str, ...]:
    """The parts of a text that is separated by commas."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def widths(text: str) -> tuple[int, ...]:
    """Widths of hidden layers: "64,32", or "none".

    Raises:
        ArgumentError: something is not a number.
    """
    from directloss.errors import ArgumentError

    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(int(width) for width in items(text))
    except ValueError:
        raise ArgumentError("--hidden", repr(text), "widths such as 64,32, or none") from None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
