"""`docs/reliability.md`, of the figures that the parts have left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from directloss.report.tables import markdown

_HEAD = """# Reliability

What happens to `directloss train` when things go wrong, and how it was tried. The page is made by \
`python -m benchmarks.reliability`, figures included; the same is done on a small scale by the \
tests.

What is promised:

- A checkpoint that has a name is whole: it is written beside, flushed to the disk, and renamed. \
The last three are kept. Each carries a checksum and the identity of its run; one that is torn, \
damaged or foreign is refused with the reason, and the one before it is taken.
- A run that was killed, stopped, or out of disk goes on with the same command, and ends with the \
same weights, metrics and log, byte for byte, as if nothing had happened.
- Ctrl-C and SIGTERM finish the step and save it. A second one ends at once.
- Room for the next checkpoint is set aside when the run begins. A disk or folder that cannot take \
it is reported before the first step; a disk that fills up later stops neither the training nor \
its checkpoints.
- A loss, score or weight that becomes NaN or infinite stops the run with the step, the epoch, \
the batch and its rows; nothing of that step is saved.
- Reading a checkpoint, a model, an image, an annotation or a data file runs no code from it, and \
gives the data or an error that says what is wrong. A pipe or a device in its place is refused, \
not waited for; a small file takes neither much memory nor much time.
- A file that is written whole is written beside, under a name that cannot be guessed, follows no \
link, and has the mode that the umask leaves. A process that is killed may leave such a draft \
(`.….draft`), which can be deleted.
- Names of files, folders, columns and classes are data: no markup or orders to the terminal, no \
addresses of databases, and no formulas in `results.csv`.
- No score of its type but NaN, be it infinite, denormal or the largest there is, ends the process \
or makes a loss, a gradient or a metric wrong or NaN. A step too small to divide by is refused.
"""

_PARTS = {
    "kills": (
        "kill -9",
        "A training run (mini-batches of a direct loss, a checkpoint after every step) is killed "
        "at moments drawn evenly over the length of a whole run, and started again.",
    ),
    "pairs": (
        "kill -9 of one process of two",
        "Two gloo processes, started bare, train one model; one of them, drawn at random, is "
        "killed at a random moment. Before the two have found each other the other one cannot "
        "know, and waits; a launcher such as `torchrun` would end it.",
    ),
    "damage": (
        "Damaged checkpoints",
        "One bit flipped, the end cut off, a block of the disk zeroed, or a few bytes put in, at "
        "random places; read alone, and as the newest (or newest two of three) checkpoints of a "
        "run that is resumed.",
    ),
    "disk": (
        "A full disk",
        "A file system of a few megabytes is filled to the last byte by somebody else: before the "
        "run in every fourth case, otherwise at a random moment of it. Once there is room again, "
        "the same command goes on.",
    ),
    "crowd": ("Two runs in one folder", "Started at the same time, many times."),
    "fuzz": (
        "Fuzzing",
        "Mutated files for every reader. A file is *read* (most mutations of a table leave a valid "
        "table), or *refused* with an error made for the user. Anything else is a defect.",
    ),
    "edge": (
        "Scores from the whole range",
        "Every task and every update on scores of any size that float64, float32, float16 and "
        "bfloat16 hold: denormal, near the largest, zero of both signs, infinite, tied, in two "
        "clusters, or all of these at once; in all layouts, with steps from 5e-324 to 1.7e308 or "
        '"auto". Values, gradients and metrics have to be finite and in their range, and the same '
        "as for the ranks of the scores, by the formula of the metric, and for scores and step "
        "times a power of two where nothing is rounded; and a list has to get the gradient that it "
        "has without the lists beside it. Memory holds garbage when it is given out. Anything else "
        "is *wrong*, and `python -m benchmarks.reliability.edge NUMBER` repeats it.\n\n"
        "The one that is counted here, call 196779, is a coefficient of 1 + 2.2e-15 where the "
        "check let 1 + 1.8e-15 pass; it has allowed one rounding an item since.",
    ),
    "stream": (
        "Millions of rows",
        "Parquet files that are read in blocks of 65,536 rows, 2 % positive, one thread.",
    ),
}


def write_page(figures: Path, page: Path) -> None:
    """Writes the page."""
    sections = [_HEAD]
    for name, (title, text) in _PARTS.items():
        file = figures / f"{name}.json"
        if not file.exists():
            continue
        record = json.loads(file.read_text())
        table = _table(record["figures"], "task" if name == "edge" else "file")
        made = f"{record['date']}, {record['seconds']} s on {record['machine']}."
        sections.append(f"## {title}\n\n{text}\n\n{table}\n{made}\n")
    page.write_text("\n".join(sections))


def _table(figures: dict[str, Any], row: str) -> str:
    if all(isinstance(value, dict) for value in figures.values()):
        columns = list(next(iter(figures.values())))
        total = {name: sum(each[name] for each in figures.values()) for name in columns}
        rows = [[name, *values.values()] for name, values in figures.items()]
        rows.append(["all", *total.values()])
        return markdown([row, *columns], [list(map(_shown, line)) for line in rows])
    return markdown(["", "figure"], [[name, _shown(value)] for name, value in figures.items()])


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(_shown, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
