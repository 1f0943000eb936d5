"""One family of exceptions: each message names the argument, what came and what is wanted."""

from __future__ import annotations

from collections.abc import Sequence


class DirectLossError(ValueError):
    """Base of every error that the package raises on purpose."""


class ArgumentError(DirectLossError):
    """An argument has the wrong type, shape, name or value.

    Attributes:
        argument: its name.
        came, wanted: in words.
    """

    def __init__(self, argument: str, came: object, wanted: str) -> None:
        self.argument, self.came, self.wanted = argument, str(came), wanted
        super().__init__(f"{argument}: got {came}, wanted {wanted}")

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send exceptions by pickle, which would call __init__ with one string.
        return (type(self), (self.argument, self.came, self.wanted))


class NonFiniteScoreError(ArgumentError):
    """A score is NaN: no ranking exists, so nothing was computed and nothing was updated."""


class UndefinedMetricError(ArgumentError):
    """A list on which the metric is not defined came in with ``empty="error"``."""


class ReplayError(DirectLossError):
    """A second pass over the data did not give the rows and scores of the first one."""


class MissingPackageError(DirectLossError, ImportError):
    """A package that comes with an extra is not installed; the message has the command for it."""

    def __init__(self, user: str, package: str, extra: str) -> None:
        super().__init__(f"{user} needs {package}: pip install 'directloss[{extra}]'")
        self._given = (user, package, extra)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), self._given)


class RankError(DirectLossError):
    """Something failed on one of several processes; raised on all of them.

    Attributes:
        ranks: where it failed, ascending; empty if that is unknown.
        reason: what failed there.
        agreed: whether every rank is known to raise it.
    """

    agreed = False

    def __init__(self, ranks: Sequence[int], size: int, reason: str) -> None:
        self.ranks = tuple(ranks)
        self.reason = reason
        self._size = size
        named = ", ".join(map(str, self.ranks)) or "unknown"
        super().__init__(f"rank {named} of {size} processes: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.ranks, self._size, self.reason))
