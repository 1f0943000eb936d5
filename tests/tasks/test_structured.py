"""The linear chain: exact against all labellings, the updates' gradients, hard inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss.errors import ArgumentError, NonFiniteScoreError, UndefinedMetricError
from directloss.functional import auto_epsilon
from directloss.tasks.chain import SPREADS
from directloss.tasks.structured import LinearChain
from tests.chains import IGNORED, STEP, best, listed, make, random_case, scalar
from tests.harness import UPDATES

every_update = pytest.mark.parametrize("update", UPDATES)


@pytest.mark.parametrize("kind", ["continuous", "ties", "infinite"])
def test_solver_equals_enumeration(kind: str) -> None:
    rng = np.random.default_rng(0)
    seen = 0
    while seen < 400:
        case = random_case(rng, ties=kind != "continuous", infinite=kind == "infinite")
        size = float(10 ** rng.uniform(-3, 2)) if kind == "continuous" else 0.5
        weights = [0.0, size, -size, -math.inf]
        solution = case.chain.solve(case.targets, weights, cost=case.cost, ignore_index=IGNORED)
        for s in range(len(case.targets)):
            all_ = listed(case, s)
            length = len(all_.labellings[0])
            assert int(solution.counted[s]) == all_.counted
            seen += 1
            for w, weight in enumerate(weights):
                path = solution.labels[w, s].tolist()
                assert path[length:] == [0] * (len(path) - length)
                at = all_.labellings.index(tuple(path[:length]))
                value, loss = float(solution.values[w, s]), float(solution.task_losses[w, s])
                assert value == pytest.approx(
                    all_.scores[at] / max(all_.counted, 1) * bool(all_.counted), abs=1e-12
                )
                assert loss == pytest.approx(all_.costs[at] / max(all_.counted, 1), abs=1e-12)
                infinite, objective, tie = best(all_, weight)
                assert all_.infinite[at] == infinite
                if weight == -math.inf:
                    assert (-all_.costs[at], all_.scores[at]) == pytest.approx(
                        (objective, tie), abs=1e-12
                    )
                    continue
                feasible = all_.infinite == infinite
                most = (all_.scores + weight * all_.costs)[feasible].max()
                reached = all_.scores[at] + weight * all_.costs[at]
                assert reached == pytest.approx(most, abs=1e-12 * max(1, size))
                if kind != "continuous":  # sums of few halves are exact, and so are ties
                    assert (all_.costs[at] if weight >= 0 else -all_.costs[at]) == tie


def test_score_is_the_definition() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        case = random_case(rng, ties=False)
        shape = case.chain.emissions.shape
        for s in range(shape[0]):
            all_ = listed(case, s)
            at = int(rng.integers(len(all_.labellings)))
            # What stands beyond the length is not read.
            labels = torch.full(shape[:2], 10**6)
            labels[s, : len(all_.labellings[at])] = torch.tensor(all_.labellings[at])
            others = [r for r in range(shape[0]) if r != s]
            labels[others] = 0
            assert float(case.chain.score(labels)[s]) == pytest.approx(all_.scores[at], abs=1e-12)


@every_update
def test_gradient_equals_central_differences(update: str) -> None:
    rng = np.random.default_rng(2)
    nonzero = 0
    for _ in range(40):
        case = random_case(rng, ties=False)
        emissions, transitions, start, end, lengths = (
            case.chain.emissions,
            case.chain.transitions,
            case.chain.start,
            case.chain.end,
            case.chain.lengths,
        )
        tensors = [t for t in (emissions, transitions, start, end) if t is not None]
        for tensor in tensors:
            tensor.requires_grad_()
        loss_fn = make(update, cost=case.cost, ignore_index=IGNORED, reduction="sum")
        loss_fn(case.chain, case.targets).backward()
        assert lengths is not None
        for tensor in tensors:
            flat, gradient = tensor.detach().view(-1), tensor.grad
            assert gradient is not None
            for k in rng.permutation(flat.numel())[:6]:
                if flat[k].isnan():
                    assert gradient.view(-1)[k] == 0
                    continue
                kept, ends = float(flat[k]), []
                for side in (1e-6, -1e-6):
                    flat[k] = kept + side
                    with torch.no_grad():
                        ends.append(float(scalar(case, update).sum()))
                flat[k] = kept
                difference = (ends[0] - ends[1]) / 2e-6
                assert float(gradient.view(-1)[k]) == pytest.approx(difference, abs=1e-7)
                nonzero += difference != 0
    assert nonzero > 20


def test_value_and_bounds() -> None:
    rng = np.random.default_rng(3)
    for k in range(150):
        case = random_case(rng, ties=k % 2 == 0)
        options: dict[str, Any] = {
            "ignore_index": IGNORED,
            "reduction": "none",
        }
        direct = dl.DirectLoss(dl.Chain(case.cost), epsilon=STEP, **options)
        value = direct(case.chain, case.targets)
        lower, upper = direct.bounds(case.chain, case.targets)
        torch.testing.assert_close(lower, scalar(case, "negative"))
        torch.testing.assert_close(upper, scalar(case, "positive"))
        assert (lower <= value + 1e-12).all() and (value <= upper + 1e-12).all()
        for s in range(len(value)):
            all_ = listed(case, s)
            expected = best(all_, 0.0)[2] / max(all_.counted, 1)
            assert float(value[s]) == pytest.approx(expected, abs=1e-12)
        for update in ("hinge", "perceptron"):
            loss = make(update, cost=case.cost, **options)(case.chain, case.targets)
            torch.testing.assert_close(loss, scalar(case, update))
            assert (loss >= -1e-12).all()


@every_update
def test_padding_may_hold_anything(update: str) -> None:
    torch.manual_seed(0)
    emissions, transitions = torch.randn(3, 5, 4), torch.randn(4, 4)
    lengths, targets = torch.tensor([5, 2, 0]), torch.randint(4, (3, 5))
    results = []
    for filler, label in ((0.0, 0), (math.nan, 10**9), (math.inf, -1)):
        beyond = torch.arange(5) >= lengths[:, None]
        scores = emissions.masked_fill(beyond[:, :, None], filler).requires_grad_()
        steps = transitions.expand(3, 4, 4, 4).clone()
        steps[beyond[:, 1:]] = filler
        steps.requires_grad_()
        chain = LinearChain(scores, steps, lengths=lengths)
        loss = make(update)(chain, targets.masked_fill(beyond, label))
        loss.backward()
        assert scores.grad is not None and steps.grad is not None
        assert not scores.grad[beyond].any() and not steps.grad[beyond[:, 1:]].any()
        assert scores.grad.any()
        results.append((loss.detach(), scores.grad, steps.grad))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=0, atol=0)


@every_update
def test_undefined_sequences_are_left_out(update: str) -> None:
    torch.manual_seed(0)
    emissions, transitions = torch.randn(4, 3, 4), torch.randn(4, 4)
    targets = torch.randint(4, (4, 3))
    targets[3] = IGNORED
    lengths = torch.tensor([3, 0, 2, 3])
    chain = LinearChain(emissions.requires_grad_(), transitions, lengths=lengths)
    options = {"ignore_index": IGNORED}
    each = make(update, reduction="none", **options)(chain, targets)
    assert each.shape == (4,) and each[1] == 0 and each[3] == 0
    mean = make(update, reduction="mean", **options)(chain, targets)
    torch.testing.assert_close(mean, (each[0] + each[2]) / 2)
    torch.testing.assert_close(make(update, reduction="sum", **options)(chain, targets), each.sum())
    (gradient,) = torch.autograd.grad(mean, emissions, retain_graph=True)
    assert not gradient[[1, 3]].any() and gradient[[0, 2]].any()
    with pytest.raises(UndefinedMetricError, match=r"2 of 4 sequences .*first: sequence 1"):
        make(update, empty="error", **options)(chain, targets)


@every_update
@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 2), (2, 1, 2), (2, 3, 1)])
def test_small_shapes(update: str, shape: tuple[int, int, int]) -> None:
    sequences, positions, classes = shape
    emissions = torch.randn(shape, requires_grad=True)
    ends = torch.randn(2, classes)
    chain = LinearChain(emissions, torch.randn(classes, classes), *ends)
    loss = make(update)(chain, torch.zeros(sequences, positions, dtype=torch.long))
    loss.backward()
    assert loss.isfinite() and emissions.grad is not None
    assert chain.decode().shape == (sequences, positions)
    if 0 in shape:
        assert loss == 0


@every_update
def test_infinite_scores(update: str) -> None:
    """What -inf forbids is never taken; infinite scores have gradient 0."""
    torch.manual_seed(0)
    emissions, transitions = torch.randn(8, 6, 3), torch.randn(3, 3)
    transitions[0, 1] = -math.inf
    emissions[:, 2, 2] = math.inf
    emissions.requires_grad_(), transitions.requires_grad_()
    chain = LinearChain(emissions, transitions)
    loss = make(update)(chain, torch.zeros(8, 6, dtype=torch.long))
    loss.backward()
    labels = chain.decode()
    assert not ((labels[:, :-1] == 0) & (labels[:, 1:] == 1)).any()
    assert (labels[:, 2] == 2).all()
    assert loss.isfinite() and loss > 0
    assert emissions.grad is not None and transitions.grad is not None
    assert emissions.grad.isfinite().all() and emissions.grad.any()
    assert not emissions.grad[:, 2, 2].any() and transitions.grad[0, 1] == 0


@every_update
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_types(update: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    tensors = [t.to(dtype) for t in (torch.randn(3, 5, 4), torch.randn(4, 4), torch.randn(4))]
    targets = torch.randint(4, (3, 5))
    results = []
    for kind in (dtype, torch.float64):
        parts = [t.to(kind, copy=True).requires_grad_() for t in tensors]
        loss = make(update)(LinearChain(parts[0], parts[1], start=parts[2]), targets)
        loss.backward()
        results.append((loss, [part.grad for part in parts]))
    assert results[0][0].dtype == torch.promote_types(dtype, torch.float32)
    torch.testing.assert_close(results[0][0].double(), results[1][0], rtol=1e-6, atol=1e-6)
    for gradient, exact in zip(results[0][1], results[1][1], strict=True):
        assert gradient is not None and gradient.dtype == dtype
        torch.testing.assert_close(gradient, exact.to(dtype))


def test_auto_epsilon() -> None:
    torch.manual_seed(0)
    emissions, targets = 3 * torch.randn(4, 6, 5), torch.randint(5, (4, 6))
    lengths = torch.tensor([6, 3, 0, 4])
    chain = LinearChain(emissions, torch.zeros(5, 5), lengths=lengths)
    valid = chain.valid()
    spread = emissions[valid].double().var(1, correction=0).mean().sqrt()
    expected = SPREADS * spread

    loss_fn = dl.DirectLoss(dl.Chain())
    flat = LinearChain(torch.zeros(4, 6, 5), torch.zeros(5, 5))
    loss_fn(flat, targets)
    assert loss_fn.epsilon.isnan()  # nothing to measure: try the next batch
    loss_fn.eval()(chain, targets)
    assert loss_fn.epsilon.isnan()
    broken = emissions.clone()
    broken[0, 0, 0] = math.nan
    with pytest.raises(NonFiniteScoreError, match="emissions"):
        loss_fn.train()(LinearChain(broken, torch.zeros(5, 5), lengths=lengths), targets)
    assert loss_fn.epsilon.isnan()
    # What all labels of a position share does not count.
    shifted = LinearChain(
        emissions + 100 * torch.randn(4, 6, 1), torch.zeros(5, 5), lengths=lengths
    )
    loss_fn(shifted, targets)
    torch.testing.assert_close(loss_fn.epsilon, expected, rtol=1e-5, atol=0)
    assert float(loss_fn.epsilon) == pytest.approx(SPREADS * auto_epsilon(shifted.emissions[valid]))
    loss_fn(LinearChain(10 * emissions, torch.zeros(5, 5)), targets)
    torch.testing.assert_close(loss_fn.epsilon, expected, rtol=1e-5, atol=0)

    other = dl.DirectLoss(dl.Chain(torch.ones(5, 5)))
    other.load_state_dict(loss_fn.state_dict())
    assert other.half().epsilon == loss_fn.epsilon
    hinge = dl.HingeLoss(dl.Chain(), margin="auto")
    hinge(chain, targets)
    torch.testing.assert_close(hinge.margin, expected, rtol=1e-6, atol=0)


def test_epsilon_shifts_an_emission_whatever_the_length() -> None:
    """A right label is given up in the positive direction where its lead is below epsilon."""
    for length in (1, 7, 100):
        for lead, given_up in ((0.49, True), (0.51, False)):
            emissions = torch.zeros(1, length, 2)
            emissions[:, :, 0] = lead
            chain = LinearChain(emissions.requires_grad_(), torch.zeros(2, 2))
            loss_fn = dl.DirectLoss(dl.Chain(), epsilon=0.5, direction="positive")
            loss_fn(chain, torch.zeros(1, length, dtype=torch.long)).backward()
            expected = torch.tensor([-1.0, 1.0]) / (0.5 * length) * given_up
            torch.testing.assert_close(emissions.grad, expected.expand(1, length, 2))


VALID: dict[str, Any] = {
    "emissions": torch.zeros(2, 4, 3),
    "transitions": torch.zeros(3, 3),
    "start": None,
    "end": None,
    "lengths": None,
    "targets": torch.zeros(2, 4, dtype=torch.long),
    "cost": None,
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("emissions", torch.zeros(2, 3), r"shape \(2, 3\).*\(B, T, K\)"),
        ("emissions", torch.zeros(2, 4, 0), "at least one label"),
        ("emissions", torch.zeros(2, 4, 3, dtype=torch.long), "int64.*floating"),
        ("emissions", [[[1.0]]], "list.*tensor"),
        ("emissions", torch.full((2, 4, 3), math.nan), r"24 NaN of 24 .*\(0, 0, 0\)"),
        ("transitions", torch.zeros(4, 4), r"\(4, 4\).*\(3, 3\) or \(2, 3, 3, 3\)"),
        ("transitions", torch.full((3, 3), math.nan), "9 NaN"),
        ("transitions", torch.full((2, 3, 3, 3), math.nan), "54 NaN"),
        ("start", torch.zeros(2), r"shape \(2,\).*\(3,\)"),
        ("end", torch.tensor([0.0, math.nan, 0.0]), r"1 NaN of 3 .*\(1,\)"),
        ("lengths", torch.tensor([4, 5]), "5 at index 1.*0 to 4"),
        ("lengths", torch.tensor([-1, 4]), "-1 at index 0"),
        ("lengths", torch.tensor([4.0, 4.0]), "float32.*integers"),
        ("lengths", torch.tensor([4]), r"shape \(1,\).*\(2,\)"),
        ("targets", torch.full((2, 4), 3), r"3 at index \(0, 0\).*0 to 2"),
        ("targets", torch.full((2, 4), -1), "-1 at index"),
        ("targets", torch.zeros(2, 4), "float32.*integers"),
        ("targets", torch.zeros(2, 3, dtype=torch.long), r"\(2, 3\).*\(2, 4\)"),
        ("targets", torch.full((2, 4, 3), -1.0), r"-1.0 at index \(0, 0, 0\).*costs from 0"),
        ("targets", torch.full((2, 4, 3), math.nan), "nan at index"),
        ("targets", torch.zeros(2, 4, 2), r"\(2, 4, 2\).*\(2, 4, 3\)"),
        ("cost", torch.zeros(2, 2), r"\(2, 2\).*\(3, 3\)"),
        ("cost", torch.full((3, 3), math.inf), "inf at index"),
        ("cost", torch.zeros(3), r"shape \(3,\).*\(K, K\)"),
        ("cost", 1.0, "1.0.*tensor"),
    ],
)
def test_errors_name_the_argument(name: str, value: object, message: str) -> None:
    arguments = VALID | {name: value}
    with pytest.raises(ArgumentError, match=rf"(?s)^{name}: got .*{message}") as caught:
        loss_fn = dl.DirectLoss(dl.Chain(arguments.pop("cost")))
        targets = arguments.pop("targets")
        loss_fn(LinearChain(**arguments), targets)
    assert caught.value.argument == name


def test_errors_of_options() -> None:
    chain = LinearChain(VALID["emissions"], VALID["transitions"])
    with pytest.raises(ArgumentError, match="targets: got costs"):
        dl.HingeLoss(dl.Chain(torch.zeros(3, 3)))(chain, torch.zeros(2, 4, 3))
    wrong: list[tuple[str, Callable[[], object]]] = [
        ("direction", lambda: dl.DirectLoss(dl.Chain(), direction="up")),  # type: ignore[arg-type]
        ("epsilon", lambda: dl.DirectLoss(dl.Chain(), epsilon=0.0)),
        ("epsilon", lambda: dl.DirectLoss(dl.Chain(), epsilon="large")),  # type: ignore[arg-type]
        ("margin", lambda: dl.HingeLoss(dl.Chain(), margin=-1.0)),
        ("reduction", lambda: dl.PerceptronLoss(dl.Chain(), reduction="max")),  # type: ignore[arg-type]
        ("empty", lambda: dl.PerceptronLoss(dl.Chain(), empty="keep")),  # type: ignore[arg-type]
        ("labels", lambda: chain.score(torch.zeros(2, 4))),
    ]
    for name, call in wrong:
        with pytest.raises(ArgumentError, match=rf"^{name}: got "):
            call()


@pytest.mark.parametrize("update", ["both", "hinge"])
def test_traced(update: str) -> None:
    """torch.compile takes the whole of it as one graph; torch.func.grad agrees with autograd."""
    torch.manual_seed(0)
    emissions, transitions = torch.randn(3, 5, 4, requires_grad=True), torch.randn(4, 4)
    targets, lengths = torch.randint(4, (3, 5)), torch.tensor([5, 2, 0])
    loss_fn = make(update)

    def loss(emissions: Tensor) -> Tensor:
        chain = LinearChain(emissions, transitions, lengths=lengths)
        result: Tensor = loss_fn(chain, targets)
        return result

    (expected,) = torch.autograd.grad(loss(emissions), emissions)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    (gradient,) = torch.autograd.grad(compiled(emissions), emissions)
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(torch.func.grad(loss)(emissions.detach()), expected)


def test_operator() -> None:
    arguments = [torch.randn(3, 5, 4), torch.randn(4, 4), torch.randn(4), None]
    targets, lengths = torch.randint(4, (3, 5)), torch.tensor([5, 2, 0])
    weights = torch.tensor([0.0, 1.0, -math.inf], dtype=torch.float64)
    torch.library.opcheck(
        torch.ops.directloss.solve_chain.default,
        (*arguments, lengths, targets, None, weights, None, False),
    )


def test_warns_once_of_a_dead_direction() -> None:
    """The default learns where every label is wrong; the positive direction cannot."""
    emissions = torch.tensor([0.0, 5.0]).expand(1, 3, 2).clone().requires_grad_()
    chain, targets = LinearChain(emissions, torch.zeros(2, 2)), torch.zeros(1, 3, dtype=torch.long)
    dl.DirectLoss(dl.Chain(), epsilon=6.0)(chain, targets).backward()
    assert emissions.grad is not None and emissions.grad.any()
    dead = dl.DirectLoss(dl.Chain(), epsilon=6.0, direction="positive")
    for _ in range(49):
        dead(chain, targets)
    with pytest.warns(UserWarning, match="no gradient for 50 .*direction='both'"):
        dead(chain, targets)
    dead(chain, targets)


@pytest.mark.parametrize("update", ["negative", "both", "hinge", "perceptron"])
def test_learns_a_grammar(update: str) -> None:
    """Labels follow one another by rules, and half of the words are ambiguous.

    The positive direction alone cannot: it has nothing to say about sequences that are all wrong.
    """
    generator = torch.Generator().manual_seed(0)

    def sample(sequences: int) -> tuple[Tensor, Tensor, Tensor]:
        labels = torch.empty(sequences, 12, dtype=torch.long)
        labels[:, 0] = torch.randint(3, (sequences,), generator=generator)
        for t in range(1, 12):
            moves = (torch.rand(sequences, generator=generator) < 0.9).long()
            labels[:, t] = (labels[:, t - 1] + moves) % 3
        ambiguous = torch.rand(labels.shape, generator=generator) < 0.5
        words = torch.where(ambiguous, 3, labels)
        return words, labels, torch.randint(4, 13, (sequences,), generator=generator)

    model = nn.Embedding(4, 3)
    transitions = nn.Parameter(0.1 * torch.randn(3, 3))
    optimizer = torch.optim.Adam([*model.parameters(), transitions], lr=0.05)
    train, test = sample(200), sample(200)
    hamming = dl.DirectLoss(dl.Chain(), epsilon=1.0)

    def error() -> float:
        words, labels, lengths = test
        with torch.no_grad():
            return float(hamming(LinearChain(model(words), transitions, lengths=lengths), labels))

    before = error()
    loss_fn = make(update)
    for _ in range(60):
        words, labels, lengths = train
        optimizer.zero_grad()
        loss_fn(LinearChain(model(words), transitions, lengths=lengths), labels).backward()
        optimizer.step()
    # Without the transitions an ambiguous word is a guess among three: 1/2 * 2/3 wrong.
    assert error() < 0.12 < before
