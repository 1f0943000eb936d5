"""The coefficients of every update, which enumeration of objectives does not see; any F."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import product
from math import inf

import numpy as np
import pytest
import torch
from torch import Tensor

import directloss as dl
from directloss import functional
from directloss.errors import ArgumentError
from tests.cases import TASKS
from tests.harness import (
    DIRECTIONS,
    UPDATES,
    TaskCase,
    distinct_points,
    make_loss,
    solve_one,
    unit_factor,
    update_terms,
    value_and_gradient,
)

# Lists of every size at every step, four times; each test takes the same, so that their
# configurations are listed once.
POINTS = 60
STEPS = (0.02, 0.3, 4.0)

every_task = pytest.mark.parametrize("case", TASKS, ids=str)
every_update = pytest.mark.parametrize("update", UPDATES)
every_unit = pytest.mark.parametrize("unit", ["score", "loss"])


@every_task
def test_f_of_a_configuration_is_its_product_with_the_scores(case: TaskCase) -> None:
    task = case.make()
    for scores, targets, everything in distinct_points(case, POINTS, seed=0):
        for weight in (0.0, 0.3, -0.3, -inf):
            solution = solve_one(task, scores, targets, [weight])
            found = everything.index_of(solution.combination)
            by_definition = everything.score(scores)[found]
            assert scores @ solution.combination == pytest.approx(by_definition, abs=1e-12)
            assert solution.values[0, 0] == pytest.approx(by_definition, abs=1e-12)
            assert solution.task_losses[0, 0] == pytest.approx(everything.losses[found], abs=1e-12)


@every_task
@every_update
@every_unit
def test_the_gradient_is_the_slope_of_the_enumerated_scalar(
    case: TaskCase, update: str, unit: str
) -> None:
    """Central differences; the scalar is piecewise linear in the scores."""
    task, in_unit = case.make(), unit == "score" and update in DIRECTIONS
    losses = [make_loss(update, task, step, unit=unit, reduction="sum") for step in STEPS]
    calls = defaultdict(list)
    for index, point in enumerate(distinct_points(case, POINTS, seed=0)):
        # One list a call in one unit; as rows, those of equal length and step, in the other.
        apart = index if unit == "loss" else point[0].size
        calls[index % len(STEPS), apart].append(point)
    for (which, _), points in calls.items():
        scores, targets = (torch.tensor(np.stack([p[part] for p in points])) for part in (0, 1))
        if unit == "loss":
            scores, targets = scores[0], targets[0]
        _, gradient = value_and_gradient(losses[which], scores, targets)
        for (phi, y, everything), found in zip(points, np.atleast_2d(gradient), strict=True):
            factor = unit_factor(task, torch.tensor(y)) if in_unit else 1.0
            slopes = everything.slopes(phi, update_terms(update, STEPS[which] * factor), 1e-6)
            assert np.abs(found - slopes).max() <= 1e-6 / factor


@every_task
@every_unit
def test_the_bounds_enclose_the_task_loss_between_those_of_the_augmented_configurations(
    case: TaskCase, unit: str
) -> None:
    task = case.make()
    losses = [dl.DirectLoss(task, epsilon=step, unit=unit) for step in STEPS]  # type: ignore[arg-type]
    for index, (scores, targets, everything) in enumerate(distinct_points(case, POINTS, seed=0)):
        step, loss_fn = STEPS[index % len(STEPS)], losses[index % len(STEPS)]
        step *= unit_factor(task, torch.tensor(targets)) if unit == "score" else 1.0
        lower, upper = (
            float(b) for b in loss_fn.bounds(torch.tensor(scores), torch.tensor(targets))
        )
        predicted = case.predicted_loss(scores, targets)
        # The scalars themselves, as sums of maxima: L = 1/eps * (max [F +- eps Delta] - max F).
        positive = everything.scalar(scores, update_terms("positive", step))
        negative = everything.scalar(scores, update_terms("negative", step))
        assert upper == pytest.approx(positive, abs=1e-9)
        assert lower == pytest.approx(negative, abs=1e-9)
        worse, better = (
            everything.losses[everything.best(scores, weight)[1]] for weight in (step, -step)
        )
        slack = 1e-12 / step
        assert better - slack <= lower <= predicted + slack
        assert predicted - slack <= upper <= worse + slack


@every_task
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_value_of_direct_loss_is_the_task_loss_of_the_prediction(
    case: TaskCase, direction: str
) -> None:
    loss_fn = make_loss(direction, case.make()).eval()
    for scores, targets, _ in distinct_points(case, POINTS, seed=0):
        value = loss_fn(torch.tensor(scores), torch.tensor(targets))
        assert float(value) == pytest.approx(case.predicted_loss(scores, targets), abs=1e-14)


@every_task
@pytest.mark.parametrize("update", ["hinge", "perceptron"])
def test_the_value_of_hinge_and_perceptron_is_their_objective(case: TaskCase, update: str) -> None:
    loss_fn = make_loss(update, case.make(), 0.7).eval()
    for scores, targets, everything in distinct_points(case, POINTS, seed=0):
        value = loss_fn(torch.tensor(scores), torch.tensor(targets))
        wanted = everything.scalar(scores, update_terms(update, 0.7))
        if update == "hinge":
            # A margin over the ground truth counts Delta(y*) too, where no ranking has Delta 0.
            assert float(value) >= 0.0
        assert float(value) == pytest.approx(wanted, abs=1e-12)


@every_task
def test_both_is_the_mean_of_the_two_directions(case: TaskCase) -> None:
    losses = {d: make_loss(d, case.make(), 0.3) for d in DIRECTIONS}
    for scores, targets, _ in distinct_points(case, POINTS, seed=0)[:30]:
        gradients = {
            d: value_and_gradient(loss_fn, torch.tensor(scores), torch.tensor(targets))[1]
            for d, loss_fn in losses.items()
        }
        mean = (gradients["positive"] + gradients["negative"]) / 2
        assert torch.allclose(gradients["both"], mean, rtol=0, atol=1e-12)


def test_the_terms_are_those_of_the_table() -> None:
    eps = 0.25
    assert functional.direct_terms(eps, "positive") == ((-4.0, 0.0), (4.0, eps))
    assert functional.direct_terms(eps, "negative") == ((4.0, 0.0), (-4.0, -eps))
    assert functional.direct_terms(eps, "both") == ((0.0, 0.0), (2.0, eps), (-2.0, -eps))
    assert functional.hinge_terms(eps) == ((1.0, eps), (-1.0, -inf))
    assert functional.perceptron_terms() == ((1.0, 0.0), (-1.0, -inf))


def test_average_precision_by_hand() -> None:
    """A positive between two negatives: P = 1, N = 2.

    n_1 = 0, 1, 2 negatives above it have AP = 1, 1/2, 1/3, F = 0, 1, 0 and the coefficients
    (positive, upper negative, lower negative) (1, -1/2, -1/2), (0, 1/2, -1/2), (-1, 1/2, 1/2).
    """
    scores = torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
    targets = torch.tensor([1, 0, 0])
    task = dl.AveragePrecision()
    # y(eps) leaves n = 1 for n = 2 where eps (1/2 - 1/3) > 1, y(-eps) for n = 0 where eps/2 > 1.
    expected = {
        ("positive", 5.0): [0.0, 0.0, 0.0],
        ("positive", 8.0): [-1 / 8, 0.0, 1 / 8],
        ("negative", 1.0): [0.0, 0.0, 0.0],
        ("negative", 4.0): [-1 / 4, 1 / 4, 0.0],
        ("both", 8.0): [-1 / 8, 1 / 16, 1 / 16],
        ("perceptron", 1.0): [-1.0, 1.0, 0.0],
        ("hinge", 1.0): [-1.0, 1.0, 0.0],
        ("hinge", 8.0): [-2.0, 1.0, 1.0],
    }
    for (update, step), wanted in expected.items():
        value, gradient = value_and_gradient(make_loss(update, task, step), scores, targets)
        assert gradient.tolist() == wanted
        if update in DIRECTIONS:
            assert value == 0.5
    # max [F + 8 Delta] - F(y*) = (0 + 8 * 2/3) - 0.
    assert float(make_loss("hinge", task, 8.0)(scores, targets)) == pytest.approx(16 / 3)


@every_update
def test_the_functions_are_the_modules_without_their_state(update: str) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 9, generator=generator, dtype=torch.float64)
    targets = (torch.rand(4, 9, generator=generator) < 0.4).int()
    task = dl.AveragePrecision()

    def function(s: Tensor, t: Tensor) -> Tensor:
        if update == "hinge":
            return functional.hinge_loss(s, t, task, margin=0.3)
        if update == "perceptron":
            return functional.perceptron_loss(s, t, task)
        return functional.direct_loss(
            s,
            t,
            task,
            epsilon=0.3,
            unit="loss",
            direction=update,  # type: ignore[arg-type]
        )

    leaf = scores.clone().requires_grad_()
    value = function(leaf, targets)
    value.backward()
    wanted, gradient = value_and_gradient(make_loss(update, task, 0.3), scores, targets)
    assert torch.equal(value.detach(), wanted)
    assert torch.equal(leaf.grad, gradient)


def test_the_functions_take_the_layout_of_the_modules() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    targets = (torch.rand(9, 3, generator=generator) < 0.5).int()
    mask = torch.rand(9, 3, generator=generator) < 0.8
    groups = torch.tensor([5, 5, 5, 5, 2, 2, 2, 2, 2])
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.3, dim=0, reduction="none")
    wanted = loss_fn(scores, targets, mask=mask, groups=groups)
    found = functional.direct_loss(
        scores, targets, dl.AveragePrecision(), epsilon=0.3, reduction="none",
        dim=0, mask=mask, groups=groups,
    )  # fmt: skip
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("step", [0.0, -1.0, inf, float("nan"), "auto", None])
def test_a_step_that_is_no_positive_number_is_refused(step: object) -> None:
    scores, targets = torch.zeros(3), torch.tensor([0, 1, 0])
    with pytest.raises(ArgumentError, match="epsilon"):
        functional.direct_loss(scores, targets, dl.AveragePrecision(), epsilon=step)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="margin"):
        functional.hinge_loss(scores, targets, dl.AveragePrecision(), margin=step)  # type: ignore[arg-type]


@every_update
def test_a_step_may_be_a_tensor(update: str) -> None:
    scores, targets = torch.tensor([0.5, 0.2, 0.1]), torch.tensor([0, 1, 0])
    task, step = dl.AveragePrecision(), torch.tensor(0.4, requires_grad=True)
    wanted = value_and_gradient(make_loss(update, task, float(step.detach())), scores, targets)
    found = value_and_gradient(make_loss(update, task, step), scores, targets)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    if update in DIRECTIONS:
        value = functional.direct_loss(
            scores,
            targets,
            task,
            epsilon=step,
            direction=update,  # type: ignore[arg-type]
        )
        assert torch.equal(value, wanted[0])


@pytest.mark.parametrize(
    ("step", "came"),
    [
        (torch.ones(3), "shape (3,)"),
        (torch.ones(1), "shape (1,)"),
        (torch.tensor(1j), "complex"),
        (torch.tensor(-1.0), "-1.0"),
        (torch.tensor(0), "0"),
        (torch.tensor(inf), "inf"),
        (torch.tensor(float("nan")), "nan"),
    ],
)
def test_a_step_that_is_a_tensor_of_something_else_is_refused(step: Tensor, came: str) -> None:
    scores, targets, task = torch.zeros(3), torch.tensor([0, 1, 0]), dl.AveragePrecision()
    calls: list[tuple[str, Callable[[], object]]] = [
        ("epsilon", lambda: functional.direct_loss(scores, targets, task, epsilon=step)),
        ("margin", lambda: functional.hinge_loss(scores, targets, task, margin=step)),
        ("epsilon", lambda: dl.DirectLoss(task, epsilon=step)),  # type: ignore[arg-type]
        ("margin", lambda: dl.HingeLoss(task, margin=step)),  # type: ignore[arg-type]
    ]
    for name, call in calls:
        with pytest.raises(ArgumentError, match=rf"^{name}: got ") as caught:
            call()
        assert came in str(caught.value)


# --- any differentiable F -------------------------------------------------------------------------


class Chain:
    """Sequences of two labels over three places; F has a squared term, so it is not linear."""

    sequences = tuple(product((0, 1), repeat=3))
    truth = (1, 0, 1)

    def __init__(self, parameters: Tensor) -> None:
        self.parameters = parameters

    def score(self, y: tuple[int, ...]) -> Tensor:
        unary = sum(self.parameters[k] * y[k] for k in range(3))
        coupling = sum(self.parameters[3] * (y[k] == y[k + 1]) for k in range(2))
        return torch.tanh(unary) + coupling * coupling

    def task_loss(self, y: tuple[int, ...]) -> float:
        return sum(a != b for a, b in zip(y, self.truth, strict=True)) / 3

    def best(self, weight: float) -> tuple[int, ...]:
        return max(
            self.sequences, key=lambda y: float(self.score(y).detach()) + weight * self.task_loss(y)
        )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_any_differentiable_f_with_the_users_own_oracles(direction: str) -> None:
    moved = 0
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        parameters = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
        chain = Chain(parameters)
        epsilon = 0.8
        value = functional.structured_direct_loss(
            chain.score,
            lambda chain=chain: chain.best(0.0),
            chain.best,
            chain.task_loss,
            epsilon=epsilon,
            direction=direction,  # type: ignore[arg-type]
        )
        assert float(value.detach()) == chain.task_loss(chain.best(0.0))
        (gradient,) = torch.autograd.grad(value, parameters)

        def scalar(p: Tensor, epsilon: float = epsilon) -> Tensor:
            chain = Chain(p)
            plain = chain.score(chain.best(0.0))
            up = chain.best(epsilon)
            down = chain.best(-epsilon)
            positive = (chain.score(up) - plain) / epsilon
            negative = (plain - chain.score(down)) / epsilon
            return {
                "positive": positive, "negative": negative, "both": (positive + negative) / 2,
            }[direction]  # fmt: skip

        p = parameters.detach().clone().requires_grad_()
        (wanted,) = torch.autograd.grad(scalar(p) + 0 * p.sum(), p)
        assert torch.allclose(gradient, wanted, rtol=0, atol=1e-12)
        moved += bool(gradient.any())
    assert moved > 5


def test_the_general_entry_equals_the_built_in_path() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(8, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 1, 0, 0, 1, 0, 1, 0])
    task = dl.AveragePrecision()
    value = functional.structured_direct_loss(
        lambda y: (y * scores).sum(),
        lambda: task.configuration(scores, targets, 0.0),
        lambda weight: task.configuration(scores, targets, weight),
        lambda y: task.task_loss(y, targets),
        epsilon=0.4,
        direction="both",
    )
    (gradient,) = torch.autograd.grad(value, scores)
    wanted, slope = value_and_gradient(make_loss("both", task, 0.4), scores, targets)
    assert torch.equal(value.detach(), wanted)
    assert torch.allclose(gradient, slope, rtol=0, atol=1e-14)


def test_the_general_entry_takes_one_entry_a_sample() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.1, 0.0]], requires_grad=True)
    truth = torch.tensor([0, 0, 1])
    rows = torch.arange(3)
    wrong = (torch.arange(2) != truth[:, None]).float()
    value = functional.structured_direct_loss(
        lambda y: logits[rows, y],
        lambda: logits.argmax(1),
        lambda weight: (logits + weight * wrong).argmax(1),
        lambda y: (y != truth).float(),
        epsilon=0.5,
        direction="negative",
    )
    assert value.tolist() == [1.0, 0.0, 1.0]
    value.sum().backward()
    # Only the third is close enough to be turned: F(y_w) - F(y_direct), over epsilon.
    assert logits.grad.tolist() == [[0.0, 0.0], [0.0, 0.0], [2.0, -2.0]]


def test_the_oracles_and_the_task_loss_run_without_gradient() -> None:
    seen: list[bool] = []

    def oracle(*_: float) -> int:
        seen.append(torch.is_grad_enabled())
        return 0

    def task_loss(_: int) -> float:
        seen.append(torch.is_grad_enabled())
        return 0.25

    parameter = torch.ones((), requires_grad=True)
    value = functional.structured_direct_loss(
        lambda _: parameter * 2, oracle, oracle, task_loss, epsilon=1.0
    )
    assert seen == [False, False, False]
    assert value.requires_grad and float(value.detach()) == 0.25


@pytest.mark.parametrize("wrong", [0.0, -1.0, inf])
def test_the_general_entry_refuses_a_step_that_is_not_positive(wrong: float) -> None:
    zero: Callable[..., Tensor] = lambda *_: torch.zeros(())  # noqa: E731
    with pytest.raises(ArgumentError, match="epsilon"):
        functional.structured_direct_loss(zero, zero, zero, zero, epsilon=wrong)


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ArgumentError, match="direction: got 'up'"):
        functional.direct_terms(1.0, "up")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-30, 1.0])
def test_the_value_comes_back_to_the_last_bit(value: float) -> None:
    parameter = torch.tensor(1e6, requires_grad=True)
    shown = torch.tensor(value)
    loss = functional.loss_from_configurations(
        lambda y: parameter * y, [(1e3, 0.7), (-1e3, 0.1)], shown
    )
    assert torch.equal(loss.detach(), shown)
    (gradient,) = torch.autograd.grad(loss, parameter)
    assert float(gradient) == pytest.approx(600.0)


def test_options_are_checked_by_name_in_every_function() -> None:
    scores, targets = torch.randn(6), torch.tensor([1, 0, 1, 0, 0, 1])
    task = dl.AveragePrecision()
    for wrong in ("1", 1.5, True):
        for call in (
            lambda wrong: task.metric(scores, targets, ignore_index=wrong),
            lambda wrong: functional.auto_epsilon(scores, targets, ignore_index=wrong),
            lambda wrong: functional.perceptron_loss(scores, targets, task, ignore_index=wrong),
        ):
            with pytest.raises(ArgumentError, match=r"^ignore_index: got "):
                call(wrong)
    with pytest.raises(ArgumentError, match=r"^empty: got 'eror'"):
        functional.direct_loss(scores, targets, task, epsilon=1.0, empty="eror")  # type: ignore[arg-type]
    for axis in (True, (True,)):
        with pytest.raises(ArgumentError, match=r"^dim: got "):
            task.metric(scores.reshape(2, 3), targets.reshape(2, 3), dim=axis)
    for metric in (task, dl.NDCG()):
        with pytest.raises(ArgumentError, match=r"^targets: got torch.complex64"):
            metric.metric(scores, targets.to(torch.complex64))
