"""One image file's bytes to an RGB picture: the whole, or a square of one size.

Says which files count as images and why one cannot be used. Finding files is `sources`, storing pictures is `pack`.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff"}
)
OTHER_SUFFIXES = frozenset({".heic", ".heif", ".jxl", ".jp2", ".psd", ".svg"}) | frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"}
)
"""Of pictures that are not read, for one to hear of them."""
MIN_SIDE = 16

# EXIF 2.32, 4.6.4: how the camera was held, and what turns the photo upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnusableImageError(ValueError):
    """An image that cannot be used; the message is the reason, without the image's name."""


def read(stream: BinaryIO) -> Image.Image:
    """Read one image as it is: RGB of 8 bits in sRGB, upright, alpha on white.

    Of an animation the first frame is taken. Raises `UnusableImageError` for whatever is not an image, is damaged, or
    has more pixels than Pillow's limit against decompression bombs (179 million).
    """
    with _opened(stream) as image:
        return _srgb(_rgb(_upright(image)), image.info.get("icc_profile"))


def decode(stream: BinaryIO, size: int) -> np.ndarray:
    """Read one image as uint8 [size, size, 3]: as `read` does, centre square, Lanczos.

    Raises `UnusableImageError` as `read` does, and for one with a side below `MIN_SIDE` pixels.
    """
    with _opened(stream) as image:
        return _square(image, size)


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[Image.Image]:
    """The image in a stream; within this context whatever Pillow raises is an `UnusableImageError`."""
    # Pillow warns of oddities (damaged EXIF, palettes, half of the bomb's limit) that do not spoil the picture.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(stream, formats=FORMATS) as image:
                yield image
        except UnusableImageError:
            raise
        except UnidentifiedImageError:
            raise UnusableImageError(
                f"not an image in one of the formats {', '.join(FORMATS)}: save it as one"
            ) from None
        except Image.DecompressionBombError:
            raise UnusableImageError("has more than 178 million pixels, as decompression bombs do") from None
        except Exception as error:  # on damaged files Pillow's parsers raise whatever they trip over
            raise UnusableImageError(f"cannot be decoded: {error or type(error).__name__}") from error


def _square(image: Image.Image, size: int) -> np.ndarray:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise UnusableImageError(f"is {width} x {height} pixels, smaller than {MIN_SIDE}")
    # JPEG decoders can shrink while decoding; twice the size leaves the filter enough to work on.
    image.draft("RGB", (2 * size, 2 * size))
    upright = _rgb(_upright(image))
    side = min(upright.size)
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    box = (left, top, left + side, top + side)
    square = upright.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return np.asarray(_srgb(square, image.info.get("icc_profile")))


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An RGB picture whose values are of the colour space that `profile` describes, in sRGB."""
    transform = None if profile is None else _to_srgb(profile)
    return image if transform is None else ImageCms.applyTransform(image, transform) or image


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """What takes RGB of this ICC profile to sRGB; None for sRGB itself, and for what is no profile of RGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != "RGB" or "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        # Not ImageOps.exif_transpose: it writes all of the EXIF anew and fails on what other programs left there.
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001  (unreadable EXIF tells no orientation; the pixels are sound)
        turn = None
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow clips integers wider than 8 bits instead of scaling them.
        deep = np.clip(np.asarray(image), 0, 65535).astype(np.uint32)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise UnusableImageError("holds floating-point values of unknown range")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image.convert("RGB")
