"""A command of a function and, perhaps, of the fields of pydantic models.

An option is declared once: its type, default and help are those of the model's field. The models
are imported when a command's options are asked for, so that the list of the commands comes at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperCommand

from directloss.cli._common import in_words, one_line_errors

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Given = dict[str, Any]
"""Argument -> what the user says; what is not said is left out."""


@dataclass(frozen=True)
class Fields:
    """Fields of models that are options of a command.

    Attributes:
        load: imports the models; gives argument -> field.
        names: argument -> the names of its option, where they are not simply the argument's.
        repeatable: lists whose option is given once for each item; other lists are one text,
            separated by commas.
        defaults: whether the defaults of the model are shown and given; without them a field that
            is not said is not given.
    """

    load: Callable[[], Mapping[str, FieldInfo]]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repeatable: frozenset[str] = frozenset(("categorical", "date", "drop", "missing"))
    defaults: bool = True


def chosen(
    fields: Mapping[str, FieldInfo], *, first: Sequence[str] = (), without: Sequence[str] = ()
) -> dict[str, FieldInfo]:
    """Fields of a model by name, some of them before the others, and some left out."""
    kept = {name: info for name, info in fields.items() if name not in without}
    return {name: kept[name] for name in first} | kept


def add(
    app: typer.Typer,
    run: Callable[..., None],
    *,
    stopped: str,
    fields: Fields | None = None,
    others: Fields | None = None,
) -> None:
    """Adds a command that has the name and the docstring of a function.

    Args:
        app: what to add it to.
        run: has a parameter for each option of its own and, with `fields`, one named `given`; the
            options of the fields stand in its place.
        stopped: what to say after Ctrl-C.
        fields: options that come from models.
        others: options of another command that errors may name.
    """

    class Command(TyperCommand):
        def get_params(self, ctx: Any) -> list[Any]:
            if not self.params:
                with one_line_errors(stopped, {}):  # an extra may be missing
                    function = _with_options(run, stopped, fields, others)
                alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
                alone.command()(function)
                made = typer.main.get_command(alone)
                self.params, self.callback = made.params, made.callback
            return super().get_params(ctx)

    app.command(run.__name__, cls=Command, help=inspect.getdoc(run))(lambda: None)


def _with_options(
    run: Callable[..., None], stopped: str, fields: Fields | None, others: Fields | None
) -> Callable[..., None]:
    """The function as typer wants it: a parameter for each option."""
    parameters: list[inspect.Parameter] = []
    read: dict[str, Callable[[Any], Any]] = {}
    for own in inspect.signature(run, eval_str=True).parameters.values():
        if own.name != "given" or fields is None:
            parameters.append(own)
            continue
        loaded = fields.load()
        called = _called(loaded, fields)
        for name, info in loaded.items():
            parameter, read[name] = _option(name, info, fields, called)
            parameters.append(parameter)
    names: Mapping[str, tuple[str, ...]] = {} if fields is None else fields.names
    options = {} if others is None else _called(others.load(), others)
    options |= {
        each.name: _names(each.name, names)[0] for each in parameters if not _is_argument(each)
    }

    def command(**values: Any) -> None:
        with one_line_errors(stopped, options):
            said = {name: parse(values.pop(name)) for name, parse in read.items()}
            given = {name: value for name, value in said.items() if value is not None}
            run(**values, **({} if fields is None else {"given": given}))

    # Options are passed by name; one that must be given may stand behind one that need not.
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _is_argument(parameter: inspect.Parameter) -> bool:
    marks = getattr(parameter.annotation, "__metadata__", ())
    return any(isinstance(mark, typer.models.ArgumentInfo) for mark in marks)


def _called(loaded: Iterable[str], fields: Fields) -> dict[str, str]:
    """Argument -> the first name of its option."""
    return {name: _names(name, fields.names)[0] for name in loaded}


def _names(name: str, names: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return names.get(name) or (f"--{name.replace('_', '-')}",)


def _option(
    name: str, info: FieldInfo, fields: Fields, called: Mapping[str, str]
) -> tuple[inspect.Parameter, Callable[[Any], Any]]:
    """The option of a field, and how its value is read."""
    names = _names(name, fields.names)
    default = None if info.is_required() or not fields.defaults else info.default
    read: Callable[[Any], Any] = _same
    kinds = [each for each in get_args(info.annotation) if each is not NoneType]
    if info.annotation is bool:
        kind: Any = bool
        if info.default:
            kind = bool if fields.defaults else bool | None
            names = (f"{names[0]}/--no-{names[0].removeprefix('--')}",)
        else:
            default, read = False, _if_true
    elif any(get_origin(each) is tuple for each in (info.annotation, *kinds)):
        if name in fields.repeatable:
            kind, default, read = list[str] | None, None, _tuple
        else:
            kind, default, read = str | None, ",".join(map(str, default or ())) or None, _items
    else:
        single = kinds[0] if len(kinds) == 1 else info.annotation
        kind = single if single in (int, float) else str  # pydantic tells the rest apart
        kind = kind if default is not None else kind | None
    if info.is_required() and fields.defaults:
        kind, default = str, inspect.Parameter.empty
    words = in_words(info.description or "", called)
    return (
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, typer.Option(*names, help=words)],
        ),
        read,
    )


def _same(value: Any) -> Any:
    return value


def _if_true(value: bool) -> bool | None:
    return value or None


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None


def _items(text: str | None) -> tuple[str, ...] | None:
    """Items that are separated by commas; "none" is no item."""
    if text is None:
        return None
    if text.strip().lower() == "none":
        return ()
    return tuple(item.strip() for item in text.split(",") if item.strip())
