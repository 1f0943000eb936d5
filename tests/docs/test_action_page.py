from __future__ import annotations

from types import ModuleType

import pytest

from benchmarks import archive
from tests.page_scripts import FOLDER, load


@pytest.fixture(scope="module")
def action() -> ModuleType:
    """The script that writes the page of the action experiment."""
    return load("action")


def test_the_interval_counts_that_splits_share_photographs(action: ModuleType) -> None:
    mean, width = action.interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert width == pytest.approx(4.302653 * (1 / 3 + 1) ** 0.5, rel=1e-6)


def test_the_page_is_what_the_kept_results_say(action: ModuleType) -> None:
    files = archive.read(action.ARCHIVE)
    assert (FOLDER / "action.md").read_text(encoding="utf-8") == action.page(files)


def test_the_picture_is_small_and_names_every_method(action: ModuleType) -> None:
    picture = (FOLDER / action.PICTURE).read_text(encoding="utf-8")
    assert len(picture) < 60_000
    for results in action.heads(archive.read(action.ARCHIVE)).values():
        for method in action.to_reference(results):
            assert f"{method}<" in picture


def test_a_later_run_adds_methods_and_has_to_agree(action: ModuleType) -> None:
    (results, *_) = action.read(archive.read(action.ARCHIVE), tuple(action.HEADS)).values()
    first = results.runs[0]
    mine = [run for run in results.runs if run.method == first.method]
    renamed = [run.model_copy(update={"method": "new"}) for run in mine]
    later = results.model_copy(update={"methods": [first.method, "new"], "runs": [first, *renamed]})
    both = action.joined(results, later)
    assert both.methods == [*results.methods, "new"]
    assert action.averages(both, "new") == action.averages(both, first.method)
    assert len(both.table.rows) == len(results.table.rows) + 1
    changed = first.model_copy(update={"test": first.test + 0.01})
    with pytest.raises(ValueError, match=f"{first.method}, {first.column}"):
        action.joined(results, results.model_copy(update={"runs": [changed]}))


def test_methods_are_listed_as_a_sentence_wants_it(action: ModuleType) -> None:
    assert action.listed([]) == "no method is"
    assert action.listed(["pos-ap"]) == "`pos-ap` is"
    assert action.listed(["a", "b"]) == "`a`, `b` are"
