"""The protocol of a task: the complete one in its docstring, and what it need not define."""

from __future__ import annotations

import doctest
from math import inf
from typing import Any

import numpy as np
import pytest
import torch

import directloss as dl
from directloss.errors import ArgumentError
from tests.harness import UPDATES, make_loss, value_and_gradient


def documented() -> type[dl.Task]:
    """The class that the docstring of `Task` shows."""
    found: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples(str(dl.Task.__doc__)):
        exec(example.source, found)
    task: type[dl.Task] = found["ErrorRate"]
    return task


@pytest.mark.parametrize("update", UPDATES)
def test_the_documented_task_is_the_0_1_loss(update: str) -> None:
    rng = np.random.default_rng(0)
    for reduction in ("mean", "none"):
        scores = torch.from_numpy(rng.normal(size=(3, 8)))
        targets, mask = torch.rand(3, 8) < 0.4, torch.rand(3, 8) < 0.8
        found, wanted = (
            value_and_gradient(
                make_loss(update, task, 0.7, reduction=reduction), scores, targets, mask=mask
            )
            for task in (documented()(), dl.ZeroOne())
        )
        torch.testing.assert_close(found, wanted, rtol=0.0, atol=1e-12)
        torch.testing.assert_close(
            documented()().metric(scores, targets), dl.ZeroOne().metric(scores, targets)
        )


def test_a_task_that_cannot_price_a_configuration_says_so() -> None:
    task, scores, targets = documented()(), torch.tensor([1.0, -1.0]), torch.tensor([1, 0])
    truth = task.configuration(scores, targets, -inf)
    assert truth.tolist() == [0.5, 0.0]
    with pytest.raises(NotImplementedError, match="ErrorRate defines no `loss_of`"):
        task.task_loss(truth, targets)


@pytest.mark.parametrize("argument", ["dim", "mask", "groups", "scores", "diagnostics"])
def test_a_chain_has_one_layout(argument: str) -> None:
    chain = dl.LinearChain(torch.randn(2, 4, 3), torch.zeros(3, 3))
    targets = torch.zeros(2, 4, dtype=torch.int64)
    loss_fn = dl.DirectLoss(dl.Chain(), epsilon=1.0, dim=0 if argument == "dim" else -1)
    calls = {
        "dim": lambda: loss_fn(chain, targets),
        "mask": lambda: loss_fn(chain, targets, mask=targets == 0),
        "groups": lambda: loss_fn(chain, targets, groups=targets[0]),
        "scores": lambda: loss_fn(torch.zeros(2, 4), targets),
        "diagnostics": lambda: loss_fn.diagnostics(chain, targets),
    }
    name = "task" if argument == "diagnostics" else argument
    with pytest.raises(ArgumentError, match=rf"^{name}: got "):
        calls[argument]()
