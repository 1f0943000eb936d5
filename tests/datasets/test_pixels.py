from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from directloss.datasets import DataError
from directloss.datasets.images import ImageRecipe
from directloss.datasets.pixels import MOST_PIXELS, digest_of_pixels, read_pixels, read_size
from directloss.datasets.voc import read_image

RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)
GREY = np.round(255 * RAMP).astype(np.uint8)
CORNER = np.zeros((8, 16, 3), np.uint8)
CORNER[:4, :4] = 255  # white above on the left


def pixels(file: Path) -> np.ndarray:
    """What both readers of images give, (height, width, 3)."""
    read = np.asarray(read_pixels(file))
    assert np.array_equal(read, np.asarray(read_image(file)))
    if read.shape[0] == read.shape[1]:
        assert np.array_equal(read, ImageRecipe(size=len(read)).load([file])[0].permute(1, 2, 0))
    return read


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_keep_their_levels(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"deep.{ending}"
    Image.fromarray(np.round(65535 * RAMP).astype(np.uint16)).save(file)
    read = pixels(file)
    assert np.array_equal(read, np.repeat(GREY[:, :, None], 3, axis=2))


def test_sixteen_bits_of_the_other_byte_order(tmp_path: Path) -> None:
    deep = np.round(65535 * RAMP).astype(">u2")
    image = Image.frombytes("I;16B", (64, 64), deep.tobytes())
    image.save(tmp_path / "deep.tif")
    assert np.array_equal(pixels(tmp_path / "deep.tif")[:, :, 1], GREY)


def test_a_deep_negative_is_turned_into_a_positive(tmp_path: Path) -> None:
    deep = np.round(65535 * (1 - RAMP)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "negative.tif")
    content = bytearray((tmp_path / "negative.tif").read_bytes())
    tag = struct.pack("<HHI", 262, 3, 1)  # photometric interpretation
    place = content.index(tag) + len(tag)
    assert content[place] == 1
    content[place] = 0  # white is zero
    (tmp_path / "negative.tif").write_bytes(content)
    assert np.array_equal(pixels(tmp_path / "negative.tif")[:, :, 0], GREY)


def test_floats_from_0_to_1_are_grey(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "f.tif")
    assert np.array_equal(pixels(tmp_path / "f.tif")[:, :, 2], GREY)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (255 * RAMP, "its values go from 0 to 255, wanted: 0 (black) to 1 (white)"),
        (RAMP - 0.5, "its values go from -0.5 to 0.5"),
        (np.where(RAMP == 1, np.nan, RAMP), "its values go from nan to nan"),
        (np.where(RAMP == 1, np.inf, RAMP), "its values go from 0 to inf"),
    ],
)
def test_floats_without_a_known_white_are_refused(
    tmp_path: Path, values: np.ndarray, reason: str
) -> None:
    Image.fromarray(values.astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(DataError) as caught:
        read_pixels(tmp_path / "f.tif")
    assert reason in str(caught.value)


def test_integers_without_a_known_white_are_refused(tmp_path: Path) -> None:
    Image.fromarray((70_000 * RAMP).astype(np.int32)).save(tmp_path / "i.tif")
    with pytest.raises(DataError, match="nothing says what is white: save it with 8 or 16 bits"):
        read_pixels(tmp_path / "i.tif")


ON_SCREEN = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}
"""Orientation -> (is the white corner below, is it on the right) in a viewer; EXIF 2.3, 4.6.4."""


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", ON_SCREEN)
def test_images_are_upright(tmp_path: Path, ending: str, orientation: int) -> None:
    file = tmp_path / f"turned.{ending}"
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(CORNER).save(file, exif=exif)
    read = pixels(file)
    height, width = (16, 8) if orientation > 4 else (8, 16)
    assert read.shape == (height, width, 3)
    assert read_size(file) == ((width, height), (16, 8))
    below, right = ON_SCREEN[orientation]
    bright = read[:, :, 0] > 128
    wanted = np.zeros((height, width), bool)
    wanted[height - 4 if below else 0 :, width - 4 if right else 0 :][:4, :4] = True
    assert np.array_equal(bright, wanted)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("damage", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_damaged_exif_asks_for_no_orientation(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "a.jpg"
    Image.fromarray(CORNER).save(file, exif=damage)
    assert pixels(file).shape == (8, 16, 3)
    assert read_size(file) == ((16, 8), (16, 8))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_white_shines_through(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))  # a red that is not to be seen
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    if mode == "PA":
        image = image.convert("P")
        image.info["transparency"] = image.getpixel((7, 0))
    else:
        image = image.convert(mode)
    image.save(tmp_path / "a.png")
    read = pixels(tmp_path / "a.png")
    assert read[:, :4].max() == 0
    assert read[:, 4:].min() == 255


def test_half_of_the_light_comes_through(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 100, 51)).save(tmp_path / "a.webp", lossless=True)
    assert pixels(tmp_path / "a.webp")[0, 0].tolist() == [204, 204, 224]


@pytest.mark.parametrize(("mode", "value"), [("L", 7), ("I;16", 7 * 257), ("RGB", (7, 7, 7))])
def test_one_value_may_be_transparent(tmp_path: Path, mode: str, value: object) -> None:
    image = Image.new(mode, (8, 8), value)  # type: ignore[arg-type]
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.png", transparency=value)
    read = pixels(tmp_path / "a.png")
    assert read[0, 0].tolist() == [0, 0, 0]
    assert read[1:].min() == 255


@pytest.mark.parametrize(
    ("mode", "ending"),
    [("1", "png"), ("L", "bmp"), ("P", "png"), ("P", "bmp"), ("CMYK", "tif"), ("YCbCr", "tif")],
)
def test_other_kinds_show_what_they_show_elsewhere(tmp_path: Path, mode: str, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    Image.fromarray(CORNER).convert(mode).save(file)
    assert np.abs(pixels(file).astype(int) - CORNER).max() <= 2


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_the_first_picture_of_several_is_read(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"several.{ending}"
    frames = [Image.new("RGB", (8, 8), (value, value, value)) for value in (0, 128, 255)]
    frames[0].save(file, save_all=True, append_images=frames[1:], lossless=True)
    assert pixels(file).max() == 0


def vast(width: int, height: int) -> bytes:
    """The head of a PNG of this size, and no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_000, 12_000, 50_000])
def test_a_vast_image_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    file = tmp_path / "vast.png"
    file.write_bytes(vast(side, side))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for read in (read_pixels, read_size):
            with pytest.raises(DataError, match=f"{MOST_PIXELS:,}"):
                read(file)
        with pytest.raises(DataError, match=r"cannot read the image .*vast\.png: it has"):
            ImageRecipe(size=8).load([file])
        with pytest.raises(DataError, match=r"JPEGImages/vast\.png cannot be read: it has"):
            read_image(file)
    assert caught == []


def test_the_name_does_not_choose_the_decoder(tmp_path: Path) -> None:
    pictures = {}
    for kind in ("GIF", "PPM", "ICO", "TGA", "PCX", "EPS", "PDF", "JPEG2000", "ICNS", "SGI"):
        content = io.BytesIO()
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(content, kind)
        pictures[kind] = content.getvalue()
    for kind, content in pictures.items():
        file = tmp_path / f"{kind}.jpg"
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"not an image that is read here \(JPEG, PNG, BMP"):
            read_pixels(file)


def test_a_pipe_or_a_folder_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("pipe.jpg", "folder.jpg"):
        for read in (read_pixels, read_size, digest_of_pixels):
            with pytest.raises(DataError, match="it is a folder, a pipe or a device, no file"):
                read(tmp_path / name)
    with pytest.raises(DataError, match="No such file"):
        read_pixels(tmp_path / "absent.jpg")


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    for kind in ("JPEG", "PNG", "BMP", "TIFF", "WEBP"):
        Image.fromarray(noise).save(file, kind)
        assert read_pixels(file).size == (64, 64)
        file.write_bytes(file.read_bytes()[:2000])
        with pytest.raises(DataError):
            read_pixels(file)


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    for name, value in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        Image.new("L", (8, 8), value).save(tmp_path / name)
    a, b, c = (digest_of_pixels(tmp_path / name) for name in ("a.png", "b.png", "c.png"))
    assert a == b != c


def png(bits: int, colour: int, row: bytes, transparent: bytes) -> bytes:
    """A row of pixels as PNG stores it, with the one colour that is transparent."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    width = 8 * len(row) // (bits * (3 if colour == 2 else 1))
    head = struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0)
    parts = ((b"IHDR", head), (b"tRNS", transparent), (b"IDAT", zlib.compress(b"\0" + row)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in (*parts, (b"IEND", b"")))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (png(1, 0, b"\x55", b"\0\0"), [255] * 8),
        (png(2, 0, b"\x1b", b"\0\1"), [0, 255, 170, 255]),
        (png(4, 0, b"\x07\x3f", b"\0\7"), [0, 255, 51, 255]),
        (png(8, 0, b"\x07\x77", b"\0\7"), [255, 119]),
        (png(16, 0, struct.pack(">2H", 257 * 7, 257 * 8), struct.pack(">H", 257 * 7)), [255, 8]),
        (
            png(16, 2, struct.pack(">6H", 0, 0, 0, 0, 0, 0x8000), struct.pack(">3H", 0, 0, 0x8000)),
            [0, 255],
        ),
    ],
)
def test_one_transparent_colour_of_any_depth(
    content: bytes, wanted: list[int], tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert pixels(tmp_path / "a.png")[0, :, 0].tolist() == wanted


def test_levels_with_a_sign_are_refused(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x153] = 2
    Image.fromarray(GREY).save(tmp_path / "s.tif", tiffinfo=tags)
    with pytest.raises(DataError, match="with a sign"):
        read_pixels(tmp_path / "s.tif")
