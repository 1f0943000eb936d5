from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import directloss as dl
from benchmarks.reliability.edge import run
from benchmarks.reliability.edge.check import checked, evaluate
from benchmarks.reliability.edge.draw import UPDATES, Call, draw_call
from benchmarks.reliability.edge.subjects import SUBJECTS, Subject
from directloss.inference._kernel import Array
from directloss.lists import Lists
from directloss.tasks import Solution

CALLS = len(UPDATES) * len(SUBJECTS)


def test_calls_on_any_scores_end_and_are_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = run.run_calls(tmp_path, CALLS)
    said = capsys.readouterr().out
    assert all(counts["wrong"] == counts["crashes, hangs"] == 0 for counts in figures.values()), (
        said
    )
    assert all(counts["calls"] == len(UPDATES) for counts in figures.values())
    compared = sum(counts["compared with scaled scores"] for counts in figures.values())
    assert compared > CALLS // 4


def test_a_number_says_a_call() -> None:
    for number in (0, 7, CALLS - 1, 123_456):
        one, other = draw_call(number), draw_call(number)
        assert one.scores.tolist() == other.scores.tolist()
        assert torch.equal(one.targets.nan_to_num(9), other.targets.nan_to_num(9))
        assert (one.step, one.options) == (other.step, other.options)


def test_every_task_meets_every_update_and_scores_the_whole_range_of_each_type() -> None:
    calls = [draw_call(number) for number in range(4 * CALLS)]
    assert len({(call.subject.name, call.update) for call in calls}) == CALLS
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        info = torch.finfo(dtype)
        scores = torch.cat([call.scores.flatten() for call in calls if call.scores.dtype == dtype])
        sizes = scores.double().abs()
        assert sizes[sizes > 0].min() == info.smallest_normal * info.eps
        assert sizes[sizes.isfinite()].max() == info.max
        assert {-np.inf, np.inf} <= set(scores.tolist())
        assert (torch.signbit(scores) & (scores == 0)).any()
    assert {"auto", 5e-324, 1.7e308} <= {call.step for call in calls}


# --- each check can fail --------------------------------------------------------------------------


class Spoiled(dl.ZeroOne):
    """A task with a solver that makes a mistake."""

    def __init__(self, spoil: Callable[[Lists, Solution], None]) -> None:
        super().__init__()
        self.spoil = spoil

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        solution = super().solve(lists, weights, coefficients, share_ties=share_ties)
        self.spoil(lists, solution)
        return solution


def call_of(spoil: Callable[[Lists, Solution], None], update: str = "both") -> Call:
    subject = next(subject for subject in SUBJECTS if subject.name == "ZeroOne")
    wrong: Subject = replace(subject, make=lambda: Spoiled(spoil))
    scores = torch.tensor([0.5, -0.25, 8.0, 16.0], dtype=torch.float64)
    targets = torch.tensor([1.0, 1.0, 0.0, 1.0])
    return Call(0, wrong, update, "list", scores, targets, 2.0, {"reduction": "mean"})


def _nothing(lists: Lists, solution: Solution) -> None:
    pass


def _nan(lists: Lists, solution: Solution) -> None:
    solution.task_losses[:] = np.nan


def _beyond(lists: Lists, solution: Solution) -> None:
    solution.task_losses += 1.0


def _steep(lists: Lists, solution: Solution) -> None:
    solution.combination += 4.0


def _by_size(lists: Lists, solution: Solution) -> None:
    solution.task_losses[:] = 0.5 if lists.scores.max() == 16.0 else 0.25


def _unscaled(lists: Lists, solution: Solution) -> None:
    solution.combination[0] = 0.25


def _raises(lists: Lists, solution: Solution) -> None:
    raise IndexError("index 7")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_nothing, ""),
        (_nan, "value nan"),
        (_beyond, "outside 0.0 to 1.0"),
        (_steep, "above 0.5"),
        (_by_size, "of the ranks"),
        (_unscaled, "gradient [0.25"),
        (_raises, "raised IndexError: index 7"),
    ],
)
def test_a_mistake_is_seen(spoil: Callable[[Lists, Solution], None], said: str) -> None:
    problems = "; ".join(checked(call_of(spoil)).problems)
    assert said in problems
    assert bool(problems) == bool(said)


@pytest.mark.parametrize(
    "subject",
    [subject for subject in SUBJECTS if subject.formula],
    ids=lambda subject: subject.name,
)
def test_the_formula_of_a_metric_is_that_of_the_metric(subject: Subject) -> None:
    assert subject.formula is not None
    rng = np.random.default_rng(3)
    for _ in range(5):
        targets = subject.draw(rng, 7)
        scores = torch.from_numpy(rng.normal(size=7))
        ranked = targets[np.argsort(-scores.numpy())]
        wanted = float(subject.formula(ranked, int((scores > 0).sum())))
        found = float(subject.make().metric(scores, torch.from_numpy(targets)))
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)


def test_a_crash_is_counted_and_named_and_the_calls_after_it_are_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.getpid()

    def killed(call: Call) -> Any:
        if call.number == 3 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGSEGV)
        return checked(call_of(_nothing))

    monkeypatch.setattr(run, "checked", killed)
    figures = run.run_calls(tmp_path, 10)
    name = draw_call(3).subject.name
    assert figures[name]["crashes, hangs"] == 1
    assert sum(counts["crashes, hangs"] for counts in figures.values()) == 1
    assert sum(counts["calls"] for counts in figures.values()) == 10
    assert "python -m benchmarks.reliability.edge 0 3" in capsys.readouterr().out


def test_a_call_is_repeated_by_its_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = UPDATES.index("perceptron")
    monkeypatch.setattr(sys, "argv", ["edge", str(number)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("benchmarks.reliability.edge", run_name="__main__")
    said = capsys.readouterr().out
    assert draw_call(number).subject.name in said
    assert str(draw_call(number).scores.tolist()) in said
    assert ended.value.code == bool(checked(draw_call(number)).problems)


def test_a_chain_is_one_flat_tensor() -> None:
    number = CALLS - 1  # the last task is a chain
    call = draw_call(number)
    assert call.chain is not None and call.scores.shape == (call.chain.numel,)
    mild = torch.linspace(-1, 1, call.chain.numel, dtype=torch.float64)
    result = evaluate(replace(call, scores=mild, step=1.0))
    assert result.gradient.shape == call.scores.shape
