"""What single tests need that the oldest allowed releases, or torch built for a CPU, lack."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch

kernels_as_python = pytest.mark.skipif(
    int(np.__version__.split(".")[0]) < 2,
    reason="an unsigned number and an int made a float before numpy 2, unlike in a kernel",
)
locators = pytest.mark.skipif(
    not hasattr(numba.config, "CACHE_LOCATOR_CLASSES"),
    reason="numba does not let users choose where code is kept before 0.62",
)
stand_ins_of_a_device = pytest.mark.skipif(
    torch.version.cuda is None, reason="torch was built without CUDA, of which tensors are faked"
)
one_graph = pytest.mark.skipif(
    torch.__version__ < torch.torch_version.TorchVersion("2.14"),
    reason="a graph breaks at a context variable before torch 2.14",
)
