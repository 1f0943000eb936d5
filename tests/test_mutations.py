"""The mutations of `tests/mutations.py` still fit the sources, and its verdict is to be trusted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import mutations
from tests.mutations import MUTATIONS, PACKAGE, ROOT, Mutation, Outcome, apply, row


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_mutation_changes_one_place_and_names_tests_that_exist(
    mutation: Mutation, tmp_path: Path
) -> None:
    file = tmp_path / PACKAGE / mutation.file
    file.parent.mkdir(parents=True)
    shutil.copy(ROOT / PACKAGE / mutation.file, file)
    apply(mutation, tmp_path)
    assert mutation.new in file.read_text(encoding="utf-8")
    compile(file.read_text(encoding="utf-8"), str(file), "exec")
    for argument in mutation.tests:
        assert (ROOT / argument).is_file() or not argument.endswith(".py")
    with pytest.raises(ValueError, match="wanted once"):
        apply(mutation, tmp_path)


def test_what_runs_is_the_copy(tmp_path: Path) -> None:
    """A package of one function and a test of it, whole and broken."""
    package, tests = tmp_path / PACKAGE, tmp_path / "tests"
    package.mkdir(parents=True)
    tests.mkdir()
    (package / "__init__.py").write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")
    (tests / "test_double.py").write_text(
        "import directloss\n\n\ndef test_double():\n    assert directloss.double(3) == 6\n\n\n"
        "def test_zero():\n    assert directloss.double(0) == 0\n",
        encoding="utf-8",
    )
    chosen = ("tests/test_double.py",)
    assert mutations.run(chosen, tmp_path) == Outcome(2, ())
    slip = Mutation("a sign", "__init__.py", "2 * x", "-2 * x", chosen)
    apply(slip, tmp_path)
    outcome = mutations.run(chosen, tmp_path)
    assert outcome == Outcome(2, ("test_double",))
    assert row(slip, outcome) == "| a sign | `__init__.py` | 1 of 2 | `test_double` |\n"
    with pytest.raises(RuntimeError, match="did not run"):
        mutations.run(("tests/test_nothing.py",), tmp_path)
