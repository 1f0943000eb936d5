"""`python -m directloss` is the `directloss` script."""

from __future__ import annotations

from directloss.cli import main

if __name__ == "__main__":
    main()
