"""The linear chain's answer to each hard input, for every update, and its layouts.

The scores of a chain are several tensors, so it has its own check for each promise of
`tests/test_hard_inputs.py`, under the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import directloss as dl
from directloss.errors import ArgumentError, NonFiniteScoreError, UndefinedMetricError
from directloss.tasks.structured import LinearChain
from tests import test_hard_inputs
from tests.chains import IGNORED, Case, ChainLoss, best, listed, make, random_case, scalar
from tests.harness import DIRECTIONS, UPDATES

HARD_INPUTS: dict[str, Callable[[str], None]] = {}

every_update = pytest.mark.parametrize("update", UPDATES)


def hard_input(name: str) -> Callable[[Callable[[str], None]], Callable[[str], None]]:
    def register(check: Callable[[str], None]) -> Callable[[str], None]:
        HARD_INPUTS[name] = check
        return check

    return register


def automatic(update: str, **options: Any) -> ChainLoss:
    """A loss whose step, if it has one, is not set yet."""
    return make(update, "auto", **options)


def is_unset(loss_fn: ChainLoss) -> bool:
    return all(step.isnan() for step in loss_fn.state_dict().values())


def value_and_gradients(
    loss_fn: ChainLoss, chain: LinearChain, targets: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The value, and the gradients of emissions and transitions."""
    emissions, transitions = (
        tensor.detach().clone().requires_grad_() for tensor in (chain.emissions, chain.transitions)
    )
    leaves = LinearChain(emissions, transitions, chain.start, chain.end, chain.lengths)
    value = loss_fn(leaves, targets)
    value.sum().backward()
    assert emissions.grad is not None and transitions.grad is not None
    return value.detach(), emissions.grad, transitions.grad


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> tuple[LinearChain, Tensor]:
    """Normal scores, and labels."""
    generator = torch.Generator().manual_seed(0)
    emissions, transitions = (
        torch.randn(size, generator=generator, dtype=torch.float64).to(dtype)
        for size in (shape, (shape[-1],) * 2)
    )
    return LinearChain(emissions, transitions), torch.randint(
        shape[-1], shape[:2], generator=generator
    )


def same(found: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


# --- the table ------------------------------------------------------------------------------------


@hard_input("undefined list")
def undefined_list(update: str) -> None:
    """No positions, or none that counts."""
    chain, targets = draw(2, 4, 3)
    without = LinearChain(chain.emissions, chain.transitions, lengths=torch.zeros(2).long())
    unknown = torch.full_like(targets, IGNORED)
    for given, labels in ((without, targets), (chain, unknown)):
        loss_fn = make(update, ignore_index=IGNORED)
        value, *gradients = value_and_gradients(loss_fn, given, labels)
        assert value == 0 and not any(gradient.any() for gradient in gradients)


@hard_input("undefined list among others")
def undefined_among_others(update: str) -> None:
    chain, targets = draw(5, 4, 3)
    targets[3] = IGNORED
    lengths = torch.tensor([4, 0, 2, 4, 3])
    ragged = LinearChain(chain.emissions, chain.transitions, lengths=lengths)
    defined = [0, 2, 4]
    others = LinearChain(chain.emissions[defined], chain.transitions, lengths=lengths[defined])
    loss_fn = make(update, ignore_index=IGNORED)
    value, slopes, steps = value_and_gradients(loss_fn, ragged, targets)
    alone = value_and_gradients(loss_fn, others, targets[defined])
    torch.testing.assert_close((value, slopes[defined], steps), alone)
    assert not slopes[[1, 3]].any()
    each = make(update, ignore_index=IGNORED, reduction="none")(ragged, targets)
    assert each.shape == (5,) and not each[[1, 3]].any()


@hard_input("one class, where that is defined")
def one_class(update: str) -> None:
    """A single label, which nothing can be mistaken for; and the same label everywhere."""
    value, *gradients = value_and_gradients(make(update), *draw(3, 4, 1))
    assert value == 0 and not any(gradient.any() for gradient in gradients)
    chain, targets = draw(1, 4, 3)
    case = Case(chain, torch.zeros_like(targets), None)
    assert_as_listed(case, update)


@hard_input('empty="error"')
def empty_error(update: str) -> None:
    chain, targets = draw(3, 4, 2)
    strict = automatic(update, empty="error")
    lengths = torch.tensor([4, 0, 2])
    with pytest.raises(UndefinedMetricError, match=r"1 of 3 sequences .*first: sequence 1"):
        strict(LinearChain(chain.emissions, chain.transitions, lengths=lengths), targets)
    assert is_unset(strict)
    wanted = value_and_gradients(automatic(update), chain, targets)
    assert same(value_and_gradients(strict, chain, targets), wanted)


@hard_input("empty tensor")
def empty_tensor(update: str) -> None:
    for shape in ((0, 4, 3), (2, 0, 3), (0, 0, 3)):
        value, slopes, steps = value_and_gradients(automatic(update), *draw(*shape))
        assert value.shape == () and value == 0 and slopes.shape == shape and not steps.any()


@hard_input("ties")
def ties(update: str) -> None:
    """Among equals the worst labelling is the prediction, whatever the labels' order."""
    rng = np.random.default_rng(0)
    for _ in range(15):
        case = random_case(rng, ties=True)
        loss_fn = make(update, cost=case.cost, ignore_index=IGNORED)
        value, *gradients = value_and_gradients(loss_fn, case.chain, case.targets)
        assert all(gradient.isfinite().all() for gradient in gradients)
        torch.testing.assert_close(value, as_listed(case, update))
        if case.targets.ndim == 3:
            continue
        chain, order = case.chain, torch.from_numpy(rng.permutation(case.chain.emissions.shape[2]))
        renamed = LinearChain(
            chain.emissions[:, :, order],
            chain.transitions[..., order, :][..., order],
            None if chain.start is None else chain.start[order],
            None if chain.end is None else chain.end[order],
            chain.lengths,
        )
        place, known = order.argsort(), case.targets != IGNORED
        targets = torch.where(known, place[case.targets.clamp(min=0)], IGNORED)
        cost = None if case.cost is None else case.cost[order][:, order]
        again = make(update, cost=cost, ignore_index=IGNORED)(renamed, targets)
        torch.testing.assert_close(again, value, rtol=0, atol=1e-12)


@hard_input("all scores equal")
def all_equal(update: str) -> None:
    """The prediction is wrong everywhere, so that only the positive direction cannot learn."""
    for level in (0.0, -3.5, 12345678.9):
        chain = LinearChain(torch.full((2, 5, 3), level), torch.zeros(3, 3))
        targets = torch.randint(3, (2, 5))
        value, slopes, _ = value_and_gradients(automatic(update), chain, targets)
        assert value.isfinite() and slopes.isfinite().all()
        assert bool(slopes.any()) == (update != "positive")
        if update in DIRECTIONS:
            assert value == 1


@hard_input("NaN score")
def nan_score(update: str) -> None:
    chain, targets = draw(3, 4, 2)
    loss_fn = automatic(update)
    for name in ("emissions", "transitions"):
        parts = {"emissions": chain.emissions.clone(), "transitions": chain.transitions.clone()}
        parts[name].view(-1)[3] = nan
        size = parts[name].numel()
        with pytest.raises(NonFiniteScoreError, match=rf"^{name}: got 1 NaN of {size} "):
            loss_fn(LinearChain(**parts), targets)
        assert is_unset(loss_fn)
    # The next good batch is as if nothing had been.
    wanted = value_and_gradients(automatic(update), chain, targets)
    assert same(value_and_gradients(loss_fn, chain, targets), wanted)


@hard_input("NaN score under the mask")
def masked_nan(update: str) -> None:
    """What stands beyond a sequence's length."""
    chain, targets = draw(3, 4, 2)
    lengths = torch.tensor([4, 1, 3])
    beyond = torch.arange(4) >= lengths[:, None]
    results = []
    for anything, label in ((0.0, 0), (nan, 7), (inf, -5), (-inf, 10**9), (1e300, 1)):
        emissions = chain.emissions.masked_fill(beyond[:, :, None], anything)
        given = LinearChain(emissions, chain.transitions, lengths=lengths)
        found = value_and_gradients(automatic(update), given, targets.masked_fill(beyond, label))
        assert not found[1][beyond].any()
        results.append(found)
    assert all(same(found, results[0]) for found in results[1:])


@hard_input("infinite scores")
def infinite_scores(update: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        case = random_case(rng, ties=False, infinite=True)
        loss_fn = make(update, cost=case.cost, ignore_index=IGNORED)
        value, *gradients = value_and_gradients(loss_fn, case.chain, case.targets)
        assert value.isfinite()
        tensors = (case.chain.emissions, case.chain.transitions)
        for tensor, gradient in zip(tensors, gradients, strict=True):
            assert gradient.isfinite().all() and not gradient[~tensor.isfinite()].any()
        if update in DIRECTIONS:
            torch.testing.assert_close(value, as_listed(case, update))


@hard_input("nothing but infinite scores")
def only_infinite(update: str) -> None:
    targets = torch.tensor([[0, 1, 1, 0]])
    for level in (inf, -inf):
        chain = LinearChain(torch.full((1, 4, 2), level), torch.full((2, 2), level))
        value, *gradients = value_and_gradients(automatic(update), chain, targets)
        assert value.isfinite() and not any(gradient.any() for gradient in gradients)


@hard_input("float16, bfloat16, float64")
def half_precision(update: str) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        chain, targets = draw(3, 300, 4, dtype=dtype)
        wide = LinearChain(chain.emissions.double(), chain.transitions.double())
        value, *gradients = value_and_gradients(automatic(update), chain, targets)
        wanted, *_ = value_and_gradients(automatic(update), wide, targets)
        assert float(value) == pytest.approx(float(wanted), abs=1e-6)
        assert all(g.dtype == dtype and g.isfinite().all() for g in gradients)


@hard_input("a single element")
def single_element(update: str) -> None:
    for shape in ((1, 1, 1), (4, 1, 1), (1, 1, 2), (1, 4, 1)):
        value, slopes, steps = value_and_gradients(automatic(update), *draw(*shape))
        assert value.isfinite() and slopes.isfinite().all() and slopes.shape == shape
        assert steps.isfinite().all()


@hard_input("wrong targets")
def wrong_targets(update: str) -> None:
    chain, targets = draw(2, 3, 4)
    for label in (4, -1, 10**6):
        loss_fn = automatic(update)
        with pytest.raises(ArgumentError, match=rf"^targets: got {label} at index \(1, 2\)"):
            loss_fn(
                chain, targets.index_put((torch.tensor(1), torch.tensor(2)), torch.tensor(label))
            )
        assert is_unset(loss_fn), "a batch that was refused has set the step"
    for cost in (-1.0, nan, inf):
        with pytest.raises(ArgumentError, match=r"^targets: got .* at index \(0, 0, 0\)"):
            automatic(update)(chain, torch.full((2, 3, 4), cost))


@hard_input("wrong shapes and types")
def wrong_shapes(update: str) -> None:
    chain, targets = draw(2, 3, 4)
    given = {
        "emissions": chain.emissions,
        "transitions": chain.transitions,
        "start": torch.zeros(4),
        "end": torch.zeros(4),
        "lengths": torch.tensor([3, 1]),
        "targets": targets,
    }
    calls: list[tuple[str, str, object]] = [
        ("emissions", "int64", chain.emissions.long()),
        ("emissions", "complex", chain.emissions + 0j),
        ("emissions", "list", chain.emissions.tolist()),
        ("transitions", "(4, 3)", torch.zeros(4, 3)),
        ("transitions", "(2, 3, 4, 4)", torch.zeros(2, 3, 4, 4)),
        ("transitions", "list", chain.transitions.tolist()),
        ("start", "(3,)", torch.zeros(3)),
        ("end", "(4, 1)", torch.zeros(4, 1)),
        ("lengths", "(3,)", torch.ones(3).long()),
        ("lengths", "float", torch.ones(2)),
        ("targets", "(2, 4)", torch.zeros(2, 4).long()),
        ("targets", "(3, 2)", targets.T),
        ("targets", "(2, 3, 3)", torch.zeros(2, 3, 3)),
        ("targets", "float", targets.double()),
        ("targets", "list", targets.tolist()),
    ]
    for argument, came, value in calls:
        arguments: dict[str, Any] = given | {argument: value}
        loss_fn = automatic(update)
        with pytest.raises(ArgumentError, match=rf"^{argument}: got") as caught:
            labels = arguments.pop("targets")
            loss_fn(LinearChain(**arguments), labels)
        assert caught.value.argument == argument
        assert came in str(caught.value) and "wanted" in str(caught.value)
        assert is_unset(loss_fn)


@hard_input("wrong dim")
def wrong_dim(update: str) -> None:
    """The axes of a chain have fixed places: any other number of them is refused."""
    for shape in ((), (4,), (3, 4), (2, 3, 4, 1)):
        with pytest.raises(ArgumentError, match=r"^emissions: got .*wanted \(B, T, K\)"):
            automatic(update)(LinearChain(torch.zeros(shape), torch.zeros(4, 4)), torch.zeros(2, 3))


def as_listed(case: Case, update: str) -> Tensor:
    """The mean over the defined sequences of what a loss shows, by listing all labellings."""
    every = [listed(case, s) for s in range(len(case.targets))]
    if update in DIRECTIONS:
        values = torch.tensor([best(a, 0.0)[2] / max(a.counted, 1) for a in every]).double()
    else:
        values = scalar(case, update)
    defined = torch.tensor([a.counted > 0 for a in every])
    return values[defined].sum() / max(int(defined.sum()), 1)


def assert_as_listed(case: Case, update: str) -> None:
    """Value by listing, gradient of the emissions by central differences of the listed scalar."""
    value, slopes, _ = value_and_gradients(make(update), case.chain, case.targets)
    torch.testing.assert_close(value, as_listed(case, update))
    flat, h = case.chain.emissions.view(-1), 1e-6
    for k in range(flat.numel()):
        kept, ends = float(flat[k]), []
        for side in (h, -h):
            flat[k] = kept + side
            ends.append(float(scalar(case, update).mean()))
        flat[k] = kept
        difference = (ends[0] - ends[1]) / (2 * h)
        assert float(slopes.view(-1)[k]) == pytest.approx(difference, abs=1e-7)


# --- the tests ------------------------------------------------------------------------------------


@every_update
@pytest.mark.parametrize("name", HARD_INPUTS)
def test_hard_input(name: str, update: str) -> None:
    HARD_INPUTS[name](update)


def test_the_table_has_no_gap() -> None:
    assert list(HARD_INPUTS) == list(test_hard_inputs.HARD_INPUTS)


@every_update
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_a_batch_is_its_sequences(update: str, reduction: str) -> None:
    """Lengths, ends, one matrix a step or one for all, labels or costs: each on its own."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        case = random_case(rng, ties=False)
        chain = case.chain
        options: dict[str, Any] = {"cost": case.cost, "ignore_index": IGNORED}
        sequences = [
            LinearChain(
                chain.emissions[s : s + 1],
                chain.transitions if chain.transitions.ndim == 2 else chain.transitions[s : s + 1],
                chain.start,
                chain.end,
                None if chain.lengths is None else chain.lengths[s : s + 1],
            )
            for s in range(len(case.targets))
        ]
        alone = [
            value_and_gradients(make(update, **options), one, case.targets[s : s + 1])
            for s, one in enumerate(sequences)
        ]
        values = torch.stack([value for value, _, _ in alone])
        slopes = torch.cat([slope for _, slope, _ in alone])
        defined = sum(listed(case, s).counted > 0 for s in range(len(case.targets)))
        found = value_and_gradients(
            make(update, reduction=reduction, **options), chain, case.targets
        )
        share = max(defined, 1) if reduction == "mean" else 1
        wanted = values if reduction == "none" else values.sum() / share
        torch.testing.assert_close(found[0], wanted)
        torch.testing.assert_close(found[1], slopes / share)


@every_update
def test_no_warning_where_nothing_is_left_to_learn(update: str) -> None:
    _, targets = draw(2, 4, 3)
    right = torch.nn.functional.one_hot(targets, 3) * 20.0
    loss_fn = make(update, 1e-3)
    for _ in range(120):
        value, *gradients = value_and_gradients(
            loss_fn, LinearChain(right, torch.zeros(3, 3)), targets
        )
    assert value == 0 and not any(gradient.any() for gradient in gradients)


def test_a_hinge_whose_parts_no_number_holds_is_right() -> None:
    generator = torch.Generator().manual_seed(0)
    emissions = torch.randn(3, 6, 2, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 2, (3, 6), generator=generator)
    factor = 2.0**1021  # the sum of six scores is infinite, their mean is not

    def value(scale: float) -> Tensor:
        chain = LinearChain(emissions * scale, torch.zeros(2, 2, dtype=torch.float64))
        loss_fn = dl.HingeLoss(dl.Chain(), margin=0.5 * scale, reduction="none")
        loss: Tensor = loss_fn(chain, targets)
        return loss

    assert torch.equal(value(factor) / factor, value(1.0))
