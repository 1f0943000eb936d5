"""What the step of a whole data set costs: memory against rows, time against plain training."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import directloss as dl
from benchmarks.memory import peak_growth
from benchmarks.timing import Effort, interleave
from directloss.training import whole_dataset_step

__all__ = ["measure"]

Row = dict[str, Any]

SIZES = (10_000, 100_000, 1_000_000, 4_000_000)
MEMORY_CHUNK = 8192
WARM_UP = 20_000
FEATURES = 16


@dataclass(frozen=True)
class Stream:
    """Rows drawn anew at each pass, the same ones: no data set lies in memory.

    Attributes:
        shape: of the features of a row.
        noise: of the targets, in standard deviations.
    """

    rows: int
    chunk: int
    shape: tuple[int, ...] = (FEATURES,)
    noise: float = 1.0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for seed, start in enumerate(range(0, self.rows, self.chunk)):
            generator = torch.Generator().manual_seed(seed)
            count = min(self.chunk, self.rows - start)
            features = torch.randn(count, *self.shape, generator=generator)
            noise = self.noise * torch.randn(count, generator=generator)
            yield features, features.flatten(1)[:, 0] + noise > 2


class Transformer(nn.Module):
    """Two layers over eight tokens, and a score."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        scores: Tensor = self.head(self.encoder(tokens).mean(1))
        return scores.squeeze(-1)


def perceptron() -> nn.Module:
    layers = [nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)]
    return nn.Sequential(*layers, nn.Flatten(0))


def convolutions() -> nn.Module:
    body = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 1), nn.Flatten(0)]
    return nn.Sequential(*body, *head)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Stream]] = {
    "perceptron": (perceptron, Stream(65_536, 4096)),
    "convolutional net": (convolutions, Stream(2048, 256, (3, 24, 24))),
    "transformer": (Transformer, Stream(4096, 512, (8, 32))),
}


def measure(effort: Effort, log: Callable[[str], None]) -> Iterator[Row]:
    """Rows of three kinds: "memory", "overhead" and "rounding"."""
    context = multiprocessing.get_context("forkserver")
    for size in SIZES:
        log(f"whole data set: memory at n = {size}")
        # A process of its own for each size, whose peak is nobody else's.
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            yield {"kind": "memory", "n": size, "growth_bytes": pool.submit(_grow, size).result()}
    for name, (make, stream) in NETWORKS.items():
        log(f"whole data set: {name}")
        torch.manual_seed(0)
        yield _overhead(name, make(), stream, effort)
        yield _rounding(name, make(), stream)


def _grow(rows: int) -> int | None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = perceptron()
    network.insert(2, nn.Dropout(0.1))
    _step(network, Stream(WARM_UP, MEMORY_CHUNK))
    return peak_growth(lambda: _step(network, Stream(rows, MEMORY_CHUNK)))


def _step(network: nn.Module, stream: Stream) -> None:
    whole_dataset_step(network, stream, dl.DirectLoss(dl.AveragePrecision()))


def _overhead(name: str, network: nn.Module, stream: Stream, effort: Effort) -> Row:
    chunks = list(stream)

    def plain() -> None:
        for features, targets in chunks:
            binary_cross_entropy_with_logits(network(features), targets.float()).backward()

    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    steps = {name: lambda: whole_dataset_step(network, chunks, loss_fn)}
    samples = interleave(steps, plain, effort)[name]
    return {
        "kind": "overhead",
        "network": name,
        "n": stream.rows,
        "chunk": stream.chunk,
        "seconds": samples.seconds(),
        "ratio": samples.ratio(),
    }


def _rounding(name: str, network: nn.Module, stream: Stream) -> Row:
    """Differences to one giant batch in float32, as shares of the gradient's largest entry."""
    chunks = list(stream)
    features, targets = (torch.cat(column) for column in zip(*chunks, strict=True))
    found = {}
    for how in ("two passes", "same scores", "giant batch"):
        loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1, unit="loss")
        network.zero_grad()
        if how == "two passes":
            whole_dataset_step(network, chunks, loss_fn)
        elif how == "same scores":
            scores = torch.cat([network(part) for part, _ in chunks])
            loss_fn(scores, targets).backward()
        else:
            loss_fn(network(features), targets).backward()
        found[how] = torch.cat([p.grad.flatten() for p in network.parameters()])
    largest = found["giant batch"].abs().max()

    def difference(how: str) -> float:
        return float((found["two passes"] - found[how]).abs().max() / largest)

    return {
        "kind": "rounding",
        "network": name,
        "n": stream.rows,
        "same_scores": difference("same scores"),
        "end_to_end": difference("giant batch"),
    }
