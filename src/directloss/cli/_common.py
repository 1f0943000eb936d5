"""What all commands share: how they end, and how errors name their options."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer

from directloss._extras import TRAIN, require
from directloss.cli._exit import INTERRUPTED, REFUSED

Workers = Annotated[int | None, typer.Option(help="Processes; as many as cores by default.")]


@contextmanager
def one_line_errors(stopped: str, options: Mapping[str, str]) -> Iterator[None]:
    """Ends with one line and exit code 2 for what the user can mend, 130 for Ctrl-C.

    Args:
        stopped: what to say after Ctrl-C.
        options: argument -> what the option of the command is called.
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
        message = as_options(" ".join(str(error).split()), options)
        typer.echo(f"directloss: {printable(message)}", err=True)
        raise typer.Exit(REFUSED) from error
    except KeyboardInterrupt:
        typer.echo(stopped, err=True)
        raise typer.Exit(INTERRUPTED) from None


def as_options(message: str, options: Mapping[str, str]) -> str:
    """A message of the library in which arguments have become options of the command.

    The library names the argument that it refuses in front of the reason: "data: no such file".
    Several reasons are numbered, or separated by semicolons.
    """

    def option(found: re.Match[str]) -> str:
        return f"{found[1]}{options.get(found[2], found[2])}: "

    return in_words(re.sub(r"(^|; |\(\d+\) )(\w+): ", option, message), options)


def in_words(text: str, options: Mapping[str, str]) -> str:
    """A text of the library, such as a help, in which `arguments` have become options."""
    return re.sub(r"`(\w+)`", lambda found: options.get(found[1], found[0]), text)


def _require_text(arguments: Iterable[str]) -> None:
    from directloss.errors import ArgumentError
    from directloss.files import is_text

    for argument in arguments:
        if not is_text(argument):
            raise ArgumentError(
                "command line", ascii(argument), "names that are text in the encoding of the system"
            )


def processes(workers: int | None) -> int:
    """As many as the user says, or as this process may use cores.

    Raises:
        ArgumentError: none.
    """
    from directloss.errors import ArgumentError

    if workers is None:
        able = getattr(os, "sched_getaffinity", None)
        return len(able(0)) if able else os.cpu_count() or 1
    if workers < 1:
        raise ArgumentError("workers", workers, "1 or more")
    return workers
