from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from benchmarks.reliability.document import write_page
from benchmarks.reliability.fuzz import Target, make_targets, mutated
from directloss.errors import DirectLossError
from directloss.training.checkpoints import pack


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Target]:
    return make_targets(tmp_path_factory.mktemp("fuzz"))


def test_every_reader_reads_the_files_that_it_is_fuzzed_with(
    targets: Mapping[str, Target], tmp_path: Path
) -> None:
    for name, target in targets.items():
        for k, seed in enumerate(target.seeds):
            file = tmp_path / f"{name}-{k}{target.ending}"
            file.write_bytes(seed)
            target.read(file)


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_read_or_refused(targets: Mapping[str, Target], tmp_path: Path) -> None:
    draw = random.Random(7)
    refused = 0
    for target in targets.values():
        for k in range(12):
            file = tmp_path / f"{k}{target.ending}"
            file.write_bytes(mutated(draw.choice(target.seeds), target.seeds, draw))
            try:
                target.read(file)
            except DirectLossError as error:
                assert str(error)
                refused += 1
    assert refused > 6 * len(targets)


def test_mutations_change_files() -> None:
    content = pack("r", 1, {"x": torch.arange(4)})
    draw = random.Random(0)
    changed = [mutated(content, [content], draw) != content for _ in range(200)]
    assert sum(changed) > 180


def test_the_page_shows_the_figures(tmp_path: Path) -> None:
    record = {"figures": {"kills": 1234}, "seconds": 5, "date": "2026-01-02", "machine": "2 cores"}
    (tmp_path / "kills.json").write_text(json.dumps(record))
    per_reader = {"figures": {"CSV": {"files": 2}, "npz": {"files": 3}}}
    (tmp_path / "fuzz.json").write_text(json.dumps(record | per_reader))
    write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "| kills | 1,234 |" in page
    assert "| all | 5 |" in page
    assert "2026-01-02, 5 s on 2 cores." in page
