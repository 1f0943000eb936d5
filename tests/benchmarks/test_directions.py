"""The shares in docs/tasks/directions.md are those of the gradients that a user gets."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import directloss as dl
from benchmarks import directions
from benchmarks.tasks import exported_tasks
from directloss.lists import Lists

TASKS = (*directions.RANKINGS, *directions.COUNTS, *directions.MULTICLASS)
PAGE = Path(__file__).parents[2] / "docs/tasks/directions.md"


def some_lists(task: dl.Task) -> Lists:
    if task.target_per_list:
        return directions.draw_classes(200, 5, "trained")
    return directions.draw_binary(200, 12, 0.2, "trained")


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_dead_is_a_gradient_of_zero(task: dl.Task) -> None:
    lists = some_lists(task)
    scores = torch.from_numpy(lists.scores).reshape(len(lists), -1)
    targets = torch.from_numpy(lists.targets)
    targets = targets if task.target_per_list else targets.reshape(scores.shape)
    spread = dl.functional.auto_epsilon(scores)
    for m in directions.measure(task, lists, 12, 2, "trained"):
        leaf = scores.clone().requires_grad_()
        dl.functional.direct_loss(
            leaf,
            targets,
            task,
            epsilon=m.factor * spread,
            direction=m.direction,  # type: ignore[arg-type]
            reduction="sum",
        ).backward()
        assert leaf.grad is not None
        # A share that was added and taken away may leave a rounding behind.
        still = (leaf.grad.abs() < 1e-12).all(dim=1).double().mean()
        assert m.dead == pytest.approx(float(still), abs=1e-9)


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_saturated_is_what_no_epsilon_passes(task: dl.Task) -> None:
    lists = some_lists(task)
    spread = dl.functional.auto_epsilon(torch.from_numpy(lists.scores).reshape(len(lists), -1))
    beyond = 1e9
    at = {"positive": (spread, beyond), "negative": (-spread, -beyond)}
    for m in directions.measure(task, lists, 12, 2, "trained"):
        if m.factor == 1.0 and m.direction in at:
            read = replace(lists, targets=task.read_targets(lists.targets))
            losses = task.solve(read, np.array(at[m.direction]), np.zeros(2)).task_losses
            assert m.saturated == pytest.approx(np.isclose(*losses.T, rtol=0.0, atol=1e-12).mean())


def test_every_task_takes_part() -> None:
    shown = {type(task).__name__ for task in TASKS}
    # What these cost depends on what the user gives.
    assert shown == set(exported_tasks()) - {"CostMatrix", "ListTask"}


def test_the_page_shows_every_task_as_it_is() -> None:
    """A task's default and its factor; where they changed, the page must be written anew."""
    lists, classes, factors = re.split("## One class of many|## Which factor", PAGE.read_text())
    for task in TASKS:
        shares, by_factor = (
            classes.split("other factors")
            if task.target_per_list
            else (
                lists,
                factors,
            )
        )
        row = f"| {task!r} * |"
        assert row in shares.split(f'Direction "{task.direction}"')[1].split("Direction")[0]
        columns = by_factor.split("| task |")[1].split("\n")[0].split("|")
        cells = by_factor.split(row)[1].split("\n")[0].split("|")
        bold = next(k for k, cell in enumerate(cells) if "**" in cell)
        assert float(columns[bold]) == task.epsilon_scale


def test_the_page_shows_the_shares_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn again for the shortest lists and the fewest classes, whose columns come first."""
    monkeypatch.setattr(directions, "SIZES", (20,))
    monkeypatch.setattr(directions, "CLASSES", (10,))
    page = PAGE.read_text().split("## Which factor")[0]
    rows = directions.document(
        [
            *directions.measure_binary(directions.RANKINGS + directions.COUNTS),
            *directions.measure_multiclass(directions.MULTICLASS),
        ]
    ).split("## Which factor")[0]
    compared = 0
    for today, written in zip(rows.splitlines(), page.splitlines(), strict=True):
        # A line of the table of factors, which pools all columns, has none of its own.
        if today.startswith("| ") and " / " in today and "(" not in today.split("|")[2]:
            cells = today.rstrip(" |").split(" | ")
            assert written.startswith(" | ".join(cells) + " | ")
            compared += len(cells) - 1
    assert compared == 3 * (4 * 19 + 2 * 2)


def test_it_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directions, "SIZES", (20,))
    monkeypatch.setattr(directions, "CLASSES", (4,))
    monkeypatch.setattr(directions, "SLOW_DRAWS", directions.DRAWS)
    monkeypatch.setattr(directions, "RANKINGS", (dl.NDCG(3),))
    monkeypatch.setattr(directions, "COUNTS", (dl.Jaccard(),))
    out = tmp_path / "found" / "directions.json"
    directions.main(["--json", str(out), "--document", str(tmp_path / "page.md")])
    measured = json.loads(out.read_text())
    assert {m["task"] for m in measured if m["positives"]} == {repr(dl.NDCG(3)), "Jaccard()"}
    assert all(0.0 <= m["dead"] <= 1.0 and 0.0 <= m["saturated"] <= 1.0 for m in measured)
    # A list that is both has one configuration only.
    assert all(m["dead"] + m["saturated"] <= 1.0 for m in measured if m["direction"] == "both")
    assert "| Jaccard() * |" in (tmp_path / "page.md").read_text()
