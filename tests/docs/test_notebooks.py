"""The notebooks run from top to bottom, and are kept without their output."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MATPLOTLIB = "module://matplotlib_inline.backend_inline"
NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_is_kept(path: Path) -> None:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One for all notebooks: what it has imported takes longer than they do."""
    pytest.importorskip("ipykernel", reason="needs directloss[docs]")
    pytest.importorskip("nbclient", reason="needs directloss[docs]")
    manager = pytest.importorskip("jupyter_client").KernelManager()
    folder = tmp_path_factory.mktemp("notebooks")
    environment = {"IPYTHONDIR": str(folder), "MPLBACKEND": MATPLOTLIB}
    manager.start_kernel(cwd=str(folder), env={**os.environ, **environment})
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.filterwarnings("default")  # those of the kernel's packages are not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, kernel: Any, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs directloss[docs]")
    nbformat = pytest.importorskip("nbformat", reason="needs directloss[docs]")
    notebook = nbformat.read(path, as_version=4)
    # No name of another notebook is left over.
    fresh = f"%cd -q {tmp_path}\n%reset -f\nassert 'dl' not in globals()"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(fresh))
    client = nbclient.NotebookClient(notebook, timeout=600, km=kernel)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert last.execution_count and last.outputs
