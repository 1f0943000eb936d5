"""Mean IoU of road scenes: a small decoder on frozen features, trained by five losses.

    PYTHONPATH=. python docs/results/camvid.py DATA OUT

DATA is the folder of data sets (with `camvid_subset` and `weights` in it), OUT gets `results.json`.
Run it at the root of the repository, since the Lovasz hinge is among the peers of the benchmarks.
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
from torch.nn.functional import cross_entropy, interpolate, log_softmax, one_hot

import directloss as dl
from benchmarks.peers.lovasz_hinge import lovasz_hinge
from directloss.models.backbones import load_backbone
from directloss.report import schema
from directloss.study.table import make_table

CLASSES, VOID = 11, 11
SIZE = (120, 90)
VALIDATION = 24
EPOCHS, BATCH, LOOK_EVERY = 20, 8, 5
SEEDS = 3
WEIGHT = 3.0
"""Of the second loss beside cross-entropy."""

RATES = (0.003, 0.01)
MORE_RATES = (0.001, 0.003, 0.01, 0.03)
EPSILONS = {"loss": (0.1, 0.01), "score": (2.0, 6.0)}
PIXELS = (0, 2, 3)

Loss = Callable[[Tensor, Tensor], Tensor]
"""(scores (B, C, H, W), labels (B, H, W)) -> scalar."""


@dataclass(frozen=True)
class Scenes:
    """Features (n, channels, h, w) and the labels of the pixels, (n, H, W)."""

    features: Tensor
    labels: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Scenes:
        return Scenes(self.features[rows], self.labels[rows])


def read(data: Path, part: str) -> Scenes:
    """The features of a part at full size, and its labels at the reduced one."""
    backbone = load_backbone("squeezenet1_1", str(data / "weights" / "squeezenet11_ndf.pt"))
    assert backbone.spatial is not None
    features, labels = [], []
    for file in sorted((data / "camvid_subset" / f"{part}annot").glob("*.png")):
        (image,) = (data / "camvid_subset" / part).glob(f"{file.stem}.*")
        pixels = torch.from_numpy(np.array(Image.open(image).convert("RGB")))
        with torch.no_grad():
            ready = backbone.normalise(pixels.permute(2, 0, 1)[None].float())
            features.append(backbone.spatial(ready))
        labels.append(np.asarray(Image.open(file).resize(SIZE, Image.NEAREST)))
    return Scenes(torch.cat(features), torch.from_numpy(np.stack(labels)).long())


def make_net() -> nn.Module:
    """1 x 1, dilated 3 x 3, 1 x 1; one score a class and place."""
    return nn.Sequential(
        nn.Conv2d(512, 48, 1),
        nn.ReLU(),
        nn.Conv2d(48, 48, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(48, CLASSES, 1),
    )


def scores_of(net: nn.Module, features: Tensor) -> Tensor:
    """A score for every pixel and class, (n, C, H, W)."""
    return interpolate(net(features), SIZE[::-1], mode="bilinear", align_corners=False)


def log_odds(scores: Tensor) -> Tensor:
    """Of each class against the rest: above 0 where its probability is above a half."""
    logs = log_softmax(scores, 1)
    return logs - torch.log(-torch.expm1(logs.clamp(max=-1e-7)))


def against_the_rest(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Targets of each class, (B, C, H, W), and which pixels count."""
    known = labels != VOID
    targets = one_hot(labels.clamp(max=CLASSES - 1), CLASSES).movedim(-1, 1).bool()
    return targets & known[:, None], known[:, None].expand_as(targets)


def softmax(scores: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(scores, labels, ignore_index=VOID)


def dice(scores: Tensor, labels: Tensor) -> Tensor:
    """1 - soft Dice, the mean over the classes that the batch has."""
    targets, known = against_the_rest(labels)
    probabilities = scores.softmax(1) * known
    both = (probabilities * targets).sum(PIXELS)
    sizes = probabilities.sum(PIXELS) + targets.sum(PIXELS)
    there = targets.any(3).any(2).any(0)
    return 1.0 - (2.0 * both / sizes)[there].mean()


def lovasz(scores: Tensor, labels: Tensor) -> Tensor:
    """The Lovasz hinge of each class that the batch has, on its log odds."""
    targets, known = against_the_rest(labels)
    odds = log_odds(scores)
    losses = [
        lovasz_hinge(odds[:, c][known[:, c]], targets[:, c][known[:, c]])
        for c in range(CLASSES)
        if targets[:, c].any()
    ]
    return torch.stack(losses).mean()


def direct(unit: dl.lists.Unit, epsilon: float) -> Loss:
    """The direct loss of the Jaccard index, a list a class over all pixels of the batch."""
    loss_fn = dl.DirectLoss(dl.Jaccard(), epsilon=epsilon, unit=unit, direction="both", dim=PIXELS)

    def loss(scores: Tensor, labels: Tensor) -> Tensor:
        targets, known = against_the_rest(labels)
        return loss_fn(log_odds(scores), targets, mask=known)

    return loss


def beside(second: Loss) -> Loss:
    """Cross-entropy and a second loss."""
    return lambda scores, labels: softmax(scores, labels) + WEIGHT * second(scores, labels)


METHODS: dict[str, Callable[[float], Loss]] = {
    "logistic": lambda _: softmax,
    "dice": lambda _: beside(dice),
    "lovasz-hinge": lambda _: beside(lovasz),
    "direct, unit of the loss": lambda epsilon: beside(direct("loss", epsilon)),
    "direct": lambda epsilon: beside(direct("score", epsilon)),
}


def settings_of(method: str) -> list[schema.Settings]:
    """Four for each method: two steps of two rates where it has a step, else four rates."""
    unit = {"direct": "score", "direct, unit of the loss": "loss"}.get(method)
    pairs = product(RATES, EPSILONS[unit]) if unit else [(rate, None) for rate in MORE_RATES]
    return [schema.Settings(learning_rate=rate, epsilon=eps, l2=0.0) for rate, eps in pairs]


@torch.no_grad()
def measure(net: nn.Module, part: Scenes) -> tuple[float, float]:
    """Mean over the classes of the IoU over all pixels of a part; the spread of the log odds."""
    counts = torch.zeros(CLASSES + 1, CLASSES, dtype=torch.long)
    spread = 0.0
    for rows in torch.arange(len(part.labels)).split(BATCH):
        batch = part[rows]
        scores = scores_of(net, batch.features)
        pairs = batch.labels * CLASSES + scores.argmax(1)
        counts += pairs.flatten().bincount(minlength=counts.numel()).view_as(counts)
        spread += float(log_odds(scores).std()) * len(rows) / len(part.labels)
    counts = counts[:VOID]
    hits = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - hits
    return float((hits / union)[counts.sum(1) > 0].mean()), spread


def run(method: str, settings: schema.Settings, seed: int, parts: list[Scenes]) -> schema.Run:
    """One training run. The seed decides initial weights and batches."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    net, train = make_net(), parts[0]
    loss_of = METHODS[method](settings.epsilon or 0.0)
    optimiser = torch.optim.Adam(net.parameters(), settings.learning_rate)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    looks, steps, loss = [(0, *(measure(net, p) for p in parts), 0.0)], 0, torch.zeros(())
    for epoch in range(1, EPOCHS + 1):
        for rows in torch.randperm(len(train.labels)).split(BATCH):
            batch = train[rows]
            loss = loss_of(scores_of(net, batch.features), batch.labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            steps += 1
        decay.step()
        if epoch % LOOK_EVERY == 0:
            looks.append((steps, *(measure(net, p) for p in parts), float(loss.detach())))
    iterations, *found, losses = zip(*looks, strict=True)
    on_train, validation, test = ([value for value, _ in part] for part in found)
    spreads = [spread for _, spread in found[0]]
    return schema.Run(
        method=method,
        column="scenes",
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
            spread=spreads,
            zero_gradient=[0.0] * len(looks),
        ),
    )


def main(data: Path, out: Path) -> None:
    torch.set_num_threads(1)
    given, test = read(data, "train"), read(data, "test")
    mean = given.features.mean((0, 2, 3), keepdim=True)
    deviation = given.features.std((0, 2, 3), keepdim=True) + 1e-3
    given, test = (Scenes((p.features - mean) / deviation, p.labels) for p in (given, test))
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(given.labels)))
    parts = [given[order[VALIDATION:]], given[order[:VALIDATION]], test]
    chosen, trials = [], []
    for method, seed in product(METHODS, range(SEEDS)):
        runs = [run(method, settings, seed, parts) for settings in settings_of(method)]
        trials += [
            schema.Trial(
                method=method,
                column="scenes",
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
        title="Road scenes",
        command=["PYTHONPATH=.", "python", *sys.argv],
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions={"directloss": dl.__version__, "torch": torch.__version__},
        configuration={
            "size": SIZE,
            "epochs": EPOCHS,
            "batch": BATCH,
            "images": [len(part.labels) for part in parts],
            "weight": WEIGHT,
        },
        metric=schema.Metric(name="mean IoU"),
        columns=["scenes"],
        methods=list(METHODS),
        runs=chosen,
        trials=trials,
        table=make_table(chosen, list(METHODS), ["scenes"], higher_is_better=True),
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(results.to_json(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
