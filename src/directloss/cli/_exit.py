"""Exit codes of the commands."""

from __future__ import annotations

REFUSED = 2
"""The user can mend it."""

INTERRUPTED = 130
"""Ctrl-C, as shells count it."""
