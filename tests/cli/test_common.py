from __future__ import annotations

import struct
import warnings
from pathlib import Path

from PIL import Image

from directloss.cli._common import one_line_errors
from directloss.datasets.pixels import read_pixels


def test_the_imaging_library_says_nothing_beside_the_commands_own_words(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    damaged = b"Exif\0\0II*\0" + struct.pack("<I", 1 << 30)  # its tags lie behind its end
    Image.new("RGB", (4, 4), "red").save(file, exif=damaged)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        read_pixels(file)
        assert said
        said.clear()
        with one_line_errors("stopped", {}):
            assert read_pixels(file).size == (4, 4)
        assert not said
