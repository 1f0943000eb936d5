"""Options of the commands that read a table to learn from."""

from __future__ import annotations

from typing import Annotated

import typer

Categorical = Annotated[
    list[str] | None, typer.Option(help="Column that holds categories; repeatable.")
]
Date = Annotated[
    list[str] | None,
    typer.Option(
        help="Column that holds dates (2024-12-31, 2024-12-31 18:30); the features are days, hour "
        "and weekday. Repeatable."
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(help="Column to leave out, such as an id or free text; repeatable."),
]
Missing = Annotated[
    list[str] | None, typer.Option(help="Text that stands for a missing value; repeatable.")
]
DropMissingTarget = Annotated[
    bool, typer.Option("--drop-missing-target", help="Leave out rows whose target is missing.")
]
Sep = Annotated[
    str | None,
    typer.Option(help="What stands between cells: ';', tab ...; by the ending without it."),
]
Decimal = Annotated[
    str | None, typer.Option(help="Decimal sign of numbers in texts; a point without it.")
]
Thousands = Annotated[
    str | None, typer.Option(help="Sign between groups of three digits; none without it.")
]
Encoding = Annotated[
    str | None, typer.Option(help="Of text files: utf-8 (the default), utf-16, latin-1 ...")
]
IndexBase = Annotated[
    str | None,
    typer.Option(
        help="Number of the first feature of sparse text: 0, 1 or auto (0 where a 0 occurs)."
    ),
]
