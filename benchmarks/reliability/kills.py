"""`kill -9` at random moments, of one process and of one of two."""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path
from typing import Any

from benchmarks.reliability.runs import Child, command, contents, last_step, start, undisturbed

KILLS = 30
PAIR_KILLS = 30
PATIENCE = 30.0
"""Seconds after which a process that still waits for the killed one is ended."""


def kills(folder: Path) -> dict[str, Any]:
    """Runs are killed at a moment drawn evenly, and started again, until they finish."""
    table, wanted, seconds = undisturbed(folder)
    draw = random.Random(1)
    made = finished = different = went_back = refused = 0
    moments: list[float] = []
    while made < KILLS or finished == 0:
        out = folder / f"run-{finished}"
        durable = -1
        while True:
            child = start(command(table, out), folder / "said.txt")
            moment = draw.uniform(0.0, seconds)
            end = time.monotonic() + moment
            while child.running() and time.monotonic() < end:
                time.sleep(0.001)
            if made < KILLS and child.kill():
                child.wait()
                made += 1
                moments.append(moment)
                step = last_step(out)
                went_back += step < durable
                durable = max(durable, step)
                continue
            assert child.wait() == 0, child.text()
            refused += "refused" in child.text()
            break
        different += contents(out) != wanted
        finished += 1
    return {
        "kills": made,
        "runs": finished,
        "seconds of an undisturbed run": round(seconds, 2),
        "first and last moment of a kill (s)": [round(min(moments), 2), round(max(moments), 2)],
        "runs with other numbers": different,
        "checkpoints lost": went_back,
        "checkpoints refused": refused,
    }


def pairs(folder: Path) -> dict[str, Any]:
    """Of two processes that train one model, one is killed; the same command goes on.

    Both are started bare. Where one is killed before they have found each other, the other waits
    for it as long as torch does, half an hour, unless whoever started both ends it.
    """
    table, _, _ = undisturbed(folder)
    wanted, seconds = _pair_undisturbed(table, folder)
    draw = random.Random(2)
    made = different = runs = clear = through = alone = 0
    waits: list[float] = []
    while made < PAIR_KILLS or runs == 0:
        out = folder / f"pair-{runs}"
        while True:
            two = _start_pair(table, out, folder)
            end = time.monotonic() + draw.uniform(0.2, seconds)
            while all(child.running() for child in two) and time.monotonic() < end:
                time.sleep(0.001)
            victim = draw.randrange(2)
            if made < PAIR_KILLS and all(c.running() for c in two) and two[victim].kill():
                two[victim].wait()
                made += 1
                began = time.monotonic()
                other = two[1 - victim]
                try:
                    code = other.wait(PATIENCE)
                except TimeoutError:
                    other.wait()
                    # Of its own accord torch may say that nobody answers.
                    assert " rows in " not in other.text(), "both had begun, and the other hangs"
                    alone += 1
                    continue
                waits.append(time.monotonic() - began)
                told = "directloss: " in other.text()
                clear += told
                through += code == 0
                if code and not told:
                    print(other.text(), flush=True)
                continue
            ends = [child.wait() for child in two]
            assert ends == [0, 0], (ends, made, [child.text() for child in two])
            break
        different += contents(out) != wanted
        runs += 1
    return {
        "kills of one of two processes": made,
        "runs": runs,
        "runs with other numbers": different,
        "the other ended by itself": len(waits),
        "of these with a clear message": clear,
        "of these with nothing left to do": through,
        "longest time until it did (s)": round(max(waits), 1),
        "killed before the two had found each other; the other waited": alone,
    }


def _pair_undisturbed(table: Path, folder: Path) -> tuple[dict[str, bytes], float]:
    out = folder / "pair-undisturbed"
    began = time.monotonic()
    two = _start_pair(table, out, folder)
    assert [child.wait() for child in two] == [0, 0], [child.text() for child in two]
    return contents(out), time.monotonic() - began


def _start_pair(table: Path, out: Path, folder: Path) -> list[Child]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        start(
            command(table, out),
            folder / f"said-{rank}.txt",
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE="2",
            LOCAL_WORLD_SIZE="2",
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
        )
        for rank in range(2)
    ]
