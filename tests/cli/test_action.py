from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from directloss.cli._app import app
from directloss.paper.action.config import ActionExperiment
from tests.voc_folders import draw_actions

SMALL = "--weights random --size 64 --methods logistic,pos-ap --trials 1 --splits 1 --iterations 5"


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_actions(tmp_path_factory.mktemp("voc"))


def run(voc: Path, where: Path, *more: str) -> tuple[int, str]:
    """Exit code and output of `directloss experiment action`."""
    options = ["--voc", str(voc), *SMALL.split(), "--workers", "1"]
    places = ["--cache", str(where / "cache"), "--out", str(where / "out")]
    done = CliRunner().invoke(app, ["experiment", "action", *options, *places, *more])
    return done.exit_code, done.output


def test_from_photographs_to_a_page(voc: Path, tmp_path: Path) -> None:
    code, output = run(voc, tmp_path)
    assert code == 0, output
    assert "24 photographs, 36 persons; positives: jumping 9, waving 9" in output
    assert "logistic" in output and "pos-ap" in output
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count('<ul class="strip">') == 4
    assert (tmp_path / "out" / "results.json").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--split", "val"), "directloss: --split: "),
        (("--classes", "flying"), "directloss: --classes: got 'flying'"),
        (("--train", "some"), "directloss: --train: got 'some'"),
        (("--ambiguous", "maybe"), "directloss: --ambiguous: got 'maybe'"),
        (("--backbone", "nonet"), "directloss: --backbone: got 'nonet'"),
        (("--weights", "gone.pt"), "directloss: --weights: got 'gone.pt'"),
        (("--workers", "0"), "directloss: --workers: got 0"),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    voc: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    code, output = run(voc, tmp_path, *options)
    assert code == 2
    (line,) = (line for line in output.splitlines() if line.startswith("directloss:"))
    assert line.startswith(message)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_layout_is_one_line(tmp_path: Path) -> None:
    code, output = run(tmp_path, tmp_path)
    assert code == 2
    assert output.startswith(f"directloss: --voc: {tmp_path} has no folder JPEGImages")


@pytest.mark.parametrize(("module", "package"), [("PIL", "pillow"), ("torchvision", "torchvision")])
def test_a_missing_package_is_named(
    voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    code, output = run(voc, tmp_path)
    assert code == 2
    missing = f"experiment action needs {package}: pip install 'directloss[images]'"
    assert output == f"directloss: {missing}\n"


def test_the_defaults() -> None:
    fields = ActionExperiment.model_fields
    assert fields["iterations"].default == 300
    assert fields["padding"].default == 16
