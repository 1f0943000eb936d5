"""Several processes against one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import directloss as dl
from directloss._world import World
from directloss.errors import RankError
from directloss.training import (
    FitConfig,
    GlobalBatchLoss,
    Part,
    Parts,
    ScoreMemory,
    raise_on_all,
    whole_dataset_step,
)
from tests.training.arrays import small_parts
from tests.training.processes import Host, Meeting, run

STEPS = 20
FEW_STEPS = 3
# Rank 0 has no positives (they come last), the third rank of three no rows.
SHARES = {1: [400], 2: [150, 250], 3: [150, 250, 0]}
# Rows of a chunk: every rank has another number of chunks.
CHUNKS = [64, 37, 10]
SOON = 10.0
"""Seconds within which all ranks hear of a failure."""


def rows() -> tuple[Tensor, Tensor, Tensor]:
    """Features, targets and groups, positives last."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 5, generator=generator).double()
    targets = features[:, 0] + torch.randn(400, generator=generator) > 1.5
    order = targets.int().argsort(stable=True)
    groups = torch.randint(0, 30, (400,), generator=generator)
    return features[order], targets[order], groups


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0)]
    return nn.Sequential(*layers).double()


def chunks(size: int, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return list(zip(*(t.split(size) for t in tensors), strict=True)) if len(tensors[0]) else []


def whole(model: nn.Module, rank: int, share: tuple[Tensor, ...], loss_fn: nn.Module) -> float:
    return float(whole_dataset_step(model, chunks(CHUNKS[rank], *share), loss_fn).loss)


def batch(model: nn.Module, rank: int, share: tuple[Tensor, ...], loss_fn: nn.Module) -> float:
    features, targets, *groups = share
    loss = loss_fn(model(features), targets, **({"groups": groups[0]} if groups else {}))
    loss.backward()
    return float(loss.detach())


def accumulated(model: nn.Module, rank: int, share: Any, loss_fn: nn.Module) -> float:
    """Two joint batches a step, reduced at the second only."""
    if not isinstance(model, DistributedDataParallel):
        batch(model, rank, (share[0][::2], share[1][::2]), loss_fn)
    else:
        with model.no_sync():
            batch(model, rank, (share[0][::2], share[1][::2]), loss_fn)
    return batch(model, rank, (share[0][1::2], share[1][1::2]), loss_fn)


def accumulated_whole(model: nn.Module, rank: int, share: Any, loss_fn: nn.Module) -> float:
    for half in (slice(0, None, 2), slice(1, None, 2)):
        part = chunks(CHUNKS[rank], share[0][half], share[1][half])
        step = whole_dataset_step(model, part, loss_fn, scale=0.5)
    return float(step.loss)


AP = dl.AveragePrecision


def joint(task: dl.Task) -> Callable[[], nn.Module]:
    return lambda: GlobalBatchLoss(dl.DirectLoss(task))


def noisy() -> dl.DirectLoss:
    noise = dl.Perturbation(scale=0.3)
    return dl.DirectLoss(AP(), direction="both", perturbation=noise)


def remembering() -> nn.Module:
    return GlobalBatchLoss(ScoreMemory(dl.DirectLoss(AP()), 3))


# How a step is taken, with which loss, on how many tensors, and how often.
RUNS: dict[str, tuple[Callable[..., float], Callable[[], nn.Module], int, int]] = {
    "whole data set": (whole, lambda: dl.DirectLoss(AP()), 2, STEPS),
    "whole data set, groups": (whole, lambda: dl.DirectLoss(dl.NDCG()), 3, FEW_STEPS),
    "whole data set, noise": (whole, noisy, 2, FEW_STEPS),
    "batch": (batch, joint(AP()), 2, STEPS),
    "batch, noise": (batch, lambda: GlobalBatchLoss(noisy()), 2, FEW_STEPS),
    "batch, groups": (batch, joint(dl.NDCG()), 3, FEW_STEPS),
    "batch, memory": (batch, remembering, 2, FEW_STEPS),
    "accumulated batches": (accumulated, joint(AP()), 2, FEW_STEPS),
    "accumulated whole data sets": (accumulated_whole, lambda: dl.DirectLoss(AP()), 2, FEW_STEPS),
}
Outcome = tuple[Tensor, list[float], float]


def trained(rank: int, size: int) -> dict[str, Outcome]:
    """Parameters, losses and epsilon after some steps of each kind."""
    outcomes = {}
    for name, (take, make_loss, tensors, steps) in RUNS.items():
        share = tuple(t.split(SHARES[size])[rank] for t in rows()[:tensors])
        net, loss_fn = network(), make_loss()
        model = DistributedDataParallel(net) if size > 1 else net
        optimiser = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
        losses = []
        for _ in range(steps):
            optimiser.zero_grad()
            losses.append(take(model, rank, share, loss_fn))
            optimiser.step()
        vector = nn.utils.parameters_to_vector(net.parameters()).detach()
        epsilon = next(float(b) for n, b in loss_fn.named_buffers() if n.endswith("epsilon"))
        outcomes[name] = vector, losses, epsilon
    return outcomes


FITS: tuple[dict[str, Any], ...] = (
    {"batch_size": 33},
    {"batch_size": 33, "score_memory": 2},
    {"batch": "all", "batch_size": 17},
)


def fitted(rank: int) -> list[tuple[Tensor, list[float]]]:
    """The fit loop, by mini-batches and by whole data sets."""
    from accelerate import Accelerator

    from directloss.training import fit

    results = []
    for options in (
        {"batch_size": 33},
        {"batch": "all", "batch_size": 17},
        {"score_memory": 2, "batch_size": 33},
    ):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0)).double()
        parts = small_parts()
        data = Parts(
            *(
                Part(part.features.double(), part.targets)
                for part in (parts.train, parts.validation, parts.test)
            )
        )
        config = FitConfig(learning_rate=0.1, epochs=2, evaluations=2, **options)
        loss_fn = dl.DirectLoss(AP())
        result = fit(model, loss_fn, data, AP(), config, accelerator=Accelerator(cpu=True))
        vector = nn.utils.parameters_to_vector(model.parameters()).detach()
        results.append((vector, result.history.test + result.history.zero_gradient))
    return results


# --- errors ---------------------------------------------------------------------------------------


class Slow:
    """Chunks that take ten seconds in all."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(500):
            time.sleep(0.02)
            yield torch.zeros(2, 5).double(), torch.tensor([True, False])


class Failing:
    """Ends in an error."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from chunks(64, *rows()[:2])
        raise OSError("a disk went away")


class Unsteady:
    """Other features at the second pass."""

    def __init__(self) -> None:
        self._passes = 0

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        self._passes += 1
        features, targets, _ = rows()
        return iter(chunks(64, features * self._passes, targets))


def nan_at(rank: int, bad: int) -> tuple[Tensor, Tensor]:
    features, targets, _ = rows()
    return (features * float("nan") if rank == bad else features), targets


def _fails_in_a_pass(rank: int) -> None:
    whole_dataset_step(network(), Failing() if rank == 1 else Slow(), dl.DirectLoss(AP()))


def _differs_in_pass_two(rank: int) -> None:
    loader = Unsteady() if rank == 2 else chunks(64, *rows()[:2])
    whole_dataset_step(network(), loader, dl.DirectLoss(AP()))


def _has_nan(rank: int) -> None:
    whole_dataset_step(network(), chunks(64, *nan_at(rank, 1)), dl.DirectLoss(AP()))


def _has_nan_in_a_batch(rank: int) -> None:
    features, targets = nan_at(rank, 2)
    GlobalBatchLoss(dl.DirectLoss(AP()))(network()(features), targets)


def _has_nan_in_its_own_batch(rank: int) -> None:
    features, targets = nan_at(rank, 2)
    with raise_on_all():
        dl.DirectLoss(AP())(network()(features), targets)


def _has_other_types(rank: int) -> None:
    features, targets, _ = rows()
    GlobalBatchLoss(dl.DirectLoss(AP()))(network()(features), targets if rank else targets.int())


def _has_wrong_shapes(rank: int) -> None:
    features, targets, _ = rows()
    GlobalBatchLoss(dl.DirectLoss(AP()))(network()(features), targets[rank // 2 :])


def _has_nothing(rank: int) -> None:
    whole_dataset_step(network(), [], dl.DirectLoss(AP()))


def _fails_before_the_loss(rank: int) -> None:
    features, targets, _ = rows()
    with raise_on_all():
        if rank == 1:
            raise OSError("a disk went away")
        GlobalBatchLoss(dl.DirectLoss(AP()))(network()(features), targets)


FAILURES: dict[Callable[[int], None], str] = {
    _fails_in_a_pass: "rank 1 of 3 processes: OSError: a disk went away",
    _differs_in_pass_two: "rank 2 of 3 processes: ReplayError: loader: the second pass gave",
    _has_nan: "rank 1 of 3 processes: NonFiniteScoreError: scores: got 400 NaN",
    _has_nan_in_a_batch: "rank 2 of 3 processes: NonFiniteScoreError: scores: got 400 NaN",
    _has_nan_in_its_own_batch: "rank 2 of 3 processes: NonFiniteScoreError: scores: got 400 NaN",
    _has_other_types: "rank 1, 2 of 3 processes: has ",
    _has_wrong_shapes: "rank 2 of 3 processes: ArgumentError: targets: got shape (399,)",
    _fails_before_the_loss: "rank 1 of 3 processes: OSError: a disk went away",
}


def failed(rank: int) -> dict[str, tuple[str, float, float]]:
    """What each failure says, how long it took, and the loss of a step after it."""
    told = {}
    for failure in FAILURES:
        torch.distributed.barrier()
        began = time.monotonic()
        with pytest.raises(RankError) as caught:
            failure(rank)
        seconds = time.monotonic() - began
        few = tuple(tensor[:200] for tensor in rows()[:2])
        after = whole(network(), rank, few, dl.DirectLoss(AP()))
        told[failure.__name__] = str(caught.value), seconds, after
    with pytest.raises(dl.errors.ArgumentError, match="no rows on any rank"):
        _has_nothing(rank)
    return told


def three(rank: int) -> tuple[dict[str, Outcome], dict[str, tuple[str, float, float]]]:
    return trained(rank, 3), failed(rank)


def two(rank: int) -> tuple[dict[str, Outcome], list[tuple[Tensor, list[float]]], Any]:
    return trained(rank, 2), fitted(rank) if find_spec("accelerate") else [], sharded(rank)


# --- what a joint batch is called with ------------------------------------------------------------


class Joint(NamedTuple):
    """A loss, what each of two ranks calls it with, and what one process does."""

    make: Callable[[], nn.Module]
    parts: Sequence[dict[str, Any]]
    whole: dict[str, Any]


def of_rows(
    make: Callable[[], nn.Module], sizes: tuple[int, int] = (3, 5), **whole: Tensor
) -> Joint:
    """A batch of which the ranks have so many rows."""
    split = {name: tensor.split(sizes) for name, tensor in whole.items()}
    parts = [{name: each[rank] for name, each in split.items()} for rank in (0, 1)]
    return Joint(make, parts, whole)


def with_list_weights(joint: Joint, weight: Tensor) -> Joint:
    """The same with a weight for each list, of which a rank knows those that it has."""

    def weighed(call: dict[str, Any]) -> dict[str, Any]:
        own = weight[call["groups"].unique()] if "groups" in call else weight
        return {**call, "weight": own}

    return Joint(joint.make, [weighed(part) for part in joint.parts], weighed(joint.whole))


def with_items(joint: Joint, items: Sequence[Tensor]) -> Joint:
    """The same with relevant items by index, of each rank, in place of the targets."""
    parts = zip(joint.parts, items, strict=True)
    return joint._replace(parts=[{**part, "targets": dl.Qrels(each)} for part, each in parts])


def direct(task: dl.Task, **options: Any) -> Callable[[], nn.Module]:
    return lambda: dl.DirectLoss(task, epsilon=1.0, direction="both", **options)


def joints() -> dict[str, Joint]:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(8, 4, generator=generator).double()
    single, targets = scores[:, 0], torch.zeros(8, dtype=torch.uint8)
    targets[[1, 3, 6]] = 1
    columns = torch.zeros(8, 4, dtype=torch.uint8)
    columns[[0, 2, 4, 7], [0, 1, 2, 3]] = 1
    weight, classes = torch.rand(8, generator=generator).double(), torch.arange(8) % 4
    groups = torch.tensor([2, 0, 2, 1, 1, 0, 0, 1])  # of group 0 both ranks have entries
    places = torch.arange(8)[:, None] % 4
    of_each = torch.zeros(8, 4, dtype=torch.uint8).scatter(1, places, 1)
    one_list = [torch.tensor([1]), torch.tensor([0, 3])]
    of_columns = [torch.tensor([[0], [2], [-1], [-1]]), torch.tensor([[-1], [-1], [1], [4]])]
    return {
        "items of one list": with_items(
            of_rows(direct(AP()), scores=single, targets=targets), one_list
        ),
        "items of columns": with_items(
            of_rows(direct(AP(), dim=0), scores=scores, targets=columns), of_columns
        ),
        "items of rows": with_items(
            of_rows(direct(AP()), scores=scores, targets=of_each), places.split((3, 5))
        ),
        "weights of rows": of_rows(direct(AP()), scores=scores, targets=of_each, weight=weight),
        "weights of samples": of_rows(
            direct(dl.MulticlassZeroOne()), scores=scores, targets=classes, weight=weight
        ),
        "weights of the classes of each row": of_rows(
            direct(dl.Jaccard(), class_dim=1, dim=2),
            scores=scores[..., None] + torch.tensor([0.0, 0.3, -0.9]).double(),
            targets=torch.stack([classes, classes.flip(0), classes], 1),
            weight=weight[:, None] * torch.tensor([1.0, 3.0, 2.0, 0.5]).double(),
        ),
        "weights of items": of_rows(
            direct(dl.ZeroOne()), scores=single, targets=targets, weight=weight
        ),
        "weights of items, memory": of_rows(
            lambda: ScoreMemory(direct(dl.ZeroOne())(), 2),
            scores=single,
            targets=targets,
            weight=weight,
        ),
        "weights of items of classes": of_rows(
            direct(dl.ZeroOne(), class_dim=1), scores=scores, targets=classes, weight=weight
        ),
        "weights of columns": with_list_weights(
            of_rows(direct(AP(), dim=0), scores=scores, targets=columns), weight[:4]
        ),
        "weights of columns, memory": with_list_weights(
            of_rows(lambda: ScoreMemory(direct(AP(), dim=0)(), 2), scores=scores, targets=columns),
            weight[:4],
        ),
        "weights of groups": with_list_weights(
            of_rows(direct(AP()), scores=single, targets=targets, groups=groups), weight
        ),
        "weights of groups of columns": with_list_weights(
            of_rows(direct(AP(), dim=0), scores=scores, targets=of_each, groups=groups),
            weight[:, None] * torch.tensor([1.0, 3.0, 2.0, 0.5]).double(),
        ),
        "weights of groups, all on one rank": with_list_weights(
            of_rows(direct(AP()), (8, 0), scores=single, targets=targets, groups=groups), weight
        ),
        "items, memory": with_items(
            of_rows(lambda: ScoreMemory(direct(AP())(), 2), scores=single, targets=targets),
            one_list,
        ),
    }


def called(
    loss_fn: nn.Module, scores: Tensor, targets: Any, **options: Any
) -> tuple[float, Tensor]:
    """Value and gradient."""
    scores = scores.clone().requires_grad_()
    loss = loss_fn(scores, targets, **options)
    loss.backward()
    return float(loss.detach()), scores.grad


def joined(rank: int) -> dict[str, tuple[float, Tensor]]:
    return {
        name: called(GlobalBatchLoss(joint.make()), **joint.parts[rank])
        for name, joint in joints().items()
    }


def _has_another_weight_of_a_list(rank: int) -> None:
    joint = joints()["weights of groups"]
    call = joint.parts[rank]
    GlobalBatchLoss(joint.make())(**{**call, "weight": call["weight"] * (1 + rank)})


def _has_weights_of_items_in_groups(rank: int) -> None:
    call = joints()["weights of groups"].parts[rank]
    weight = torch.ones(len(call["scores"]))
    GlobalBatchLoss(dl.DirectLoss(dl.ZeroOne()))(**{**call, "weight": weight})


def _has_lists_or_items(rank: int) -> None:
    call = joints()["weights of columns"].parts[rank]
    weight = torch.ones(4) if rank else torch.ones(call["scores"].shape)
    GlobalBatchLoss(dl.DirectLoss(dl.ZeroOne(), dim=0))(**{**call, "weight": weight})


def _has_weights_that_learn(rank: int) -> None:
    joint = joints()["weights of rows"]
    call = joint.parts[rank]
    weight = call["weight"].clone().requires_grad_(rank == 1)
    GlobalBatchLoss(joint.make())(**{**call, "weight": weight})


REFUSED: dict[Callable[[int], None], str] = {
    _has_another_weight_of_a_list: "rank 0, 1 of 2 processes: ArgumentError: weight: got several",
    _has_weights_of_items_in_groups: (
        "rank 0, 1 of 2 processes: ArgumentError: weight: got shape (3,), wanted with groups= one"
    ),
    _has_lists_or_items: "rank 1 of 2 processes: has {",
    _has_weights_that_learn: (
        "rank 1 of 2 processes: ArgumentError: weight: got a tensor that requires grad"
    ),
}


def refused(rank: int) -> list[str]:
    told = []
    for failure in REFUSED:
        with pytest.raises(RankError) as caught:
            failure(rank)
        told.append(str(caught.value))
    return told


def joined_and_refused(rank: int) -> tuple[dict[str, tuple[float, Tensor]], list[str]]:
    return joined(rank), refused(rank)


@pytest.fixture(scope="module")
def joined_of_two() -> list[tuple[dict[str, tuple[float, Tensor]], list[str]]]:
    return run(joined_and_refused, 2)


@pytest.mark.parametrize("name", joints())
def test_a_joint_batch_is_that_of_one_process(
    name: str, joined_of_two: list[tuple[dict[str, tuple[float, Tensor]], list[str]]]
) -> None:
    make, _, whole = joints()[name]
    value, gradient = called(make(), **whole)
    assert gradient.any()
    for found, _ in joined_of_two:
        assert found[name][0] == pytest.approx(value, abs=1e-12)
    # DistributedDataParallel takes the mean.
    parts = torch.cat([found[name][1] for found, _ in joined_of_two]) / 2
    torch.testing.assert_close(parts, gradient, rtol=0, atol=1e-12)


def test_weights_that_cannot_be_joined_are_refused(joined_of_two: list[Any]) -> None:
    for _, told in joined_of_two:
        for message, start in zip(told, REFUSED.values(), strict=True):
            assert message.startswith(start)


# --- sharded networks -----------------------------------------------------------------------------


def flat(net: nn.Module, features: Tensor) -> Tensor:
    return net(features).flatten()


def sharded(rank: int) -> tuple[list[tuple[list[Tensor], float]], str]:
    """Gradients of fully sharded parameters and the loss, of both kinds of steps.

    Also what uneven chunks say.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    # FSDP does not like a network whose output is a view, such as that of Flatten.
    net = network()[:-1]
    mesh = init_device_mesh("cpu", (2,))
    fully_shard(net[0], mesh=mesh)
    fully_shard(net, mesh=mesh)
    share = tuple(t.split(SHARES[2])[rank] for t in rows()[:2])
    loss_fn = dl.DirectLoss(AP())
    # Five chunks on either rank.
    step = whole_dataset_step(net, chunks((30, 50)[rank], *share), loss_fn, score=flat)
    found = [([p.grad.full_tensor() for p in net.parameters()], float(step.loss))]
    net.zero_grad()
    loss = GlobalBatchLoss(dl.DirectLoss(AP()))(flat(net, share[0]), share[1])
    loss.backward()
    found.append(([p.grad.full_tensor() for p in net.parameters()], float(loss.detach())))
    with pytest.raises(RankError) as caught:
        whole_dataset_step(net, chunks(30, *share), loss_fn, score=flat)
    return found, str(caught.value)


# --- the tests ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone() -> dict[str, Outcome]:
    return trained(0, 1)


@pytest.fixture(scope="module")
def of_two() -> list[Any]:
    return run(two, 2)


@pytest.fixture(scope="module")
def of_three() -> list[Any]:
    return run(three, 3)


@pytest.mark.parametrize("name", RUNS)
def test_two_and_three_processes_end_with_the_parameters_of_one(
    name: str, alone: dict[str, Outcome], of_two: list[Any], of_three: list[Any]
) -> None:
    assert alone[name][1][-1] < alone[name][1][0]
    for ranks in (of_two, of_three):
        assert_equal([outcomes[name] for outcomes, *_ in ranks], alone[name])


def assert_equal(ranks: list[Outcome], alone: Outcome) -> None:
    wanted, losses, epsilon = alone
    for vector, its_losses, its_epsilon in ranks:
        assert float((vector - wanted).abs().max()) < 1e-12
        assert its_losses == pytest.approx(losses, abs=1e-12)
        assert its_epsilon == pytest.approx(epsilon, rel=1e-14)
        # Not one bit of difference between the ranks, or they would drift apart.
        assert torch.equal(vector, ranks[0][0])


def test_the_fit_loop_takes_the_same_steps_on_two_processes(of_two: list[Any]) -> None:
    pytest.importorskip("accelerate", reason="the fit loop needs directloss[train]")
    for (vector, history), *others in zip(
        fitted(0), *(found for _, found, _ in of_two), strict=True
    ):
        for other, other_history in others:
            assert float((other - vector).abs().max()) < 1e-12
            assert other_history == pytest.approx(history, abs=1e-12)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_an_error_on_one_rank_is_raised_on_all(
    failure: Callable[[int], None], of_three: list[Any]
) -> None:
    features, targets = (tensor[:200].repeat(3, *[1] * (tensor.ndim - 1)) for tensor in rows()[:2])
    after = whole(network(), 0, (features, targets), dl.DirectLoss(AP()))
    for _, told in of_three:
        message, seconds, loss = told[failure.__name__]
        assert message.startswith(FAILURES[failure])
        assert seconds < SOON
        # The processes still understand each other.
        assert loss == pytest.approx(after)


def test_a_sharded_network(of_two: list[Any]) -> None:
    net, share = network(), rows()[:2]
    loss = whole(net, 0, share, dl.DirectLoss(AP()))
    for *_, (steps, message) in of_two:
        for found, value in steps:
            assert value == pytest.approx(loss)
            for one, parameter in zip(found, net.parameters(), strict=True):
                torch.testing.assert_close(one, parameter.grad, rtol=0, atol=1e-12)
        assert "fewer chunks on rank [0], wanted the same number of chunks" in message


class Deadly:
    """Ends its process as `kill -9` would."""

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        yield from chunks(64, *rows()[:2])
        os.kill(os.getpid(), signal.SIGKILL)


def _ends(rank: int) -> tuple[str, float]:
    loader = Deadly() if rank == 1 else chunks(64, *rows()[:2])
    began = time.monotonic()
    with pytest.raises(RankError) as caught:
        whole_dataset_step(network(), loader, dl.DirectLoss(AP()))
    return str(caught.value), time.monotonic() - began


def _ends_elsewhere(rank: int) -> str:
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(RankError) as caught, World().reaching():
        dist.barrier()  # any exchange, such as those of Accelerate and DistributedDataParallel
    return str(caught.value)


def test_a_process_that_is_killed_is_named_in_the_exchanges_of_others() -> None:
    (told, _) = run(_ends_elsewhere, 2, lost=1)
    assert told.startswith("rank 1 of 2 processes: ended or cannot be reached (")


def test_a_process_that_is_killed_is_named() -> None:
    for message, seconds in filter(None, run(_ends, 3, lost=1)):
        assert message.startswith("rank 1 of 3 processes: ended or cannot be reached (")
        assert seconds < SOON


# --- hosts ----------------------------------------------------------------------------------------


@pytest.fixture
def hosts() -> Iterator[Meeting]:
    """Two network namespaces, joined by a cable."""
    names = [f"directloss{os.getpid()}{letter}" for letter in "ab"]
    cables = [f"dl{os.getpid()}{letter}" for letter in "ab"]
    if not shutil.which("ip"):
        pytest.skip("needs the command ip, to make network namespaces")
    made = [_ip("netns", "add", name) for name in names]
    try:
        if any(made) or _ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1]):
            pytest.skip("this machine allows no network namespaces, or no cable between them")
        for number, (name, cable) in enumerate(zip(names, cables, strict=True), start=1):
            assert not _ip("link", "set", cable, "netns", name)
            address = f"10.213.77.{number}/24"
            assert not _ip("-n", name, "address", "add", address, "dev", cable)
            assert not _ip("-n", name, "link", "set", cable, "up")
            assert not _ip("-n", name, "link", "set", "lo", "up")
        yield Meeting("10.213.77.1", list(map(Host, names, cables)))
    finally:
        for name in names:
            _ip("netns", "delete", name)


def _ip(*arguments: str) -> int:
    return subprocess.run(["ip", *arguments], stderr=subprocess.DEVNULL, check=False).returncode


def _on_a_host(rank: int) -> tuple[set[str], dict[str, Outcome]]:
    return {name for _, name in socket.if_nameindex()}, trained(rank, 2)


def test_two_hosts_end_with_the_parameters_of_one_process(
    hosts: Meeting, alone: dict[str, Outcome]
) -> None:
    found = run(_on_a_host, 2, meeting=hosts)
    for host, (interfaces, _) in zip(hosts.hosts, found, strict=True):
        assert interfaces == {"lo", host.interface}
    for name, outcome in alone.items():
        assert_equal([outcomes[name] for _, outcomes in found], outcome)
