import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from trainables.data.photo import UnusableImageError, decode, read


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


def quadrants() -> Image.Image:
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (64, 64), "red")
    image.paste("lime", (32, 0, 64, 32))
    image.paste("blue", (0, 32, 32, 64))
    image.paste("white", (32, 32, 64, 64))
    return image


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """Of the four quadrants' centres, which colours are bright: one bit a channel."""
    return [tuple((pixels[y, x] > 127).astype(int).tolist()) for y in (8, 24) for x in (8, 24)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_taken_sideways_is_turned_upright(orientation: int, kind: str) -> None:
    undone_by = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    image = quadrants()
    if orientation in undone_by:
        image = image.transpose(Image.Transpose(undone_by[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert corners(decode(encoded(image, kind, exif=exif), 32)) == [
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (1, 1, 1),
    ]


def sideways_exif() -> bytearray:
    exif = Image.Exif()
    exif[0x0112] = 8
    exif[0x0132] = "2020:01:01 00:00:00"
    return bytearray(exif.tobytes())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_that_no_one_can_read_leaves_the_photo_as_it_is_stored(kind: str) -> None:
    exif = sideways_exif()
    exif[6:8] = b"??"
    assert corners(decode(encoded(quadrants(), kind, exif=bytes(exif)), 32))[0] == (1, 0, 0)


def test_a_photo_is_turned_upright_whatever_else_its_exif_holds() -> None:
    exif = sideways_exif()
    date = exif.index(b"\x01\x32") + 2
    exif[date : date + 2] = b"\x00\x05"  # the date as fractions
    image = quadrants().transpose(Image.Transpose.ROTATE_270)
    assert corners(decode(encoded(image, "JPEG", exif=bytes(exif)), 32))[0] == (1, 0, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 16, 32))
    if mode == "PA":
        stream = encoded(image.convert("RGBA").quantize(8), "PNG")
    else:
        stream = encoded(image.convert(mode), "PNG")
    pixels = decode(stream, 32)
    assert pixels[:, :12].max() == 0
    assert pixels[:, 20:].min() == 255


def test_half_transparent_black_becomes_gray() -> None:
    assert np.all(decode(encoded(Image.new("RGBA", (32, 32), (0, 0, 0, 128))), 32) == 127)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight_and_not_clipped(kind: str) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (256, 1))
    pixels = decode(encoded(Image.fromarray(ramp), kind), 256)
    assert np.array_equal(
        pixels, np.repeat(np.tile(np.arange(256, dtype=np.uint8), (256, 1))[..., None], 3, -1)
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    kind = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
    image = Image.new("RGB", (32, 32), "white")
    image.paste("black", (0, 0, 16, 32))
    pixels = decode(encoded(image.convert(mode), kind), 32)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert pixels[:, :12].max() < 8
    assert pixels[:, 20:].min() > 247


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (301, 100)])
def test_the_centre_square_is_kept(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "red")
    left, top = (size[0] - 100) // 2, (size[1] - 100) // 2
    image.paste("lime", (left, top, left + 100, top + 100))
    inside = decode(encoded(image), 32)[4:-4, 4:-4]
    assert np.all(inside == [0, 255, 0])


def test_shrinking_while_decoding_changes_real_photos_by_less_than_an_eye_sees(uk_garden_birds: Path) -> None:
    for path in sorted(uk_garden_birds.glob("withBackground/Robin/*.jpg"))[:10]:
        with path.open("rb") as stream:
            fast = decode(stream, 32).astype(float)
        with Image.open(path) as image:
            exact = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.LANCZOS), float)
        assert np.abs(fast - exact).mean() < 1.5


# In XYZ under D50, as phones embed it.
DISPLAY_P3 = {
    b"rXYZ": (0.51512, 0.2412, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.1571, 0.06657, 0.78407),
}


def display_p3() -> bytes:
    """The ICC profile of sRGB with other primaries, under another name."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, primary in DISPLAY_P3.items():
        at = content.index(tag)
        offset = struct.unpack(">I", content[at + 4 : at + 8])[0]
        content[offset + 8 : offset + 20] = struct.pack(">3i", *(round(value * 65536) for value in primary))
    name = "sRGB built-in".encode("utf-16-be")
    return bytes(content).replace(name, "Display Three".encode("utf-16-be"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_colours_of_a_wide_space_are_brought_to_srgb(kind: str) -> None:
    # What Display P3 calls (234, 51, 35) is sRGB's purest red.
    image = Image.new("RGB", (64, 64), (234, 51, 35))
    stream = encoded(image, kind, icc_profile=display_p3(), **({"quality": 95} if kind == "JPEG" else {}))
    for pixels in (decode(stream, 32), np.asarray(read(stream))):
        assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 12


@pytest.mark.parametrize(
    "profile", [None, b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
def test_colours_without_a_space_of_their_own_stay(profile: bytes | None) -> None:
    image = Image.new("RGB", (64, 64), (234, 51, 35))
    assert np.all(decode(encoded(image, "PNG", icc_profile=profile), 32) == [234, 51, 35])


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    stream = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.all(decode(stream, 32) == [255, 0, 0])


def test_a_truncated_photo_is_refused() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        whole = encoded(noise, kind).getvalue()
        with pytest.raises(UnusableImageError, match=r"cannot be decoded|not an image"):
            decode(io.BytesIO(whole[: len(whole) // 2]), 32)


def test_what_is_no_image_is_refused_with_the_formats_that_are() -> None:
    for content in (b"", b"<html>not found</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n"):
        with pytest.raises(UnusableImageError, match="JPEG, PNG, WEBP, AVIF, BMP, GIF, TIFF"):
            decode(io.BytesIO(content), 32)


def test_sixteen_pixels_are_enough_and_fifteen_are_not() -> None:
    assert decode(encoded(Image.new("RGB", (16, 90))), 32).shape == (32, 32, 3)
    with pytest.raises(UnusableImageError, match="is 15 x 90 pixels, smaller than 16"):
        decode(encoded(Image.new("RGB", (15, 90))), 32)


def test_a_decompression_bomb_is_refused_before_it_goes_off() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000)))
    with pytest.raises(UnusableImageError, match="178 million pixels"):
        decode(io.BytesIO(bomb), 32)


def test_a_photo_of_a_hundred_megapixels_is_fine() -> None:
    assert decode(encoded(Image.new("L", (10_000, 10_000), 200), "JPEG"), 32).mean() == 200


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damage_anywhere_gives_a_picture_or_a_reason(kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(quadrants(), kind).getvalue())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnusableImageError):
        assert decode(io.BytesIO(bytes(content)), 32).shape == (32, 32, 3)
