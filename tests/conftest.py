"""Every test is strict and repeatable: fixed seeds, one thread, no read of unset memory."""

from __future__ import annotations

import logging
import os
import random
import signal
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

# The order of additions, and so the last bits of a sum, depend on the number of threads.
torch.set_num_threads(1)
# This also fills new memory with NaN: an entry that nobody wrote shows.
torch.use_deterministic_algorithms(True)

# pytest's own handlers are switched off: at each phase of each test they go to every logger that
# passes nothing on, and torch alone has dozens. With no handler at all records would be printed.
logging.getLogger().addHandler(logging.NullHandler())

# A kernel is compiled at its first call, far beyond hypothesis' deadline.
hypothesis.settings.register_profile("strict", deadline=None, derandomize=True)
hypothesis.settings.load_profile("strict")

# Shells start background jobs with Ctrl-C ignored, and programs under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)
    # torch.manual_seed also keeps, for a GPU that is not used, who called it: 2 ms a test.
    torch.default_generator.manual_seed(0)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets, named by DIRECTLOSS_DATA."""
    name = os.environ.get("DIRECTLOSS_DATA")
    if not name:
        pytest.skip("real data: set DIRECTLOSS_DATA to the folder that holds it")
    folder = Path(name)
    if not folder.is_dir():
        pytest.fail(f"DIRECTLOSS_DATA is {name!r}, which is not a folder")
    return folder
