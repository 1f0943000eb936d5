"""The examples in the docstrings of every module run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

import directloss as dl
from directloss.errors import MissingPackageError

SOURCE = Path(dl.__file__).parent

WORDS = 3, 5, 4
"""Sequences, positions and labels of the chain in the examples."""


def given() -> dict[str, Any]:
    """What an example may take as given: the public names, a model and data."""
    torch.manual_seed(0)
    sequences, positions, labels = WORDS
    network = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
    x, y = torch.randn(40, 3), torch.arange(40) % 4 == 0
    return {
        **{name: getattr(dl, name) for name in dl.__all__},
        "model": lambda inputs: network(inputs) if inputs.dtype.is_floating_point else emissions,
        "ddp_model": network,
        "x": x,
        "y": y,
        "batches": [(x, y), (x, y)],
        "words": torch.zeros(sequences, positions, dtype=torch.int64),
        "tags": torch.randint(0, labels, (sequences, positions)),
        "lengths": torch.tensor([5, 2, 4]),
        "transitions": torch.zeros(labels, labels, requires_grad=True),
    }


emissions = torch.randn(*WORDS, requires_grad=True)


def examples() -> list[Any]:
    """Of the modules that show some, without an import of all others."""
    found: list[doctest.DocTest] = []
    for file in sorted(SOURCE.rglob("*.py")):
        if ">>> " in file.read_text(encoding="utf-8"):
            name = ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts)
            name = name.removesuffix(".__init__")
            try:
                found += doctest.DocTestFinder().find(import_module(name), name)
            except MissingPackageError:  # a module of an extra that is not installed
                continue
    return [pytest.param(test, id=test.name) for test in found if test.examples]


@pytest.mark.parametrize("example", examples())
def test_example(example: doctest.DocTest) -> None:
    example.globs.update(given())
    report: list[str] = []
    failed, tried = doctest.DocTestRunner().run(example, out=report.append)
    assert tried and not failed, "".join(report)


def test_there_are_examples() -> None:
    names = {parameter.id for parameter in examples()}
    assert "directloss.losses.DirectLoss" in names and "directloss.tasks.base.Task" in names
