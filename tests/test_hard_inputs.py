"""One answer to each hard input, for every task and every update.

`HARD_INPUTS` is the table of the promises; a task of `tests/cases.py` takes part in all of them.
The linear chain, whose scores are several tensors, has its own check for each of them in
`tests/tasks/test_chain.py`. `python -m tests.test_hard_inputs` prints the table task x hard input.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from math import inf, isnan, nan

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss.errors import ArgumentError, NonFiniteScoreError, UndefinedMetricError
from tests.cases import TASKS
from tests.harness import (
    DIRECTIONS,
    UPDATES,
    TaskCase,
    make_loss,
    update_terms,
    value_and_gradient,
)

Check = Callable[[TaskCase, str], None]
HARD_INPUTS: dict[str, Check] = {}
OCCURS: dict[str, Callable[[TaskCase], bool]] = {}
"""Whether an input can occur for a task, where that is not so for all."""


def hard_input(
    name: str, occurs: Callable[[TaskCase], bool] = lambda case: True
) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        HARD_INPUTS[name] = check
        OCCURS[name] = occurs
        return check

    return register


def can_be_undefined(case: TaskCase) -> bool:
    return bool(case.undefined)


def one_class_is_defined(case: TaskCase) -> bool:
    return len(case.undefined) < 2


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def automatic(update: str, case: TaskCase, **options: object) -> nn.Module:
    """A loss whose step, if it has one, is not set yet."""
    return make_loss(update, case.make(), *([] if update == "perceptron" else ["auto"]), **options)


def is_unset(loss_fn: nn.Module) -> bool:
    return all(isnan(float(step)) for step in loss_fn.state_dict().values())


# --- the table ------------------------------------------------------------------------------------


@hard_input("undefined list", can_be_undefined)
def undefined_list(case: TaskCase, update: str) -> None:
    for targets in case.undefined.values():
        scores, wanted = torch.linspace(-1, 1, len(targets)), torch.tensor(targets)
        value, gradient = value_and_gradient(make_loss(update, case.make()), scores, wanted)
        assert value == 0 and not gradient.any()
        metric = case.make().metric(scores, wanted)
        assert metric.isnan()


@hard_input("undefined list among others", can_be_undefined)
def undefined_among_others(case: TaskCase, update: str) -> None:
    for undefined in case.undefined.values():
        n = len(undefined)
        scores, targets = case.batch(rng(), 4, n)
        alone = value_and_gradient(make_loss(update, case.make()), scores, targets)
        spoiled = torch.cat([targets[:2], torch.tensor([undefined]).double(), targets[2:]])
        more = torch.cat([scores[:2], torch.randn(1, n).double(), scores[2:]])
        value, gradient = value_and_gradient(make_loss(update, case.make()), more, spoiled)
        assert float(value) == pytest.approx(float(alone[0]), abs=1e-15)
        assert torch.allclose(gradient[[0, 1, 3, 4]], alone[1], rtol=1e-14)
        assert not gradient[2].any()
        each, _ = value_and_gradient(
            make_loss(update, case.make(), reduction="none"), more, spoiled
        )
        assert each.shape == (5,) and each[2] == 0


@hard_input("one class, where that is defined", one_class_is_defined)
def one_class(case: TaskCase, update: str) -> None:
    """Such as an empty image for Jaccard: 0 if nothing is predicted, else 1, and its gradient."""
    refused = {targets[0] for targets in case.undefined.values()}
    for label in {0.0, 1.0} - refused:
        targets = case.constant(label, 4).double().numpy()
        everything = case.configurations(targets, 4)
        loss_fn = make_loss(update, case.make(), empty="error")
        for scores in (rng().normal(size=4), np.array([-0.1, -0.4, -0.2, -0.3])):
            value, gradient = value_and_gradient(
                loss_fn, torch.tensor(scores), torch.tensor(targets)
            )
            if update in DIRECTIONS:
                wanted = case.predicted_loss(scores, targets)
                assert float(value) == pytest.approx(wanted, abs=1e-14)
            terms, h = update_terms(update, 0.5), 1e-6
            slopes = [
                (
                    everything.scalar(scores + h * e, terms)
                    - everything.scalar(scores - h * e, terms)
                )
                / (2 * h)
                for e in np.eye(4)
            ]
            assert gradient.numpy() == pytest.approx(np.array(slopes), abs=1e-6)


@hard_input('empty="error"')
def empty_error(case: TaskCase, update: str) -> None:
    scores, targets = case.batch(rng(), 3, 6)
    strict = automatic(update, case, empty="error")
    for undefined in case.undefined.values():
        n = len(undefined)
        bad = torch.randn(2, n).double()
        with pytest.raises(UndefinedMetricError, match="1 of 2 lists") as caught:
            strict(bad, torch.stack([case.tensors(rng(), n)[1], torch.tensor(undefined).double()]))
        assert "list 1" in str(caught.value) and f"of {n} entries" in str(caught.value)
        assert is_unset(strict)
    value, _ = value_and_gradient(strict, scores, targets)
    lax, _ = value_and_gradient(automatic(update, case), scores, targets)
    assert torch.equal(value, lax)


@hard_input("empty tensor")
def empty_tensor(case: TaskCase, update: str) -> None:
    for shape in ((0,), (3, 0), (0, 3)):
        value, gradient = value_and_gradient(
            automatic(update, case), torch.zeros(shape), case.constant(0.0, *shape)
        )
        assert value.shape == () and value == 0 and gradient.shape == shape


@hard_input("ties")
def ties(case: TaskCase, update: str) -> None:
    generator = rng()
    for dtype in (torch.float32, torch.float64):
        for _ in range(15):
            targets = torch.from_numpy(case.draw(generator, 8))
            scores = torch.from_numpy(generator.integers(-2, 2, size=8) / 2).to(dtype)
            loss_fn = make_loss(update, case.make())
            value, gradient = value_and_gradient(loss_fn, scores, targets)
            if case.exchangeable:
                order = torch.from_numpy(generator.permutation(8))
                moved = case.reordered(targets, order)
                again, _ = value_and_gradient(loss_fn, scores[order], moved)
                assert torch.equal(value, again)
            assert gradient.isfinite().all()
            if update in DIRECTIONS:
                wanted = case.predicted_loss(scores.double().numpy(), targets.numpy())
                assert float(value) == pytest.approx(wanted, abs=1e-6)


@hard_input("all scores equal")
def all_equal(case: TaskCase, update: str) -> None:
    _, targets = case.tensors(rng(), 20)
    for level in (0.0, -3.5, 12345678.9):
        scores = torch.full((20,), level)
        value, gradient = value_and_gradient(automatic(update, case), scores, targets)
        assert value.isfinite() and gradient.isfinite().all()
        if case.learns:
            assert gradient.any()


@hard_input("NaN score")
def nan_score(case: TaskCase, update: str) -> None:
    loss_fn = automatic(update, case)
    scores, targets = case.batch(rng(), 3, 7)
    bad = scores.clone()
    bad[1, 4] = nan
    leaf = bad.clone().requires_grad_()
    with pytest.raises(NonFiniteScoreError, match=r"^scores: got 1 NaN of 21 scores") as caught:
        loss_fn(leaf, targets)
    assert "entry 4" in str(caught.value) and "list 1" in str(caught.value)
    assert is_unset(loss_fn) and leaf.grad is None
    # The next good batch is as if nothing had been.
    found = value_and_gradient(loss_fn, scores, targets)
    wanted = value_and_gradient(automatic(update, case), scores, targets)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    with pytest.raises(NonFiniteScoreError):
        case.make().metric(bad, targets)


@hard_input("NaN score under the mask")
def masked_nan(case: TaskCase, update: str) -> None:
    if case.target_per_list:
        scores, targets = case.batch(rng(), 9, 5)
    else:
        scores, targets = case.tensors(rng(), 9)
    mask = torch.ones(9, dtype=torch.bool)
    mask[[0, 4]] = False
    if not case.target_per_list:
        targets[mask] = torch.from_numpy(case.draw(rng(), 7))
    wanted = value_and_gradient(automatic(update, case), scores[mask], targets[mask])
    for anything in (nan, inf, -inf, 1e300):
        scores[~mask] = anything
        value, gradient = value_and_gradient(automatic(update, case), scores, targets, mask=mask)
        assert torch.equal(value, wanted[0])
        assert torch.equal(gradient[mask], wanted[1]) and not gradient[~mask].any()


@hard_input("infinite scores")
def infinite_scores(case: TaskCase, update: str) -> None:
    generator = rng()
    for _ in range(20):
        scores, targets = case.tensors(generator, 9)
        infinite = torch.from_numpy(generator.random(9) < 0.4)
        scores[infinite] = torch.from_numpy(generator.choice([-inf, inf], size=int(infinite.sum())))
        loss_fn = make_loss(update, case.make())
        value, gradient = value_and_gradient(loss_fn, scores, targets)
        assert value.isfinite() and gradient.isfinite().all()
        assert not gradient[infinite].any()
        if update in DIRECTIONS:
            wanted = case.predicted_loss(scores.numpy(), targets.numpy())
            assert float(value) == pytest.approx(wanted, abs=1e-12)
            # They act as huge numbers do (which the ground truth, of hinge and perceptron, would
            # not leave in their places).
            _, slope = value_and_gradient(loss_fn, scores.clamp(-1e9, 1e9), targets)
            assert torch.allclose(gradient[~infinite], slope[~infinite], rtol=0, atol=1e-6)


@hard_input("nothing but infinite scores")
def only_infinite(case: TaskCase, update: str) -> None:
    _, targets = case.tensors(rng(), 6)
    for scores in ([inf] * 6, [-inf] * 6, [inf, -inf] * 3):
        value, gradient = value_and_gradient(automatic(update, case), torch.tensor(scores), targets)
        assert value.isfinite() and not gradient.any()


@hard_input("float16, bfloat16, float64")
def half_precision(case: TaskCase, update: str) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        scores, targets = case.tensors(rng(), 500 if case.target_per_list else 2000, dtype)
        value, gradient = value_and_gradient(automatic(update, case), scores, targets)
        wanted, _ = value_and_gradient(automatic(update, case), scores.double(), targets)
        assert float(value) == pytest.approx(float(wanted), rel=1e-6, abs=1e-6)
        assert gradient.dtype == dtype and gradient.isfinite().all()


@hard_input("a single element")
def single_element(case: TaskCase, update: str) -> None:
    for target in (0.0,) if case.target_per_list else (0.0, 1.0):
        # (4, 1) is refused where there would be something to rank: tests/test_lists_of_one.py
        for shape in ((1,), (1, 1), *(() if case.make().ranks else ((4, 1),))):
            value, gradient = value_and_gradient(
                automatic(update, case), torch.ones(shape), case.constant(target, *shape)
            )
            assert value.isfinite() and gradient.isfinite().all() and gradient.shape == shape


@hard_input("wrong targets")
def wrong_targets(case: TaskCase, update: str) -> None:
    loss_fn = automatic(update, case)
    scores = torch.tensor([[0.5, -0.5]] * 2 if case.target_per_list else [0.5, -0.5])
    for dtype in (torch.float32, torch.float64, torch.int64, torch.int8):
        with pytest.raises(ArgumentError, match=r"^targets: got") as caught:
            loss_fn(scores, torch.tensor(case.wrong).to(dtype))
        assert caught.value.argument == "targets"
        assert any(f"{wrong:g}" in str(caught.value) for wrong in case.wrong)
    with pytest.raises(ArgumentError, match=r"^targets: got"):
        case.make().metric(scores, torch.tensor(case.wrong))
    assert is_unset(loss_fn), "a batch that was refused has set the step"


@hard_input("wrong shapes and types")
def wrong_shapes(case: TaskCase, update: str) -> None:
    scores, targets = case.batch(rng(), 3, 6)
    mask, groups = torch.ones_like(targets, dtype=torch.bool), torch.zeros(6, dtype=torch.long)
    calls: list[tuple[str, str, object, object, dict[str, object]]] = [
        ("targets", "(2,", scores, targets[:2], {}),
        ("targets", "(1, 3", scores, targets[None], {}),
        ("targets", "(4, 3", scores, targets.expand(4, *targets.shape), {}),
        ("targets", "list", scores, targets.tolist(), {}),
        ("scores", "torch.int64", scores.long(), targets, {}),
        ("scores", "torch.complex", scores + 0j, targets, {}),
        ("scores", "list", scores.tolist(), targets, {}),
        ("scores", "()", scores[0, 0], targets, {}),
        ("mask", "(2,", scores, targets, {"mask": mask[:2]}),
        ("mask", "float", scores, targets, {"mask": mask.float()}),
        ("mask", "int64", scores, targets, {"mask": mask.long()}),
        ("mask", "list", scores, targets, {"mask": mask.tolist()}),
        ("groups", "(3,)", scores, targets, {"groups": groups[:3]}),
        ("groups", "(3, 6)", scores, targets, {"groups": groups.expand(3, 6)}),
        ("groups", "float", scores, targets, {"groups": groups.float()}),
        ("groups", "list", scores, targets, {"groups": groups.tolist()}),
    ]
    for argument, came, s, t, options in calls:
        loss_fn = automatic(update, case)
        with pytest.raises(ArgumentError, match=rf"^{argument}: got") as caught:
            loss_fn(s, t, **options)
        assert caught.value.argument == argument
        assert came in str(caught.value) and "wanted" in str(caught.value)
        assert is_unset(loss_fn)


@hard_input("wrong dim")
def wrong_dim(case: TaskCase, update: str) -> None:
    scores, targets = case.batch(rng(), 3, 6)
    for dim in (2, -3, (0, 0), (1, -1), (), 1.5, "rows", (0.0,)):
        with pytest.raises(ArgumentError, match=r"^dim: got"):
            automatic(update, case, dim=dim)(scores, targets)


# --- the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name in HARD_INPUTS for case in TASKS if OCCURS[name](case)],
    ids=str,
)
def test_hard_input(name: str, case: TaskCase, update: str) -> None:
    HARD_INPUTS[name](case, update)


def test_every_task_takes_part() -> None:
    """`ListTask` is a user's own solver; tests/tasks/test_own.py shows that it gets the same."""
    shown = {cls for case in TASKS for cls in type(case.make()).__mro__}
    exported = {getattr(dl, name) for name in dl.__all__}
    tasks = {cls for cls in exported if isinstance(cls, type) and issubclass(cls, dl.Task)}
    assert tasks - shown == {dl.ListTask}
    for name, occurs in OCCURS.items():
        assert any(occurs(case) for case in TASKS), name


def test_nan_errors_name_places_in_the_users_tensor() -> None:
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), dim=0)
    scores = torch.zeros(3, 2)
    scores[2, 0] = nan
    with pytest.raises(NonFiniteScoreError, match=r"1 NaN of 6 .* entry 2 along dim of list 0"):
        loss_fn(scores, torch.zeros(3, 2))
    scores[:, 1] = nan
    with pytest.raises(NonFiniteScoreError, match="4 NaN of 6"):
        loss_fn(scores, torch.zeros(3, 2))
    mask = ~scores.isnan()
    loss_fn(scores, torch.zeros(3, 2), mask=mask)


@pytest.mark.parametrize("groups", [None, [0, 0, 0, 1, 1], [5, 1, 5, 1, 1]])
@pytest.mark.parametrize("masked", [None, (0, 0), (1, 2)])
def test_nan_errors_name_the_first_place_whatever_the_lists(
    groups: list[int] | None, masked: tuple[int, int] | None
) -> None:
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    scores, mask = torch.zeros(2, 5), torch.ones(2, 5, dtype=torch.bool)
    scores[1, 2] = scores[1, 4] = nan
    if masked is not None:
        mask[masked] = False
    count, first, of = {None: (2, 2, 10), (0, 0): (2, 2, 9), (1, 2): (1, 4, 9)}[masked]
    wanted = f"got {count} NaN of {of} scores, the first at entry {first} along dim of list 1,"
    with pytest.raises(NonFiniteScoreError, match=wanted):
        loss_fn(
            scores,
            torch.zeros(2, 5),
            mask=None if masked is None else mask,
            groups=None if groups is None else torch.tensor(groups),
        )


def test_a_training_step_that_fails_changes_no_parameter() -> None:
    model, loss_fn = nn.Linear(2, 1), dl.DirectLoss(dl.AveragePrecision())
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    before = [p.clone() for p in model.parameters()]
    x = torch.randn(6, 2)
    x[3] = nan
    with pytest.raises(NonFiniteScoreError):
        loss_fn(model(x).squeeze(1), torch.tensor([0, 1, 0, 1, 0, 0])).backward()
    optimiser.step()
    for parameter, kept in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)


def test_a_list_without_entries_trains_along_with_others() -> None:
    """A zero that is connected: backward runs, and a batch of nothing moves nothing."""
    model, loss_fn = nn.Linear(2, 1), dl.DirectLoss(dl.AveragePrecision())
    loss: Tensor = loss_fn(model(torch.zeros(0, 2)).squeeze(1), torch.zeros(0))
    loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def print_table() -> None:
    """The table task x hard input: + where every update gives the promised answer."""
    chain = importlib.import_module("tests.tasks.test_chain").HARD_INPUTS
    for number, name in enumerate(HARD_INPUTS, start=1):
        print(f"{number:2}  {name}")
    rows: dict[str, list[Callable[[str], None] | None]] = {
        case.name: [
            partial(check, case) if OCCURS[name](case) else None
            for name, check in HARD_INPUTS.items()
        ]
        for case in TASKS
    }
    rows["LinearChain"] = [chain[name] for name in HARD_INPUTS]
    wide = max(map(len, rows))
    print("\n+ as promised under every update   - not   . cannot occur\n")
    print(" " * wide, *(f"{number:2}" for number in range(1, len(HARD_INPUTS) + 1)))
    for name, checks in rows.items():
        print(name.ljust(wide), *map(cell, checks))


def cell(check: Callable[[str], None] | None) -> str:
    if check is None:
        return " ."
    try:
        for update in UPDATES:
            check(update)
    except Exception:
        return " -"
    return " +"


if __name__ == "__main__":
    print_table()
