"""Both solvers on a device: seconds beside its own sort, or without a device what they launch.

    python -m benchmarks.device                # seconds where there is a CUDA device, else counts
    python -m benchmarks.device --counts       # counts in any case, on stand-ins of "cuda"
    python -m benchmarks.device --compiled     # counts after torch.compile, about a minute a row
    python -m benchmarks.device --network      # what the host's copies cost in a step of ResNet-18

A step is the loss and its backward to the scores. Seconds are medians of steps in turn with
`torch.sort` of the same scores, each waited for. An operation that launches nothing, such as a
view, is not counted; bytes are those of the tensors that an operation is given and makes, as if it
read and wrote each once.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils._python_dispatch import TorchDispatchMode

import directloss as dl
from directloss._solver import Place

SHAPES = ((10_000,), (100_000,), (1_000_000,), (10_000_000,), (1_000, 1_000))
COUNTED = (1_000_000,)
UPDATES: tuple[tuple[dl.Task, dl.Direction], ...] = (
    (dl.ZeroOne(), "positive"),
    (dl.Jaccard(), "positive"),
    (dl.Jaccard(), "negative"),
    (dl.GMean(), "negative"),
    (dl.MatthewsCorrelation(), "positive"),
    (dl.NDCG(), "positive"),
    (dl.PrecisionAtK(100), "positive"),
    (dl.ROCAUC(), "positive"),
    (dl.PartialAUC(0.1), "positive"),
    (dl.PartialAUC(0.1), "negative"),
    (dl.ReciprocalRank(), "positive"),
    (dl.ReciprocalRank(), "negative"),
)
EPSILON = 0.1
ROUNDS = 15

_NO_LAUNCH = ("device", "alias", "as_strided", "detach", "expand", "permute", "select", "slice",
              "squeeze", "t", "transpose", "unsqueeze", "view", "_unsafe_view")  # fmt: skip


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", action="store_true")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "")
    options = parser.parse_args()
    if options.counts or options.compiled or not options.device:
        print_counts(COUNTED, compiled=options.compiled)
    elif options.network:
        print_network(torch.device(options.device))
    else:
        print_seconds(torch.device(options.device), SHAPES)


def draw(shape: tuple[int, ...], device: str | torch.device) -> tuple[Tensor, Tensor]:
    """Normal scores (a leaf) and targets 0/1, a fifth of them 1 and half a deviation higher."""
    targets = torch.rand(shape, device=device) < 0.2
    scores = torch.randn(shape, device=device) + 0.5 * targets
    return scores.requires_grad_(), targets


def loss_of(task: dl.Task, direction: dl.Direction, place: Place) -> dl.DirectLoss:
    return dl.DirectLoss(task, epsilon=EPSILON, direction=direction, solver=place)


# --- with a device ------------------------------------------------------------------------------


def print_seconds(device: torch.device, shapes: tuple[tuple[int, ...], ...]) -> None:
    """Steps of both solvers, and of cross-entropy, in times of the device's own sort."""
    print(f"{_card(device)}, torch {torch.__version__}\n")
    print("| step | solver |", *(f"{' x '.join(f'{n:,}' for n in shape)} |" for shape in shapes))
    print("|---|---|" + "---:|" * len(shapes))
    rows: dict[tuple[str, str], list[str]] = {}
    for shape in shapes:
        scores, targets = draw(shape, device)
        wanted = targets.to(scores.dtype)
        steps: dict[tuple[str, str], Callable[[], object]] = {
            ("torch.sort", ""): lambda scores=scores: torch.sort(scores.detach()),
            ("BCE", ""): lambda s=scores, t=wanted: bce(s, t).backward(),
        }
        for task, direction in UPDATES:
            for place in ("host", "device"):
                loss_fn = loss_of(task, direction, place)  # type: ignore[arg-type]
                steps[f"{task!r} {direction}", place] = lambda f=loss_fn, s=scores, t=targets: f(
                    s, t
                ).backward()
        found = seconds(steps, device)
        for name, taken in found.items():
            ratio = taken / found["torch.sort", ""]
            rows.setdefault(name, []).append(f"{1e3 * taken:.3g} ms (x{ratio:.2g})")
    for (step, place), cells in rows.items():
        print(f"| {step} | {place} |", *(f"{cell} |" for cell in cells))


def seconds(
    steps: dict[tuple[str, str], Callable[[], object]], device: torch.device
) -> dict[tuple[str, str], float]:
    """The median of each step, all in turn, each after the device has done all before."""
    taken: dict[tuple[str, str], list[float]] = {name: [] for name in steps}
    for number in range(ROUNDS + 2):
        for name, step in steps.items():
            _wait(device)
            begin = time.perf_counter()
            step()
            _wait(device)
            if number >= 2:  # after what a first step makes for all
                taken[name].append(time.perf_counter() - begin)
    return {name: median(times) for name, times in taken.items()}


def print_network(device: torch.device, batch: int = 256, side: int = 64) -> None:
    """A training step of ResNet-18 with each solver, and with cross-entropy."""
    from torchvision.models import resnet18

    network = resnet18(num_classes=1).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    images = torch.randn(batch, 3, side, side, device=device)
    targets = torch.rand(batch, device=device) < 0.2
    wanted = targets.float()

    def step(loss_fn: Callable[[Tensor, Tensor], Tensor], labels: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(network(images).squeeze(-1), labels).backward()
        optimizer.step()

    steps: dict[tuple[str, str], Callable[[], object]] = {("BCE", ""): lambda: step(bce, wanted)}
    for place in ("host", "device"):
        loss_fn = loss_of(dl.ROCAUC(), "positive", place)  # type: ignore[arg-type]
        steps["ROCAUC() positive", place] = lambda f=loss_fn: step(f, targets)
    print(f"{_card(device)}, ResNet-18, {batch} images of {side} x {side}\n")
    for (name, place), taken in seconds(steps, device).items():
        print(f"{name} {place}: {1e3 * taken:.2f} ms a step")


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _card(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


# --- without one --------------------------------------------------------------------------------


class Launches(TorchDispatchMode):
    """Counts the operations on a device that are no views, and the bytes of their tensors."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.operations, self.bytes = device, 0, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        tensors = [t for t in (*_tensors(args), *_tensors(made)) if t.device.type == self.device]
        if tensors and func.overloadpacket.__name__ not in _NO_LAUNCH:
            self.operations += 1
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return made


def _tensors(values: Any) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return []


def launches(task: dl.Task, direction: dl.Direction, shape: tuple[int, ...]) -> Launches:
    """What a forward pass launches on a device; its backward is one product."""
    loss_fn = loss_of(task, direction, "device")
    with FakeTensorMode(allow_non_fake_inputs=True):
        targets = torch.empty(shape, dtype=torch.bool, device="cuda")
        scores = torch.empty(shape, device="cuda")
        with Launches("cuda") as counted:
            loss_fn(scores, targets)
    return counted


def compiled_launches(task: dl.Task, direction: dl.Direction) -> int:
    """Calls of the forward pass after torch.compile: fused kernels, and torch's own."""
    from torch._inductor.utils import run_and_get_code

    torch._dynamo.reset()
    loss_fn = torch.compile(loss_of(task, direction, "device"), fullgraph=True)
    _, codes = run_and_get_code(loss_fn, *draw((1_000,), "cpu"))
    body = codes[0][codes[0].index("def call(") : codes[0].index("return (")]
    return len(re.findall(r"^\s+(?:cpp_|triton_|buf\d+ = torch\.ops\.aten|extern_)", body, re.M))


def print_counts(shape: tuple[int, ...], *, compiled: bool) -> None:
    """Launches of one forward pass, and their bytes an item beside those of a sort."""
    print("| step | launches | bytes an item |" + (" compiled |" if compiled else ""))
    print("|---|---:|---:|" + ("---:|" if compiled else ""))
    items = torch.Size(shape).numel()
    for task, direction in UPDATES:
        counted = launches(task, direction, shape)
        row = f"| {task!r} {direction} | {counted.operations} | {counted.bytes / items:.0f} |"
        if compiled:
            row += f" {compiled_launches(task, direction)} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
