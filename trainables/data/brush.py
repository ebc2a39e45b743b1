"""Painting in unit coordinates: a square canvas, smooth closed curves, frames that move and turn, colours.

What every drawn picture shares; it knows neither birds nor gardens.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageColor, ImageDraw

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = Sequence[tuple[float, float]]


@lru_cache(maxsize=1024)
def rgb(colour: str) -> Colour:
    """The red, green and blue (0..255) of a `#rrggbb` colour."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """A colour made darker (factor below 1) or lighter, clipped to 0..255."""
    red, green, blue = colour
    return min(255, int(red * factor)), min(255, int(green * factor)), min(255, int(blue * factor))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """The colour that has `share` (0..1) of the other in it."""
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def smooth(points: np.ndarray, samples: int = 6) -> np.ndarray:
    """The closed Catmull-Rom spline through float points [n, 2], as [n * samples, 2] points."""
    t = np.arange(samples)[:, None] / samples
    # The uniform Catmull-Rom basis of the four neighbours around each segment.
    basis = 0.5 * np.hstack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]
    )
    around = np.stack([np.roll(points, 1, 0), points, np.roll(points, -1, 0), np.roll(points, -2, 0)], axis=1)
    curve: np.ndarray = np.einsum("sk,nkd->nsd", basis, around).reshape(-1, 2)
    return curve


def parse(points: str) -> np.ndarray:
    """The points of an outline written in hundredths, `x,y x,y`, as float64 [n, 2]."""
    return np.array([point.split(",") for point in points.split()], dtype=np.float64) / 100


@lru_cache(maxsize=1024)
def curve(points: str) -> np.ndarray:
    """`smooth` of an outline written in hundredths, computed once; the array is shared and read-only."""
    outline = smooth(parse(points))
    outline.flags.writeable = False
    return outline


class Frame:
    """An affine frame: local x along `ahead`, local y along `up`, both vectors of the picture (y down)."""

    def __init__(self, origin: np.ndarray, ahead: np.ndarray, up: np.ndarray) -> None:
        self.origin = origin
        self.axes = np.stack([ahead, up])

    def at(self, points: np.ndarray | Points) -> np.ndarray:
        """Local points [n, 2] in the picture's coordinates, float64 [n, 2]."""
        placed: np.ndarray = np.asarray(points) @ self.axes + self.origin
        return placed


class Canvas:
    """A square RGB picture, painted in coordinates 0..1 with y down; colours of four numbers are translucent."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.pixels = image.width
        self._draw = ImageDraw.Draw(image, "RGBA" if image.mode == "RGB" else None)

    def polygon(self, points: np.ndarray | Points, fill: tuple[int, ...] | int) -> None:
        """Fill the polygon through the points [n, 2]."""
        if isinstance(points, np.ndarray):
            flat = (points * self.pixels).ravel().tolist()
        else:
            flat = [value * self.pixels for value in chain.from_iterable(points)]
        self._draw.polygon(flat, fill=fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: tuple[int, ...] | int) -> None:
        """Fill an upright rectangle."""
        self.polygon(((left, top), (right, top), (right, bottom), (left, bottom)), fill)

    def trapezoid(
        self, x: float, top: tuple[float, float], bottom: tuple[float, float], fill: tuple[int, ...] | int
    ) -> None:
        """Fill an upright trapezoid about the middle `x`; `top` and `bottom` are each a height and a half width."""
        (high, above), (low, below) = top, bottom
        self.polygon(((x - above, high), (x + above, high), (x + below, low), (x - below, low)), fill)

    def disc(
        self, x: float, y: float, radius: float, fill: tuple[int, ...] | int, height: float | None = None
    ) -> None:
        """Fill a circle, or an ellipse where `height` (half of it) is given."""
        half = radius if height is None else height
        box = (x - radius, y - half, x + radius, y + half)
        self._draw.ellipse([value * self.pixels for value in box], fill=fill)

    def strokes(
        self, starts: np.ndarray, ends: np.ndarray, width: float, fills: Iterable[tuple[int, ...]]
    ) -> None:
        """Fill many tapered strokes: from `starts` [n, 2], broadest (`width`) at a third of the way, to `ends`."""
        along = ends - starts
        length = np.hypot(along[:, 0], along[:, 1])[:, None] + 1e-9
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) / length * (width / 2)
        middle = starts + along / 3
        corners = np.hstack([starts, middle + across, ends, middle - across]) * self.pixels
        for corner, fill in zip(corners.tolist(), fills, strict=True):
            self._draw.polygon(corner, fill=fill)
