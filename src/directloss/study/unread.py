"""Options that nothing would read; where one is given, it is refused.

The module is read for the help of the command, too, and imports torch only where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from directloss.datasets.reading import FeatureRules
from directloss.errors import ArgumentError
from directloss.study.options import Optimiser

if TYPE_CHECKING:
    from directloss.training.methods import Method

OF_TABLES = ("target", "split_column", "group", *FeatureRules.model_fields)
"""Fields that mean nothing for images."""

OF_IMAGES = ("backbone", "weights", "image_size")
"""Fields that mean nothing for a table."""

OF_LISTS = ("listnet",)
"""Methods that mean nothing where the data are one list."""

_READ: Mapping[str, Callable[[Method, Optimiser], bool]] = MappingProxyType(
    {
        "epsilon": lambda method, _: "epsilon" in method.grid,
        "balance": lambda method, _: "balance" in method.grid,
        "momentum": lambda _, optimiser: optimiser == "sgd",
    }
)
"""Setting -> whether a method that trains with an optimiser reads it."""


def unread_settings(methods: Mapping[str, Optimiser]) -> dict[str, str]:
    """The settings that no method reads -> what they mean nothing for.

    Args:
        methods: name -> what it trains with.
    """
    from directloss.training.methods import METHODS

    names, optimisers = (", ".join(dict.fromkeys(each)) for each in (methods, methods.values()))
    return {
        setting: optimisers if setting == "momentum" else names
        for setting, reads in _READ.items()
        if not any(reads(METHODS[name], optimiser) for name, optimiser in methods.items())
    }


def refuse_methods_of_lists(argument: str, methods: tuple[str, ...], group: str | None) -> None:
    """Raises `ArgumentError` if a method is of lists, and the data have none."""
    for name in methods:
        if name in OF_LISTS and group is None:
            raise ArgumentError(argument, repr(name), "`group` with it: it is a loss of lists")
