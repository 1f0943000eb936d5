"""What the pages show runs as it stands.

Every block that opens with ```python is run on its own, in an empty folder. One that is written for
another package opens with ```python needs PACKAGE, and runs where that is installed. One that needs
what no page can have, such as the folder of a finished run or several processes, opens with
```python no-run instead.
"""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python(?: needs (\w+))?\n(.*?)^```", re.DOTALL | re.MULTILINE)
PRINTED = re.compile(r"^print\(.*\)  # (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(((?!https?:)[^)#]+)")


def examples() -> list[object]:
    found = []
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text()), start=1):
            name = f"{page.relative_to(ROOT)} {number}"
            line = page.read_text()[: match.start(2)].count("\n")
            # Line numbers of a failure are those of the page.
            found.append(pytest.param(page, "\n" * line + match[2], match[1], id=name))
    return found


@pytest.mark.parametrize(("page", "code", "package"), examples())
def test_example(
    page: Path,
    code: str,
    package: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each block stands on its own. What it prints is what stands as a comment behind `print`."""
    if package is not None and find_spec(package) is None:
        pytest.skip(f"needs {package}, which is not installed")
    torch.manual_seed(0)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        if package is not None:
            warnings.simplefilter("default")  # those of the other package are not ours
        exec(compile(code, str(page), "exec"), {"__name__": "example"})
    expected = PRINTED.findall(code)
    if expected:
        assert capsys.readouterr().out.splitlines() == expected


def test_the_readme_shows_what_it_prints() -> None:
    first = BLOCK.search((ROOT / "README.md").read_text())
    assert first is not None and len(PRINTED.findall(first[2])) == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page}: {target}"


def test_every_family_has_an_example() -> None:
    pages = {page.stem for page in PAGES if BLOCK.search(page.read_text())}
    families = ("pairs", "positions", "counting", "multiclass", "structured")
    assert pages >= {*families, "index", "write-your-own-task", "README"}
