"""How commands, tables and files call a metric."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MetricName"]


@dataclass(frozen=True)
class MetricName:
    """`name`, or with a number in it `name:NUMBER`.

    Attributes:
        name: as it stands in tables and files.
        words: in words; with a number, `{}` stands for it.
        number: of which type, for a metric with a number in it; it is the task's first argument.
        usual: the number that `name` alone stands for; None: it has to be given.
        short: other names that people type.
    """

    name: str
    words: str
    number: type[int] | type[float] | None = None
    usual: float | None = None
    short: tuple[str, ...] = ()
