"""The order of the package: imports run down, in no circle, and only commands need the paper."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import directloss

ROOT = Path(directloss.__file__).parent

LAYERS = (
    {"errors", "files", "terminal"},
    {"_arguments", "_copies", "_extras", "_solver", "_terms", "_world"},
    {"inference"},
    {"qrels"},
    {"lists"},
    {"_noise", "_solution", "_spread"},
    {"_range"},
    {"_unit"},
    {"_device", "_solve"},
    {"_operators"},
    {"_weights"},
    {"_update"},
    {"_one_against_rest"},
    {"tasks"},
    {"_stepped"},
    {"perturbation", "thresholds"},
    {"functional"},
    {"diagnostics"},
    {"losses"},
    {"directloss"},  # the names that users import
    {"training", "report", "integrations"},
    {"datasets"},
    {"models"},
    {"study"},
    {"jobs", "paper", "sklearn"},
    {"cli"},
    {"__main__"},
)
"""From the ground up: a module or folder imports those of layers below it, and itself."""


def _named(file: Path) -> str:
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {_named(file): file for file in ROOT.rglob("*.py")}


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imports(module: str) -> set[str]:
    """Modules of the package that a module imports when it runs, at its top or in a function."""
    tree = ast.parse(FILES[module].read_text())
    found: set[str] = set()
    for top in tree.body:
        for node in () if _is_for_types(top) else ast.walk(top):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{name.name}" for name in node.names}
                found |= (names & FILES.keys()) or {str(node.module)}
    return found & FILES.keys()


@cache
def all_imports() -> dict[str, set[str]]:
    return {module: _imports(module) for module in FILES}


def _part(module: str) -> str:
    return [*module.split("."), module][1]


def test_no_import_runs_upwards() -> None:
    level = {name: height for height, layer in enumerate(LAYERS) for name in layer}
    upwards = [
        f"{module} imports {other}"
        for module, others in all_imports().items()
        for other in others
        if _part(module) != _part(other) and level[_part(other)] >= level[_part(module)]
    ]
    assert not upwards


def test_no_circle_between_modules() -> None:
    TopologicalSorter(all_imports()).prepare()


def test_only_their_commands_import_the_experiments_of_the_paper() -> None:
    assert {
        module
        for module, others in all_imports().items()
        if _part(module) != "paper" and any(_part(other) == "paper" for other in others)
    } == {f"directloss.cli.{command}" for command in ("action", "detection", "synthetic")}


def _messages(file: Path) -> list[str]:
    """The texts of a module but for its docstrings."""
    tree = ast.parse(file.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [
        text.value for text in texts if isinstance(text.value, str) and id(text) not in docstrings
    ]


def test_only_commands_write_dashes() -> None:
    found = {
        module: text
        for module, file in FILES.items()
        if not module.startswith("directloss.cli")
        for text in _messages(file)
        if re.search(r"(?<![\w-])--[a-z]", text)
    }
    assert not found
