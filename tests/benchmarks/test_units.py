"""The page of epsilon says what its archive has, and what the archive has is what it claims."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest
import torch

import directloss as dl
from benchmarks import archive, empty_lists, units
from tests.harness import unit_factor

PAGE = Path(__file__).parents[2] / "docs" / "epsilon.md"
ARCHIVE = archive.path_of("units")


def test_the_page_is_what_the_archive_says(tmp_path: Path) -> None:
    page, kept = tmp_path / "docs" / PAGE.name, tmp_path / "docs" / "archives" / ARCHIVE.name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(ARCHIVE.read_bytes())
    units.main(["--page", "--archive", str(kept), "--document", str(page)])
    assert page.read_text() == PAGE.read_text()


def test_of_the_epsilons_measured_one_spread_is_sensible_for_all_tasks() -> None:
    measured = [m for m in units.load(ARCHIVE) if m.study == "auto"]
    of = {e: units.means([m for m in measured if m.epsilon == e], "noisy") for e in units.EPSILONS}
    moved = units.means([m for m in measured if m.epsilon == 1.0], "moved")
    assert len(moved) == len(units.TASKS)
    for task in moved:
        assert moved[task] > 0.9
        assert of[1.0][task] > max(each[task] for each in of.values()) - 0.1
    assert fmean(of[1.0].values()) == max(fmean(each.values()) for each in of.values())


def test_each_list_is_better_off_with_its_own_factor() -> None:
    measured = [m for m in units.load(ARCHIVE) if m.study == "list"]
    for task in ("FBeta(1)", "Jaccard()"):
        for share in units.SHARES:
            own, shared = (
                fmean(
                    m.cosine
                    for m in measured
                    if m.task == f"{task}, {whose}" and m.share == pytest.approx(share)
                )
                for whose in ("list", "batch")
            )
            assert own > shared


def test_punishing_collapses_a_class_and_a_list_a_batch_is_best() -> None:
    learnt = units.load_learnt(ARCHIVE)

    def mean(quantity: str, rule: str, share: float) -> float:
        those = [m for m in learnt if m.rule == rule and m.share == pytest.approx(share)]
        return fmean(getattr(m, quantity) for m in those)

    for share in empty_lists.SHARES:
        assert mean("found", 'a list an image, "punish"', share) < 0.01
        assert mean("found", 'a list an image, "skip"', share) > 0.7
        assert mean("alarms", 'a list an image, "skip"', share) > 0.7
        best = mean("iou", 'a list a batch, "skip"', share)
        assert best > max(mean("iou", rule, share) for rule in empty_lists.RULES) - 0.02
        assert best > mean("iou", 'a list an image, "skip"', share)


def test_it_writes_archive_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "CELLS", ((20, 0.2),))
    monkeypatch.setattr(units, "LONG", 100)
    monkeypatch.setattr(units, "SHARES", (0.05, 0.3))
    monkeypatch.setattr(units, "TASKS", (lambda P: dl.AveragePrecision(), lambda P: dl.FBeta()))
    monkeypatch.setattr(empty_lists, "SEEDS", 1)
    monkeypatch.setattr(empty_lists, "STEPS", 4)
    monkeypatch.setattr(empty_lists, "WARM", 2)
    kept, page = tmp_path / "found" / "units.tar.xz", tmp_path / "page.md"
    units.main(["--archive", str(kept), "--document", str(page)])
    measured = units.load(kept)
    assert {m.study for m in measured} == {"auto", "weight", "list"}
    assert all(0.0 <= m.moved <= 1.0 and -1.0 <= m.cosine <= 1.0 for m in measured)
    assert any(m.cosine > 0.3 for m in measured)
    assert "| FBeta(1) |" in page.read_text()
    assert {m.rule for m in units.load_learnt(kept)} == set(empty_lists.RULES)


def test_factors_are_those_of_the_losses() -> None:
    targets = (torch.arange(50) < 3).to(torch.uint8)
    for task in (dl.FBeta(), dl.Jaccard(), dl.AveragePrecision()):
        assert units.factor_of(task, targets) == unit_factor(task, targets)
