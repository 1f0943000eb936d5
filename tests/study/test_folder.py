from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from directloss.study.folder import CONFIGURATION, FolderError, output_folder

HOLD = """
import sys, time
from pathlib import Path
from directloss.study.folder import output_folder
with output_folder(Path(sys.argv[1]), {}):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_same_configuration_opens_the_folder_again(tmp_path: Path) -> None:
    for _ in range(2):
        with output_folder(tmp_path / "new" / "out", {"trials": 4, "hidden": (3, 2)}) as folder:
            assert (folder / CONFIGURATION).is_file()


def test_another_configuration_is_refused_and_named(tmp_path: Path) -> None:
    with output_folder(tmp_path, {"trials": 4, "seeds": 2}):
        pass
    before = (tmp_path / CONFIGURATION).read_text()
    with (
        pytest.raises(FolderError, match=r"another comparison \(trials was 4, now 8\)"),
        output_folder(tmp_path, {"trials": 8, "seeds": 2}),
    ):
        pass
    assert (tmp_path / CONFIGURATION).read_text() == before


def test_two_processes_do_not_share_a_folder_and_death_frees_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(FolderError, match="another process is working in"),
            output_folder(tmp_path, {}),
        ):
            pass
        holder.kill()
    with output_folder(tmp_path, {}):
        pass


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_torn_configuration_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / CONFIGURATION).write_text(content)
    with pytest.raises(FolderError, match="is not a configuration"), output_folder(tmp_path, {}):
        pass


def test_trials_without_configuration_are_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "trials.sqlite3").touch()
    with pytest.raises(FolderError, match="without configuration"), output_folder(tmp_path, {}):
        pass


@pytest.mark.parametrize("name", ["model.json", "configuration.toml"])
def test_the_folder_of_a_training_is_not_taken_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    wanted = rf"^out: .* is that of a training \({name}\); choose another folder$"
    with pytest.raises(FolderError, match=wanted), output_folder(tmp_path, {}):
        pass
    assert not (tmp_path / CONFIGURATION).exists()
    with output_folder(tmp_path):
        pass


def test_a_folder_below_a_file_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(FolderError, match="out: cannot write to"),
        output_folder(tmp_path / "file" / "out", {}),
    ):
        pass
