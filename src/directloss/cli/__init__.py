"""The command line: one module a command.

A command imports what it needs when it runs. Help, version and shell completion answer at once, and
without torch; without typer, which comes with an extra, help says how to install the commands.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Entry of the `directloss` script."""
    if find_spec("typer") is None:
        from directloss.cli._bare import answer

        sys.exit(answer(sys.argv[1:]))
    from directloss.cli._app import app

    app()
