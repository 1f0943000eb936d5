"""Where Python must not look into tensors: torch.compile, torch.func, and what their operators say.

A compiled loss is the plain one to the last bit, since the same code runs on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import nan
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss import _operators, functional
from tests.cases import TASKS
from tests.harness import DIRECTIONS, UPDATES, TaskCase, make_loss, value_and_gradient

ONE_A_CLASS = {type(case.make()): case for case in reversed(TASKS)}.values()
every_update = pytest.mark.parametrize("update", UPDATES)

STEP = 0.4


def loss(update: str, scores: Tensor, targets: Tensor, task: dl.Task) -> Tensor:
    """The loss of an update, without a module's state."""
    if update == "hinge":
        return functional.hinge_loss(scores, targets, task, margin=STEP)
    if update == "perceptron":
        return functional.perceptron_loss(scores, targets, task)
    return functional.direct_loss(
        scores,
        targets,
        task,
        epsilon=STEP,
        unit="loss",
        direction=update,  # type: ignore[arg-type]
    )


def in_turn() -> Iterator[Any]:
    """The first task with a target an item and a list with all updates, every other with two.

    A graph holds the number of its task, and reads scores and targets; the update is solved in an
    operator, of which `test_transforms_agree_with_autograd` tests every task with every update.
    """
    seen: set[bool] = set()
    for number, case in enumerate(ONE_A_CLASS):
        two = DIRECTIONS[number % 3], ("hinge", "perceptron")[number % 2]
        updates = two if case.target_per_list in seen else UPDATES
        seen.add(case.target_per_list)
        yield pytest.param(case, updates, id=f"{case}-{'-'.join(updates)}")


@pytest.mark.parametrize(("case", "updates"), list(in_turn()))
def test_compiled_without_a_break_every_update_is_the_plain_one(
    case: TaskCase, updates: tuple[str, ...]
) -> None:
    """Several updates in one graph."""
    torch.compiler.reset()
    scores, targets = case.batch(np.random.default_rng(0), 3, 12, torch.float32)
    task = case.make()

    def all_updates(s: Tensor, t: Tensor) -> list[Tensor]:
        return [loss(update, s, t, task) for update in updates]

    def values_and_gradients(function: Callable[[Tensor, Tensor], list[Tensor]]) -> list[Tensor]:
        leaf = scores.clone().requires_grad_()
        values = function(leaf, targets)
        gradients = [torch.autograd.grad(v, leaf, retain_graph=True)[0] for v in values]
        return [*(v.detach() for v in values), *gradients]

    wanted = values_and_gradients(all_updates)
    compiled = torch.compile(all_updates, fullgraph=True, backend="aot_eager")
    found = values_and_gradients(compiled)
    for name, mine, theirs in zip(2 * updates, found, wanted, strict=True):
        assert torch.equal(mine, theirs), name
    assert any(gradient.any() for gradient in wanted[len(updates) :])


MASK, GROUPS = (torch.arange(12) % 5 != 0).expand(3, 12), torch.arange(12) % 2


# Layouts and a step that sets itself take other paths through the graph, the same for all tasks.
@pytest.mark.parametrize(
    ("update", "reduction", "arguments"),
    [
        ("positive", "mean", {}),
        ("both", "none", {}),
        ("both", "sum", {"mask": MASK}),
        ("hinge", "mean", {"groups": GROUPS}),
        ("perceptron", "none", {"mask": MASK}),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else given,
)
def test_compiled_with_layouts_and_an_automatic_step(
    update: str, reduction: str, arguments: dict[str, Tensor]
) -> None:
    torch.compiler.reset()
    case = TASKS[0]
    scores, targets = case.batch(np.random.default_rng(1), 3, 12, torch.float32)
    step = [] if update == "perceptron" else ["auto"]
    plain, traced = (make_loss(update, case.make(), *step, reduction=reduction) for _ in range(2))
    compiled = torch.compile(traced, fullgraph=True, backend="aot_eager")
    for factor in (1.0, 3.0):  # the first batch sets the step, the second finds it set
        wanted = value_and_gradient(plain, factor * scores, targets, **arguments)
        found = value_and_gradient(compiled, factor * scores, targets, **arguments)
        assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
        for mine, theirs in zip(plain.buffers(), traced.buffers(), strict=True):
            assert torch.equal(mine, theirs) and not mine.isnan()


@pytest.mark.parametrize("task", [dl.AveragePrecision(), dl.NDCG()], ids=repr)
def test_compiled_by_inductor(task: dl.Task) -> None:
    """With a network in the same graph, whose gradients differ by the rounding of its kernels."""
    torch.compiler.reset()
    torch.manual_seed(0)
    x, targets = torch.randn(40, 5), (torch.rand(40) < 0.3).float()
    net, loss_fn = nn.Linear(5, 1), dl.DirectLoss(task, epsilon=STEP, direction="both")

    def of(x: Tensor) -> Tensor:
        value: Tensor = loss_fn(net(x)[:, 0], targets)
        return value

    wanted = torch.autograd.grad(of(x), net.parameters())
    value = torch.compile(of, fullgraph=True)(x)
    torch.testing.assert_close(value, of(x))
    torch.testing.assert_close(torch.autograd.grad(value, net.parameters()), wanted)
    assert wanted[0].any()


@pytest.mark.parametrize(
    ("how", "case"),
    [*(("function", case) for case in ONE_A_CLASS), ("module", TASKS[0])],
    ids=str,
)
@every_update
def test_transforms_agree_with_autograd(how: str, case: TaskCase, update: str) -> None:
    scores, targets = case.batch(np.random.default_rng(2), 3, 10)
    task, module = case.make(), make_loss(update, case.make(), STEP)

    def of(s: Tensor, t: Tensor) -> Tensor:
        value: Tensor = module(s, t) if how == "module" else loss(update, s, t, task)
        return value

    _, gradient = value_and_gradient(module, scores, targets)
    assert torch.equal(torch.func.grad(of)(scores, targets), gradient)
    # One list a sample: what each would give alone.
    alone = [value_and_gradient(module, s, t) for s, t in zip(scores, targets, strict=True)]
    values = torch.func.vmap(of)(scores, targets)
    slopes = torch.func.vmap(torch.func.grad(of))(scores, targets)
    assert torch.equal(values, torch.stack([v for v, _ in alone]))
    assert torch.equal(slopes, torch.stack([g for _, g in alone]))


def test_a_transform_sets_no_step() -> None:
    scores, targets = TASKS[0].batch(np.random.default_rng(3), 3, 10)
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    torch.func.grad(lambda s: loss_fn(s, targets))(scores)
    assert loss_fn.epsilon.isnan()


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("given", ["nothing", "mask", "groups"])
def test_the_operators_keep_what_they_promise(given: str, reduction: str) -> None:
    """Shapes, strides and types of the stand-ins, no mutation, no alias."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 10, generator=generator)
    targets = torch.rand(4, 10, generator=generator) < 0.4
    mask = torch.rand(4, 10, generator=generator) < 0.8 if given == "mask" else None
    groups = torch.arange(10) // 5 if given == "groups" else None
    terms = torch.tensor([[0.0, 2.0, -2.0], [0.0, 0.5, -0.5]], dtype=torch.float64)
    task = dl.AveragePrecision()
    torch.library.opcheck(
        torch.ops.directloss.solve.default,
        (scores, targets, mask, groups, terms, task.number, None, False, False, reduction),
    )
    if reduction == "mean":
        for stored in (nan, 0.3):
            torch.library.opcheck(
                torch.ops.directloss.step.default,
                (torch.tensor(stored).double(), scores, targets, mask, groups, None, 1.0, False),
            )


def test_a_task_is_found_by_its_number_as_long_as_it_lives() -> None:
    task = dl.AveragePrecision()
    assert _operators.task_by_number(task.number) is task
