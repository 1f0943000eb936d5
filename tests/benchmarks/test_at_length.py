"""The model of a step's cost: its bytes are those sent, its predictions those of the page."""

from __future__ import annotations

from math import log2
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from benchmarks import archive
from benchmarks.at_length import page
from benchmarks.at_length.__main__ import main
from benchmarks.at_length.measure import PROCESSES, ROWS, Exchanged, measure, recorded
from benchmarks.at_length.model import (
    Cost,
    Row,
    Shape,
    fit,
    gathered_bytes,
    reduced_bytes,
    scattered_bytes,
)
from directloss.training import whole_dataset_step
from tests.training.processes import run

ARCHIVE = archive.path_of("at-length")
PAGE = ARCHIVE.parents[1] / "at-length.md"
A_THIRD = 4 / 3


@pytest.fixture(scope="module")
def study() -> page.Study:
    return page.load(ARCHIVE)


def test_the_page_is_what_the_archive_says(tmp_path: Path) -> None:
    written, kept = tmp_path / "docs" / PAGE.name, tmp_path / "docs" / "archives" / ARCHIVE.name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(ARCHIVE.read_bytes())
    main(["--page", "--archive", str(kept), "--document", str(written)])
    assert written.read_text() == PAGE.read_text()


def test_what_is_predicted_is_right_within_a_third(study: page.Study) -> None:
    measured = page.cells(study.launches)
    assert set(measured) == {Shape(rows, count) for rows in ROWS for count in PROCESSES}
    model = fit({shape: cost for shape, cost in measured.items() if page.fitted_on(shape)})
    predicted = [shape for shape in measured if not page.fitted_on(shape)]
    assert len(predicted) > len(measured) / 2
    for shape in predicted:
        said, found = model.cost(shape), measured[shape]
        assert said.sent == found.sent
        for name in ("seconds", "solving", "other"):
            if getattr(found, name):
                assert 1 / A_THIRD < getattr(said, name) / getattr(found, name) < A_THIRD, shape


SHARES = [40, 0, 75]
TYPES = {
    "plain": (torch.float32, torch.bool, False, Row(4, 1, 4)),
    "wide, groups": (torch.float64, torch.int64, True, Row(8, 8 + 8, 8)),
    "half": (torch.bfloat16, torch.uint8, False, Row(2, 1, 4)),
}


def rows(name: str, rank: int) -> list[tuple[Tensor, ...]]:
    dtype, of_targets, grouped, _ = TYPES[name]
    generator = torch.Generator().manual_seed(rank)
    features = torch.randn(SHARES[rank], 3, generator=generator).to(dtype)
    targets = (torch.arange(SHARES[rank]) % 5 == 0).to(of_targets)
    chunk = (features, targets, targets.long()) if grouped else (features, targets)
    return [chunk] if SHARES[rank] else []


def exchanged(rank: int) -> dict[str, Exchanged]:
    """What a step of each kind passes to the collectives on this rank."""
    found = {}
    for name, (dtype, _, grouped, _) in TYPES.items():
        network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1), nn.Flatten(0)).to(dtype)
        task = dl.NDCG() if grouped else dl.AveragePrecision()
        with recorded() as found[name]:
            whole_dataset_step(network, rows(name, rank), dl.DirectLoss(task))
    return found


def test_the_bytes_of_the_model_are_those_that_are_sent() -> None:
    by_rank = run(exchanged, len(SHARES))
    for name, (dtype, _, _, row) in TYPES.items():
        ranks = [found[name] for found in by_rank]
        assert ranks[0].sent == scattered_bytes(SHARES, row)
        assert ranks[1].sent + ranks[2].sent == gathered_bytes(SHARES, row)
        wanted = reduced_bytes([6, 2, 2, 1], dtype.itemsize)
        assert {each.reduced for each in ranks} == {wanted}
        # After pass 1, the kinds of rows, the solution, after pass 2.
        assert {each.objects for each in ranks} == {4}


def test_the_fit_finds_the_numbers_that_made_the_costs() -> None:
    costs = {}
    for shape in (Shape(n, count) for n in (1000, 10_000, 10**6) for count in PROCESSES):
        sent, count = 9 * (shape.rows - shape.shares()[0]), shape.processes
        costs[shape] = Cost(
            2e-9 * shape.rows * log2(shape.rows),
            1e-7 * shape.rows + 1e-9 * sent + 1e-3 * count * log2(count),
            sent,
            1e6 + 60 * shape.rows,
            (1e5 + 20 * shape.shares()[-1]) if count > 1 else 0.0,
        )
    model = fit(costs)
    found = model.solve, model.row, model.byte, model.message
    assert found == pytest.approx((2e-9, 1e-7, 1e-9, 1e-3), rel=1e-3)
    assert (*model.solving, *model.other) == pytest.approx((1e6, 60, 1e5, 20), rel=1e-3)
    assert model.cost(Shape(10**7, 16)).solve == pytest.approx(2e-9 * 1e7 * log2(1e7), rel=1e-3)


def test_a_cell_is_measured() -> None:
    shape = Shape(3001, 2)
    found = measure(shape, 1)
    assert found.shape == shape and found.sent == 1500 * 9 and found.reduced == 8 + 4 * 9
    assert all(found.cpu[phase] > 0 for phase in ("pass 1", "solve", "pass 2"))
    assert found.wall["solve"] > 0 and found.other >= 0
