"""What the command line answers where the packages of the commands are not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from directloss import __version__
from directloss.cli._exit import REFUSED
from directloss.errors import MissingPackageError

COMMANDS = ("compare", "train", "evaluate", "predict", "export", "experiment")

HELP = f"""\
Usage: directloss [--version] [--help] COMMAND ...

Direct loss minimization: train networks on the metric that you report.

The commands ({", ".join(COMMANDS)}) need more packages than the library:

    pip install 'directloss[train]'

Then `directloss COMMAND --help` explains each of them.
"""


def answer(arguments: Sequence[str]) -> int:
    """Prints the version, the help, or what is missing; gives the exit code."""
    if arguments[:1] == ["--version"]:
        print(f"directloss {__version__}")
        return 0
    if not arguments or "--help" in arguments:
        print(HELP, end="")
        return 0
    user = f"the command {arguments[0]}" if arguments[0] in COMMANDS else "the command line"
    missing = MissingPackageError(user, "typer", "train")
    print(f"directloss: {missing}", file=sys.stderr)
    return REFUSED
