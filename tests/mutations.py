"""Break the package on purpose, in one place at a time, and see which tests fail.

    python -m tests.mutations --document docs/mutations.md

A copy of the sources is changed, never the sources. Each mutation is a defect that a reader could
overlook and names the tests that must fail; on the unchanged sources the same tests must pass. A
change in a kernel is compiled separately: about ten minutes of one core in all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/directloss")


@dataclass(frozen=True)
class Mutation:
    """A defect.

    Attributes:
        what: in words.
        file: in the package.
        old, new: what is replaced there, the one place where `old` stands.
        tests: arguments of pytest, which choose the tests that must notice.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "an off-by-one in the discount of average precision: 1 / (p + 1)",
        "tasks/pairs.py",
        "values = 1.0 / np.maximum(index, 1)",
        "values = 1.0 / np.maximum(index + 1, 1)",
        ("tests/tasks/test_pairs.py", "tests/test_functional.py", "-k", "AveragePrecision"),
    ),
    Mutation(
        "an off-by-one in the discount of NDCG: 1 / log2(p + 2)",
        "tasks/positions.py",
        "np.log2(index + 2.0)",
        "np.log2(index + 3.0)",
        ("tests/tasks/test_metrics.py", "-k", "NDCG or graded"),
    ),
    Mutation(
        "the shortcut for separable objectives, also in the negative direction",
        "inference/separable.py",
        "if drop > least + 4e-16 * largest:",
        "if sign > 0.0 and drop > least + 4e-16 * largest:",
        ("tests/inference/test_rankings.py", "tests/test_functional.py", "-k", "recision"),
    ),
    Mutation(
        "backtracking reads each row's maximum inside the corridor of the next row, as if its "
        "bits were stored there",
        "inference/corridor.py",
        "n = low[i] + cell - start",
        "n = max(low[i] + cell - start, low[min(i + 1, last - 1)])",
        ("tests/inference/test_corridor.py", "-k", "programme or words"),
    ),
    Mutation(
        "a metric at k is taken to be past its edge one position too early",
        "inference/corridor.py",
        "discounts[quiet - 1] == discounts[quiet]",
        "discounts[quiet] == discounts[min(quiet + 1, end)]",
        ("tests/inference/test_corridor.py", "-k", "between or enclose or words"),
    ),
    Mutation(
        "neighbours are pooled to their last value, not to their mean",
        "inference/pooled.py",
        "total += sums[blocks]",
        "total *= sizes[blocks] / size + 1",
        ("tests/inference/test_pooled.py", "-k", "equals"),
    ),
    Mutation(
        "the positions of a batch's entries lie in memory that the next batch overwrites",
        "inference/memory.py",
        "in_use = before is not None and before() is not None",
        "in_use = False",
        ("tests/inference/test_memory.py", "tests/test_lists.py", "-k", "hold or outlive or use"),
    ),
    Mutation(
        "blocks are dropped by their mean gain, not by the bound on the gain of some of the cells",
        "inference/coarse_to_fine.py",
        "bound = size * w_most * ((mean - w_least) / (w_most - w_least))",
        "bound = size * max(mean, 0.0)",
        ("tests/inference/test_corridor.py", "-k", "optimum"),
    ),
    Mutation(
        "the ground truth may be one position below the end of a plateau",
        "inference/ground_truth.py",
        "plateau[row + fewest] - row",
        "plateau[row + fewest] + 1 - row",
        ("tests/inference/test_rankings.py", "tests/test_functional.py", "-k", "recision or steps"),
    ),
    Mutation(
        "the best fp of Tversky never comes back down",
        "inference/counts/walk.py",
        "            fp -= 1\n",
        "            break\n",
        ("tests/inference/test_counts.py", "-k", "best_of_all_subsets or every_pair"),
    ),
    Mutation(
        "transitions of the chain are read from the next label to the previous one",
        "inference/viterbi.py",
        "_best_step(before, matrix, k, weight)",
        "_best_step(before, matrix.T, k, weight)",
        ("tests/tasks/test_structured.py", "-k", "enumeration or differences"),
    ),
    Mutation(
        "the negative direction also adds epsilon * Delta",
        "functional.py",
        "Lowering(-1 / epsilon, -epsilon)",
        "Lowering(-1 / epsilon, epsilon)",
        ("tests/test_functional.py", "-k", "ZeroOne or NDCG"),
    ),
    Mutation(
        '"both" is the sum of the directions, not their mean',
        "functional.py",
        "half = 0.5 / epsilon",
        "half = 1.0 / epsilon",
        ("tests/test_functional.py", "-k", "ZeroOne or NDCG"),
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What the tests said: how many ran, and the names of those that failed."""

    ran: int
    failed: tuple[str, ...]


def apply(mutation: Mutation, root: Path) -> None:
    """Change the copy at `root`.

    Raises:
        ValueError: the place is not there, or not the only one.
    """
    file = root / PACKAGE / mutation.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise ValueError(
            f"{mutation.file} has {mutation.old!r} {text.count(mutation.old)} times, wanted once"
        )
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")


def copy(root: Path) -> None:
    """What the tests need. File times stay, so that compiled kernels are found again."""
    for folder in ("src", "tests", "benchmarks"):
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copy2(ROOT / "pyproject.toml", root)


def run(tests: Sequence[str], root: Path) -> Outcome:
    """Run tests of the copy at `root` against the package of that copy."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    python = [sys.executable, "-c", "import directloss; print(directloss.__file__)"]
    found = subprocess.run(
        python, cwd=root, env=environment, capture_output=True, text=True, check=True
    ).stdout
    if not Path(found.strip()).is_relative_to(root):
        raise RuntimeError(f"the tests would import {found.strip()}, not the copy in {root}")
    report = root / "report.xml"
    pytest = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest, f"--junitxml={report}", *tests],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest {' '.join(tests)} did not run:\n{done.stdout}{done.stderr}")
    cases = list(ElementTree.parse(report).iter("testcase"))
    names = [
        case.get("name", "")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return Outcome(len(cases), tuple(names))


HEAD = """\
<!-- Written by `python -m tests.mutations`; changes made here by hand are lost. -->

# Mutations

    python -m tests.mutations --document docs/mutations.md

A test proves little until it has been seen to fail. Each row is a defect, made on purpose in one
place of a copy of the sources. It says how many of the tests that ran on the copy failed, and names
the first of them. On the unchanged sources all of them pass.

| what is broken | in | failed of ran | such as |
| --- | --- | ---: | --- |
"""


def row(mutation: Mutation, outcome: Outcome) -> str:
    first = f"`{outcome.failed[0]}`" if outcome.failed else "**none**"
    return (
        f"| {mutation.what} | `{mutation.file}` | {len(outcome.failed)} of {outcome.ran} | "
        f"{first} |\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="See which tests notice a slip.")
    parser.add_argument("--document", type=Path, help="where the table goes")
    parser.add_argument("--only", default="", help="those whose words contain this")
    given = parser.parse_args(arguments)
    chosen = [mutation for mutation in MUTATIONS if given.only in mutation.what]
    lines, good = [], True
    with TemporaryDirectory() as name:
        sound = Path(name) / "sound"
        copy(sound)
        for mutation in chosen:
            before = run(mutation.tests, sound)
            broken = Path(name) / "broken"
            shutil.copytree(sound, broken)
            apply(mutation, broken)
            outcome = run(mutation.tests, broken)
            shutil.rmtree(broken)
            lines.append(row(mutation, outcome))
            print(lines[-1], end="", flush=True)
            if before.failed:
                print(f"  but without it {before.failed[0]} fails too")
            good &= bool(outcome.failed) and not before.failed
    if given.document:
        given.document.write_text(HEAD + "".join(lines), encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
