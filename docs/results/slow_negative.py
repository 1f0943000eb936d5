"""Runs the negative direction under label noise at a smaller rate than the study's grid offers.

    python docs/results/slow_negative.py

The grid of label noise has the same two learning rates for both directions, and the negative one
collapses at either. What it can do without collapse belongs beside that; settings are the best of
fifteen on the tuning seed at 20 % of flips (rates 0.01 to 0.1, epsilon 0.003 to 30). Writes
docs/results/synthetic/slow-negative.json, which `paper.py` reads; a minute of one core.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from directloss.experiments.assignments import Assignment
from directloss.experiments.synthetic import profiles
from directloss.experiments.synthetic.trial import run_trial
from directloss.training.methods import Settings
from directloss.training.search import Cell

FILE = Path(__file__).parent / "synthetic" / "slow-negative.json"
METHOD = "neg-ap"
SETTINGS = Settings(learning_rate=0.03, epsilon=0.003, l2=0.0)
DIGITS = 6


def main() -> None:
    """Runs all reported seeds and writes the file."""
    # As the workers of a study do: other numbers of threads add in another order.
    torch.set_num_threads(1)
    config = profiles.default("synthetic")
    test: dict[str, list[float]] = {}
    spreads: list[float] = []
    for column in config.columns():
        if column.flips:
            for seed in range(column.seeds):
                done = run_trial(config, Assignment(Cell(METHOD, column.name, seed), 0, SETTINGS))
                test.setdefault(column.name, []).append(round(done.notes["test"], DIGITS))
                spreads.append(done.notes["history"]["spread"][-1])
    settings = {"learning_rate": SETTINGS.learning_rate, "epsilon": SETTINGS.epsilon}
    results = {
        "settings": settings,
        "smallest final spread": round(min(spreads), DIGITS),
        "test": test,
    }
    FILE.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
