"""Jaccard index of cars in road scenes: a small convolutional net, trained by four losses.

    PYTHONPATH=. python docs/results/camvid.py DATA OUT

DATA is the folder of data sets (with `camvid_subset` in it), OUT gets `results.json`. Run it at the
root of the repository, since the Lovasz hinge is among the peers of the benchmarks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

import directloss as dl
from benchmarks.peers.lovasz_hinge import lovasz_hinge
from directloss.report import schema
from directloss.study.table import make_table
from directloss.thresholds import fit_threshold

CAR, VOID = 8, 11
SIZE = (120, 90)
VALIDATION = 24
EPOCHS, BATCH, LOOK_EVERY = 12, 8, 4
SEEDS = 2
LEARNING_RATES = (0.001, 0.003)
EPSILONS = (0.1, 0.01)
MIX_WEIGHT = 0.1
ALL_AXES = (0, 1, 2, 3)

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(scores, targets, mask), each (B, 1, H, W) -> scalar; the pixels of a batch are one list."""


@dataclass(frozen=True)
class Scenes:
    """Images (n, 3, H, W); where there is a car, and which pixels count, (n, 1, H, W)."""

    images: Tensor
    cars: Tensor
    known: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Scenes:
        return Scenes(self.images[rows], self.cars[rows], self.known[rows])


def read(folder: Path, part: str) -> Scenes:
    """A part at the reduced size."""
    images, labels = [], []
    for file in sorted((folder / f"{part}annot").glob("*.png")):
        (image,) = (folder / part).glob(f"{file.stem}.*")
        images.append(np.asarray(Image.open(image).convert("RGB").resize(SIZE, Image.BILINEAR)))
        labels.append(np.asarray(Image.open(file).resize(SIZE, Image.NEAREST)))
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    classes = torch.from_numpy(np.stack(labels))[:, None]
    return Scenes(pixels, classes == CAR, classes != VOID)


def make_net() -> nn.Module:
    """Two strided and three dilated convolutions; one score a pixel of a quarter of the size."""
    layers: list[nn.Module] = []
    for fan_in, width, stride, dilation in (
        (3, 16, 2, 1),
        (16, 32, 2, 1),
        (32, 32, 1, 2),
        (32, 32, 1, 4),
        (32, 32, 1, 8),
    ):
        layers += [
            nn.Conv2d(fan_in, width, 3, stride, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.Conv2d(32, 1, 1))


def scores_of(net: nn.Module, images: Tensor) -> Tensor:
    """A score for every pixel, (n, 1, H, W)."""
    return interpolate(net(images), SIZE[::-1], mode="bilinear", align_corners=False)


def cross_entropy(scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(scores[mask], targets[mask].float())


def lovasz(scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return lovasz_hinge(scores[mask], targets[mask])


def direct(epsilon: float) -> Loss:
    loss_fn = dl.DirectLoss(dl.Jaccard(), epsilon=epsilon, unit="loss", dim=ALL_AXES)
    return lambda scores, targets, mask: loss_fn(scores, targets, mask=mask)


def mixed(epsilon: float) -> Loss:
    other = direct(epsilon)
    return lambda *batch: cross_entropy(*batch) + MIX_WEIGHT * other(*batch)


METHODS: dict[str, Callable[[float], Loss]] = {
    "logistic": lambda _: cross_entropy,
    "lovasz-hinge": lambda _: lovasz,
    "both": direct,
    "mix": mixed,
}


def settings_of(method: str) -> list[schema.Settings]:
    """As many for each method: epsilon, where there is one, changes along with the rate."""
    epsilons = EPSILONS if method in ("both", "mix") else (None,) * len(LEARNING_RATES)
    pairs = zip(LEARNING_RATES, epsilons, strict=True)
    return [schema.Settings(learning_rate=rate, epsilon=eps, l2=0.0) for rate, eps in pairs]


@torch.no_grad()
def measure(net: nn.Module, parts: list[Scenes]) -> tuple[list[float], float]:
    """Jaccard index over all pixels of each part, and the spread of the training scores.

    The threshold is the best one of the training part, the first.
    """
    net.eval()
    flat = [(scores_of(net, part.images)[part.known], part.cars[part.known]) for part in parts]
    net.train()
    task = dl.Jaccard()
    cut = fit_threshold(*flat[0], task)
    values = [float(task.metric(scores.double() - cut, cars)) for scores, cars in flat]
    return values, float(flat[0][0].std(correction=0))


def run(method: str, settings: schema.Settings, seed: int, parts: list[Scenes]) -> schema.Run:
    """One training run. The seed decides initial weights and batches."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    net, train = make_net(), parts[0]
    # A spread of 1 at the start, so that epsilon means the same in every run; in training mode,
    # since the running statistics of the normalisation are not known yet.
    with torch.no_grad():
        spread = scores_of(net, train.images[: 4 * BATCH]).std()
        net[-1].weight.div_(spread)
        net[-1].bias.div_(spread)
    loss_of = METHODS[method](settings.epsilon or 0.0)
    optimiser = torch.optim.Adam(net.parameters(), settings.learning_rate)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    looks, steps, loss = [(0, *measure(net, parts), 0.0)], 0, torch.zeros(())
    for epoch in range(1, EPOCHS + 1):
        for rows in torch.randperm(len(train.images)).split(BATCH):
            batch = train[rows]
            loss = loss_of(scores_of(net, batch.images), batch.cars, batch.known)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            steps += 1
        decay.step()
        if epoch % LOOK_EVERY == 0:
            looks.append((steps, *measure(net, parts), float(loss.detach())))
    iterations, values, spreads, losses = zip(*looks, strict=True)
    on_train, validation, test = (list(part) for part in zip(*values, strict=True))
    return schema.Run(
        method=method,
        column="car",
        seed=seed,
        settings=settings,
        validation=validation[-1],
        test=test[-1],
        test_peak=max(test),
        spread_final=spreads[-1],
        seconds=round(time.perf_counter() - began, 3),
        history=schema.History(
            iteration=list(iterations),
            train=on_train,
            validation=validation,
            test=test,
            loss=list(losses),
            spread=list(spreads),
            zero_gradient=[0.0] * len(looks),
        ),
    )


def main(data: Path, out: Path) -> None:
    torch.set_num_threads(1)
    folder = data / "camvid_subset"
    given = read(folder, "train")
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(given.images)))
    parts = [given[order[VALIDATION:]], given[order[:VALIDATION]], read(folder, "test")]
    chosen, trials = [], []
    for method, seed in product(METHODS, range(SEEDS)):
        runs = [run(method, settings, seed, parts) for settings in settings_of(method)]
        trials += [
            schema.Trial(
                method=method,
                column="car",
                seed=seed,
                number=number,
                settings=each.settings,
                validation=each.validation,
            )
            for number, each in enumerate(runs)
        ]
        chosen.append(max(runs, key=lambda each: each.validation))
        print(method, seed, [(round(each.test, 3), each.seconds) for each in runs], flush=True)
    results = schema.Results(
        title="Cars in road scenes",
        command=["PYTHONPATH=.", "python", *sys.argv],
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions={"directloss": dl.__version__, "torch": torch.__version__},
        configuration={
            "size": SIZE,
            "epochs": EPOCHS,
            "batch": BATCH,
            "images": [len(part.images) for part in parts],
        },
        metric=schema.Metric(name="Jaccard index"),
        columns=["car"],
        methods=list(METHODS),
        runs=chosen,
        trials=trials,
        table=make_table(chosen, list(METHODS), ["car"], higher_is_better=True),
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(results.to_json(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
