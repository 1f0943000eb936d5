"""A command has an option for each field of its model."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import typer
from pydantic import BaseModel, Field, field_validator
from typer.testing import CliRunner

from directloss.cli._command import Fields, Given, add, chosen
from directloss.cli._common import as_options
from directloss.errors import ArgumentError
from directloss.study.options import validate


class Recipe(BaseModel):
    """What is asked for."""

    dish: str = Field(description="What to cook.")
    spoons: int = Field(default=2, ge=1, description="Of sugar, if `sweet`.")
    kind: Literal["hot", "cold"] = "hot"
    layers: tuple[int, ...] = (3, 2)
    names: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    share: int | float | None = None
    sweet: bool = True
    raw: bool = False
    secret: str = "salt"

    @field_validator("names")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ArgumentError("names", ",".join(names), "distinct names")
        return names


def run(*arguments: str, defaults: bool = True) -> tuple[int, str, list[Any]]:
    """Exit code, output, and what the command was called with."""
    calls: list[Any] = []

    def cook(given: Given, workers: int = 1) -> None:
        """Cooks."""
        calls.append((given, workers))
        if defaults:
            calls.append(validate(Recipe, given))

    fields = Fields(
        lambda: chosen(Recipe.model_fields, without=("secret",)),
        names={"layers": ("--widths",)},
        defaults=defaults,
    )
    app = typer.Typer()
    app.callback()(lambda: None)
    add(app, cook, stopped="stopped", fields=fields)
    done = CliRunner().invoke(app, ["cook", *arguments], env={"COLUMNS": "200"})
    return done.exit_code, done.output, calls


def test_defaults_are_those_of_the_model() -> None:
    code, output, calls = run("--dish", "soup")
    assert code == 0, output
    assert calls[1] == Recipe(dish="soup")


def test_every_kind_of_value() -> None:
    words = ["--dish", "pie", "--spoons", "5", "--kind", "cold", "--widths", "4, 1", "--share", "3"]
    words += ["--names", "a,b", "--drop", "c,d", "--drop", "e", "--no-sweet", "--raw"]
    code, output, calls = run(*words, "--workers", "7")
    assert code == 0, output
    assert calls[1].model_dump() == {
        "dish": "pie",
        "spoons": 5,
        "kind": "cold",
        "layers": (4, 1),
        "names": ("a", "b"),
        "drop": ("c,d", "e"),
        "share": 3,
        "sweet": False,
        "raw": True,
        "secret": "salt",
    }
    assert isinstance(calls[1].share, int)
    assert calls[0][1] == 7


def test_none_is_a_list_without_items_and_shares_are_numbers() -> None:
    _, _, calls = run("--dish", "soup", "--widths", "none", "--share", "0.25")
    assert (calls[1].layers, calls[1].share) == ((), 0.25)


def test_without_defaults_only_what_is_said_is_given() -> None:
    assert run("--spoons", "3", defaults=False)[2] == [({"spoons": 3}, 1)]
    assert run("--no-sweet", defaults=False)[2] == [({"sweet": False}, 1)]


def test_help_says_what_the_model_says() -> None:
    code, output, _ = run("--help")
    assert code == 0
    for words in ("Cooks.", "What to cook.", "Of sugar, if --sweet.", "default: 3,2", "--workers"):
        assert words in output
    assert "secret" not in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--spoons", "0"), "--spoons: got 0, wanted greater than or equal to 1"),
        (("--kind", "warm"), "--kind: got 'warm', wanted 'hot' or 'cold'"),
        (("--widths", "3,x"), "--widths: got 'x', wanted a valid integer"),
        (("--names", "a,a"), "--names: got a,a, wanted distinct names"),
    ],
)
def test_refusals_name_the_option(options: tuple[str, ...], message: str) -> None:
    code, output, _ = run("--dish", "soup", *options)
    assert code == 2
    assert output.startswith(f"directloss: {message}"), output


def test_arguments_become_options_where_they_stand_for_them() -> None:
    options = {"data": "--data", "hidden": "--widths"}
    message = "data: no file data: x; hidden: got 0, wanted 1 or more with `data`, not `x`"
    wanted = "--data: no file data: x; --widths: got 0, wanted 1 or more with --data, not `x`"
    assert as_options(message, options) == wanted
    assert as_options("(1) data: a (2) other: b", options) == "(1) --data: a (2) other: b"


def test_an_error_may_name_an_option_of_another_command() -> None:
    def eat(name: str = "") -> None:
        raise ArgumentError("name", "''", "what was cooked with `layers`")

    app = typer.Typer()
    app.callback()(lambda: None)
    fields = Fields(lambda: chosen(Recipe.model_fields), names={"layers": ("--widths",)})
    add(app, eat, stopped="stopped", others=fields)
    done = CliRunner().invoke(app, ["eat"])
    assert done.output == "directloss: --name: got '', wanted what was cooked with --widths\n"
