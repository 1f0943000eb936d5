"""Tables that a model reads after its training."""

from __future__ import annotations

from collections.abc import Sequence

from directloss.datasets import DataError
from directloss.datasets.errors import quoted
from directloss.datasets.reading import ModelReading
from directloss.datasets.recipe import Recipe
from directloss.datasets.rows import Rows, read_rows
from directloss.datasets.source import columns_and_advice


def read_table(recipe: Recipe, data: str, others: Sequence[str] = ()) -> Rows:
    """The rows of another table than that of the training.

    Args:
        recipe: of the model.
        data: see `read_rows`.
        others: columns that are wanted besides those of the features.

    Raises:
        DataError: it cannot be read as the model reads, or lacks columns.
    """
    reading = ModelReading(**recipe.reading.model_dump())
    rows = read_rows(data, reading, recipe.columns)
    lacking = [name for name in (*others, *recipe.columns) if name not in rows.columns]
    if lacking:
        raise DataError(
            f"--data: {data} has no column {quoted(lacking)}, which the model reads; it has "
            f"{columns_and_advice(rows.columns, reading)}"
        )
    return rows
