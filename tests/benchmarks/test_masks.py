"""The benchmark of masks runs, and a mask is cheap."""

from __future__ import annotations

import directloss as dl
from benchmarks.masks import ratios


def test_a_mask_costs_little() -> None:
    """1.2 at most where it was measured; here a limit that a busy machine keeps."""
    found = ratios(dl.AveragePrecision(), (16, 4000), rounds=15)
    assert set(found) == {"all", "padded", "random"}
    assert max(found.values()) < 1.6
