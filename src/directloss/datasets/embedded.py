"""The tables that need no file: scikit-learn carries them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pyarrow as pa

__all__ = ["EMBEDDED", "NAMES", "read_embedded"]

FAST = 0.75
"""A diabetes that grows worse than in this share of the patients is a fast one."""


def _digits() -> tuple[pd.DataFrame, str]:
    """Handwritten digits, 1797 rows of 64 pixels; target: which digit, 0 to 9."""
    from sklearn.datasets import load_digits

    digits = load_digits(as_frame=True)
    return digits.data.assign(digit=digits.target), "digit"


def _diabetes() -> tuple[pd.DataFrame, str]:
    """442 patients, 10 measurements; target: whether the disease is in the worst quarter later.

    The progression is that of a year (Efron, Hastie, Johnstone, Tibshirani, "Least Angle
    Regression", Annals of Statistics 2004).
    """
    from sklearn.datasets import load_diabetes

    diabetes = load_diabetes(as_frame=True)
    fast = diabetes.target > diabetes.target.quantile(FAST)
    return diabetes.data.assign(fast=fast.astype(int)), "fast"


EMBEDDED: dict[str, Callable[[], tuple[pd.DataFrame, str]]] = {
    "digits": _digits,
    "diabetes": _diabetes,
}
"""By name: the table with its target, and the target's name."""

NAMES = " and ".join(map(repr, EMBEDDED))
"""In words."""


def read_embedded(name: str) -> tuple[pa.Table, str]:
    """A table and the name of its target."""
    frame, target = EMBEDDED[name]()
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(), target
