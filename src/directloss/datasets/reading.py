"""How the cells of a table are written, and what the user says about its columns."""

from __future__ import annotations

import codecs
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

_NO_ENCODINGS = ("idna", "punycode", "raw_unicode_escape", "unicode_escape")

_NAMES = {"tab": "\t", "\\t": "\t", "space": " "}


def is_encoding(name: str) -> bool:
    """Whether files are written so: Python has codecs of other uses, some slow on long texts.

    Raises:
        LookupError: there is no such codec.
    """
    return codecs.lookup(name).name.replace("-", "_") not in _NO_ENCODINGS


class Reading(BaseModel):
    """How cells are written. A model keeps it, so that it reads other tables alike.

    Of Parquet, Arrow and npz files only `missing` and, for texts that are numbers, `decimal` and
    `thousands` matter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sep: str | None = Field(
        default=None,
        description="What stands between cells: ';', tab ...; by the ending without it.",
    )
    encoding: str = Field(
        default="utf-8", description="Of text files: utf-8 (the default), utf-16, latin-1 ..."
    )
    decimal: str = Field(
        default=".", description="Decimal sign of numbers in texts; a point without it."
    )
    thousands: str | None = Field(
        default=None, description="Sign between groups of three digits; none without it."
    )
    missing: tuple[str, ...] = Field(
        default=(), description="Text that stands for a missing value; repeatable."
    )
    index_base: Literal["auto", "0", "1"] = Field(
        default="auto",
        description="Number of the first feature of sparse text: 0, 1 or auto (0 where a 0 "
        "occurs).",
    )

    @field_validator("sep", "decimal", "thousands")
    @classmethod
    def _one_sign(cls, text: str | None) -> str | None:
        text = _NAMES.get(text, text) if text is not None else None
        if text is not None and (len(text) != 1 or not text.isascii() or text in '"\r\n'):
            raise ValueError("one sign is wanted, such as ';', ',' or tab")
        return text

    @field_validator("decimal", "thousands")
    @classmethod
    def _no_part_of_a_number(cls, text: str | None) -> str | None:
        if text is not None and (text.isalnum() or text in "+-"):
            raise ValueError("a sign that is no part of a number is wanted")
        return text

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            if not is_encoding(name):
                raise LookupError
            "".encode(name)
        except (LookupError, UnicodeError, TypeError, ValueError) as error:
            raise ValueError("a name such as utf-8, utf-16 or latin-1 is wanted") from error
        return name

    @field_validator("thousands")
    @classmethod
    def _no_decimal_sign(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and text == info.data.get("decimal"):
            raise ValueError("another sign than that of decimals is wanted")
        return text

    @property
    def reading(self) -> Reading:
        """This and no more, of a record that holds more."""
        return Reading(**{name: getattr(self, name) for name in Reading.model_fields})

    def advice(self, argument: str, value: str) -> str:
        """What to do about a file that is written otherwise."""
        return f"say `{argument}` {value}"


PLAIN = Reading()
"""As cells are written where nothing is said."""


class ModelReading(Reading):
    """How a model reads tables: no option changes it."""

    def advice(self, argument: str, value: str) -> str:
        """See `Reading`."""
        said = getattr(self, argument)
        how = f"`{argument}` {said!r}" if said is not None else f"no `{argument}`"
        return f"the model was trained with {how}: write the file so"


class FeatureRules(Reading):
    """What the user says about a table."""

    categorical: tuple[str, ...] = Field(
        default=(), description="Column that holds categories; repeatable."
    )
    date: tuple[str, ...] = Field(
        default=(),
        description="Column that holds dates (2024-12-31, 2024-12-31 18:30); the features are "
        "days, hour and weekday. Repeatable.",
    )
    drop: tuple[str, ...] = Field(
        default=(), description="Column to leave out, such as an id or free text; repeatable."
    )
    drop_missing_target: bool = Field(
        default=False, description="Leave out rows whose target is missing."
    )
