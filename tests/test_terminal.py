from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from directloss.cli._app import app
from directloss.terminal import printable, say


@pytest.mark.parametrize(
    "text", ["plain", "[red]x[/]", "Größe 図 \u3000 ", "two\nlines\tand a tab", ":smile:", "a\\b"]
)
def test_what_is_seen_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb", r"a\rb"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\udcff", r"\udcff"),
        ("\0", r"\x00"),
        ("\u2028", r"\u2028"),
    ],
)
def test_what_is_not_seen_is_written_out(text: str, wanted: str) -> None:
    assert printable(text) == wanted


@pytest.mark.parametrize(
    "text", ["[red]x[/red]", "[/]", "[link=x]y", ":smile:", "[bold", "a" * 200]
)
def test_a_line_is_printed_as_it_is(text: str) -> None:
    stream = io.StringIO()
    say(Console(file=stream, color_system=None, width=40), text)
    assert stream.getvalue() == text + "\n"


def test_an_error_gives_the_terminal_no_orders(tmp_path: Path) -> None:
    name = str(tmp_path / "\x1b[31m[red]\udcff.csv")
    found = CliRunner().invoke(app, ["train", "--data", name, "--target", "y"])
    assert found.exit_code == 2
    assert r"\x1b[31m[red]\udcff.csv" in found.stderr
    assert found.stderr.count("\n") == 1
    assert "\x1b" not in found.stderr
