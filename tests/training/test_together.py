"""A step that sets itself, on several processes: who waits for whom, and who hears of an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

import directloss as dl
from directloss.errors import ArgumentError, RankError
from directloss.tasks.chain import SPREADS
from directloss.training import GlobalBatchLoss, ScoreMemory
from tests.training.processes import run

SOON = 10.0
"""Seconds within which all ranks hear of a failure."""

SECONDS = 200.0
"""A hang fails after these."""

SCORES = [torch.tensor([0.1, 0.5, -0.3, 0.2, 0.9]), torch.tensor([2.0, -1.0, 0.0])]
TARGETS = [torch.tensor([1, 0, 0, 1, 0]), torch.tensor([0, 1, 1])]


def emissions(rank: int) -> Tensor:
    return torch.randn(2, 3 + rank, 4, generator=torch.Generator().manual_seed(rank))


def chain(rank: int, scores: Tensor | None = None) -> dl.LinearChain:
    return dl.LinearChain(emissions(rank) if scores is None else scores, torch.zeros(4, 4))


def labels(rank: int) -> Tensor:
    return torch.zeros(2, 3 + rank, dtype=torch.int64)


AP = dl.AveragePrecision
LOSSES: dict[str, Callable[[], nn.Module]] = {
    "direct": lambda: dl.DirectLoss(AP()),
    "hinge": lambda: dl.HingeLoss(AP(), margin="auto"),
    "memory": lambda: ScoreMemory(dl.DirectLoss(AP()), 2),
    "global": lambda: GlobalBatchLoss(dl.DirectLoss(AP())),
    "chain direct": lambda: dl.DirectLoss(dl.Chain()),
    "chain hinge": lambda: dl.HingeLoss(dl.Chain(), margin="auto"),
}


def batch(name: str, rank: int, factor: float = 1.0) -> tuple[Any, Tensor]:
    if name.startswith("chain"):
        return chain(rank, factor * emissions(rank)), labels(rank)
    return factor * SCORES[rank], TARGETS[rank]


def step_of(loss_fn: nn.Module) -> float:
    return next(float(b) for n, b in loss_fn.named_buffers() if n.endswith(("epsilon", "margin")))


def pooled(name: str) -> float:
    """The step of both ranks, by the formula."""
    lists = SCORES
    if name.startswith("chain"):
        lists = [row for rank in (0, 1) for row in emissions(rank).reshape(-1, 4)]
    elif name == "global":  # one list
        lists = [torch.cat(SCORES)]
    squares = torch.cat([(each - each.mean()).double() ** 2 for each in lists])
    return float(squares.mean().sqrt()) * (SPREADS if name.startswith("chain") else 1.0)


# --- looks ----------------------------------------------------------------------------------------


def looks_then_trains(rank: int) -> dict[str, tuple[float, float]]:
    """Rank 0 alone looks at what it likes, other scores than those of training, before they do."""
    found = {}
    for name, make in LOSSES.items():
        loss_fn = make()
        if rank == 0:
            foreign = batch(name, 0, 1000.0)
            for module in loss_fn.modules():
                if hasattr(module, "bounds"):
                    module.bounds(*foreign)  # in training mode, too
                if hasattr(module, "diagnostics") and not name.startswith("chain"):
                    module.diagnostics(*foreign)
            loss_fn.eval()
            loss_fn(*foreign)
            loss_fn.train()
        before = step_of(loss_fn)
        loss_fn(*batch(name, rank))
        found[name] = before, step_of(loss_fn)
    return found


def trains_alone(rank: int) -> dict[str, float]:
    """Once the step is set, a process needs no other one, and its errors are its own."""
    found = {}
    for name, make in LOSSES.items():
        if name == "global":
            continue
        loss_fn = make()
        loss_fn(*batch(name, rank))
        if rank == 0:
            for _ in range(2):
                loss_fn(*batch(name, 0, 3.0))
            scores, targets = batch(name, 0)
            with pytest.raises(ArgumentError, match=r"^targets: got shape"):
                loss_fn(scores, targets[:1])
        found[name] = step_of(loss_fn)
    return found


# --- errors ---------------------------------------------------------------------------------------


def bad(rank: int, good: Any, worse: Any) -> Any:
    return worse if rank == 1 else good


def _of_scores(rank: int, change: Callable[[Tensor], Any]) -> tuple[Any, Tensor]:
    return bad(rank, SCORES[rank], change(SCORES[rank])), TARGETS[rank]


def _of_targets(rank: int, change: Callable[[Tensor], Any]) -> tuple[Tensor, Any]:
    return SCORES[rank], bad(rank, TARGETS[rank], change(TARGETS[rank]))


def _no_tensor(loss_fn: nn.Module, rank: int) -> None:
    loss_fn(*_of_scores(rank, lambda scores: scores.tolist()))


def _wrong_shape(loss_fn: nn.Module, rank: int) -> None:
    loss_fn(*_of_targets(rank, lambda targets: targets[:-1]))


def _wrong_value(loss_fn: nn.Module, rank: int) -> None:
    loss_fn(*_of_targets(rank, lambda targets: 2 * targets))


def _nan(loss_fn: nn.Module, rank: int) -> None:
    loss_fn(*_of_scores(rank, lambda scores: scores / 0 * 0))


def _wrong_mask(loss_fn: nn.Module, rank: int) -> None:
    mask = torch.ones(SCORES[rank].shape, dtype=torch.bool)
    loss_fn(SCORES[rank], TARGETS[rank], mask=bad(rank, mask, mask.float()))


def _undefined(loss_fn: nn.Module, rank: int) -> None:
    loss_fn.empty = "error"
    loss_fn(*_of_targets(rank, lambda targets: 0 * targets))


def _other_axis(loss_fn: nn.Module, rank: int) -> None:
    loss_fn.loss_fn.dim = bad(rank, 0, 1)
    loss_fn(SCORES[rank][:, None], TARGETS[rank][:, None])


def _no_chain(loss_fn: nn.Module, rank: int) -> None:
    loss_fn(bad(rank, chain(rank), emissions(rank)), labels(rank))


def _wrong_labels(loss_fn: nn.Module, rank: int) -> None:
    loss_fn(chain(rank), bad(rank, labels(rank), labels(rank) + 4))


def _nan_in_a_chain(loss_fn: nn.Module, rank: int) -> None:
    loss_fn(chain(rank, bad(rank, emissions(rank), emissions(rank) * float("nan"))), labels(rank))


FLAT = ("direct", "hinge", "memory", "global")
FAILURES: dict[Callable[[nn.Module, int], None], tuple[tuple[str, ...], str]] = {
    _no_tensor: (FLAT[:2], "ArgumentError: scores: got list"),
    _wrong_shape: (FLAT, "ArgumentError: targets: got shape (2,)"),
    _wrong_value: (FLAT, "ArgumentError: targets: got 2"),
    _nan: (FLAT, "NonFiniteScoreError: scores: got "),
    _wrong_mask: (FLAT[:2], "ArgumentError: mask: got torch.float32"),
    _undefined: (FLAT[:2], "UndefinedMetricError: targets: got 1 of 1 lists"),
    _other_axis: (("memory",), "ArgumentError: dim: got 1, for scores of shape (3, 1)"),
    _no_chain: (("chain direct", "chain hinge"), "ArgumentError: scores: got Tensor"),
    _wrong_labels: (("chain direct", "chain hinge"), "ArgumentError: targets: got 4"),
    _nan_in_a_chain: (("chain direct", "chain hinge"), "NonFiniteScoreError: emissions: got"),
}


def fails(rank: int) -> dict[tuple[str, str], tuple[str, float, float, float]]:
    """What a failure says, the seconds that took, the step then, and that of a step after it."""
    found = {}
    for failure, (names, _) in FAILURES.items():
        for name in names:
            loss_fn = LOSSES[name]()
            dist.barrier()
            began = time.monotonic()
            with pytest.raises(RankError) as caught:
                failure(loss_fn, rank)
            seconds, before = time.monotonic() - began, step_of(loss_fn)
            again = LOSSES[name]()
            again(*batch(name, rank))
            found[failure.__name__, name] = str(caught.value), seconds, before, step_of(again)
    return found


def both(rank: int) -> tuple[Any, Any, Any]:
    return looks_then_trains(rank), trains_alone(rank), fails(rank)


# --- the tests ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_two() -> list[Any]:
    for name, make in LOSSES.items():  # compiled here, so that no process waits for that
        make()(*batch(name, 0))
    return run(both, 2, seconds=SECONDS)


@pytest.mark.parametrize("name", LOSSES)
def test_a_look_of_one_process_waits_for_nobody_and_sets_nothing(
    name: str, of_two: list[Any]
) -> None:
    for looked, _, _ in of_two:
        before, after = looked[name]
        assert before != before  # NaN
        assert after == pytest.approx(pooled(name), rel=1e-6)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "global"])
def test_once_the_step_is_set_nobody_waits(name: str, of_two: list[Any]) -> None:
    assert len({alone[name] for _, alone, _ in of_two}) == 1
    assert of_two[0][1][name] == pytest.approx(pooled(name), rel=1e-6)


@pytest.mark.parametrize(
    ("failure", "name"), [(f, name) for f, (names, _) in FAILURES.items() for name in names]
)
def test_what_fails_in_a_first_step_is_raised_on_all_by_rank(
    failure: Callable[..., None], name: str, of_two: list[Any]
) -> None:
    for _, _, failed in of_two:
        message, seconds, before, after = failed[failure.__name__, name]
        assert message.startswith(f"rank 1 of 2 processes: {FAILURES[failure][1]}")
        assert seconds < SOON
        assert before != before  # NaN: nothing has been kept
        assert after == pytest.approx(pooled(name), rel=1e-6)
