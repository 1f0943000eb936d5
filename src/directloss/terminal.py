"""Names and messages on a terminal: they are written as they are, and never obeyed."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def printable(text: str) -> str:
    """The text with every sign that is not seen, or moves others, as its escape sequence.

    These are control characters, of which a terminal takes orders; marks that turn the direction of
    writing; and bytes of a file's name that are no text. Line ends and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(sign if _is_seen(sign) else ascii(sign)[1:-1] for sign in text)


def say(console: Console, text: str) -> None:
    """Prints a line: brackets and colons in it are no markup, and it is not broken."""
    console.print(printable(text), markup=False, emoji=False, soft_wrap=True)


def _is_seen(sign: str) -> bool:
    return sign.isprintable() or sign in "\n\t" or unicodedata.category(sign) == "Zs"
