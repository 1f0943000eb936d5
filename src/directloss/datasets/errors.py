"""What can be wrong with data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from directloss.errors import DirectLossError

_T = TypeVar("_T")

_MOST_NAMES = 12  # of a message


class DataError(DirectLossError):
    """The data are not what is needed; the message names the option or the column."""


class Faults:
    """Everything that is wrong with some data, for one message instead of one a run."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, reason: str) -> None:
        """One more."""
        if reason not in self._found:
            self._found.append(reason)

    def attempt(self, make: Callable[[], _T]) -> _T | None:
        """What `make` returns, or None where it finds the data wrong."""
        try:
            return make()
        except DataError as error:
            self.add(str(error))
            return None

    def check(self) -> None:
        """Ends the search.

        Raises:
            DataError: something was found, with all of it.
        """
        if self._found:
            raise DataError(listed(self._found))


def listed(reasons: Sequence[str]) -> str:
    """Reasons as one line, numbered where there are several."""
    if len(reasons) == 1:
        return reasons[0]
    return " ".join(f"({k}) {reason}" for k, reason in enumerate(reasons, 1))


def quoted(names: Sequence[str]) -> str:
    """Names for a message: in quotes, since a space is a part of a name."""
    shown = ", ".join(map(repr, names[:_MOST_NAMES]))
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
