"""The page on structured outputs and the programs that go with it do what they say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs"


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_of_page() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / "tasks" / "structured.md").read_text(), re.S)


@pytest.mark.parametrize("number", range(len(code_of_page())))
def test_code_of_the_page_runs(number: int) -> None:
    names: dict[str, object] = {}
    exec(code_of_page()[number], names)
    loss = names["loss"]
    assert isinstance(loss, torch.Tensor) and loss.isfinite().all()
    leaf = names["scores" if "scores" in names else "emissions"]
    assert isinstance(leaf, torch.Tensor) and leaf.grad is not None and leaf.grad.any()


def test_shortest_path_learns_what_the_page_says() -> None:
    before, after = program("shortest_path").main()
    page = (DOCS / "tasks" / "structured.md").read_text()
    figures = re.search(r"missed: ([\d.]+)% untrained, ([\d.]+)% trained", page)
    assert figures is not None
    # The last digits depend on the machine's rounding, a hundredth does not.
    assert (before, after) == pytest.approx([float(f) / 100 for f in figures.groups()], abs=0.01)


def test_shortest_paths_are_exact_for_costs_of_any_sign() -> None:
    """Against the recursion over cells, which needs no sign."""
    example = program("shortest_path")
    size = example.SIZE
    costs = torch.randn(20, size, size)
    paths = example.shortest_paths(costs)
    for cost, path in zip(costs.double().numpy(), paths.numpy(), strict=True):
        best = np.full((size + 1, size + 1), np.inf)
        best[0, 1] = 0.0
        for row in range(size):
            for column in range(size):
                above, left = best[row, column + 1], best[row + 1, column]
                best[row + 1, column + 1] = cost[row, column] + min(above, left)
        assert path.sum() == example.LENGTH
        assert (path * cost).sum() == pytest.approx(best[size, size])


def test_augmented_path_maximises_score_and_loss() -> None:
    """What the example hands to the solver is F + weight * Delta, for either sign."""
    example = program("shortest_path")
    _, observed = example.terrain(grids=5)
    costs = torch.rand(5, example.SIZE, example.SIZE)
    candidates = [example.shortest_paths(torch.randn_like(costs)) for _ in range(200)]

    def objective(path: torch.Tensor, weight: float) -> torch.Tensor:
        missed = 1 - (path * observed).sum((1, 2)) / example.LENGTH
        return -(path * costs).sum((1, 2)) + weight * missed

    for weight in (3.0, -3.0):
        best = example.shortest_paths(costs + weight * observed / example.LENGTH)
        for path in [*candidates, observed, example.shortest_paths(costs)]:
            assert (objective(path, weight) <= objective(best, weight) + 1e-5).all()


def test_sequence_labelling_runs() -> None:
    errors = program("sequence_labelling").main(seeds=1, rounds=20)
    guessing = 1 - 1 / 5
    assert max(errors.values()) < guessing
    assert errors["direct, both, auto"] < errors["direct, positive, auto"]
