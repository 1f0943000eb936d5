"""Checkpoints that are damaged, disks that fill up, two runs in one folder."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.reliability.runs import command, contents, last_step, start, undisturbed
from directloss.training.checkpoints import CheckpointError, unpack

DAMAGES = 2000
RESUMED = 6
FULL_DISKS = 16
CROWDS = 6
_DISK_MEGABYTES = 4


def damage(folder: Path) -> dict[str, Any]:
    """Random damage to checkpoint files: read as such, and by runs that resume from them."""
    table, wanted, seconds = undisturbed(folder)
    out = _stopped(table, folder, seconds)
    newest = sorted((out / "checkpoints").glob("*.checkpoint"))[-1]
    content = newest.read_bytes()
    whole = len(content) - 65_536  # behind it is room to grow, which holds nothing
    run = content.split(b'"run": "')[1].split(b'"')[0].decode()
    step = int(newest.stem[5:])
    unpack(content, run=run, step=step)
    draw = random.Random(3)
    outcomes = Counter(_outcome(_damaged(content, whole, draw), run, step) for _ in range(DAMAGES))
    different = told = 0
    for k in range(RESUMED):
        copy = folder / f"damaged-{k}"
        shutil.copytree(out, copy)
        files = sorted((copy / "checkpoints").glob("*.checkpoint"))
        for file in files[-1 - k % 2 :]:  # the newest, or the newest two of three
            file.write_bytes(_damaged(file.read_bytes(), whole, draw))
        child = start(command(table, copy), folder / "said.txt")
        assert child.wait() == 0, child.text()
        told += child.text().count("is refused: ") == 1 + k % 2
        different += contents(copy) != wanted
    return {
        "damaged files read": DAMAGES,
        "of them believed": outcomes["believed"],
        "of them refused with a clear error": outcomes["refused"],
        "other errors": outcomes["other"],
        "runs resumed from damaged checkpoints": RESUMED,
        "runs that said so": told,
        "runs with other numbers": different,
    }


def disk(folder: Path) -> dict[str, Any]:
    """A small disk of its own that fills up, at a random moment of a run or before it."""
    table, wanted, seconds = undisturbed(folder)
    draw = random.Random(4)
    small = folder / "disk"
    small.mkdir()
    size = f"size={_DISK_MEGABYTES}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(small)], check=True)
    finished_full = early = stopped = told = different = 0
    try:
        for k in range(FULL_DISKS):
            out = small / f"run-{k}"
            if k % 4 == 0:
                _fill(small)  # before the run
            child = start(command(table, out), folder / "said.txt")
            end = time.monotonic() + draw.uniform(0, seconds)
            while child.running() and time.monotonic() < end:
                time.sleep(0.001)
            _fill(small)
            code = child.wait()
            finished_full += code == 0
            early += code != 0 and last_step(out) <= 0
            stopped += code != 0 and last_step(out) > 0
            told += code == 2 and "No space left on device" in child.text()
            (small / "other").unlink()
            child = start(command(table, out), folder / "said.txt")
            assert child.wait() == 0, child.text()
            different += contents(out) != wanted
            shutil.rmtree(out)
    finally:
        subprocess.run(["umount", str(small)], check=True)
    return {
        "runs on a disk that fills up": FULL_DISKS,
        "finished all the same": finished_full,
        "refused before the first step": early,
        "stopped later": stopped,
        "of all these with a clear error": told,
        "with other numbers once there was room": different,
    }


def crowd(folder: Path) -> dict[str, Any]:
    """Two runs in one folder at the same time."""
    table, wanted, _ = undisturbed(folder)
    sent_away = different = 0
    for k in range(CROWDS):
        out = folder / f"crowd-{k}"
        two = [start(command(table, out), folder / f"said-{i}.txt") for i in range(2)]
        codes = [child.wait() for child in two]
        sent_away += sorted(codes) == [0, 2] and any(
            "another process is working in" in child.text() for child in two
        )
        different += contents(out) != wanted
    return {
        "pairs of runs in one folder": CROWDS,
        "one finished, the other was sent away": sent_away,
        "with other numbers": different,
    }


def _stopped(table: Path, folder: Path, seconds: float) -> Path:
    """A run that was stopped by SIGTERM half way."""
    out = folder / "stopped"
    child = start(command(table, out), folder / "said.txt")
    end = time.monotonic() + 10 * seconds
    while last_step(out) < 100 and time.monotonic() < end:
        time.sleep(0.005)
    child.kill(signal.SIGTERM)
    code = child.wait()
    assert code == 128 + signal.SIGTERM, (code, child.text())
    return out


def _damaged(content: bytes, whole: int, draw: random.Random) -> bytes:
    """Content that differs within its first `whole` bytes."""
    while True:
        damaged = _damaged_once(content, whole, draw)
        if damaged[:whole] != content[:whole]:
            return damaged


def _damaged_once(content: bytes, whole: int, draw: random.Random) -> bytes:
    damaged = bytearray(content)
    place = draw.randrange(whole)
    kind = draw.randrange(4)
    if kind == 0:
        damaged[place] ^= 1 << draw.randrange(8)
    elif kind == 1:
        del damaged[place:]
    elif kind == 2:  # a block that never reached the disk
        first = place - place % 512
        damaged[first : first + 512] = bytes(len(damaged[first : first + 512]))
    else:
        damaged[place:place] = draw.randbytes(1 + draw.randrange(8))
    return bytes(damaged)


def _outcome(content: bytes, run: str, step: int) -> str:
    try:
        unpack(content, run=run, step=step)
    except CheckpointError:
        return "refused"
    except Exception:
        return "other"
    return "believed"


def _fill(folder: Path) -> None:
    with (folder / "other").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
