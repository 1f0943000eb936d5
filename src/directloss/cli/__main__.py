"""`python -m directloss.cli` is the `directloss` script, too."""

from __future__ import annotations

from directloss.cli import main

if __name__ == "__main__":
    main()
