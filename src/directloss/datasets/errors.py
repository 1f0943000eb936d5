"""Data that cannot be used as asked."""

from __future__ import annotations

from directloss.errors import DirectLossError


class DataError(DirectLossError):
    """A file or a column of it does not fit; the message says which, and what would."""
