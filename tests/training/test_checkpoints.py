from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from directloss.training.checkpoints import (
    CheckpointError,
    Checkpoints,
    pack,
    unpack,
)


def state(step: int) -> dict[str, Any]:
    return {
        "weights": {"a": torch.arange(5.0) + step},
        "optimiser": {"state": {0: {"momentum": torch.ones(2)}}, "groups": [{"params": [0]}]},
        "log": [0.1, None, float("nan")],
        "finished": False,
    }


def filled(folder: Path, steps: int = 3, keep: int = 3) -> Checkpoints:
    checkpoints = Checkpoints(folder, "mine", keep=keep)
    for step in range(steps):
        checkpoints.save(step, state(step))
    return checkpoints


def test_the_newest_state_comes_back(tmp_path: Path) -> None:
    found = filled(tmp_path).latest()
    assert found is not None
    assert found.step == 2
    assert found.refused == ()
    assert torch.equal(found.state["weights"]["a"], torch.arange(5.0) + 2)
    assert found.state["optimiser"]["state"][0]["momentum"].tolist() == [1, 1]
    assert found.state["log"][:2] == [0.1, None]


def test_only_the_last_ones_are_kept(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path, steps=7, keep=2)
    assert checkpoints.steps() == [5, 6]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [
        ".checkpoint",
        ".checkpoint",
        ".draft",
    ]


def test_an_empty_folder_holds_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "new", "mine").latest() is None


DAMAGES = {
    "empty": (lambda content: b"", "cut short, 0 bytes are left"),
    "title only": (lambda content: content[:10], "cut short, 10 bytes are left"),
    "torn": (lambda content: content[:400], "cut short: .* of .* bytes are left"),
    "flipped": (
        lambda content: content[:600] + bytes([content[600] ^ 1]) + content[601:],
        "checksum does not fit",
    ),
    "foreign": (lambda content: b"PK" + content, "no checkpoint of this program"),
    "other run": (lambda content: pack("theirs", 2, state(2)), "belongs to another run"),
    "other step": (lambda content: pack("mine", 1, state(1)), "is of step 1"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_file_that_cannot_be_believed_gives_way_to_the_one_before(
    name: str, tmp_path: Path
) -> None:
    damage, message = DAMAGES[name]
    checkpoints = filled(tmp_path)
    newest = tmp_path / "step-000000000002.checkpoint"
    newest.write_bytes(damage(newest.read_bytes()))
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 1
    (reason,) = found.refused
    assert re.search(message, reason), reason
    assert newest.with_name(f"{newest.name}.refused").exists()
    checkpoints.save(2, state(2))
    again = checkpoints.latest()
    assert again is not None
    assert (again.step, again.refused) == (2, ())


def test_no_good_file_is_an_error_and_not_a_fresh_start(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path)
    for path in tmp_path.glob("*.checkpoint"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="holds no checkpoint that can be believed"):
        checkpoints.latest()


class _RunsCode:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("ran",))


def test_loading_never_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    payload = io.BytesIO()
    torch.save({"weights": _RunsCode()}, payload, pickle_module=pickle)
    line = b'{"run": "mine", "step": 0, "bytes": %d}' % len(payload.getvalue())
    body = line + b"\n" + payload.getvalue()
    digest = hashlib.sha256(body).hexdigest().encode()
    content = pack("mine", 0, state(0)).split(b"\n")[0] + b"\n" + digest + b"\n" + body
    with pytest.raises(CheckpointError, match="holds what is not plain data"):
        unpack(content, run="mine", step=0)
    assert not Path("ran").exists()


@settings(max_examples=200)
@given(st.data())
def test_every_damage_is_found(data: st.DataObject) -> None:
    content = bytearray(pack("mine", 3, {"x": torch.arange(3)}))
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    with pytest.raises(CheckpointError):
        unpack(bytes(content), run="mine", step=3)


def test_what_a_crash_leaves_behind_is_not_taken_for_a_checkpoint(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path, steps=5)
    draft = tmp_path / "next.draft"
    draft.write_bytes(pack("mine", 9, state(9))[:500])  # killed while it wrote
    found = checkpoints.latest()
    assert found is not None
    assert (found.step, found.refused) == (4, ())


def test_a_disk_that_fills_up_later_does_not_stop_the_saving(small_disk: Path) -> None:
    weights = {"w": torch.zeros(100_000)}
    checkpoints = Checkpoints(small_disk / "run", "mine", keep=2)
    for step in range(3):
        checkpoints.save(step, weights)
    _fill(small_disk)
    for step in range(3, 8):
        checkpoints.save(step, weights)
    assert checkpoints.steps() == [6, 7]
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoints.save(8, {"w": torch.zeros(400_000)})
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 7


def test_a_disk_that_fills_up_at_once_keeps_fewer(small_disk: Path) -> None:
    checkpoints = Checkpoints(small_disk / "run", "mine", keep=3)
    weights = {"w": torch.zeros(100_000)}
    checkpoints.save(0, weights)
    _fill(small_disk)
    for step in range(1, 5):
        checkpoints.save(step, weights)
    assert checkpoints.steps() == [4]
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 4
    (small_disk / "other").unlink()
    for step in range(5, 9):
        checkpoints.save(step, weights)
    assert checkpoints.steps() == [6, 7, 8]


def test_a_disk_without_room_is_told_by_the_first_save(small_disk: Path) -> None:
    _fill(small_disk)
    checkpoints = Checkpoints(small_disk / "run", "mine")
    with pytest.raises(CheckpointError, match=r"cannot save to .*run: No space left"):
        checkpoints.save(0, {"w": torch.zeros(100_000)})
    assert checkpoints.steps() == []


def _fill(folder: Path) -> None:
    with (folder / "other").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_link_in_place_of_the_draft_is_not_followed(tmp_path: Path, link: Any) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run").mkdir()
    link(tmp_path / "run" / "next.draft", victim)
    checkpoints = filled(tmp_path / "run", steps=2)
    assert victim.read_text() == "precious"
    assert checkpoints.steps() == [0, 1]
    found = checkpoints.latest()
    assert found is not None
    assert found.refused == ()


def test_a_pipe_in_place_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path, steps=3)
    newest = tmp_path / "step-000000000002.checkpoint"
    newest.unlink()
    os.mkfifo(newest)
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 1
    assert "is refused" in found.refused[0]
