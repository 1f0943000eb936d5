"""Every layout is its lists, one by one: for each task and update, value and gradient."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

import directloss as dl
import directloss.lists
from directloss.errors import ArgumentError
from directloss.lists import Layout as Axes
from directloss.lists import read_lists
from tests.cases import TASKS
from tests.harness import UPDATES, TaskCase, make_loss, solve_batch, value_and_gradient
from tests.layouts import LAYOUTS, Batch, Layout, fill

every_task = pytest.mark.parametrize("case", TASKS, ids=str)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def one_by_one(case: TaskCase, update: str, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Value of each list, gradient of their sum, and which are defined, each list on its own."""
    loss_fn = make_loss(update, case.make(), reduction="none")
    gradient = torch.zeros(batch.scores.numel(), dtype=batch.scores.dtype)
    values, defined = [], []
    for entries, (scores, targets) in zip(batch.layout.lists, batch.lists, strict=True):
        value, slope = value_and_gradient(loss_fn, scores, targets)
        gradient[entries] = slope
        values.append(value)
        solution = solve_batch(case.make(), [scores.numpy()], [targets.numpy()], [0.0])
        defined.append(bool(solution.defined[0]))
    shape = batch.layout.values
    return (
        torch.stack(values).reshape(shape),
        gradient.reshape(batch.scores.shape),
        torch.tensor(defined).reshape(shape),
    )


def test_every_task_and_update_meets_every_layout() -> None:
    """Layouts know neither; two updates are enough for a task, and one task for the others."""
    assert {update for _, update in MEETINGS} == set(UPDATES)
    assert {case.name for case, _ in MEETINGS} == {case.name for case in TASKS}


def refuse_groups(case: TaskCase, update: str, layout: Layout) -> None:
    """Groups split a list, and with one target a list there is none for the parts."""
    scores = torch.from_numpy(np.random.default_rng(1).normal(size=layout.owner.shape))
    rest = Axes.of(scores, scores, dim=layout.dim).rest
    with pytest.raises(ArgumentError, match=r"^groups: got .*wanted.*one target a list"):
        make_loss(update, case.make(), dim=layout.dim)(
            scores, torch.zeros(rest), groups=layout.groups
        )
    with pytest.raises(ArgumentError, match=r"^groups: got"):
        case.make().metric(scores, torch.zeros(rest), dim=layout.dim, groups=layout.groups)


MEETINGS = [(case, update) for case in TASKS for update in UPDATES if case is TASKS[0]] + [
    (case, update) for case in TASKS[1:] for update in ("both", "hinge")
]


@pytest.mark.parametrize(("case", "update"), MEETINGS, ids=str)
@every_layout
def test_a_layout_is_its_lists(case: TaskCase, update: str, layout: str) -> None:
    given = LAYOUTS[layout]()
    if case.target_per_list and given.groups is not None:
        refuse_groups(case, update, given)
        return
    batch = fill(case, given, np.random.default_rng(1))
    values, gradient, defined = one_by_one(case, update, batch)
    scale = float(gradient.abs().max()) + 1.0

    def run(reduction: str) -> tuple[Tensor, Tensor]:
        loss_fn = make_loss(update, case.make(), reduction=reduction, **batch.module_options)
        return value_and_gradient(loss_fn, batch.scores, batch.targets, **batch.call_options)

    found, slope = run("none")
    assert found.shape == values.shape
    assert torch.allclose(found, values, rtol=0, atol=1e-12)
    assert slope == pytest.approx(gradient, abs=1e-13 * scale)
    found, slope = run("sum")
    assert float(found) == pytest.approx(float(values.sum()), abs=1e-12)
    assert slope == pytest.approx(gradient, abs=1e-13 * scale)
    found, slope = run("mean")
    count = max(int(defined.sum()), 1)
    assert float(found) == pytest.approx(float(values.sum()) / count, abs=1e-12)
    assert slope == pytest.approx(gradient / count, abs=1e-13 * scale)


@every_task
@every_layout
def test_the_metric_takes_the_same_layouts(case: TaskCase, layout: str) -> None:
    given = LAYOUTS[layout]()
    if case.target_per_list and given.groups is not None:
        return  # refused, as `refuse_groups` shows
    batch = fill(case, given, np.random.default_rng(2))
    if batch.ignore_index is not None:
        batch = Batch(
            batch.layout, batch.scores, batch.targets, batch.targets != batch.ignore_index
        )
    task = case.make()
    wanted = []
    for scores, targets in ((s.numpy(), t.numpy()) for s, t in batch.lists):
        defined = bool(solve_batch(task, [scores], [targets], [0.0]).defined[0])
        wanted.append(case.reference(scores, targets) if defined else np.nan)
    values = np.array(wanted)
    options = {"dim": batch.layout.dim, **batch.call_options}
    found = task.metric(batch.scores, batch.targets, reduction="none", **options)
    assert found.dtype == torch.float64 and tuple(found.shape) == batch.layout.values
    assert found.numpy().reshape(-1) == pytest.approx(values, abs=1e-12, nan_ok=True)
    some = bool(np.isfinite(values).any())
    mean = task.metric(batch.scores, batch.targets, reduction="mean", **options)
    assert float(mean) == pytest.approx(np.nanmean(values) if some else np.nan, nan_ok=True)
    total = task.metric(batch.scores, batch.targets, reduction="sum", **options)
    assert float(total) == pytest.approx(np.nansum(values), abs=1e-12)


@every_layout
def test_the_pooled_spread_is_that_of_deviations_from_each_lists_mean(layout: str) -> None:
    batch = fill(TASKS[0], LAYOUTS[layout](), np.random.default_rng(3))
    squares, count = 0.0, 0
    for entries in batch.layout.lists:
        scores = batch.scores.reshape(-1)[entries].numpy()
        if scores.size:
            squares += float(np.square(scores - scores.mean()).sum())
            count += scores.size
    found = dl.functional.auto_epsilon(
        batch.scores,
        batch.targets,
        dim=batch.layout.dim,
        ignore_index=batch.ignore_index,
        **batch.call_options,
    )
    assert found == pytest.approx(np.sqrt(squares / count) if count else 0.0, rel=1e-12)


def test_the_pooled_spread_leaves_infinities_out_and_needs_no_targets() -> None:
    scores = torch.tensor([[1.0, 3.0, float("inf")], [5.0, float("-inf"), float("inf")]])
    assert dl.functional.auto_epsilon(scores) == pytest.approx(np.sqrt(2 / 3))
    assert dl.functional.auto_epsilon(scores, dim=(0, 1)) == pytest.approx(np.std([1, 3, 5]))
    assert dl.functional.auto_epsilon(torch.zeros(4)) == 0.0
    assert dl.functional.auto_epsilon(torch.zeros(0)) == 0.0


def strided(tensor: Tensor, how: str) -> Tensor:
    if how == "every second":
        spread = tensor.new_zeros(tensor.shape[0], 2 * tensor.shape[1])
        spread[:, ::2] = tensor
        return spread[:, ::2]
    if how == "transposed":
        return tensor.T.contiguous().T
    return tensor[:1].expand(4, -1)


@pytest.mark.parametrize("how", ["every second", "transposed", "expanded"])
def test_strides_do_not_matter(how: str) -> None:
    case = TASKS[0]
    scores, targets = case.batch(np.random.default_rng(4), 4, 9)
    scores, targets = strided(scores, how), strided(targets, how)
    loss_fn = make_loss("both", case.make())
    wanted = value_and_gradient(loss_fn, scores.contiguous(), targets.contiguous())
    leaf = scores.detach().requires_grad_()
    value = loss_fn(leaf, targets)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert torch.equal(value.detach(), wanted[0])
    assert torch.equal(gradient, wanted[1])


def test_scores_that_torch_negates_when_they_are_read() -> None:
    """The imaginary part of a conjugate is a view with its sign in a flag."""
    values, targets = torch.randn(40), (torch.rand(40) < 0.3).float()
    scores = torch.complex(values, values).conj().imag
    assert scores.is_neg()
    task = dl.AveragePrecision()
    assert task.metric(scores, targets) == task.metric(-values, targets)


def test_an_expanded_leaf_gathers_the_gradient_of_its_copies() -> None:
    case = TASKS[0]
    scores, targets = case.tensors(np.random.default_rng(5), 9)
    leaf = scores.clone().requires_grad_()
    loss_fn = make_loss("positive", case.make(), reduction="sum")
    loss_fn(leaf.expand(3, 9), targets.expand(3, 9)).backward()
    _, alone = value_and_gradient(loss_fn, scores, targets)
    assert torch.allclose(leaf.grad, 3 * alone, rtol=1e-12)


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int8, torch.int32, torch.int64, torch.float16,
              torch.bfloat16, torch.float32, torch.float64],
)  # fmt: skip
def test_targets_of_every_type_say_the_same(dtype: torch.dtype) -> None:
    case = TASKS[0]
    scores, targets = case.batch(np.random.default_rng(6), 3, 8)
    loss_fn = make_loss("both", case.make())
    wanted = value_and_gradient(loss_fn, scores, targets)
    found = value_and_gradient(loss_fn, scores, targets.to(dtype))
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
@pytest.mark.parametrize("ignored", [255, -100, 2])
def test_ignore_index_may_lie_outside_of_the_targets_type(dtype: torch.dtype, ignored: int) -> None:
    scores = torch.tensor([0.3, 0.1, 0.2, 0.9])
    targets = torch.tensor([0, 1, 0, 1]).to(dtype)
    if not (dtype == torch.uint8 and ignored < 0):
        targets[3] = ignored
        scores[3] = float("nan")
    loss_fn = make_loss("positive", dl.AveragePrecision(), ignore_index=ignored)
    value, gradient = value_and_gradient(loss_fn, scores, targets)
    if scores.isnan().any():
        assert float(value) == pytest.approx(1 - 1 / 3) and gradient[3] == 0
    else:
        assert float(value) == pytest.approx(1 - (1 + 2 / 4) / 2)


def test_groups_may_be_of_any_integer_type() -> None:
    scores, targets = TASKS[0].tensors(np.random.default_rng(7), 8)
    groups = torch.tensor([1, 0, 1, 0, 1, 0, 1, 0])
    loss_fn = make_loss("positive", dl.AveragePrecision(), reduction="none")
    wanted = loss_fn(scores, targets, groups=groups)
    for dtype in (torch.bool, torch.uint8, torch.int16, torch.int32):
        assert torch.equal(loss_fn(scores, targets, groups=groups.to(dtype)), wanted)


def test_the_gradient_of_one_list_of_a_vector_of_values() -> None:
    """Reduction "none" with weights of one's own: each list's gradient is its own."""
    case = TASKS[0]
    rng = np.random.default_rng(8)
    scores, targets = case.batch(rng, 2, 12)
    groups = torch.from_numpy(rng.integers(0, 3, size=12))
    loss_fn = make_loss("both", case.make(), reduction="none")
    leaf = scores.clone().requires_grad_()
    values = loss_fn(leaf, targets, groups=groups)
    assert values.shape == (2, 3)
    (gradient,) = torch.autograd.grad(values[1, 2], leaf)
    others = torch.ones(2, 12, dtype=torch.bool)
    others[1, groups == 2] = False
    assert not gradient[others].any() and gradient[~others].any()


@pytest.mark.parametrize(
    ("shape", "dim", "rest"),
    [((0,), -1, ()), ((0, 4), -1, (0,)), ((4, 0), -1, (4,)), ((0, 4), 0, (4,)),
     ((2, 0, 3), (1, 2), (2,)), ((0, 0), (0, 1), ())],
)  # fmt: skip
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_tensors_without_entries(
    shape: tuple[int, ...], dim: int | tuple[int, ...], rest: tuple[int, ...], reduction: str
) -> None:
    loss_fn = make_loss("both", dl.AveragePrecision(), dim=dim, reduction=reduction)
    value, gradient = value_and_gradient(loss_fn, torch.zeros(shape), torch.zeros(shape))
    assert value.shape == (rest if reduction == "none" else ())
    assert not value.any() and gradient.shape == shape


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(("shape", "dim", "n"), [((0,), 0, 0), ((0, 4), -1, 4), ((3, 0), 1, 0)])
def test_groups_of_tensors_without_entries(
    shape: tuple[int, ...], dim: int, n: int, reduction: str
) -> None:
    groups = torch.arange(n) % 2
    loss_fn = make_loss("both", dl.AveragePrecision(), dim=dim, reduction=reduction)
    value, gradient = value_and_gradient(
        loss_fn, torch.zeros(shape), torch.zeros(shape), groups=groups
    )
    found = len(groups.unique())
    assert value.shape == ((*shape[:-1], found) if reduction == "none" else ())
    assert gradient.shape == shape


def test_the_axes_are_read_once_in_any_order_and_sign() -> None:
    scores = torch.zeros(2, 3, 4)
    assert Axes.of(scores, scores, dim=(-1, 0)).axes == (0, 2)
    assert Axes.of(scores, scores, dim=[2, 0]).axes == (0, 2)
    assert Axes.of(scores, scores, dim=-2).rows == (8, 3)
    with pytest.raises(ArgumentError, match="dim"):
        Axes.of(scores, scores, dim=(0, -3))


def test_groups_in_order_are_taken_as_they_lie() -> None:
    """Queries of a table come list by list as a rule: nothing is moved, and the lists are equal."""
    scores = torch.randn(3, 12)
    targets = (torch.rand(3, 12) < 0.5).float()
    groups = torch.tensor([-2, -2, 0, 5, 5, 5, 5, 9, 9, 10, 10, 10])
    shuffle = torch.randperm(12)
    in_order, a_row = read_lists(Axes.of(scores, targets, groups=groups), np.asarray)
    shuffled, same = read_lists(
        Axes.of(scores[:, shuffle], targets[:, shuffle], groups=groups[shuffle]), np.asarray
    )
    assert in_order.position is None and shuffled.position is not None
    assert a_row == same == 5
    assert in_order.offsets.tolist() == shuffled.offsets.tolist()
    for begin, end in itertools.pairwise(in_order.offsets):
        ours = sorted(zip(in_order.scores[begin:end], in_order.targets[begin:end], strict=True))
        theirs = sorted(zip(shuffled.scores[begin:end], shuffled.targets[begin:end], strict=True))
        assert ours == theirs


def test_lists_outlive_the_next_ones() -> None:
    """Where entries go is memory that is used again, but not while a batch still needs it."""
    scores, targets = torch.randn(50), (torch.rand(50) < 0.5).float()
    groups = torch.randint(0, 4, (2, 50))
    first, _ = read_lists(Axes.of(scores, targets, groups=groups[0]), np.asarray)
    second, _ = read_lists(Axes.of(scores, targets, groups=groups[1]), np.asarray)
    for lists in (first, second):
        assert lists.scatter(lists.scores, (50,)).tolist() == scores.tolist()


def test_a_list_of_more_items_than_31_bits_count_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with 2**31 scores, which need more memory than a test has."""
    assert directloss.lists._MOST_ITEMS == 2**31 - 1
    monkeypatch.setattr(directloss.lists, "_MOST_ITEMS", 9)
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    scores, targets = torch.randn(3, 9), torch.arange(27).reshape(3, 9) % 2
    assert loss_fn(scores, targets).isfinite()
    with pytest.raises(ArgumentError, match=r"scores: got a list of 27 items, .* 9 a list"):
        loss_fn(scores.flatten(), targets.flatten())
