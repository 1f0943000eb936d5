"""The gradient of two passes against that of one graph over all rows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, TensorDataset

import directloss as dl
from directloss.errors import ArgumentError, NonFiniteScoreError, ReplayError
from directloss.training import Chunk, whole_dataset_step

ROWS = 240
CHUNK = 32


class Attention(nn.Module):
    """Two layers over six tokens, and a score."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.encoder(tokens).mean(1)).squeeze(-1)


class Checkpointed(nn.Module):
    """Keeps no activations of its body."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, features: Tensor) -> Tensor:
        return checkpoint(self.body, features, use_reentrant=False)


def perceptron(outputs: int = 1, dropout: float = 0.3) -> nn.Sequential:
    layers = [nn.Linear(5, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, outputs)]
    return nn.Sequential(*layers, *([nn.Flatten(0)] if outputs == 1 else []))


def convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.Dropout2d(0.3),
        nn.Conv2d(4, 4, 3, stride=2),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.Linear(4 * 4, 1),
        nn.Flatten(0),
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (perceptron, (5,)),
    "convolutions": (convolutions, (2, 6, 6)),
    "transformer": (Attention, (6, 8)),
    "checkpointed": (lambda: Checkpointed(perceptron()), (5,)),
}
LISTS = {
    "one list": dl.DirectLoss(dl.AveragePrecision()),
    "both": dl.DirectLoss(dl.AveragePrecision(), direction="both"),
    "hinge": dl.HingeLoss(dl.AveragePrecision()),
    "counts": dl.DirectLoss(dl.FBeta()),
}


def rows_of(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    features = torch.randn(ROWS, *shape, dtype=dtype)
    return features, features.flatten(1)[:, 0] + torch.randn(ROWS) > 1


def in_chunks(*tensors: Tensor, size: int = CHUNK) -> list[tuple[Tensor, ...]]:
    return list(zip(*(tensor.split(size) for tensor in tensors), strict=True))


def gradients(network: nn.Module) -> list[Tensor]:
    found = [p.grad for p in network.parameters()]
    network.zero_grad()
    return [g.clone() for g in found if g is not None]


def one_graph(
    network: nn.Module, chunks: list[tuple[Tensor, ...]], loss_fn: nn.Module, **lists: Tensor
) -> tuple[Tensor, Tensor]:
    """The giant batch: all scores in one graph, one loss, one backward pass."""
    scores = torch.cat([network(features) for features, *_ in chunks])
    loss = loss_fn(scores, torch.cat([targets for _, targets, *_ in chunks]), **lists)
    loss.backward()
    return scores.detach(), loss.detach()


def assert_close(found: list[Tensor], wanted: list[Tensor], tolerance: float) -> None:
    """Relative to the largest entry of the whole gradient, which must not be 0."""
    assert len(found) == len(wanted) > 0
    largest = max(float(g.abs().max()) for g in wanted)
    assert largest > 0
    for one, other in zip(found, wanted, strict=True):
        assert float((one - other).abs().max()) <= tolerance * largest


# --- exact ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lists", LISTS)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_it_is_the_gradient_of_one_giant_batch(
    name: str, lists: str, dtype: torch.dtype, tolerance: float
) -> None:
    make, shape = NETWORKS[name]
    network, (features, targets) = make().to(dtype), rows_of(shape, dtype)
    chunks = in_chunks(features, targets)
    state = torch.get_rng_state()
    step = whole_dataset_step(network, chunks, LISTS[lists])
    found = gradients(network)
    torch.set_rng_state(state)
    scores, loss = one_graph(network, chunks, LISTS[lists])
    assert torch.equal(step.scores, scores)
    assert torch.equal(step.targets, targets)
    assert torch.equal(step.loss, loss)
    assert step.largest_difference == 0
    assert_close(found, gradients(network), tolerance)


def test_chunks_of_any_size_give_the_gradient_of_one_forward_pass() -> None:
    network = perceptron(dropout=0.0).double()
    features, targets = rows_of((5,), torch.float64)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1)
    loss_fn(network(features), targets).backward()
    wanted = gradients(network)
    for size in (1, 7, ROWS - 1, ROWS, 2 * ROWS):
        whole_dataset_step(network, in_chunks(features, targets, size=size), loss_fn)
        assert_close(gradients(network), wanted, 1e-10)


def test_a_list_may_lie_in_several_chunks() -> None:
    network, (features, targets) = perceptron().double(), rows_of((5,), torch.float64)
    groups, mask = torch.randint(0, 9, (ROWS,)), torch.rand(ROWS) < 0.9
    loss_fn = dl.DirectLoss(dl.NDCG(), epsilon=0.1)
    state = torch.get_rng_state()
    whole_dataset_step(network, in_chunks(features, targets, groups, mask), loss_fn)
    found = gradients(network)
    torch.set_rng_state(state)
    one_graph(network, in_chunks(features, targets), loss_fn, groups=groups, mask=mask)
    assert_close(found, gradients(network), 1e-10)


def test_every_label_is_a_list() -> None:
    network = perceptron(outputs=3).double()
    features, _ = rows_of((5,), torch.float64)
    chunks = in_chunks(features, torch.rand(ROWS, 3) < 0.2)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), dim=0, epsilon=0.1)
    state = torch.get_rng_state()
    step = whole_dataset_step(network, chunks, loss_fn)
    found = gradients(network)
    torch.set_rng_state(state)
    one_graph(network, chunks, loss_fn)
    assert step.score_gradient.shape == (ROWS, 3)
    assert_close(found, gradients(network), 1e-10)


def test_any_loss_of_scores_will_do() -> None:
    class Tempered(nn.Module):
        """Has a parameter of its own."""

        def __init__(self) -> None:
            super().__init__()
            self.temperature = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            return binary_cross_entropy_with_logits(self.temperature * scores, targets.double())

    network, (features, targets) = perceptron(dropout=0.0).double(), rows_of((5,), torch.float64)
    loss_fn = Tempered()
    both = nn.ModuleList([network, loss_fn])
    whole_dataset_step(network, in_chunks(features, targets), loss_fn)
    found = gradients(both)
    loss_fn(network(features), targets).backward()
    assert_close(found, gradients(both), 1e-10)


def test_autocast() -> None:
    network, (features, targets) = perceptron(), rows_of((5,), torch.float32)
    chunks, loss_fn = in_chunks(features, targets), dl.DirectLoss(dl.AveragePrecision())
    state = torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        step = whole_dataset_step(network, chunks, loss_fn)
    found = gradients(network)
    assert step.scores.dtype == torch.bfloat16
    torch.set_rng_state(state)
    with torch.autocast("cpu", torch.bfloat16):
        _, loss = one_graph(network, chunks, loss_fn)
    assert step.loss == loss
    # The giant batch adds the chunks' gradients up in bfloat16.
    assert_close(found, gradients(network), 0.02)


def test_frozen_layers_and_infinite_scores() -> None:
    network, (features, targets) = perceptron(dropout=0.0), rows_of((5,), torch.float32)
    network[0].requires_grad_(False)

    def score(network: nn.Module, features: Tensor) -> Tensor:
        scores = network(features)
        return scores.masked_fill(features[:, 1] > 1, float("-inf"))

    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1)
    step = whole_dataset_step(network, in_chunks(features, targets), loss_fn, score=score)
    found = gradients(network)
    assert step.largest_difference == 0
    loss_fn(score(network, features), targets).backward()
    assert_close(found, gradients(network), 1e-5)


# --- calling it -----------------------------------------------------------------------------------


def test_automatic_epsilon_is_that_of_all_scores() -> None:
    network, (features, targets) = perceptron(dropout=0.0), rows_of((5,), torch.float32)
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    step = whole_dataset_step(network, in_chunks(features, targets), loss_fn)
    assert float(loss_fn.epsilon) == dl.functional.auto_epsilon(step.scores)


def test_gradients_are_added_and_scaled() -> None:
    network, (features, targets) = perceptron(dropout=0.0).double(), rows_of((5,), torch.float64)
    chunks, loss_fn = in_chunks(features, targets), dl.DirectLoss(dl.AveragePrecision(), epsilon=1)
    whole_dataset_step(network, chunks, loss_fn)
    once = gradients(network)
    whole_dataset_step(network, chunks, loss_fn)
    whole_dataset_step(network, chunks, loss_fn, scale=0.5)
    assert_close(gradients(network), [1.5 * g for g in once], 1e-12)


def test_random_numbers_go_on_after_the_step() -> None:
    network, (features, targets) = perceptron(), rows_of((5,), torch.float32)
    chunks, loss_fn = in_chunks(features, targets), dl.DirectLoss(dl.AveragePrecision(), epsilon=1)
    state = torch.get_rng_state()
    first = whole_dataset_step(network, chunks, loss_fn)
    after = torch.get_rng_state()
    assert not torch.equal(first.scores, whole_dataset_step(network, chunks, loss_fn).scores)
    torch.set_rng_state(state)
    one_graph(network, chunks, loss_fn)
    assert torch.equal(torch.get_rng_state(), after)


def test_chunks_of_ones_own() -> None:
    network, (features, targets) = perceptron(dropout=0.0), rows_of((5,), torch.float32)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1)
    loader = DataLoader(TensorDataset(features, targets), CHUNK)
    whole_dataset_step(network, loader, loss_fn)
    wanted = gradients(network)
    named = [{"x": x, "y": y} for x, y in loader]
    read = lambda batch: Chunk(batch["x"], batch["y"])  # noqa: E731
    whole_dataset_step(network, named, loss_fn, read=read)
    assert_close(gradients(network), wanted, 1e-6)
    with pytest.raises(ArgumentError, match="loader: got dict of 2, wanted"):
        whole_dataset_step(network, named, loss_fn)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loader": iter([])}, "loader: got an iterator"),
        ({"loader": []}, "loader: got no rows"),
        ({"loader": [(torch.zeros(3, 5), torch.ones(2))]}, "targets: got shape"),
        ({"loader": [(torch.zeros(3, 5), [0, 1, 1])]}, "loader: targets: got list"),
        (
            {
                "loader": [
                    (torch.zeros(3, 5), torch.ones(3)),
                    (torch.zeros(3, 5), torch.ones(3).int()),
                ]
            },
            "loader: got",
        ),
        ({"batch_norm": "ignore"}, "batch_norm: got 'ignore'"),
        ({"loss_fn": dl.DirectLoss(dl.ZeroOne(), reduction="none")}, "loss_fn: got a loss of"),
        ({"score": lambda *_: 1.0}, "model: got an output of type float"),
        ({"model": perceptron().requires_grad_(False)}, "model: got no parameter that requires"),
        ({"score": lambda net, x: net(x).detach()}, "model: got scores that no parameter moves"),
        ({"tolerance": -1}, "tolerance: got -1, wanted a number >= 0, or None"),
        ({"tolerance": "1"}, "tolerance: got '1', wanted a number >= 0, or None"),
        ({"tolerance": float("nan")}, "tolerance: got nan, wanted a number >= 0, or None"),
        ({"scale": "2"}, "scale: got '2', wanted a finite number, or a tensor of one"),
        ({"scale": float("inf")}, "scale: got inf, wanted a finite number"),
        ({"scale": torch.ones(2)}, r"scale: got a tensor of shape \(2,\) and type torch.float32"),
    ],
)
def test_bad_arguments(change: dict[str, Any], message: str) -> None:
    features, targets = rows_of((5,), torch.float32)
    arguments = {
        "model": perceptron(),
        "loader": in_chunks(features[:, None, :].repeat(1, 2, 1), targets.repeat(2, 1).T)
        if "loss_fn" in change
        else in_chunks(features, targets),
        "loss_fn": dl.DirectLoss(dl.AveragePrecision()),
        "score": (lambda network, x: network(x.flatten(0, 1)).view(-1, 2))
        if "loss_fn" in change
        else None,
    }
    with pytest.raises(ArgumentError, match=message):
        whole_dataset_step(**{**arguments, **change})


def test_a_call_in_inference_mode_is_refused() -> None:
    network, chunks = perceptron(), in_chunks(*rows_of((5,), torch.float32))
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    with (
        torch.inference_mode(),
        pytest.raises(ArgumentError, match=r"^model: got a call inside torch\.inference_mode\(\)"),
    ):
        whole_dataset_step(network, chunks, loss_fn)
    with torch.no_grad():  # which it can leave
        whole_dataset_step(network, chunks, loss_fn)
    assert gradients(network)


def test_a_scale_may_be_a_tensor_and_a_tolerance_any_number() -> None:
    network, chunks = perceptron(dropout=0.0), in_chunks(*rows_of((5,), torch.float32))
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1)
    whole_dataset_step(network, chunks, loss_fn, scale=2)
    wanted = gradients(network)
    for scale in (np.float64(2), torch.tensor(2.0), torch.tensor([2])):
        whole_dataset_step(network, chunks, loss_fn, scale=scale, tolerance=np.float32(0))
        assert_close(gradients(network), wanted, 1e-6)


# --- what is replayed -----------------------------------------------------------------------------


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Noise drawn from torch, numpy or Python at every look at a row."""

    def __init__(self, features: Tensor, targets: Tensor, draw: Callable[[], float]) -> None:
        self._features, self._targets, self._draw = features, targets, draw

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self._features[row] + self._draw(), self._targets[row]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "draw",
    [lambda: float(torch.randn(())), random.random, np.random.rand],
    ids=["torch", "random", "numpy"],
)
def test_shuffling_and_augmentation_are_drawn_again(
    draw: Callable[[], float], shuffle: bool
) -> None:
    network, rows = perceptron(), rows_of((5,), torch.float32)
    for generator in (None, torch.Generator()):
        loader = DataLoader(Augmented(*rows, draw), CHUNK, shuffle=shuffle, generator=generator)
        step = whole_dataset_step(network, loader, dl.DirectLoss(dl.AveragePrecision()))
        assert step.largest_difference == 0


def test_running_statistics_move_once() -> None:
    features, targets = rows_of((5,), torch.float64)
    chunks, loss_fn = in_chunks(features, targets), dl.DirectLoss(dl.AveragePrecision(), epsilon=1)
    network = nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Linear(5, 4)),
        nn.BatchNorm1d(4),
        nn.Linear(4, 1),
        nn.Flatten(0),
    ).double()
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    step = whole_dataset_step(network, chunks, loss_fn, batch_norm="chunk")
    found, moved = gradients(network), {n: b.clone() for n, b in network.named_buffers()}
    assert step.largest_difference == 0
    network.load_state_dict(start)
    one_graph(network, chunks, loss_fn)
    assert_close(found, gradients(network), 1e-10)
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, moved[name])
        assert not torch.equal(buffer, start[name])


def test_batch_normalisation_is_refused_unless_it_is_still() -> None:
    features, targets = rows_of((5,), torch.float32)
    network = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 1), nn.Flatten(0))
    chunks, loss_fn = in_chunks(features, targets), dl.DirectLoss(dl.AveragePrecision(), epsilon=1)
    with pytest.raises(ArgumentError, match="batch_norm: got BatchNorm1d '1' in training mode"):
        whole_dataset_step(network, chunks, loss_fn)
    network[1].eval()
    whole_dataset_step(network, chunks, loss_fn)
    found = gradients(network)
    loss_fn(network(features), targets).backward()
    assert_close(found, gradients(network), 1e-5)


# --- what cannot be replayed ----------------------------------------------------------------------


class Shuffled:
    """Another order at each pass, by a generator that nobody knows."""

    def __init__(self, features: Tensor, targets: Tensor) -> None:
        self._rows = features, targets
        self._generator = np.random.default_rng(0)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = torch.from_numpy(self._generator.permutation(len(self._rows[0])))
        return iter(in_chunks(*(tensor[order] for tensor in self._rows)))


class Wandering(nn.Module):
    """Its scores depend on how often it was called, by a number that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = perceptron(dropout=0.0)
        self.calls = 0

    def forward(self, features: Tensor) -> Tensor:
        self.calls += 1
        return self.body(features) * (1 + 0.01 * self.calls)


class OwnDropout(nn.Module):
    """Draws from a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body = perceptron(dropout=0.0)
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, features: Tensor) -> Tensor:
        kept = torch.rand(features.shape, generator=self.generator) > 0.1
        return self.body(features * kept)


class Noisy:
    """Augmentation by a generator of its own."""

    def __init__(self, features: Tensor, targets: Tensor) -> None:
        self._rows = features, targets
        self._generator = torch.Generator().manual_seed(0)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        features, targets = self._rows
        noise = torch.randn(features.shape, generator=self._generator)
        return iter(in_chunks(features + 0.01 * noise, targets))


class Changing:
    """`rows` at the first pass, `then` afterwards."""

    def __init__(self, rows: list, then: list) -> None:
        self._passes = iter([rows])
        self._then = then

    def __iter__(self) -> Iterator[Any]:
        return iter(next(self._passes, self._then))


def _unsteady() -> dict[str, tuple[nn.Module, Any, str]]:
    features, targets = rows_of((5,), torch.float32)
    still, chunks = perceptron(dropout=0.0), in_chunks(features, targets)
    constant = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))
    nn.init.zeros_(constant[0].weight)
    return {
        "order": (still, Shuffled(features, targets), "other targets|scores that differ"),
        "order, equal scores": (constant, Shuffled(features, targets), "other targets"),
        "augmentation": (still, Noisy(features, targets), "scores that differ"),
        "state that is no buffer": (Wandering(), chunks, "scores that differ"),
        "a generator of its own": (OwnDropout(), chunks, "scores that differ"),
        "fewer rows": (still, Changing(chunks, chunks[:-1]), "rows, where they were 240"),
        "more rows": (still, Changing(chunks[:-1], chunks), "where it was"),
        "other targets": (
            still,
            Changing(chunks, in_chunks(features, ~targets)),
            "other targets",
        ),
    }


@pytest.mark.parametrize("name", _unsteady())
def test_what_differs_between_the_passes_is_an_error(name: str) -> None:
    network, loader, message = _unsteady()[name]
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1)
    with pytest.raises(ReplayError, match=message):
        whole_dataset_step(network, loader, loss_fn)
    assert all(bool((p.grad == 7).all()) for p in network.parameters())


def test_a_tolerance_may_be_named() -> None:
    features, targets = rows_of((5,), torch.float32)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1)
    step = whole_dataset_step(Wandering(), in_chunks(features, targets), loss_fn, tolerance=0.5)
    assert step.largest_difference > 0


def test_nan_scores_change_nothing() -> None:
    network, (features, targets) = perceptron(), rows_of((5,), torch.float32)
    features[70] = float("nan")
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    with pytest.raises(NonFiniteScoreError):
        whole_dataset_step(network, in_chunks(features, targets), loss_fn)
    assert all(p.grad is None for p in network.parameters())
    assert bool(loss_fn.epsilon.isnan())
