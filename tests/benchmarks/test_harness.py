"""The harness on tiny lists: every work runs, and what is reported is what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

import directloss as dl
from benchmarks import archive, bare, batches, machine, profile, startup, tables, timing
from benchmarks.__main__ import main
from benchmarks.case import Case
from benchmarks.growth import exponent
from benchmarks.memory import Limits, probe
from benchmarks.sections import summarise_grid
from benchmarks.tasks import exported_tasks, losses, task_lines
from benchmarks.timing import Effort, Samples, interleave
from benchmarks.works import catalogue

TINY = Effort(seconds=0.0, fewest=2, most=2, sample=0.0)
WORKS = catalogue()


def quiet(_: str) -> None:
    pass


def test_every_exported_task_is_measured() -> None:
    assert {line.task for line in task_lines()} == set(exported_tasks())
    assert "AveragePrecision" in exported_tasks()


@pytest.mark.parametrize("name", WORKS)
def test_every_work_runs(name: str) -> None:
    if WORKS[name].missing is not None:
        pytest.skip(WORKS[name].missing)
    step = WORKS[name].prepare(Case(200, shift=1.0))
    step()
    step()  # as often as one likes


@pytest.mark.parametrize("name", losses())
def test_every_loss_of_a_task_has_a_finite_gradient(name: str) -> None:
    case = Case(1000, epsilon=1.0)
    drawn = case.draw()
    losses()[name](drawn.scores, drawn, case).backward()
    assert drawn.scores.grad is not None
    assert torch.isfinite(drawn.scores.grad).all()


def test_a_step_that_compiles_at_first_is_repeated_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repetition of single calls would be slower than one of many."""
    now, calls = 0.0, 0

    def step() -> None:
        nonlocal now, calls
        now += 5.0 if calls == 0 else 1e-4
        calls += 1

    monkeypatch.setattr(timing, "perf_counter", lambda: now)
    effort = Effort(seconds=0.0, fewest=1, most=1, sample=0.1)
    samples = interleave({"step": step}, lambda: None, effort)["step"]
    assert samples.seconds() == pytest.approx(1e-4)
    assert calls > 1000


def test_a_case_draws_what_it_says() -> None:
    case = Case(10_000, share=0.01, shift=3.0)
    first, again = case.draw(), case.draw()
    assert torch.equal(first.scores, again.scores)
    assert int(first.binary.sum()) == 100
    assert torch.equal(first.graded > 0, first.binary > 0)
    scores = first.scores.detach()
    gap = scores[first.binary == 1].mean() - scores[first.binary == 0].mean()
    assert float(gap) == pytest.approx(3.0, abs=0.3)


def test_steps_are_interleaved_with_the_reference() -> None:
    order: list[str] = []
    steps = {name: lambda name=name: order.append(name) for name in "ab"}
    effort = Effort(seconds=0.0, fewest=3, most=3, sample=0.0)
    samples = interleave(steps, lambda: order.append("r"), effort)
    assert "".join(order[-12:]) == "rarb" * 3
    assert [len(samples[name].step) for name in "ab"] == [3, 3]


def test_the_ratio_is_that_of_neighbours() -> None:
    samples = Samples(step=[2.0, 20.0, 3.0], reference=[1.0, 10.0, 1.0])
    assert samples.ratio() == 2.0
    assert samples.best_ratio() == 2.0
    assert samples.seconds() == 3.0


def test_effort_bounds_the_repetitions() -> None:
    effort = Effort(seconds=1.0, fewest=3, most=25, sample=0.01)
    assert [effort.repetitions(s) for s in (100.0, 0.1, 1e-6)] == [3, 10, 25]
    assert [effort.calls(s) for s in (1.0, 0.005, 0.001)] == [1, 2, 10]


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_the_exponent_is_that_of_a_power_law(power: float) -> None:
    points = [(n, 3e-9 * n**power) for n in (10_000, 100_000, 1_000_000)]
    assert exponent([(100, 1.0), *points]) == pytest.approx(power)
    assert exponent(points[:1]) is None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_memory_is_the_peak_of_the_step() -> None:
    # Smooth-AP holds a matrix of 1,600 x 8,000 float32: 51 MB, and some copies of it.
    found = probe("Smooth-AP", Case(8000))
    assert found.growth is not None
    assert 1600 * 8000 * 4 < found.growth < 10 * 1600 * 8000 * 4
    small = probe("torch.sort", Case(8000))
    assert small.growth is not None
    assert small.growth < 2_000_000


def test_what_takes_too_much_is_stopped_with_a_reason() -> None:
    assert probe("Smooth-AP", Case(8000), Limits(seconds=1e-3)).stopped == "more than 0.001 s"
    if Path("/proc/self/status").exists():
        reason = probe("Smooth-AP", Case(8000), Limits(bytes=1 << 20)).stopped
        assert reason is not None
        assert "of memory" in reason


def test_a_work_that_fails_says_so() -> None:
    reason = probe("no such work", Case(100)).stopped
    assert reason is not None
    assert reason.startswith("failed: KeyError")


def test_the_machine_is_named() -> None:
    here = machine.describe()
    assert here["processor"]
    assert here["packages"]["torch"] == torch.__version__.split("+")[0]


def test_batches_and_retrieval_and_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(batches.ragged(TINY, quiet, ((20, 30),)))
    assert [row["layout"] for row in rows] == ["rows", "ragged", "ragged, in order"]
    assert all(row["speed_up"] > 0 and row["ratio"] > 0 for row in rows)
    assert torch.get_num_threads() == 1
    monkeypatch.setattr(batches, "RETRIEVAL_CLASSES", (3,))
    (row,) = batches.retrieval(TINY, quiet)
    assert "stopped" in row or row["times_faster"] > 0
    for row in profile.measure([500], quiet, TINY):
        assert all(row[whole] > 0 for whole in profile.WHOLES)
        assert all(row[part] >= 0 for part in profile.PARTS)


@pytest.mark.parametrize("direction", ["positive", "negative"])
def test_the_bare_step_is_the_step(direction: Literal["positive", "negative"]) -> None:
    scores, targets, *_ = Case(10_000).draw()
    bare.bare_step(scores, targets, 0.1, direction)()
    found = scores.grad
    scores.grad = None
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1, unit="loss", direction=direction)
    loss_fn(scores, targets).backward()
    assert found is not None and scores.grad is not None and found.any()
    assert torch.equal(found, scores.grad)


def test_a_fresh_process_prints_its_seconds() -> None:
    assert 0 < startup.run(startup._IMPORT) < 60


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    out = tmp_path_factory.mktemp("run")
    works = ["--only", "AveragePrecision positive", "--only", "BCE", "--only", "sort"]
    sections = ["--section", "speed", "--section", "scale"]
    assert main([*works, *sections, "--quick", "--sizes", "1e4,2e4", "--out", str(out)]) == 0
    yield out


def test_a_run_writes_results_tables_and_plots(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    works = {row["work"] for row in results["speed"]}
    assert works == {"AveragePrecision positive", "BCE", "torch.sort"}
    assert {row["n"] for row in results["speed"]} == {10_000, 20_000}
    directions = {"positive", "negative", "both"}
    by_digits = {f"{direction}, sort by digits" for direction in directions}
    assert {row["direction"] for row in results["scale"]} == directions | by_digits
    text = (run / "results.md").read_text()
    for row in results["speed"]:
        assert f"{tables.seconds(row['seconds'])} ({tables.times(row['ratio'])})" in text
    assert (run / "ap-20.png").stat().st_size > 1000
    assert "torch.sort" in (run / "ap-20.svg").read_text()


def test_the_document_is_written_from_a_run(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    assert main(["--out", str(run), "--document", str(path)]) == 0
    text = path.read_text()
    results = json.loads((run / "results.json").read_text())
    assert results["machine"]["processor"] in text
    assert tables.speed(results) in text
    ours = [row for row in results["speed"] if row["work"] == "AveragePrecision positive"]
    seconds = {row["n"]: row["seconds"] for row in ours}
    slope = max(1.0, np.log2(seconds[20_000] / seconds[10_000]))
    assert tables.seconds(seconds[20_000] * (1e9 / 20_000) ** slope) in text
    assert (tmp_path / "performance" / "cost.svg").exists()
    kept = archive.read(tmp_path / "archives" / "performance.tar.xz")
    assert kept == {"run-0.json": (run / "results.json").read_bytes()}
    # The same page from the archive alone.
    path.unlink()
    assert main(["--archived", "--document", str(path)]) == 0
    assert path.read_text() == text


def test_a_later_run_of_a_section_takes_its_place_and_is_named(run: Path, tmp_path: Path) -> None:
    path, later = tmp_path / "performance.md", tmp_path / "later"
    results = json.loads((run / "results.json").read_text())
    changed = [{**row, "ratio": 77.25} for row in results["scale"]]
    later.mkdir()
    parts = {"machine": results["machine"], "command": "python -m benchmarks again"}
    ends = {key: results[key] for key in ("elapsed_seconds", "load_average_at_end")}
    (later / "results.json").write_text(json.dumps({**parts, **ends, "scale": changed}))
    assert main(["--out", str(run), "--document", str(path), "--later", str(later)]) == 0
    text = path.read_text()
    assert text.count("×77.2") == len(changed) > 0
    assert "after a change: scale." in text and "`python -m benchmarks again`" in text


def test_the_grid_is_summarised_by_its_median_and_worst_cell() -> None:
    where = {"n": 10, "direction": "negative", "share": 0.2, "shift": 0.0}
    cells = [
        {**where, "epsilon": epsilon, "seconds": time, "ratio": time, "growth_bytes": memory}
        for epsilon, time, memory in ((0.1, 1.0, 5), (1.0, 9.0, None), (10.0, 2.0, 7))
    ]
    cells.append({**where, "epsilon": 100.0, "stopped": "more than 20 s"})
    (row,) = summarise_grid(cells)
    assert (row["done"], row["cells"], row["ratio"], row["seconds"]) == (3, 4, 2.0, 2.0)
    assert row["worst"] == cells[1]
    assert (row["growth_bytes"], row["most_growth_bytes"]) == (6, 7)
    text = tables.grid({"grid_summary": [row]})
    assert "| negative | 10 | 3 of 4 | 2.00 s (×2.00) | 9.00 s (×9.00) | 20%, ε 1" in text
    assert tables.grid_range({"grid": cells}) == (
        "shares of 20 %, epsilon 0.1 to 100, shifts of 0: 4 cells"
    )
    (none,) = summarise_grid(cells[-1:])
    assert "| negative | 10 | 0 of 1 | – |" in tables.grid({"grid_summary": [none]})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.5, "2.50 s"),
        (0.0312, "31.2 ms"),
        (0.000_06, "60.0 µs"),
        (4e-7, "400 ns"),
        (123.4, "123 s"),
    ],
)
def test_seconds_are_told_in_three_figures(value: float, text: str) -> None:
    assert tables.seconds(value) == text


def test_numbers_of_items() -> None:
    assert [tables.count(n) for n in (500, 1000, 20_000, 10**6)] == ["500", "10³", "20,000", "10⁶"]
