"""Without a device: solvers on stand-ins of "cuda", as one graph, and none that waits for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import directloss as dl
from directloss._noise import antithetic
from directloss._update import ListBatch
from directloss.inference.device import RocArea
from tests.harness import TaskCase, make_loss, value_and_gradient
from tests.needs import one_graph, stand_ins_of_a_device
from tests.on_device import ON_DEVICE, STEPS, NoWaiting, has, solver_of

UPDATES = [
    pytest.param(case, update, id=f"{case}-{update}")
    for case in ON_DEVICE
    for update in ("hinge", "perceptron")
    if has(case.make(), update)
]


def draw(shape: tuple[int, ...] = (3, 40), device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Scores, targets and a mask."""
    scores = torch.randn(shape, device=device)
    return scores, (torch.rand(shape, device=device) < 0.3).float(), scores < 1.5


@stand_ins_of_a_device
@pytest.mark.parametrize(("case", "update"), [*STEPS, *UPDATES])
def test_no_update_waits_for_a_device(case: TaskCase, update: str) -> None:
    loss_fn = make_loss(update, case.make(), reduction="none", solver="device")
    with FakeTensorMode(allow_non_fake_inputs=True):
        scores, targets, mask = draw(device="cuda")
        with NoWaiting() as mode:
            value = loss_fn(scores, targets, mask=mask)
    assert value.device.type == "cuda" and value.shape == (3,)
    assert mode.calls > 10


@pytest.mark.parametrize(("case", "update"), STEPS)
def test_a_step_with_its_backward_looks_at_nothing(case: TaskCase, update: str) -> None:
    scores, targets, mask = draw()
    loss_fn = make_loss(update, case.make(), solver="device")
    batch = loss_fn._read(scores.requires_grad_(), targets, None, mask, None)  # type: ignore[operator]
    with NoWaiting("cpu") as mode:
        loss_fn._loss(batch, 0.5).backward()  # type: ignore[operator]
    assert scores.grad is not None and mode.calls > 10


@stand_ins_of_a_device
def test_bounds_and_copies_with_noise_do_not_wait_either() -> None:
    loss_fn = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5, solver="device")
    with FakeTensorMode(allow_non_fake_inputs=True):
        scores, targets, mask = draw(device="cuda")
        noise = torch.randn(1, 3, 40, device="cuda")
        batch = loss_fn._read(scores, targets, None, mask, None)
        assert isinstance(batch, ListBatch)
        with NoWaiting():
            lower, upper = loss_fn.bounds(scores, targets, mask=mask)
            value = loss_fn._loss(batch.with_noise(antithetic(scores, noise, 0.1)), 0.5)
    assert lower.shape == upper.shape == value.shape == ()


PLANTED: dict[str, Callable[[Tensor], object]] = {
    "item": lambda scores: scores.sum().item(),
    "bool": lambda scores: bool((scores > 0).any()),
    "float": lambda scores: float(scores.max()),
    "nonzero": lambda scores: torch.nonzero(scores > 0),
    "boolean index": lambda scores: scores[scores > 0],
    "masked_select": lambda scores: scores.masked_select(scores > 0),
    "unique": lambda scores: torch.unique(scores),
    "cpu": lambda scores: scores.cpu(),
    "copy": lambda scores: torch.zeros(3, 40, device="cpu").copy_(scores),
}


@stand_ins_of_a_device
@pytest.mark.parametrize("planted", PLANTED)
def test_what_waits_is_seen(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place where every solver begins."""
    sort = RocArea.sort

    def waits(self: RocArea, scores: Tensor, *others: Tensor) -> object:
        PLANTED[planted](scores)
        return sort(self, scores, *others)

    loss_fn = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5, solver="device")
    with FakeTensorMode(allow_non_fake_inputs=True):
        scores, targets, _ = draw(device="cuda")
        with NoWaiting():
            loss_fn(scores, targets)
        monkeypatch.setattr(RocArea, "sort", waits)
        with NoWaiting(), pytest.raises(AssertionError, match=r"waits|copies to the host"):
            loss_fn(scores, targets)


def one_a_solver() -> tuple[TaskCase, ...]:
    """Tasks whose solvers differ by more than the value of a number: Python takes other paths."""
    found: dict[object, TaskCase] = {}
    for case in reversed(ON_DEVICE):
        solver = solver_of(case.make())
        paths = [value for value in vars(solver).values() if not isinstance(value, float | tuple)]
        found[type(solver), has(case.make(), "both"), *map(str, paths)] = case
    return tuple(reversed(found.values()))


# Each item more is more of the same: a binary search is traced step by step.
@stand_ins_of_a_device
@one_graph
@pytest.mark.parametrize("case", one_a_solver(), ids=str)
def test_a_step_is_one_graph(case: TaskCase) -> None:
    """With all the terms for which there is a solver."""
    torch._dynamo.reset()
    scores, targets, mask = draw((3, 14))
    update = "both" if has(case.make(), "both") else "negative"
    if not has(case.make(), update):
        update = "positive"
    loss_fn = make_loss(update, case.make(), solver="device")
    compiled = torch.compile(loss_fn, fullgraph=True, backend="eager")
    value, gradient = value_and_gradient(compiled, scores, targets, mask=mask)
    wanted, slope = value_and_gradient(make_loss(update, case.make()), scores, targets, mask=mask)
    torch.testing.assert_close(value, wanted)
    torch.testing.assert_close(gradient, slope)


@one_graph
def test_a_graph_of_a_loss_measures_its_step_without_waiting() -> None:
    """The step of "auto" is a number on the device, and no operator of the host is in the graph."""
    torch._dynamo.reset()
    found: list[str] = []

    def note(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        found.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    scores, targets, mask = draw()
    loss_fn = dl.DirectLoss(dl.ROCAUC(), solver="device")
    value = torch.compile(loss_fn, fullgraph=True, backend=note)(scores, targets, mask=mask)
    same = dl.DirectLoss(dl.ROCAUC())
    torch.testing.assert_close(value, same(scores, targets, mask=mask))
    torch.testing.assert_close(loss_fn.epsilon, same.epsilon)
    assert found and not any("directloss" in name for name in found)


@one_graph
def test_lengths_change_and_the_graph_with_them() -> None:
    torch._dynamo.reset()
    loss_fn = dl.DirectLoss(dl.Jaccard(), epsilon=0.5, solver="device")
    graphs: list[torch.fx.GraphModule] = []

    def count(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(loss_fn, fullgraph=True, backend=count, dynamic=True)
    for n in (5, 15):
        scores, targets, _ = draw((2, n))
        torch.testing.assert_close(compiled(scores, targets), loss_fn(scores, targets))
    # That of any short length has too few steps of the search for a longer one.
    assert len(graphs) == 2
