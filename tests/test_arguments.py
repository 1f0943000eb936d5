"""Numbers of Python, numpy and torch as arguments, and functions of so many arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import directloss as dl
from directloss._arguments import check_function, is_number, number, whole_number
from directloss.errors import ArgumentError
from directloss.training import ScoreMemory

# --- numbers --------------------------------------------------------------------------------------

REAL: dict[str, Callable[[Any], object]] = {
    "alpha": dl.BEDROC,
    "max_fpr": dl.PartialAUC,
    "beta": dl.FBeta,
    "alpha of Tversky": lambda alpha: dl.Tversky(alpha, 0.5),
    "beta of Tversky": lambda beta: dl.Tversky(0.5, beta),
    "rank_weights": lambda value: dl.RankingTask(value, [1.0]),
    "discount": lambda value: dl.RankingTask([1.0], value),
}
WHOLE: dict[str, Callable[[Any], object]] = {
    "k": dl.NDCG,
    "k of AveragePrecision": dl.AveragePrecision,
    "k of PrecisionAtK": dl.PrecisionAtK,
    "k of RecallAtK": dl.RecallAtK,
    "k of TopKError": dl.TopKError,
    "most_cells": lambda most: dl.CountingTask(lambda tp, fp, fn, tn: fp, most_cells=most),
    "batches": lambda batches: ScoreMemory(dl.DirectLoss(dl.NDCG()), batches),
    "ignore_index": lambda index: dl.DirectLoss(dl.NDCG(), ignore_index=index),
}
NO_NUMBERS = ["2", True, np.bool_(True), np.array(True), torch.tensor(True), 2j, [[2], [3, 4]]]


@pytest.mark.parametrize("name", REAL)
def test_a_real_number_is_one_of_any_library(name: str) -> None:
    wanted = repr(REAL[name](0.25))
    for value in (
        np.float16(0.25), np.float32(0.25), np.float64(0.25), np.array(0.25), torch.tensor(0.25)
    ):  # fmt: skip
        assert repr(REAL[name](value)) == wanted
    assert repr(REAL[name](1)) == repr(REAL[name](np.int64(1))) == repr(REAL[name](np.uint8(1)))


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_number_is_one_of_any_library(name: str) -> None:
    wanted = repr(WHOLE[name](3))
    for value in (np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)):
        assert repr(WHOLE[name](value)) == wanted
    for no_number in (3.0, np.float32(3.0), 2**63, 10**400):
        with pytest.raises(ArgumentError, match=rf"^{name.split()[0]}: got "):
            WHOLE[name](no_number)


@pytest.mark.parametrize("name", [*REAL, *WHOLE])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda v: f"{type(v).__module__} {v!r}")
def test_what_is_no_number_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ArgumentError, match=rf"^{name.split()[0]}: got "):
        ({**REAL, **WHOLE})[name](value)


@pytest.mark.parametrize("name", REAL)
def test_a_number_out_of_range_is_refused_by_name(name: str) -> None:
    for value in (np.nan, np.float32(np.inf), 10**400, *((-0.5,) if name != "discount" else ())):
        with pytest.raises(ArgumentError, match=rf"^{name.split()[0]}: got "):
            REAL[name](value)


def test_a_task_computes_with_what_it_was_given() -> None:
    scores = torch.randn(30, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(30) % 3 == 0
    for one, other in (
        (dl.NDCG(4), dl.NDCG(np.int64(4))),
        (dl.AveragePrecision(4), dl.AveragePrecision(np.array(4))),
        (dl.BEDROC(8.0), dl.BEDROC(np.float32(8.0))),
        (dl.PartialAUC(0.25), dl.PartialAUC(np.float16(0.25))),
    ):
        assert one.metric(scores, targets) == other.metric(scores, targets)
        gradients = []
        for task in (one, other):
            leaf = scores.clone().requires_grad_()
            dl.DirectLoss(task, epsilon=np.float32(2.0), unit="loss")(leaf, targets).backward()
            gradients.append(leaf.grad)
        assert torch.equal(*gradients)
        assert gradients[0].any()


AXES = [np.int64(0), (np.int32(0),), np.int64(-2), np.array(0), torch.tensor(0)]


@pytest.mark.parametrize("dim", AXES, ids=repr)
def test_an_axis_of_numpy_is_an_axis(dim: Any) -> None:
    scores, targets = torch.randn(20, 3), torch.rand(20, 3) < 0.5
    task = dl.AveragePrecision()
    assert torch.equal(task.metric(scores, targets, dim=dim), task.metric(scores, targets, dim=0))
    assert dl.DirectLoss(task, dim=dim)(scores, targets) == dl.DirectLoss(task, dim=0)(
        scores, targets
    )


def test_the_two_helpers() -> None:
    assert number("x", np.float32(0.5), lambda x: x > 0, "more") == 0.5
    with pytest.raises(ArgumentError, match=r"^x: got -1, wanted more"):
        number("x", -1, lambda x: x > 0, "more")
    assert whole_number("x", np.int8(-3), least=-3) == -3
    assert type(whole_number("x", np.int8(3))) is int
    with pytest.raises(ArgumentError, match=r"^x: got 0, wanted an int >= 1"):
        whole_number("x", 0)
    assert is_number(np.array(1.5)) and not is_number(np.array([1.5])) and not is_number(None)


# --- functions ------------------------------------------------------------------------------------


def _three(i: Any, P: Any, N: Any) -> Any:
    return np.ones(i.size)


class Ones:
    def __call__(self, i: Any, P: Any, N: Any) -> Any:
        return np.ones(i.size)


FUNCTIONS: dict[str, tuple[Callable[[Any], object], str]] = {
    "rank_weights": (lambda f: dl.RankingTask(f, [1.0]), r"\(i, P, N\)"),
    "discount": (lambda f: dl.RankingTask([1.0], f), r"\(p, P, N\)"),
    "discount by negatives": (
        lambda f: dl.RankingTask([1.0], f, by="negatives"),
        r"\(n, P, N\)",
    ),
    "task_loss": (dl.CountingTask, r"\(tp, fp, fn, tn\)"),
    "task_loss of a list": (lambda f: dl.ListTask(lambda s, t, w: s, f), r"\(y, targets\)"),
    "inference": (lambda f: dl.ListTask(f, lambda y, t: 0.0), r"\(scores, targets, weight\)"),
    "gain": (lambda f: dl.NDCG(gain=f), r"\(relevances\)"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_other_arguments_is_refused_when_the_task_is_made(name: str) -> None:
    make, wanted = FUNCTIONS[name]
    for function in (
        lambda: 0.0,
        lambda a, b, c, d, e: 0.0,
        lambda a, *, b: 0.0,
    ):
        with pytest.raises(
            ArgumentError, match=rf"^{name.split()[0]}: got .*, wanted a function of {wanted}"
        ):
            make(function)
    make(lambda *arguments: 0.0)


def test_whatever_can_be_called_so_is_taken() -> None:
    for function in (
        _three, Ones(), partial(_three), lambda i, P, N, more=1: i, max, np.vectorize(max),
    ):  # fmt: skip
        check_function("rank_weights", function, "i", "P", "N")


def test_a_function_of_numpy_says_how_many_it_takes() -> None:
    check_function("gain", np.sqrt, "relevances")
    with pytest.raises(ArgumentError, match=r"^rank_weights: got <ufunc 'add'> of 2 arguments"):
        check_function("rank_weights", np.add, "i", "P", "N")


def test_values_of_another_shape_are_refused_by_name() -> None:
    scores, targets = torch.randn(6), torch.tensor([1, 0, 1, 0, 0, 0])
    for name, task in {
        "rank_weights": dl.RankingTask(lambda i, P, N: np.ones(2 * i.size), [1.0]),
        "discount": dl.RankingTask([1.0], lambda p, P, N: np.ones((p.size, 2))),
        "task_loss": dl.CountingTask(lambda tp, fp, fn, tn: np.ones(17)),
        "gain": dl.NDCG(gain=lambda relevances: np.ones(2)),
    }.items():
        with pytest.raises(ArgumentError, match=rf"^{name}: got .*shape"):
            dl.DirectLoss(task, epsilon=1.0)(scores, targets)


@pytest.mark.parametrize("by", ["position", "negatives"])
def test_a_number_is_a_constant(by: str) -> None:
    scores = torch.randn(12, generator=torch.Generator().manual_seed(1)).double()
    targets, moved = torch.arange(12) % 3 == 0, 0
    given = dl.RankingTask(0.25, 0.5, by=by)
    spelt = dl.RankingTask(
        lambda i, P, N: np.full(i.size, 0.25), lambda at, P, N: np.full(at.size, 0.5), by=by
    )
    assert given.metric(scores, targets) == pytest.approx(4 * 0.25 * 0.5)
    falling = [1.0, 0.5, 0.25] if by == "position" else [1.0, 0.75, 0.5, 0.25]
    for one, other in (
        (given, spelt),
        (dl.RankingTask(0.25, falling, by=by), dl.RankingTask(4 * [0.25], falling, by=by)),
    ):
        for direction in ("positive", "negative"):
            gradients = []
            for task in (one, other):
                leaf = scores.clone().requires_grad_()
                dl.DirectLoss(task, epsilon=20.0, direction=direction)(leaf, targets).backward()
                gradients.append(leaf.grad)
            assert torch.equal(*gradients)
            moved += int(gradients[0].any())
    assert moved >= 2
    assert repr(given) == f"RankingTask(rank_weights=0.25, discount=0.5, by={by!r})"
