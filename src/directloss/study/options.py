"""From what a user says to a model of pydantic, and from its refusal to one line."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from directloss.errors import ArgumentError, DirectLossError

Optimiser = Literal["sgd", "adam"]

ModelT = TypeVar("ModelT", bound=BaseModel)


class ConfigurationError(DirectLossError):
    """A field of a configuration does not fit; the message starts with its name or path."""


def validate(
    model: type[ModelT],
    content: Mapping[str, Any],
    *,
    origin: str = "",
    depth: int = 1,
    arguments: Mapping[str, str] = MappingProxyType({}),
) -> ModelT:
    """The model of plain data.

    Args:
        model: what to make.
        content: field -> value.
        origin: the file that the data come from; empty where all fields are arguments.
        depth: of the path of a field: 2 where fields lie in sections.
        arguments: path of a field -> name of the argument that it came by, instead of the file.

    Raises:
        ConfigurationError: names each field that does not fit, what came and what is wanted.
    """

    def problem(error: Any) -> str:
        # A union adds the names of its members behind the field; indices of a list stay.
        named = [each for k, each in enumerate(error["loc"]) if k < depth or isinstance(each, int)]
        field = ".".join(map(str, named[:depth]))
        refusal = error.get("ctx", {}).get("error")
        came = isinstance(refusal, ArgumentError)  # then it has said what came, and to whom
        if field in arguments:
            place = arguments[field]
        elif origin:
            place = f"{origin}: {'.'.join(map(str, named))}"
        else:
            place = field or (refusal.argument if came else "")
        if came:
            return f"{place}: got {refusal.came}, wanted {refusal.wanted}"
        what = error["msg"].removeprefix("Value error, ").replace("Input should be", "wanted", 1)
        absent = error["type"] in ("missing", "extra_forbidden")
        return f"{place}: {what}" if absent else f"{place}: got {shown(error['input'])}, {what}"

    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError("; ".join(dict.fromkeys(map(problem, error.errors())))) from error


def refuse(
    configuration: BaseModel, names: Iterable[str], what: str, usual: BaseModel | None = None
) -> None:
    """Raises `ArgumentError` if a setting is given that means nothing for `what`.

    Args:
        configuration: with the settings.
        names: of those that mean nothing.
        what: in words.
        usual: how it is where nothing is given, if that is not by the defaults of its fields.
    """
    for name in names:
        value = getattr(configuration, name)
        default = type(configuration).model_fields[name].default
        if value != (default if usual is None else getattr(usual, name)):
            came = ", ".join(map(repr, value)) if isinstance(value, tuple) else repr(value)
            raise ArgumentError(name, came, f"nothing, for {what}")


class _Shown(reprlib.Repr):
    """A value in a message: a line at most, however deep, long or large it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 80

    def repr_int(self, value: int, level: int) -> str:
        few = abs(value) < 10**30
        return repr(value) if few else "a number of more than 30 digits"


shown = _Shown().repr
