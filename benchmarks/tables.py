"""The results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.masks import KINDS as KINDS_OF_MASKS
from benchmarks.profile import PARTS, WHOLES
from benchmarks.works import REFERENCE
from directloss.report import tables as report

__all__ = ["count", "figures", "machine", "markdown", "seconds", "sections", "size", "table"]

Row = dict[str, Any]
KINDS = ("reference", "task", "peer", "metric")
NONE = "–"


def markdown(results: dict[str, Any]) -> str:
    """Machine, and every section that was measured."""
    parts = ["# Benchmarks", machine(results)]
    for name, text in sections(results).items():
        parts += [f"## {name.capitalize()}", text]
    return "\n\n".join(parts) + "\n"


def sections(results: dict[str, Any]) -> dict[str, str]:
    """The tables of each section that is in the results."""
    makers = {
        "speed": speed,
        "grid": grid,
        "scale": scale,
        "batches": batches,
        "retrieval": retrieval,
        "startup": startup,
        "whole": whole,
        "noise": noise,
        "masks": masks,
        "class_indices": class_indices,
        "estimators": estimators,
        "profile": profile,
    }
    return {
        name: make(results)
        for name, make in makers.items()
        if results.get(name) or results.get(f"{name}_summary")
    }


def machine(results: dict[str, Any]) -> str:
    """One paragraph: processor, system, versions, load, date."""
    here = results["machine"]
    vectors = ", ".join(f"{k} {'yes' if v else 'no'}" for k, v in here["flags"].items())
    packages = ", ".join(f"{name} {version}" for name, version in here["packages"].items())
    before, after = here["load_average"][0], results["load_average_at_end"][0]
    return (
        f"{here['processor']} ({here['family']}; {vectors}), {here['cores']} cores, "
        f"{here['memory_gib']} GiB. {here['system']}, Python {here['python']}, {packages}. "
        f"{here['date']}, load average {before} at the start and {after} at the end, "
        f"`{results['command']}`, {results['elapsed_seconds'] / 60:.0f} minutes."
    )


def speed(results: dict[str, Any]) -> str:
    """A table for each share: seconds and ratio at every size, memory at the largest, slope."""
    rows, text = results["speed"], []
    for share in dict.fromkeys(row["share"] for row in rows):
        text.append(f"**{share:.0%} positives**")
        text.append(_speed_table([r for r in rows if r["share"] == share], results["slopes"]))
    stopped = _stopped(rows)
    if stopped:
        text += ["Stopped:", stopped]
    return "\n\n".join(text)


def _speed_table(rows: list[Row], slopes: list[Row]) -> str:
    sizes = sorted({row["n"] for row in rows})
    share = rows[0]["share"]
    head = ["", *(f"n = {count(n)}" for n in sizes), "memory", "growth"]
    body = []
    for kind in KINDS:
        for work in dict.fromkeys(row["work"] for row in rows if row["kind"] == kind):
            mine = {r["n"]: r for r in rows if r["work"] == work and "seconds" in r}
            if not mine:
                continue
            slope = next(s for s in slopes if (s["work"], s["share"]) == (work, share))
            cells = [
                f"{seconds(mine[n]['seconds'])} ({times(mine[n]['ratio'])})" if n in mine else NONE
                for n in sizes
            ]
            largest = max(mine)
            at = "" if largest == sizes[-1] else f" at {count(largest)}"
            body.append(
                [
                    f"**{work}**" if kind == "task" else work + (", value" * (kind == "metric")),
                    *cells,
                    size(mine[largest]["growth_bytes"]) + at,
                    NONE if slope["seconds"] is None else f"{slope['seconds']:.2f}",
                ]
            )
    note = (
        f"Time of one step, in brackets times that of `{REFERENCE}` of the same scores; peak "
        "memory growth at the largest size; growth exponent of the time from n = 10⁴."
    )
    return f"{table(head, body)}\n\n{note}"


def _stopped(rows: Iterable[Row]) -> str:
    lines = [
        f"- {row['work']} at n = {count(row['n'])}, {row['share']:.0%}: {row['stopped']}"
        for row in rows
        if "stopped" in row
    ]
    return "\n".join(lines)


def grid(results: dict[str, Any]) -> str:
    """Median and worst cell of each direction and size."""
    head = ["", "n", "cells", "median", "worst", "worst cell", "median memory", "most memory"]
    body = []
    for row in results["grid_summary"]:
        cells = f"{row['done']} of {row['cells']}"
        line = [row["direction"], count(row["n"]), cells]
        if row["done"]:
            worst = row["worst"]
            line += [
                f"{seconds(row['seconds'])} ({times(row['ratio'])})",
                f"{seconds(worst['seconds'])} ({times(worst['ratio'])})",
                f"{worst['share']:.0%}, ε {worst['epsilon']:g}, shift {worst['shift']:g}",
                size(row["growth_bytes"]),
                size(row["most_growth_bytes"]),
            ]
        else:
            line += [NONE] * 5
        body.append(line)
    return table(head, body)


def grid_range(results: dict[str, Any]) -> str:
    """The cells of `grid`, in words."""
    shares, epsilons, shifts = (
        sorted({row[axis] for row in results["grid"]}) for axis in ("share", "epsilon", "shift")
    )
    return (
        f"shares of {_listed([f'{100 * share:g} %' for share in shares])}, epsilon "
        f"{epsilons[0]:g} to {epsilons[-1]:g}, shifts of "
        f"{_listed([f'{shift:g}' for shift in shifts])}: "
        f"{len(shares) * len(epsilons) * len(shifts)} cells"
    )


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def scale(results: dict[str, Any]) -> str:
    body = [
        [
            row["direction"],
            count(row["n"]),
            row["stopped"] if "stopped" in row else f"{row['seconds']:.3f} s",
            NONE if "stopped" in row else times(row["ratio"]),
            NONE if "stopped" in row else size(row["growth_bytes"]),
        ]
        for row in results["scale"]
    ]
    return table(["", "n", "forward + backward", f"{REFERENCE}", "peak memory growth"], body)


def batches(results: dict[str, Any]) -> str:
    body = [
        [
            f"{row['lists']:,} lists of {row['length']:,}, {row['layout']}",
            seconds(row["one_thread"]),
            seconds(row["two_threads"]),
            f"{row['speed_up']:.2f}",
            times(row["ratio"]),
        ]
        for row in results["batches"]
    ]
    return table(["", "1 thread", "2 threads", "speed-up", f"{REFERENCE} of the rows"], body)


def retrieval(results: dict[str, Any]) -> str:
    rows = results["retrieval"]
    if any("stopped" in row for row in rows):
        return f"Not measured: {rows[0]['stopped']}."
    body = [
        [
            row["n"],
            seconds(row["directloss"]),
            seconds(row["pytorch-metric-learning"]),
            f"{row['times_faster']:.0f}",
        ]
        for row in rows
    ]
    return table(["embeddings", "AP of every row", "its Smooth-AP", "times faster"], body)


def startup(results: dict[str, Any]) -> str:
    return table(
        ["once a process", "time"],
        [[row["what"], seconds(row["seconds"])] for row in results["startup"]],
    )


def whole(results: dict[str, Any]) -> str:
    """Three tables of the whole-data-set step."""
    kinds: dict[str, list[Row]] = {"memory": [], "overhead": [], "rounding": []}
    for row in results["whole"]:
        kinds[row["kind"]].append(row)
    # A small part of the growth does not depend on the rows: the slope starts at the second size.
    known = [row for row in kinds["memory"] if row["growth_bytes"] is not None][1:]
    memory = [[count(row["n"]), size(row["growth_bytes"])] for row in kinds["memory"]]
    if len(known) > 1:
        first, last = known[0], known[-1]
        slope = (last["growth_bytes"] - first["growth_bytes"]) / (last["n"] - first["n"])
        memory.append([f"a row, from {count(first['n'])} rows", f"{slope:.0f} bytes"])
    overhead = [
        [r["network"], count(r["n"]), count(r["chunk"]), seconds(r["seconds"]), times(r["ratio"])]
        for r in kinds["overhead"]
    ]
    rounding = [
        [row["network"], count(row["n"]), f"{row['same_scores']:.0e}", f"{row['end_to_end']:.0e}"]
        for row in kinds["rounding"]
    ]
    return "\n\n".join(
        [
            table(["rows", "peak memory growth"], memory),
            table(["network", "rows", "a chunk", "step", "plain training"], overhead),
            table(["network", "rows", "same scores", "one forward pass"], rounding),
        ]
    )


def noise(results: dict[str, Any]) -> str:
    """Seconds of a step with noise, and its ratios to the plain step."""
    rows = results["noise"]
    found = {
        (row["task"], row["n"]): f"{seconds(row['seconds'])} ({times(row['ratio'])}; "
        f"{times(row['alone'])}; {times(row['again'])})"
        for row in rows
    }
    sizes = sorted({row["n"] for row in rows})
    body = [
        [task, *(found[task, n] for n in sizes)]
        for task in dict.fromkeys(row["task"] for row in rows)
    ]
    return table(["", *(f"n = {count(n)}" for n in sizes)], body)


def masks(results: dict[str, Any]) -> str:
    """Ratios of a step with a mask to one without, one column a kind of mask."""
    rows = results["masks"]
    body = [[row["task"], *(times(row[kind]) for kind in KINDS_OF_MASKS)] for row in rows]
    return table(["", *KINDS_OF_MASKS.values()], body)


def class_indices(results: dict[str, Any]) -> str:
    """Memory and time of each loss, and their ratios to cross-entropy."""
    body = [
        [
            row["loss"],
            f"{size(row['growth_bytes'])} ({times(row['memory_ratio'])})",
            f"{seconds(row['seconds'])} ({times(row['ratio'])})",
        ]
        for row in results["class_indices"]
    ]
    return table(["", "memory", "time"], body)


def estimators(results: dict[str, Any]) -> str:
    """Seconds of a fit, and its ratio to that of the peer."""
    body = [
        [
            f"{count(row['rows'])} × {row['columns']}",
            row["task"],
            seconds(row["seconds"]),
            seconds(row["peer_seconds"]),
            times(row["ratio"]),
        ]
        for row in results["estimators"]
    ]
    head = ["rows × features", "task", "DirectLossClassifier", "LogisticRegression", "ratio"]
    return table(head, body)


def profile(results: dict[str, Any]) -> str:
    body = [
        [
            row["direction"],
            count(row["n"]),
            *(_share(row[part], row["step"]) for part in PARTS),
            *(seconds(row[whole]) if whole in row else NONE for whole in WHOLES),
        ]
        for row in results["profile"]
    ]
    return table(["", "n", *PARTS, *WHOLES], body)


def _share(part: float, whole: float) -> str:
    """A part of a time; none where it is below the noise."""
    return f"{seconds(part)} ({part / whole:.0%})" if part > 0.0 else NONE


def table(head: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    """A Markdown table, numbers to the right."""
    return report.markdown(head, body).removesuffix("\n")


def count(n: int) -> str:
    """1000000 as 10⁶, 20000 as 20,000."""
    digits = str(n)
    if n >= 1000 and digits.strip("0") == "1":
        return "10" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(d)] for d in str(len(digits) - 1))
    return f"{n:,}"


def seconds(value: float) -> str:
    """Three figures in the unit that fits."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{figures(value / scale)} {unit}"
    return f"{figures(value * 1e9)} ns"


def times(ratio: float) -> str:
    return f"×{figures(ratio)}"


def size(value: float | None) -> str:
    """Bytes as megabytes of 10⁶."""
    return NONE if value is None else f"{figures(value / 1e6)} MB"


def figures(value: float) -> str:
    """Three figures."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
