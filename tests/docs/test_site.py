"""The site: every page has a place, every public name a reference, and a bad link is found."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import directloss as dl
import directloss.functional
import directloss.tasks
import directloss.training

DOCS = Path(__file__).parents[2] / "docs"
SITE = DOCS / "site"
MODULES = {"directloss.errors", "directloss.functional"}

pytest.importorskip("sphinx", reason="needs directloss[docs]")


# One process for all: what Sphinx and its extensions import takes as long as a small site.
BUILD = """
import json, os, sys
from sphinx.cmd.build import build_main
for arguments, said in json.loads(sys.argv[1]):
    for stream in (1, 2):
        os.dup2(os.open(f"{said}.{stream}", os.O_WRONLY | os.O_CREAT), stream)
    with open(f"{said}.code", "w") as file:
        file.write(str(build_main(arguments)))
"""


class Built(NamedTuple):
    """A site, and what Sphinx said of it."""

    html: Path
    code: int
    output: str
    errors: str


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """The site, with notebooks that are shown and do not run; and that of a page a mistake."""
    folder = tmp_path_factory.mktemp("sites")
    bad = folder / "bad"
    bad.mkdir()
    # The order of the real site's pages would be added to one named index.
    (bad / "first.md").write_text("# Pages\n", encoding="utf-8")
    for name, (text, _) in MISTAKES.items():
        page = f"---\norphan: true\n---\n# A page\n\n{text}\n"
        (bad / f"{name}.md").write_text(page, encoding="utf-8")
    asked = []
    for name, source, first in (("bad site", bad, "first"), ("site", DOCS, "index")):
        target = folder / name
        options = ["--fail-on-warning", "--keep-going", "--quiet", "--conf-dir", str(SITE)]
        options += ["--doctree-dir", str(target / "doctrees"), "-D", "nb_execution_mode=off"]
        options += ["-D", f"root_doc={first}", str(source), str(target / "html")]
        asked.append((options, str(folder / f"{name}.said")))
    subprocess.run([sys.executable, "-c", BUILD, json.dumps(asked)], timeout=900, check=True)
    return {
        Path(said).stem: Built(
            Path(options[-1]),
            *(
                kind(Path(f"{said}.{part}").read_text(encoding="utf-8"))
                for kind, part in ((int, "code"), (str, "1"), (str, "2"))
            ),
        )
        for options, said in asked
    }


@pytest.fixture(scope="module")
def site(sites: dict[str, Built]) -> Path:
    built = sites["site"]
    assert built.code == 0, built.output + built.errors
    return built.html


def identifiers(page: Path) -> set[str]:
    return set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8")))


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    modules = directloss.tasks, directloss.training, directloss.functional
    names = {f"{module.__name__}.{name}" for module in modules for name in module.__all__}
    names |= {f"directloss.{name}" for name in dl.__all__}
    names |= {
        f"directloss.errors.{name}"
        for name, value in vars(dl.errors).items()
        if type(value) is type
    }
    # Tasks stand there by the shorter name, and a module has a page of its own.
    names = {name.replace("directloss.tasks.", "directloss.") for name in names} - MODULES
    found = set().union(*(identifiers(page) for page in (site / "reference").glob("*.html")))
    assert not names - found


def test_no_signature_spells_out_a_private_type(site: Path) -> None:
    for page in (site / "reference").glob("*.html"):
        text = re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
        assert not re.findall(r"(?<![\w.])_[A-Z]\w+", text), page


class Resources(HTMLParser):
    """What a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag in ("script", "img", "iframe", "source"):
            self.found.add(values.get("src") or "")
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev", "search"):
            self.found.add(values.get("href") or "")


def test_no_page_loads_anything_from_a_network(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        resources = Resources()
        resources.feed(page.read_text(encoding="utf-8"))
        assert not [name for name in resources.found if re.match(r"(https?:)?//", name)], page


def test_formulas_are_set_without_a_script(site: Path) -> None:
    theory = (site / "theory.html").read_text(encoding="utf-8")
    assert theory.count("<math") > 100
    assert "<munder><mo>lim</mo>" in theory
    assert "$" not in re.sub(r"<(script|math)\b.*?</\1>", "", theory, flags=re.DOTALL)


MISTAKES = {
    "page": ("[a page](nowhere.md)", "nowhere.md"),
    "anchor": ("[an anchor](first.md#nowhere)", "nowhere"),
    "formula": ("$\\nowhere x$", "nowhere"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_bad_link_and_an_unknown_formula_fail(name: str, sites: dict[str, Built]) -> None:
    built = sites["bad site"]
    lines = built.errors.splitlines()
    (line,) = (line for line in lines if f"{name}.md:" in line)
    assert "WARNING" in line and MISTAKES[name][1] in line.split("WARNING")[1]
    assert len(lines) == len(MISTAKES), "nothing else makes the build fail"
    assert built.code


def test_the_picture_of_the_decision_is_what_its_script_makes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(SITE))
    decision = import_module("decision")
    assert (DOCS / "which-loss.svg").read_text(encoding="utf-8") == decision.picture()
    for _, answers in decision.STEPS[1:]:
        for answer in answers:
            name = answer.split("(")[0]
            assert hasattr(dl, name) or hasattr(directloss.functional, name)
