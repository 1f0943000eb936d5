"""The modules: their values, their step that sets itself, their types, their state."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import directloss as dl
from directloss import _stepped
from directloss._stepped import QUIET_BATCHES, UNSEEN_BATCHES
from directloss.errors import ArgumentError
from tests.cases import TASKS
from tests.harness import DIRECTIONS, UPDATES, TaskCase, make_loss, value_and_gradient

every_task = pytest.mark.parametrize("case", TASKS, ids=str)
every_update = pytest.mark.parametrize("update", UPDATES)
STEPS = {"epsilon": lambda task, **o: dl.DirectLoss(task, **o), "margin": dl.HingeLoss}
every_step = pytest.mark.parametrize("name", STEPS)


def make_auto(name: str, task: dl.Task | None = None, **options: object) -> nn.Module:
    """A loss whose step sets itself."""
    return STEPS[name](task or dl.AveragePrecision(), **{name: "auto"}, **options)


def stored(loss_fn: nn.Module, name: str) -> float:
    return float(getattr(loss_fn, name))


def ranked(seed: int = 0, *shape: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = shape or (40,)
    scores = torch.randn(shape, generator=generator).to(dtype)
    return scores, (torch.rand(shape, generator=generator) < 0.3).float()


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_where_no_positive_ties_the_value_is_one_minus_scikit_learns_ap(
    dtype: torch.dtype, direction: str
) -> None:
    checked = 0
    for seed in range(40):
        scores, targets = ranked(seed, 30, dtype=dtype)
        seen = scores.double().numpy()
        # scikit-learn makes one threshold of tied scores, among positives too.
        if any((seen == score).sum() > 1 for score in seen[targets.numpy() == 1]):
            continue
        checked += 1
        value, _ = value_and_gradient(make_loss(direction, dl.AveragePrecision()), scores, targets)
        wanted = 1 - average_precision_score(targets.numpy(), seen)
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        assert value.dtype == wide
        assert float(value) == pytest.approx(wanted, abs=2 * torch.finfo(wide).eps)
    assert checked >= 10


@every_task
def test_ties_between_the_classes_count_against_us_in_any_order_of_storage(case: TaskCase) -> None:
    rng = np.random.default_rng(0)
    loss_fn = make_loss("positive", case.make())
    task = case.make()
    below = 0
    for _ in range(50):
        targets = case.draw(rng, 8)
        scores = rng.integers(-2, 2, size=8) / 2
        value = float(loss_fn(torch.tensor(scores), torch.tensor(targets)))
        assert value == pytest.approx(case.predicted_loss(scores, targets), abs=1e-14)
        order = rng.permutation(8)
        if case.exchangeable:
            moved = case.reordered(torch.tensor(targets), torch.tensor(order))
            assert float(loss_fn(torch.tensor(scores[order]), moved)) == value
        metric = float(task.metric(torch.tensor(scores), torch.tensor(targets)))
        if case.learns:
            assert value >= 1 - metric - 1e-12
            below += value > 1 - metric + 1e-12
    assert below > 0 or case.name != "AveragePrecision"


@every_task
def test_a_perfect_prediction_costs_nothing(case: TaskCase) -> None:
    """Where Delta = 0 is within reach, no rounding takes the loss below it."""
    rng = np.random.default_rng(3)
    loss_fn = make_loss("positive", case.make()).eval()
    for n in (*range(2, 50), *range(50, 120, 7)):
        targets = torch.from_numpy(case.draw(rng, n))
        perfect = case.perfect(targets, n)
        if abs(case.predicted_loss(perfect.numpy(), targets.numpy())) < 1e-12:
            value = float(loss_fn(perfect, targets))
            assert 0.0 <= value < 1e-15
            assert value == 0.0 or case.name != "AveragePrecision"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mean_over_lists_is_rounded_once(dtype: torch.dtype) -> None:
    for count in range(1, 100):
        scores, targets = ranked(count, count, 7, dtype=dtype)
        targets[:, 0], targets[:, 1] = 0, 1
        each = dl.AveragePrecision().metric(scores, targets, reduction="none")
        value = make_loss("positive", dl.AveragePrecision())(scores, targets)
        wanted = (1 - each).mean()
        assert float(value) == pytest.approx(float(wanted), rel=1.01 * torch.finfo(dtype).eps)
    # The worst ranking of two items costs 1/2, whatever their number is.
    scores, targets = torch.tensor([[1.0, 0.0]]).expand(49, 2), torch.tensor([[0, 1]]).expand(49, 2)
    assert make_loss("positive", dl.AveragePrecision())(scores, targets) == 0.5


@every_update
def test_huge_finite_scores_do_not_overflow(update: str) -> None:
    scores = torch.tensor([3e38, -3e38, 1e38, 0.0])
    value, gradient = value_and_gradient(
        make_loss(update, dl.AveragePrecision(), 1e-3), scores, torch.tensor([0, 1, 0, 1])
    )
    assert not value.isnan() and gradient.isfinite().all()
    if update in DIRECTIONS:
        assert float(value) == pytest.approx(1 - (1 / 3 + 2 / 4) / 2)


@every_task
@every_update
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_float_type_has_the_answer_of_float64_on_the_same_numbers(
    case: TaskCase, update: str, dtype: torch.dtype
) -> None:
    rng = np.random.default_rng(1)
    loss_fn = make_loss(update, case.make(), 0.3)
    for _ in range(10):
        scores, targets = case.batch(rng, 3, 12, dtype)
        value, gradient = value_and_gradient(loss_fn, scores, targets)
        wanted, slope = value_and_gradient(loss_fn, scores.double(), targets)
        assert gradient.dtype == dtype and value.dtype == torch.float32
        assert float(value) == pytest.approx(float(wanted), abs=1e-6)
        rounding = 2 * torch.finfo(dtype).eps * float(slope.abs().max())
        assert gradient.double() == pytest.approx(slope, abs=rounding + 1e-12)


def test_the_gradient_scales_with_what_comes_after() -> None:
    scores, targets = ranked()
    loss_fn = make_loss("positive", dl.AveragePrecision())
    _, gradient = value_and_gradient(loss_fn, scores, targets)
    leaf = scores.clone().requires_grad_()
    (3 * loss_fn(leaf * 2, targets)).backward()
    _, doubled = value_and_gradient(loss_fn, scores * 2, targets)
    assert torch.allclose(leaf.grad, 6 * doubled, rtol=1e-6)
    assert gradient.any()


@pytest.mark.parametrize("n", [100, 40_000])  # the second is one that torch would share out
def test_the_gradient_is_differentiable_in_the_factor_of_the_loss(n: int) -> None:
    scores, targets = ranked(7, n, dtype=torch.float64)
    scores.requires_grad_()
    factor = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    loss = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5)(scores, targets)
    (one,) = torch.autograd.grad(loss, scores, retain_graph=True)
    (three,) = torch.autograd.grad(factor * loss, scores, create_graph=True)
    assert one.any()
    assert torch.equal(three, 3.0 * one)
    (slope,) = torch.autograd.grad((torch.sign(one) * three).sum(), factor)
    torch.testing.assert_close(slope, one.abs().sum())


@pytest.mark.parametrize("n", [100, 40_000])
def test_gradients_of_several_factors_come_at_once(n: int) -> None:
    scores, targets = ranked(8, n)
    scores.requires_grad_()
    loss = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5)(scores, targets)
    (one,) = torch.autograd.grad(loss, scores, retain_graph=True)
    factors = torch.tensor([1.0, -2.0, 0.5])
    (all_three,) = torch.autograd.grad(loss, scores, factors, is_grads_batched=True)
    assert torch.equal(all_three, factors[:, None] * one)


@every_update
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(update: str, dtype: torch.dtype) -> None:
    scores, targets = ranked(0, 3, 30)
    loss_fn = make_loss(update, dl.AveragePrecision())
    wanted = value_and_gradient(loss_fn, scores, targets)
    with torch.autocast("cpu", dtype):
        found = value_and_gradient(loss_fn, scores, targets)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])


@every_update
def test_without_gradient_there_is_only_a_value(update: str) -> None:
    scores, targets = ranked()
    loss_fn = make_loss(update, dl.AveragePrecision())
    assert not loss_fn(scores, targets).requires_grad
    leaf = scores.clone().requires_grad_()
    with torch.no_grad():
        assert not loss_fn(leaf, targets).requires_grad
    with torch.inference_mode():
        assert torch.equal(loss_fn(scores.clone(), targets), loss_fn(scores, targets))


def test_two_calls_give_the_same_bits() -> None:
    scores, targets = ranked(0, 4, 50, dtype=torch.float64)
    loss_fn = make_auto("epsilon")
    first = value_and_gradient(loss_fn, scores, targets)  # sets epsilon
    second = value_and_gradient(loss_fn, scores, targets)  # reads it
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


# --- the step that sets itself --------------------------------------------------------------------


@every_step
def test_auto_is_the_spread_of_the_first_training_batch_and_stays(name: str) -> None:
    loss_fn = make_auto(name)
    assert isnan(stored(loss_fn, name))
    scores, targets = ranked(0, 4, 30)
    loss_fn(scores, targets)
    spread = float((scores - scores.mean(1, keepdim=True)).double().square().mean().sqrt())
    assert stored(loss_fn, name) == pytest.approx(spread, rel=1e-6)
    kept = stored(loss_fn, name)
    loss_fn(100 * scores, targets)
    assert stored(loss_fn, name) == kept


@every_step
def test_auto_waits_for_a_batch_that_has_a_spread(name: str) -> None:
    loss_fn = make_auto(name)
    scores, targets = ranked()
    for nothing in (torch.zeros(40), torch.full((40,), inf), torch.full((40,), 3.25)):
        loss_fn(nothing, targets)
        assert isnan(stored(loss_fn, name))
    loss_fn(torch.zeros(0), torch.zeros(0))
    assert isnan(stored(loss_fn, name))
    loss_fn(scores, targets)
    assert stored(loss_fn, name) == pytest.approx(float(scores.std(correction=0)), rel=1e-6)


class Scaled(dl.AveragePrecision):
    epsilon_scale = 4.0


@every_step
def test_the_tasks_factor_scales_the_spread_and_the_stand_in(name: str) -> None:
    """In units of the loss; in units of the scores "auto" is the spread for every task."""
    scores, targets = ranked(dtype=torch.float64)
    in_loss = {"unit": "loss"} if name == "epsilon" else {}
    loss_fn = make_auto(name, Scaled(), **in_loss)
    zeros = torch.zeros_like(scores)
    wanted = value_and_gradient(make_fixed(name, 4.0, **in_loss), zeros, targets)
    found = value_and_gradient(loss_fn, zeros, targets)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    loss_fn(scores, targets)
    assert stored(loss_fn, name) == pytest.approx(4 * float(scores.std(correction=0)), rel=1e-6)
    if in_loss:
        other = make_auto(name, Scaled())
        other(scores, targets)
        assert stored(other, name) == pytest.approx(float(scores.std(correction=0)), rel=1e-6)


def make_fixed(name: str, step: float, **options: object) -> nn.Module:
    return STEPS[name](dl.AveragePrecision(), **{name: step}, **options)


@every_step
def test_eval_mode_measures_and_does_not_keep(name: str) -> None:
    scores, targets = ranked(dtype=torch.float64)
    loss_fn = make_auto(name).eval()
    for factor in (1.0, 5.0):
        found = value_and_gradient(loss_fn, factor * scores, targets)
        step = dl.functional.auto_epsilon(factor * scores)
        wanted = value_and_gradient(make_fixed(name, step), factor * scores, targets)
        assert torch.equal(found[0], wanted[0])
        assert torch.allclose(found[1], wanted[1], rtol=1e-6, atol=0)
    assert isnan(stored(loss_fn, name))
    loss_fn.train()
    loss_fn(scores, targets)
    assert not isnan(stored(loss_fn, name))


def test_looking_does_not_set_epsilon_in_eval_mode() -> None:
    scores, targets = ranked()
    loss_fn = make_auto("epsilon").eval()
    loss_fn.bounds(scores, targets)
    loss_fn.diagnostics(scores, targets)
    assert isnan(stored(loss_fn, "epsilon"))


@every_step
def test_the_step_goes_through_state_dict(name: str) -> None:
    scores, targets = ranked(dtype=torch.float64)
    trained, fresh = make_auto(name), make_auto(name)
    trained(scores, targets)
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert stored(fresh, name) == stored(trained, name)
    found = value_and_gradient(fresh, 3 * scores, targets)
    wanted = value_and_gradient(trained, 3 * scores, targets)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])


@every_step
def test_an_unset_step_goes_through_state_dict(name: str) -> None:
    fresh = make_fixed(name, 3.0)
    fresh.load_state_dict(make_auto(name).state_dict())
    assert isnan(stored(fresh, name))


@every_step
@pytest.mark.parametrize("to", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_in_another_type_keeps_the_step(name: str, to: torch.dtype) -> None:
    model = nn.ModuleDict({"net": nn.Linear(3, 1), "loss": make_fixed(name, 0.1)}).to(to)
    assert model["net"].weight.dtype == to
    assert stored(model["loss"], name) == pytest.approx(0.1, rel=1e-12)


@pytest.mark.parametrize("epsilon", [0.1, 1e-30, 1e30, 3])
def test_a_number_is_used_as_it_is(epsilon: float) -> None:
    scores, targets = ranked(dtype=torch.float64)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=epsilon, direction="both")
    leaf = scores.clone().requires_grad_()
    value = dl.functional.direct_loss(
        leaf, targets, dl.AveragePrecision(), epsilon=epsilon, direction="both"
    )
    value.backward()
    found = value_and_gradient(loss_fn, scores, targets)
    assert torch.equal(found[0], value.detach()) and torch.equal(found[1], leaf.grad)


@every_step
def test_a_frozen_step_does_not_move_with_autograd(name: str) -> None:
    loss_fn = make_auto(name)
    scores, targets = ranked()
    leaf = scores.clone().requires_grad_()
    loss_fn(leaf, targets).backward()
    assert not getattr(loss_fn, name).requires_grad
    assert list(loss_fn.parameters()) == [] and list(loss_fn.state_dict()) == [name]


def test_the_perceptron_has_no_state() -> None:
    assert list(dl.PerceptronLoss(dl.AveragePrecision()).state_dict()) == []


# --- copies ---------------------------------------------------------------------------------------


@every_update
@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
def test_a_copy_works_and_has_a_state_of_its_own(update: str, how: str) -> None:
    scores, targets = ranked(dtype=torch.float64)
    for task in (dl.AveragePrecision(), dl.RankingTask(np.ones(50), 1 / np.arange(1.0, 90.0))):
        loss_fn = make_loss(update, task, *([] if update == "perceptron" else ["auto"]))
        if how == "deepcopy":
            twin = copy.deepcopy(loss_fn)
        elif how == "pickle":
            twin = pickle.loads(pickle.dumps(loss_fn))
        else:
            file = io.BytesIO()
            torch.save(loss_fn, file)
            file.seek(0)
            twin = torch.load(file, weights_only=False)
        found = value_and_gradient(twin, scores, targets)
        for state in loss_fn.state_dict().values():
            assert state.isnan()
        wanted = value_and_gradient(loss_fn, scores, targets)
        assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])


# --- the direction --------------------------------------------------------------------------------


class Dead(dl.AveragePrecision):
    direction = "both"


def test_without_a_direction_the_task_chooses() -> None:
    assert dl.DirectLoss(dl.AveragePrecision()).direction == "positive"
    assert dl.DirectLoss(Dead()).direction == "both"
    assert dl.DirectLoss(Dead(), direction="negative").direction == "negative"


# --- learning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in TASKS if c.learns], ids=str)
@every_update
def test_a_linear_model_of_zeros_learns(case: TaskCase, update: str) -> None:
    """All scores tie at the start, and no direction is dead there."""
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.normal(size=(200, 4)))
    targets = (x @ torch.tensor([1.0, -2.0, 0.5, 0.0]).double() > 1.5).double()
    weight = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    loss_fn = make_loss(update, case.make(), *([] if update == "perceptron" else ["auto"]))
    task = case.make()
    optimiser = torch.optim.SGD([weight], lr=0.1)
    best = float(task.metric(targets, targets))
    found = 0.0
    for _ in range(60):
        optimiser.zero_grad()
        loss_fn(x @ weight, targets).backward()
        if not weight.detach().any():
            assert weight.grad.any()
        optimiser.step()
        found = float(task.metric(x @ weight.detach(), targets))
        # Further on a fixed epsilon may be small beside the scores that grew.
        if found > 0.95 * best:
            break
    assert found > 0.9 * best


# --- the warning ----------------------------------------------------------------------------------


@every_update
def test_many_batches_without_gradient_give_one_warning(update: str) -> None:
    loss_fn = make_loss(update, dl.AveragePrecision())
    scores, nobody = torch.randn(5), torch.zeros(5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3 * QUIET_BATCHES):
            loss_fn(scores, nobody)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "AveragePrecision()" in message and str(QUIET_BATCHES) in message
    assert "BalancedBatchSampler" in message
    assert caught[0].filename == __file__


def test_the_warning_names_the_step_and_how_to_look_at_it() -> None:
    """Scores far apart: the positive direction sees nothing within epsilon."""
    loss_fn = make_loss("positive", dl.AveragePrecision(), 1e-3)
    scores, targets = torch.tensor([5.0, 0.0, -5.0]), torch.tensor([0, 1, 0])
    with pytest.warns(UserWarning, match=r"(?s)positive.*epsilon 0\.001.*diagnostics"):
        for _ in range(QUIET_BATCHES):
            loss_fn(scores, targets)


@pytest.mark.parametrize("quiet", ["eval", "a gradient now and then"])
def test_no_warning_without_reason(quiet: str) -> None:
    loss_fn = make_loss("positive", dl.AveragePrecision())
    if quiet == "eval":
        loss_fn.eval()
    scores, targets = ranked()
    for index in range(3 * QUIET_BATCHES):
        nothing = quiet == "eval" or index % 10
        loss_fn(scores, torch.zeros_like(targets) if nothing else targets)


def test_after_a_gradient_few_batches_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning then waits for them, too, and comes once."""
    looked = [0]
    look = _stepped._anywhere

    def counted(gradient: torch.Tensor) -> bool:
        looked[0] += 1
        return look(gradient)

    monkeypatch.setattr(_stepped, "_anywhere", counted)
    loss_fn = make_loss("positive", dl.AveragePrecision())
    scores, targets = ranked()
    for _ in range(1 + UNSEEN_BATCHES):
        loss_fn(scores, targets)
    assert looked == [1]
    loss_fn(scores, targets)
    assert looked == [2]
    for _ in range(UNSEEN_BATCHES + QUIET_BATCHES - 1):
        loss_fn(scores, torch.zeros_like(targets))
    with pytest.warns(UserWarning, match=f"for {QUIET_BATCHES} training batches in a row"):
        loss_fn(scores, torch.zeros_like(targets))
    for _ in range(2 * QUIET_BATCHES):
        loss_fn(scores, torch.zeros_like(targets))
    assert looked == [2 + QUIET_BATCHES]


@every_update
@pytest.mark.parametrize(
    "task",
    [dl.AveragePrecision(), dl.PrecisionAtK(2), dl.Jaccard(), dl.MulticlassZeroOne()],
    ids=repr,
)
def test_no_warning_where_nothing_is_left_to_learn(update: str, task: dl.Task) -> None:
    """Of one positive, precision at 2 cannot have more than a half."""
    loss_fn = make_loss(update, task, 1e-3)
    scores = torch.tensor([5.0, -4.0, -5.0])
    targets = torch.tensor(0) if task.target_per_list else torch.tensor([1, 0, 0])
    for _ in range(2 * QUIET_BATCHES):
        _, gradient = value_and_gradient(loss_fn, scores, targets)
    assert not gradient.any()


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("epsilon", 0), ("epsilon", -1.0), ("epsilon", nan), ("epsilon", inf), ("epsilon", "fast"),
        ("epsilon", None), ("direction", "up"), ("reduction", "average"), ("empty", "ignore"),
    ],
)  # fmt: skip
def test_an_argument_of_direct_loss_that_makes_no_sense_is_named(
    argument: str, value: object
) -> None:
    with pytest.raises(ArgumentError, match=rf"^{argument}: got") as caught:
        dl.DirectLoss(dl.AveragePrecision(), **{argument: value})
    assert caught.value.argument == argument
    assert isinstance(caught.value, dl.errors.DirectLossError) and isinstance(
        caught.value, ValueError
    )


@pytest.mark.parametrize("make", [dl.DirectLoss, dl.HingeLoss, dl.PerceptronLoss])
@pytest.mark.parametrize("task", [None, "ap", dl.AveragePrecision])
def test_what_is_no_task_is_refused(make: type[nn.Module], task: object) -> None:
    with pytest.raises(ArgumentError, match=r"^task: got"):
        make(task)


def test_a_module_prints_what_it_is() -> None:
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5, direction="both")
    assert repr(loss_fn) == "DirectLoss(AveragePrecision(), epsilon=0.5, direction='both')"
    assert repr(dl.HingeLoss(dl.AveragePrecision())) == "HingeLoss(AveragePrecision(), margin=1)"
    assert repr(dl.PerceptronLoss(dl.AveragePrecision())) == "PerceptronLoss(AveragePrecision())"
    of_classes = dl.PerceptronLoss(dl.Jaccard(), class_dim=1, class_weight=[1.0, 0.5])
    shown = "PerceptronLoss(Jaccard(), class_dim=1, class_weight=[1.0, 0.5])"
    assert repr(of_classes) == shown


def test_an_error_survives_the_way_home_from_a_worker() -> None:
    with pytest.raises(ArgumentError) as caught:
        dl.DirectLoss(dl.AveragePrecision(), epsilon=-1)
    home = pickle.loads(pickle.dumps(caught.value))
    assert type(home) is ArgumentError
    assert str(home) == str(caught.value) and home.argument == "epsilon"


def test_bounds_take_layouts_and_reductions() -> None:
    scores, targets = ranked(0, 5, 20, dtype=torch.float64)
    each = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5, reduction="none")
    lower, upper = each.bounds(scores, targets)
    value = each(scores, targets)
    assert lower.shape == upper.shape == (5,)
    assert (lower <= value + 1e-12).all() and (value <= upper + 1e-12).all()
    assert (lower < upper).any()
    mean = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5)
    for one, many in zip(mean.bounds(scores, targets), (lower, upper), strict=True):
        assert float(one) == pytest.approx(float(many.mean()))
    masked = each.bounds(scores, targets, mask=torch.zeros(5, 20, dtype=torch.bool))
    assert not masked[0].any() and not masked[1].any()


def test_the_value_may_be_changed_in_place() -> None:
    scores = torch.randn(12, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.arange(12) % 3 == 0
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0)
    loss = loss_fn(scores, targets)
    (once,) = torch.autograd.grad(loss, scores)
    loss = loss_fn(scores, targets)
    loss *= 2  # as trainers do that scale the losses of accumulated batches
    (twice,) = torch.autograd.grad(loss, scores)
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize("direction", ["positive", "negative", "both"])
@pytest.mark.parametrize("task", [dl.AveragePrecision(), dl.FBeta(), dl.NDCG()], ids=repr)
def test_without_a_gradient_the_value_is_the_same(task: dl.Task, direction: str) -> None:
    scores, targets = torch.randn(4, 30), torch.rand(4, 30) < 0.3
    loss_fn = dl.DirectLoss(task, epsilon=0.5, direction=direction).eval()
    wanted = loss_fn(scores.requires_grad_(), targets)
    with torch.no_grad():
        assert loss_fn(scores, targets) == wanted


def test_who_records_operations_sees_no_other_value() -> None:
    """A value that is put into the place of a dot product's is no operation."""

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            names.append(func.__name__)
            return func(*args, **(kwargs or {}))

    names: list[str] = []
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.3)
    scores = torch.tensor([0.1, 0.4, -0.2], requires_grad=True)
    targets = torch.tensor([1, 0, 0])
    plain = loss_fn(scores, targets)
    assert type(plain.grad_fn).__name__ == "DotBackward0"
    with Recorder():
        recorded = loss_fn(scores, targets)
    assert "dot.default" not in names
    assert recorded == plain == 0.5
    (wanted,), (found,) = (torch.autograd.grad(loss, scores) for loss in (plain, recorded))
    assert torch.equal(wanted, found)


@pytest.mark.parametrize("place", ["host", "device"])
def test_values_of_lists_may_be_changed_in_place(place: Any) -> None:
    scores = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.tensor([[1, 0, 1, 0]] * 3)
    loss_fn = dl.DirectLoss(dl.ROCAUC(), epsilon=1.0, reduction="none", solver=place)
    (plain,) = torch.autograd.grad(loss_fn(scores, targets).sum(), scores)
    values = loss_fn(scores, targets)
    values *= 2
    values[1] = 0
    (found,) = torch.autograd.grad(values.sum(), scores)
    torch.testing.assert_close(found, plain * torch.tensor([[2.0], [0.0], [2.0]]))
