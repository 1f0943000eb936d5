"""`python -m directloss.cli` is the `directloss` script."""

from __future__ import annotations

from directloss.cli import main

main()
