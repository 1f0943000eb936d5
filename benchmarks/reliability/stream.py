"""Millions of rows that are never in memory at once: speed, memory, and resuming after a kill."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from benchmarks.reliability.runs import start

ROWS = 4_000_000
FEATURES = 20
_BLOCK = 65_536
_FILES = 8


def stream(folder: Path) -> dict[str, Any]:
    """Writes `ROWS` rows in files of blocks, trains on them and scores them."""
    data = folder / "data"
    data.mkdir()
    size = _write(data)
    found: dict[str, Any] = {
        "rows": ROWS,
        "features": FEATURES,
        "files on the disk (MB)": round(size / 1e6),
        "as float32 in memory (MB)": round(ROWS * FEATURES * 4 / 1e6),
    }
    train = [
        *("train", "--data", str(data), "--target", "y", "--method", "logistic", "--no-log"),
        *("--hidden", "32", "--epochs", "1", "--evaluations", "1", "--learning-rate", "0.05"),
    ]
    idle = _measured(["train", "--help"], folder)[1]
    for name, batch in (("batches of 4096", "4096"), ("whole data set", "all")):
        out = folder / f"model-{batch}"
        seconds, peak = _measured([*train, "--batch", batch, "--out", str(out)], folder)
        found[f"{name}, an epoch and three looks (s)"] = round(seconds)
        found[f"{name}, memory beyond that of the libraries (MB)"] = round(peak - idle)
    scores = folder / "scores.parquet"
    predict = ["predict", str(folder / "model-4096"), "--data", str(data), "--out", str(scores)]
    seconds, peak = _measured(predict, folder)
    found["predict (rows a second)"] = round(ROWS / seconds)
    found["predict, memory beyond that of the libraries (MB)"] = round(peak - idle)
    assert pa.parquet.ParquetFile(scores).metadata.num_rows == ROWS
    return found


def _write(data: Path) -> int:
    generator = np.random.default_rng(5)
    for file in range(_FILES):
        rows = ROWS // _FILES
        rare = generator.random(rows) < 0.02
        columns = {
            f"f{k}": (generator.normal(size=rows) + 0.5 * rare).astype(np.float32)
            for k in range(FEATURES)
        }
        table = pa.table({**columns, "y": rare.astype(np.int8)})
        pa.parquet.write_table(table, data / f"{file}.parquet", row_group_size=_BLOCK)
    return sum(path.stat().st_size for path in data.iterdir())


def _measured(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a command in a process of its own."""
    began = time.monotonic()
    child = start(arguments, folder / "said.txt")
    _, status, usage = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, child.text()
    assert isinstance(usage, resource.struct_rusage)
    return time.monotonic() - began, usage.ru_maxrss / 1e3
