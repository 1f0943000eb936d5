"""The pages of comparisons are what their archives say."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from benchmarks import archive
from tests.page_scripts import FOLDER, load

PAGES = load("comparisons").PAGES
KEPT = [name for name in PAGES if archive.path_of(name).exists()]


@pytest.fixture(scope="module")
def write() -> ModuleType:
    """The script that writes the pages."""
    return load("write")


@pytest.mark.parametrize("name", KEPT)
def test_the_page_is_what_its_archive_says(write: ModuleType, name: str) -> None:
    target = FOLDER / f"{name}.md"
    text = write.page_text(PAGES[name], write.results_of(name), archive.path_of(name), target)
    assert target.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", KEPT)
def test_the_picture_is_small_and_names_every_method(write: ModuleType, name: str) -> None:
    picture = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert len(picture) < 60_000
    for method in write.results_of(name)[0].methods:
        assert f">{method}<" in picture


def test_the_demo_has_a_page_of_its_own(write: ModuleType) -> None:
    assert "digits" in KEPT
    (results,) = write.results_of("digits")
    assert results.command[:6] == ["directloss", "compare", "--data", "digits", "--trials", "3"]
    assert len(results.columns) == 10


def test_a_page_speaks_of_the_folder_that_its_commands_read() -> None:
    told = {name for name in KEPT if "folder of data" in (FOLDER / f"{name}.md").read_text()}
    assert told == set(KEPT) - {"digits", "diabetes"}


def test_the_demo_has_a_case_that_the_rule_calls_good(write: ModuleType) -> None:
    (results,) = write.results_of("diabetes")
    assert results.command[:4] == ["directloss", "compare", "--data", "diabetes"]
    kept = []
    for run in results.runs:
        if run.method == "logistic":
            at = int(np.argmax(run.history.validation))
            kept.append((run.history.train[at], run.history.validation[at]))
    train, validation = 100.0 * np.mean(kept, axis=0)
    assert train < 80.0
    assert abs(train - validation) < 5.0


def test_refining_is_compared_split_by_split(write: ModuleType) -> None:
    (results,) = write.results_of("diabetes")
    tests = {name: [r.test for r in results.runs if r.method == name] for name in results.methods}
    gains = 100.0 * np.subtract(tests["refine"], tests["tuned"])
    error = gains.std(ddof=1) / len(gains) ** 0.5
    assert f" is {gains.mean():+.1f} ± {error:.1f} (" in write.paired(results, ("refine", "tuned"))
    (other,) = write.results_of("mammography")
    assert write.paired(other, ("refine", "tuned")) == ""


def test_the_answer_names_the_best_method_and_cross_entropy(write: ModuleType) -> None:
    cells = {"logistic": (70.0, 2.0), "pos": (71.0, 1.0), "neg": (60.0, None)}
    assert write.answer({"AP": cells}) == (
        "`pos` is best at 71.0 ± 1.0; cross-entropy (`logistic`) reaches 70.0 ± 2.0. "
        "The difference is less than one standard deviation."
    )
    cells["pos"] = (65.0, 1.0)
    assert write.answer({"one": cells, "two": {**cells, "neg": (80.0, 1.0)}}) == (
        "one: Cross-entropy (`logistic`) is best at 70.0 ± 2.0, ahead of `pos` at 65.0 ± 1.0. "
        "two: `neg` is best at 80.0 ± 1.0; cross-entropy (`logistic`) reaches 70.0 ± 2.0."
    )
