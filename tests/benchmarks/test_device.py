"""The benchmark of solvers on a device, where there is none."""

from __future__ import annotations

import pytest
import torch

import directloss as dl
from benchmarks import device


def test_seconds_of_every_step_beside_the_sort(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the host, which stands for a device."""
    monkeypatch.setattr(device, "ROUNDS", 1)
    monkeypatch.setattr(device, "UPDATES", ((dl.ROCAUC(), "positive"), (dl.ZeroOne(), "negative")))
    device.print_seconds(torch.device("cpu"), ((64,), (3, 20)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| step | solver | 64 | 3 x 20 |"
    assert lines[4].startswith("| torch.sort |  |") and lines[4].count("(x1)") == 2
    assert [line.split(" | ")[1] for line in lines[6:]] == ["host", "device"] * 2


def test_launches_grow_with_what_a_step_does_not_with_its_length() -> None:
    short, long = (device.launches(dl.ROCAUC(), "positive", (n,)) for n in (1_000, 100_000))
    assert short.operations == long.operations > 20
    assert long.bytes == pytest.approx(100 * short.bytes, rel=0.01)
    assert device.launches(dl.ZeroOne(), "positive", (1_000,)).operations < short.operations


def test_the_table_of_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "UPDATES", ((dl.ROCAUC(), "positive"),))
    device.print_counts((1_000,), compiled=False)
    assert "| ROCAUC() positive | " in capsys.readouterr().out
