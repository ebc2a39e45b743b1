"""The garden around a drawn bird: what it stands on, what lies blurred behind, what grows in front.

A scene is a generator: its first step paints all that lies behind the bird, its second what grows in front. It knows
where the feet are, not which bird stands on them. Every random draw is in unit coordinates, never by the pixel.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageFilter

from trainables.data.brush import Canvas, Colour, mix, rgb, shade

BACKDROP = 48
"""Side of the blurred backdrop before it is enlarged: out of focus needs no more."""

LEAVES = ("#4f7f35", "#6b9a41", "#8cb556", "#3c6530", "#a9c46c")
GRASSES = ("#5c8f35", "#74a844", "#4a7a2e", "#8cba55", "#9dbb5a")


@dataclass(frozen=True)
class Stand:
    """Where the bird stands: feet and half its body's length in unit coordinates, the side it faces (1 or -1)."""

    x: float
    y: float
    unit: float
    facing: int
    large: bool
    """Too large for a feeder's peg."""


Scene: TypeAlias = Callable[[Canvas, np.random.Generator, Stand], Iterator[None]]


def _pick(rng: np.random.Generator, colours: Sequence[str], jitter: float = 0.12) -> Colour:
    return shade(rgb(colours[int(rng.integers(len(colours)))]), float(rng.uniform(1 - jitter, 1 + jitter)))


def _backdrop(
    canvas: Canvas,
    rng: np.random.Generator,
    top: str,
    bottom: str,
    spots: Sequence[str],
    count: int,
    low: float = 1.0,
    glints: int = 0,
) -> None:
    """Blurred depth: a gradient, `count` soft blots of colour down to `low`, and a few round glints of light."""
    ramp = np.linspace(0, 1, BACKDROP)[:, None, None] ** 0.9
    gradient = np.array(rgb(top)) * (1 - ramp) + np.array(rgb(bottom)) * ramp
    blurred = Canvas(Image.fromarray(np.repeat(gradient, BACKDROP, axis=1).astype(np.uint8)))
    for x, y, radius in rng.uniform((-0.1, -0.1, 0.04), (1.1, low, 0.20), (count, 3)).tolist():
        blurred.disc(x, y, radius, (*_pick(rng, spots), 120))
    soft = Canvas(blurred.image.filter(ImageFilter.BoxBlur(2)))
    for x, y, radius in rng.uniform((0, 0, 0.02), (1, low * 0.8, 0.06), (glints, 3)).tolist():
        soft.disc(x, y, radius, (*mix(_pick(rng, spots), (255, 255, 245), 0.45), 70))
    side = canvas.pixels
    canvas.image.paste(
        soft.image.filter(ImageFilter.BoxBlur(0.8)).resize((side, side), Image.Resampling.BICUBIC)
    )


def _leaf(canvas: Canvas, x: float, y: float, angle: float, length: float, colour: Colour) -> None:
    ahead = np.array([np.cos(angle), np.sin(angle)]) * length
    across = np.array([-ahead[1], ahead[0]]) * 0.30
    base = np.array([x, y])
    tip = base + ahead
    light = np.array([base, base + ahead * 0.3 + across, base + ahead * 0.65 + across * 0.85, tip])
    dark = np.array([base, base + ahead * 0.3 - across, base + ahead * 0.65 - across * 0.85, tip])
    canvas.polygon(light, shade(colour, 1.08))
    canvas.polygon(dark, shade(colour, 0.86))


def _grass(
    canvas: Canvas,
    rng: np.random.Generator,
    count: int,
    top: float,
    bottom: float,
    height: float,
    lean: float,
) -> None:
    """Blades from far (at `top`, small) to near (at `bottom`, tall)."""
    near = np.sort(rng.uniform(0, 1, count) ** 0.8)
    roots = np.stack([rng.uniform(-0.05, 1.05, count), top + near * (bottom - top)], axis=1)
    tall = (0.25 + 0.75 * near) * height * rng.uniform(0.6, 1.3, count)
    tips = roots + np.stack([rng.normal(lean, 0.35, count) * tall, -tall], axis=1)
    patch = 0.92 + 0.16 * np.sin(roots[:, 0] * 7 + roots[:, 1] * 15)
    kinds = np.array([rgb(colour) for colour in GRASSES])[rng.integers(0, len(GRASSES), count)]
    fills = (kinds * (patch * rng.uniform(0.86, 1.12, count))[:, None]).astype(int).tolist()
    canvas.strokes(roots, tips, 0.011, [tuple(fill) for fill in fills])


def _wood(
    canvas: Canvas, rng: np.random.Generator, box: tuple[float, float, float, float], colour: Colour
) -> None:
    """A board (left, top, right, bottom) with grain along its longer side and a light upper edge."""
    left, top, right, bottom = box
    canvas.box(left, top, right, bottom, colour)
    count = 9
    upright = bottom - top > right - left
    starts = rng.uniform((left, top), (right, bottom), (count, 2))
    run = rng.uniform(0.1, 0.4, count)
    ends = starts + (np.stack([0 * run, run], 1) if upright else np.stack([run, 0 * run], 1))
    ends = np.clip(ends, (left, top), (right, bottom))
    canvas.strokes(starts, ends, 0.008, [(*shade(colour, 0.72), 150)] * count)
    canvas.box(left, top, right, top + 0.008, shade(colour, 1.22))


def _shadow(canvas: Canvas, stand: Stand) -> None:
    """The bird's shadow on a narrow ledge."""
    canvas.disc(stand.x, stand.y + 0.006, stand.unit * 0.7, (30, 18, 10, 80), 0.011)


def _branch(canvas: Canvas, rng: np.random.Generator, stand: Stand, bark: Colour) -> np.ndarray:
    """A branch that passes under the feet; returns points [n, 2] along its upper side."""
    slope, bend = rng.uniform(-0.22, 0.22), rng.uniform(-0.25, 0.25)
    thick = max(0.032, 0.16 * stand.unit) * rng.uniform(0.9, 1.2)
    x = np.linspace(-0.05, 1.05, 23)
    off = x - stand.x
    knots = 0.004 * np.sin(x * 37 + rng.uniform(0, 6))
    upper = stand.y + slope * off + bend * off**2 + knots
    width = thick * (1.05 - 0.35 * x if rng.uniform() < 0.5 else 0.7 + 0.35 * x)
    top = np.stack([x, upper], axis=1)
    below = np.stack([x, upper + width], axis=1)
    core = np.stack([x, upper + width * 0.62], axis=1)
    canvas.polygon(np.vstack([top, below[::-1]]), shade(bark, 0.66))
    canvas.polygon(np.vstack([top, core[::-1]]), bark)
    begin, share = rng.uniform(-0.05, 1.0, 34), rng.uniform(0.1, 0.85, 34)
    starts, ends = (
        np.stack([along, np.interp(along, x, upper) + np.interp(along, x, width) * share], axis=1)
        for along in (begin, begin + rng.uniform(0.03, 0.07, 34))
    )
    tones = rng.uniform(0.6, 1.35, 34)
    canvas.strokes(starts, ends, 0.006, [shade(bark, float(tone)) for tone in tones])
    return top


def _twigs(
    canvas: Canvas, rng: np.random.Generator, top: np.ndarray, stand: Stand, bark: Colour, count: int
) -> np.ndarray:
    """Side shoots that keep clear of the bird; returns points [n, 2] along them."""
    places = []
    for _ in range(count):
        side = 1 if rng.uniform() < 0.5 else -1
        root = top[int(np.argmin(np.abs(top[:, 0] - (stand.x + side * rng.uniform(0.25, 0.5)))))] + (0, 0.012)
        rise = rng.uniform(0.12, 0.32) * (1 if rng.uniform() < 0.65 else -1)
        tip = root + np.array([side * rng.uniform(0.05, 0.22), -rise])
        canvas.strokes(root[None], tip[None], 0.016, [shade(bark, 0.9)])
        places.append(root + (tip - root) * np.linspace(0.25, 1, 4)[:, None])
    return np.concatenate(places)


def branch(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """A leafy branch before a blurred wood."""
    greens = ("#7fa35a", "#5f8a48", "#a7c07a", "#c3cf95", "#4d7440")
    autumn = ("#c99a4b", "#b77a3b", "#8f9a55", "#d9b76a", "#7d6a3c")
    sky = ("#dfe9f1", "#a9c8e2", "#c6dbea", "#e9eff2", "#b4cfe0")
    spots = (greens, greens, autumn, sky)[int(rng.integers(4))]
    _backdrop(canvas, rng, "#cfdcc0" if spots is not sky else "#8fb9de", spots[1], spots, 22, glints=6)
    bark = _pick(rng, ("#7a6552", "#6b5b4e", "#8a7a68", "#5d4a3b"))
    top = _branch(canvas, rng, stand, bark)
    places = _twigs(canvas, rng, top, stand, bark, 4)
    leaves = ("#b9792f", "#a8923f", "#cf9f45") if spots is autumn else LEAVES
    for x, y in places.tolist():
        _leaf(canvas, x, y, float(rng.uniform(-2.6, 0.6)), float(rng.uniform(0.06, 0.12)), _pick(rng, leaves))
    yield


def hedge(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """The inside of a hedge: leaves behind, a twig to stand on, leaves in front."""
    _backdrop(canvas, rng, "#5f8248", "#2c4526", ("#3b5e2f", "#53803f", "#294224", "#769b50"), 26)
    for x, y, angle, length in rng.uniform((0, 0, -3.1, 0.05), (1, 1, 3.1, 0.12), (90, 4)).tolist():
        _leaf(canvas, x, y, angle, length, shade(_pick(rng, LEAVES, 0.15), 0.52 + 0.3 * (1 - y)))
    _branch(canvas, rng, stand, _pick(rng, ("#6d5a48", "#5c4a3c")))
    yield
    for _ in range(16):
        x, y = float(rng.uniform(0, 1)), float(rng.uniform(stand.y + 0.04, 1.05))
        _leaf(
            canvas, x, y, float(rng.uniform(-2.6, -0.5)), float(rng.uniform(0.09, 0.15)), _pick(rng, LEAVES)
        )


def _petals(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, radius: float, colour: Colour
) -> None:
    turn = rng.uniform(0, 6.3)
    for petal in range(5):
        angle = turn + petal * 1.2566
        spread = radius * 0.62
        canvas.disc(
            x + spread * np.cos(angle),
            y + spread * np.sin(angle) * 0.9,
            radius * 0.52,
            shade(colour, 0.93 + 0.03 * petal),
        )
    canvas.disc(x, y, radius * 0.26, rgb("#e8c15a"))


def blossom(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """A spring branch in blossom before pale greens, pinks and sky."""
    pink = ("#f3c6d3", "#f8dbe2", "#eaaec1") if rng.uniform() < 0.65 else ("#fbf6ee", "#f6ece6", "#fdfaf4")
    _backdrop(canvas, rng, "#c9dcec", "#b6cf97", (*pink, "#bcd6a0", "#d7e5f0", "#9fc08a"), 24, glints=5)
    bark = _pick(rng, ("#5f4a40", "#6f594c"))
    top = _branch(canvas, rng, stand, bark)
    places = _twigs(canvas, rng, top, stand, bark, 3)
    along = top[rng.integers(0, 23, 7)]
    along = along[np.abs(along[:, 0] - stand.x) > 0.14]
    for x, y in np.concatenate([places, along]).tolist():
        if rng.uniform() < 0.25:
            _leaf(canvas, x, y, float(rng.uniform(-2.6, -0.4)), 0.07, _pick(rng, ("#8fb453", "#a6c465")))
        else:
            radius = float(rng.uniform(0.036, 0.058))
            _petals(canvas, rng, x, y, radius, _pick(rng, pink, 0.03))
    yield


def lawn(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """Mown grass with a blurred border behind, sometimes daisies."""
    horizon = stand.y - rng.uniform(0.22, 0.42)
    flowers = (
        ("#8fb26a", "#6c9450", "#b4c98b"),
        ("#7d9d5c", "#c98aa3", "#d9c46a"),
        ("#5f8a4c", "#8d77b0", "#b7cf90"),
    )
    _backdrop(canvas, rng, "#b9d0a2", "#6f9c48", flowers[int(rng.integers(3))], 20, low=horizon, glints=4)
    edge = [
        (0.0, horizon),
        (0.3, horizon - 0.012),
        (0.7, horizon + 0.01),
        (1.0, horizon),
        (1.0, 1.0),
        (0.0, 1.0),
    ]
    canvas.polygon(edge, rgb("#6a9a40"))
    _grass(canvas, rng, 420, horizon, 1.06, 0.085, float(rng.uniform(-0.3, 0.3)))
    if rng.uniform() < 0.4:
        for x, y in rng.uniform((0, horizon + 0.08), (1, 1), (9, 2)).tolist():
            size = 0.008 + 0.016 * (y - horizon)
            canvas.disc(x, y, size * 1.5, rgb("#fbfaf4"), size)
            canvas.disc(x, y, size * 0.5, rgb("#e9bf3d"))
    canvas.disc(stand.x, stand.y, stand.unit * 0.95, (30, 52, 18, 90), stand.unit * 0.16)
    yield
    _grass(canvas, rng, 50, stand.y + 0.015, 1.08, 0.085, 0.0)


def snow(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """A snowy bank, a grey-blue winter garden behind, flakes in the air."""
    _backdrop(
        canvas, rng, "#aebccb", "#d3dbe4", ("#93a3b3", "#c4d0dc", "#7f8f8c", "#b8a9a0"), 20, low=0.8, glints=5
    )
    x = np.linspace(-0.02, 1.02, 20)
    off = x - stand.x
    crest = (
        stand.y - 0.012 + 0.35 * off**2 * rng.uniform(-0.6, 0.6) + 0.012 * np.sin(x * 9 + rng.uniform(0, 6))
    )
    bank = np.stack([x, crest], axis=1)
    floor = np.array([[1.02, 1.02], [-0.02, 1.02]])
    layers = ((0.0, "#e3eaf3"), (0.006, "#edf2f8"), (0.014, "#f6f9fc"), (0.08, "#e9eff7"), (0.16, "#dbe4f0"))
    for depth, colour in layers:
        canvas.polygon(np.vstack([bank + np.array([0, depth]), floor]), rgb(colour))
    canvas.disc(stand.x, stand.y + 0.012, stand.unit * 0.95, (96, 118, 158, 90), stand.unit * 0.13)
    if rng.uniform() < 0.6:
        _berries(canvas, rng, 1 if stand.x < 0.5 else -1)
    yield
    for flake_x, flake_y, size in rng.uniform((0, 0, 0.003), (1, 1, 0.009), (26, 3)).tolist():
        canvas.disc(flake_x, flake_y, size, (255, 255, 255, 190))


def _berries(canvas: Canvas, rng: np.random.Generator, side: int) -> None:
    """Twigs of red berries that reach in from the left (-1) or the right (1)."""
    root = np.array([0.5 + side * 0.55, rng.uniform(0.1, 0.4)])
    for _ in range(4):
        tip = root + np.array([-side * rng.uniform(0.1, 0.3), rng.uniform(-0.1, 0.25)])
        canvas.strokes(root[None], tip[None], 0.016, [rgb("#5b4a42")])
        places = root + (tip - root) * rng.uniform(0.5, 1.0, (3, 1)) + rng.normal(0, 0.012, (3, 2))
        for x, y in places.tolist():
            canvas.disc(x, y, 0.017, rgb("#b92a2a"))
            canvas.disc(x - 0.005, y - 0.006, 0.005, rgb("#ee8f86"))


def fence(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """The top of a board fence, a garden out of focus beyond."""
    skies = ("#c6d8e4", "#d9e2dc", "#b9cfa3")
    beyond = ("#8fb070", "#6f9658", "#b9cc98", "#d3b6b0")
    _backdrop(canvas, rng, skies[int(rng.integers(3))], "#86a866", beyond, 20, glints=5)
    colour = _pick(rng, ("#b08a5e", "#9a8e80", "#8c6a48", "#c3a67c", "#7f8a86"), 0.06)
    width = float(rng.uniform(0.13, 0.18))
    left = float(rng.uniform(-width, 0))
    while left < 1:
        right = left + width
        _wood(
            canvas, rng, (left, stand.y + 0.02, right - 0.012, 1.02), shade(colour, rng.uniform(0.84, 1.02))
        )
        canvas.box(right - 0.012, stand.y, right, 1.02, shade(colour, 0.42))
        left = right
    rail = stand.y + 0.05
    canvas.box(0, rail, 1, rail + 0.03, (20, 14, 8, 90))
    _wood(canvas, rng, (-0.01, stand.y - 0.008, 1.01, rail), shade(colour, 1.06))
    _shadow(canvas, stand)
    yield


def feeder(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """A tube of seed with a peg for a small bird, or a table."""
    _backdrop(canvas, rng, "#d5e2d0", "#8fb07a", ("#a8c48c", "#7fa266", "#c9d8bf", "#d8c9a8"), 22, glints=6)
    if rng.uniform() < 0.35 or stand.large:
        _table(canvas, rng, stand)
    else:
        _tube(canvas, rng, stand)
    yield


def _table(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> None:
    colour = _pick(rng, ("#a37c50", "#8d6d4c", "#b5925f"), 0.06)
    _wood(canvas, rng, (0.44, stand.y + 0.05, 0.56, 1.02), shade(colour, 0.8))
    _wood(canvas, rng, (0.06, stand.y - 0.004, 0.94, stand.y + 0.06), colour)
    _shadow(canvas, stand)
    for x, y in rng.uniform((0.08, -0.014), (0.92, 0.002), (40, 2)).tolist():
        canvas.disc(x, stand.y + y, 0.010, _pick(rng, ("#d9bd84", "#3f3730", "#b98f4f", "#e6d6ad")), 0.006)


def _tube(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> None:
    centre = stand.x + stand.facing * (stand.unit * 1.05 + 0.06)
    half, top, bottom = 0.085, 0.06, min(0.97, stand.y + 0.16)
    canvas.box(centre - 0.005, -0.1, centre + 0.005, top, rgb("#6a6a66"))
    canvas.box(centre - half, top, centre + half, bottom, rgb("#c8a468"))
    for x, y in rng.uniform((-1, 0), (1, 1), (120, 2)).tolist():
        seed = _pick(rng, ("#dcbf86", "#453a30", "#b88e4e", "#e8d8b0", "#8f6a3c"))
        canvas.disc(centre + x * half * 0.88, top + 0.05 + y * (bottom - top - 0.08), 0.014, seed, 0.009)
    dim, gleam = (20, 30, 20, 80), (255, 255, 255, 90)
    for left, right, fill in ((-1.0, -0.7, dim), (-0.45, -0.2, gleam), (0.7, 1.0, dim)):
        canvas.box(centre + left * half, top, centre + right * half, bottom, fill)
    green = rgb("#3f6b4a")
    roof = np.array([(-1.25, 0.05), (-0.9, -0.02), (0.0, -0.06), (0.9, -0.02), (1.25, 0.05)])
    canvas.polygon(roof * (half, 1) + (centre, top), green)
    canvas.trapezoid(centre, (bottom - 0.02, 1.15 * half), (bottom + 0.03, half), green)
    peg = stand.x - stand.facing * stand.unit * 0.25
    canvas.box(peg, stand.y, centre, stand.y + 0.02, rgb("#5b5f5c"))


def wall(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """Open sky with soft clouds, the bird on the coping of a brick wall."""
    blue = ("#7fb0dc", "#a2c2de", "#bcc7d1")[int(rng.integers(3))]
    _backdrop(canvas, rng, blue, "#dbe6ec", ("#f0f4f6", "#e8eff2", "#d9e5ed"), 9, low=0.8)
    clay = _pick(rng, ("#a8624a", "#95604c", "#b57a58"), 0.06)
    top, tall, width = stand.y + 0.05, 0.075, 0.19
    canvas.box(0, top, 1, 1, rgb("#b9ab98"))
    for (row, column), tone in np.ndenumerate(rng.uniform(0.78, 1.08, (7, 7))):
        left, y = (column - 0.5 + 0.5 * (row % 2)) * width, top + row * tall
        right = left + width - 0.014
        canvas.box(left, y, right, y + tall - 0.013, shade(clay, tone))
        canvas.box(left, y, right, y + 0.007, (255, 240, 220, 46))
    canvas.box(0, top, 1, top + 0.022, (30, 18, 12, 110))
    stone = _pick(rng, ("#b8b0a2", "#a9a49c", "#c4b8a2"), 0.05)
    for left in (np.arange(-1, 4) * 0.34 + rng.uniform(0, 0.3)).tolist():
        board = (left, stand.y - 0.006, left + 0.333, stand.y + 0.055)
        _wood(canvas, rng, board, shade(stone, rng.uniform(0.92, 1.05)))
    _shadow(canvas, stand)
    yield


def pot(canvas: Canvas, rng: np.random.Generator, stand: Stand) -> Iterator[None]:
    """The rim of a terracotta pot before lavender, white or pink flower spikes."""
    beyond = ("#9cba7c", "#7f9f66", "#c9b7d6", "#d8dfc4", "#a48fbf")
    _backdrop(canvas, rng, "#c8d8ba", "#7c9c62", beyond, 24, glints=5)
    clay = _pick(rng, ("#c0714a", "#b3684a", "#cc8258"), 0.06)
    stems = rng.uniform((0.02, 0.16), (0.98, 0.42), (16, 2))
    flower = rgb(("#8a75b8", "#e3dff0", "#d3788f")[int(rng.integers(3))])
    for x, tall in stems.tolist():
        foot, tip = np.array([[x, stand.y + 0.05]]), np.array([[x + (x - 0.5) * 0.2, stand.y - tall]])
        canvas.strokes(foot, tip, 0.010, [_pick(rng, ("#6f9250", "#86a862"))])
        for part in range(5):
            bud_x, bud_y = (tip + (foot - tip) * part * 0.075)[0].tolist()
            canvas.disc(bud_x, bud_y, 0.013, shade(flower, rng.uniform(0.82, 1.1)), 0.017)
    x, y, wide, lip = stand.x, stand.y, 0.42, stand.y + 0.085
    canvas.trapezoid(x, (y + 0.05, wide * 0.88), (1.2, wide * 0.66), shade(clay, 0.92))
    canvas.trapezoid(x - wide * 0.66, (y + 0.05, wide * 0.2), (1.2, wide * 0.1), (255, 226, 190, 36))
    canvas.trapezoid(x + wide * 0.66, (y + 0.05, wide * 0.22), (1.2, wide * 0.14), (40, 14, 6, 60))
    canvas.disc(x, y + 0.006, wide, shade(clay, 0.55), 0.022)
    canvas.trapezoid(x, (y + 0.004, wide), (lip, wide * 0.97), clay)
    canvas.trapezoid(x, (lip, wide * 0.92), (lip + 0.022, wide * 0.9), (40, 16, 8, 110))
    lime = rng.uniform((-wide * 0.7, 0.02, 0.004), (wide * 0.7, 0.4, 0.02), (14, 3))
    for off, down, size in lime.tolist():
        canvas.disc(x + off, y + down, size, (240, 222, 200, 36), size * 0.7)
    _shadow(canvas, stand)
    yield


SCENES: Mapping[str, Scene] = {
    "branch": branch, "hedge": hedge, "blossom": blossom, "lawn": lawn, "snow": snow,
    "fence": fence, "feeder": feeder, "wall": wall, "pot": pot,
}  # fmt: skip
