"""The pixels of an image file: one place decides what a file means as RGB in 0..255.

format        JPEG, PNG, BMP, WebP or TIFF, by the content and not by the name
size          at most `MOST_PIXELS`, known before anything is decoded
several       the first picture (of an animation, of the pages of a TIFF)
orientation   upright, as EXIF asks for
opacity       what is transparent lets white through
deep grey     12 and 16 bits to 8: white is the largest number of so many bits
float grey    0 is black and 1 is white; other values are refused
whole numbers of 32 bits, or with a sign: refused, nothing says what white is
one colour that PNG calls transparent: found after its bits, too, have become 8
the rest      palettes, CMYK and YCbCr as the imaging library converts them; colour profiles
              are not applied
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from directloss.datasets.errors import DataError
from directloss.files import open_file, read_file

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
"""The formats that are read. The library knows others, which start other programs."""

MOST_PIXELS = 80_000_000
"""Of one image. Reading takes about a dozen bytes of memory for each."""

Levels = NDArray[np.uint8]

Size = tuple[int, int]
"""Width and height in pixels."""

_VERSION = b"pixels 3\n"  # counted up when a file comes to mean other pixels

# Tags of TIFF, and so of EXIF.
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION = 0x100, 0x101, 0x102, 0x106, 0x112
_SAMPLE_FORMAT, _WITH_SIGN = 0x153, 2
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)

_filters = threading.Lock()  # Python's warning filters belong to all threads


def read_pixels(file: Path) -> Image.Image:
    """The image, RGB and upright; see the module.

    Raises:
        DataError: it cannot be read; the message is the reason, without the file's name.
    """
    with _opened(file) as image:
        _scale_transparency(image)
        image.load()
        # Asked after loading: for a TIFF the library has turned the pixels by then.
        upright = _UPRIGHT.get(_orientation(image))
        rgb = _rgb(image)
        return rgb if upright is None else rgb.transpose(upright)


def read_size(file: Path) -> tuple[Size, Size]:
    """Width and height, upright and as stored; no pixels are decoded where the head tells both.

    Raises:
        DataError: as for `read_pixels`, damaged pixels aside.
    """
    with _opened(file) as image:
        tags = _tags(image)  # of a TIFF: its size is that on the screen in some releases only
        width, height = stored = (
            int(tags.get(_WIDTH, image.width)),
            int(tags.get(_HEIGHT, image.height)),
        )
        return ((height, width) if _orientation(image) in _ON_ITS_SIDE else stored), stored


def digest_of_pixels(file: Path) -> str:
    """What identifies the image: a digest of the file and of how it is read here.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return hashlib.sha256(_VERSION + read_file(file)).hexdigest()
    except OSError as error:
        raise DataError(error.strerror or str(error)) from error


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    try:
        with open_file(file) as content, _identified(content) as image:
            pixels = image.width * image.height
            if pixels > MOST_PIXELS:
                shape = f"{image.width} x {image.height}"
                raise DataError(f"it has {shape} pixels, at most {MOST_PIXELS:,} are read")
            yield image
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(
            f"damaged, or not an image that is read here ({', '.join(FORMATS)})"
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"it has more than {MOST_PIXELS:,} pixels") from error
    except Exception as error:  # decoders raise whatever they stumble over
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(reason or type(error).__name__) from error


def _identified(content: object) -> Image.Image:
    with _filters, warnings.catch_warnings():
        # Refused below with our own words, not warned of in those of the library.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(content, formats=FORMATS)  # type: ignore[arg-type]


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # of many kinds; what is damaged asks for no orientation, as in viewers
        return 1


def _tags(image: Image.Image) -> Mapping[int, Any]:
    found: Mapping[int, Any] = getattr(image, "tag_v2", {})
    return found


def _scale_transparency(image: Image.Image) -> None:
    """The library scales the levels of a PNG to 8 bits, but not the colour that is transparent.

    Of 16 bits it keeps the upper 8, so that all colours which become the same are transparent.
    """
    key = image.info.get("transparency")
    if not isinstance(image, PngImageFile) or key is None:
        return
    coded = image.tile[0].args
    if coded in ("L;2", "L;4"):
        image.info["transparency"] = key * 255 // (2 ** int(coded[-1]) - 1)
    elif coded == "RGB;16B":
        image.info["transparency"] = tuple(level >> 8 for level in key)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        return _grey(image, _levels_of_floats(np.asarray(image)))
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return _grey(image, _levels_of_integers(np.asarray(image), _bits(image)))
    if image.mode.startswith("I") or _WITH_SIGN in _tags(image).get(_SAMPLE_FORMAT, ()):
        raise DataError(
            "its grey values are whole numbers of 32 bits or with a sign, and nothing says what is "
            "white: save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _bits(image: Image.Image) -> int:
    return int(_tags(image).get(_BITS, (16,))[0])


def _levels_of_integers(values: NDArray[np.integer], bits: int) -> Levels:
    white = 2**bits - 1
    levels: Levels = ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    return levels


def _levels_of_floats(values: NDArray[np.float32]) -> Levels:
    low, high = float(values.min()), float(values.max())
    # Written so that NaN fails, too.
    if not (low >= 0 and high <= 1):
        raise DataError(f"its values go from {low:g} to {high:g}, wanted: 0 (black) to 1 (white)")
    levels: Levels = np.rint(np.float32(255) * values).astype(np.uint8)
    return levels


def _grey(image: Image.Image, levels: Levels) -> Image.Image:
    """RGB of grey levels, with what the deep image says besides its values."""
    white_is_zero = _tags(image).get(_PHOTOMETRIC) == 0
    levels = 255 - levels if white_is_zero else levels
    if "transparency" in image.info:  # the one value that is transparent
        levels = np.where(np.asarray(image) == image.info["transparency"], np.uint8(255), levels)
    return Image.fromarray(levels).convert("RGB")
