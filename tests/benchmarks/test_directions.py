"""The shares of docs/tasks/directions.md are those of the gradients that a user gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import directloss as dl
from benchmarks import archive, directions
from benchmarks.tasks import exported_tasks
from directloss.lists import Lists, Unit

TASKS = (*directions.RANKINGS, *directions.COUNTS, *directions.MULTICLASS)
PAGE = Path(__file__).parents[2] / "docs/tasks/directions.md"
ARCHIVE = archive.path_of("directions")


def key(m: directions.Measured) -> tuple[object, ...]:
    """What was measured."""
    return m.unit, m.task, m.size, m.positives, m.scores, m.direction, m.factor


def some_lists(task: dl.Task) -> Lists:
    if task.target_per_list:
        return directions.draw_classes(200, 5, "trained")
    return directions.draw_binary(200, 12, 0.2, "trained")


@pytest.mark.parametrize("unit", directions.FACTORS)
@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_dead_is_a_gradient_of_zero(task: dl.Task, unit: Unit) -> None:
    lists = some_lists(task)
    scores = torch.from_numpy(lists.scores).reshape(len(lists), -1)
    targets = torch.from_numpy(lists.targets)
    targets = targets if task.target_per_list else targets.reshape(scores.shape)
    spread = dl.functional.auto_epsilon(scores)
    for m in directions.measure(task, lists, 12, 2, "trained", unit):
        leaf = scores.clone().requires_grad_()
        dl.functional.direct_loss(
            leaf,
            targets,
            task,
            epsilon=m.factor * spread,
            unit=unit,
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
    for m in directions.measure(task, lists, 12, 2, "trained", "loss"):
        if m.factor == 1.0 and m.direction in at:
            read = replace(lists, targets=task.read_targets(lists.targets))
            losses = task.solve(read, np.array(at[m.direction]), np.zeros(2)).task_losses
            assert m.saturated == pytest.approx(np.isclose(*losses.T, rtol=0.0, atol=1e-12).mean())


def test_every_task_takes_part() -> None:
    measured = {type(task).__name__ for task in TASKS}
    # The shares of these depend on what the user gives.
    assert measured == set(exported_tasks()) - {"CostMatrix", "ListTask", "RankBiasedPrecision"}


def test_the_archive_has_every_task_as_it_is() -> None:
    """A task's default and its factor; where they changed, it must be measured again."""
    kept = {(m.unit, m.task, m.default, m.scale) for m in directions.load(ARCHIVE)}
    assert kept == {
        (unit, repr(task), task.direction, scale)
        for task in TASKS
        for unit, scale in (("score", 1.0), ("loss", task.epsilon_scale))
    }


def test_the_archive_has_the_shares_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured again on the shortest lists and the fewest classes."""
    monkeypatch.setattr(directions, "SIZES", (20,))
    monkeypatch.setattr(directions, "CLASSES", (10,))
    today = [
        *directions.measure_binary(directions.RANKINGS + directions.COUNTS),
        *directions.measure_multiclass(directions.MULTICLASS),
    ]
    kept = {key(m): m for m in directions.load(ARCHIVE)}
    for m in today:
        assert m.dead == pytest.approx(kept[key(m)].dead, abs=0.005)
        assert m.saturated == pytest.approx(kept[key(m)].saturated, abs=0.005)
    assert len(today) >= 2 * 3 * 4 * (4 * 19 + 2 * 2)


def test_the_page_is_what_the_archive_says(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "tasks" / PAGE.name
    kept = tmp_path / "docs" / "archives" / ARCHIVE.name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(ARCHIVE.read_bytes())
    directions.main(["--page", "--archive", str(kept), "--document", str(page)])
    assert page.read_text() == PAGE.read_text()


def test_the_page_begins_with_the_worst_defaults() -> None:
    own = [
        m
        for m in directions.load(ARCHIVE)
        if m.unit == "score" and m.factor == m.scale and m.direction == m.default and m.positives
    ]
    for some in ([m for m in own if m.size == 20], [m for m in own if m.size > 20]):
        worst = max(some, key=lambda m: m.dead)
        assert f"`{worst.task}`" in PAGE.read_text().split("![")[0]
        assert f"{100 * worst.dead:.0f} %" in PAGE.read_text().split("![")[0]


@pytest.mark.parametrize("name", ["dead.svg", "saturated.svg"])
def test_the_heat_maps_are_small_and_name_every_task(name: str) -> None:
    picture = (PAGE.with_suffix("") / name).read_text()
    assert len(picture) < 60_000
    for task in TASKS:
        assert repr(task).split("(")[0] in picture


def test_it_writes_archive_page_and_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directions, "SIZES", (20, 1_000))
    monkeypatch.setattr(directions, "CLASSES", (4,))
    monkeypatch.setattr(directions, "DRAWS", {20: 50, 1_000: 10})
    monkeypatch.setattr(directions, "RANKINGS", (dl.NDCG(3),))
    monkeypatch.setattr(directions, "COUNTS", (dl.Jaccard(),))
    kept, page = tmp_path / "found" / "directions.tar.xz", tmp_path / "page.md"
    directions.main(["--archive", str(kept), "--document", str(page)])
    measured = directions.load(kept)
    assert {m.task for m in measured if m.positives} == {repr(dl.NDCG(3)), "Jaccard()"}
    assert all(0.0 <= m.dead <= 1.0 and 0.0 <= m.saturated <= 1.0 for m in measured)
    # A list that is both has one configuration only.
    assert all(m.dead + m.saturated <= 1.0 for m in measured if m.direction == "both")
    assert page.read_text().count("| Jaccard() |") == 3
    assert (tmp_path / "page" / "dead.svg").exists()
