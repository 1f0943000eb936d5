"""Writes the files that the pages of this folder are computed from.

    python docs/results/prepare.py DATA OUT

DATA is the folder of data sets (by default the environment variable DIRECTLOSS_DATA).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

FOLDS = 5
HIV_INACTIVES = 4500


def mq2008_folds(data: Path, out: Path) -> None:
    """The official folds: three of the parts S1 to S5 train, the next validates, the last tests."""
    with np.load(data / "mq2008" / "mq2008.npz") as arrays:
        features, relevance, query, part = (arrays[name] for name in ("X", "y", "qid", "part"))
    for fold in range(FOLDS):
        turn = (part - 1 - fold) % FOLDS
        split = np.array(["train", "train", "train", "validation", "test"])[turn]
        columns = {"x": features, "relevance": relevance, "query": query, "split": split}
        np.savez(out / f"mq2008_fold{fold + 1}.npz", **columns)


def hiv_subset(data: Path, out: Path) -> None:
    """All active molecules and a fixed random draw of the inactive ones."""
    with np.load(data / "molecules" / "hiv_morgan1024.npz") as arrays:
        fingerprints, active = np.unpackbits(arrays["bits"], axis=1), arrays["y"] == 1
    generator = np.random.default_rng(0)
    inactive = generator.choice(np.flatnonzero(~active), HIV_INACTIVES, replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(active), inactive]))
    np.savez_compressed(out / "hiv_subset.npz", x=fingerprints[rows], active=active[rows])


if __name__ == "__main__":
    source = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["DIRECTLOSS_DATA"])
    target = Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    target.mkdir(parents=True, exist_ok=True)
    mq2008_folds(source, target)
    hiv_subset(source, target)
