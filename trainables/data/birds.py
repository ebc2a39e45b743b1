"""The embedded data set: UK garden birds drawn in code, so that a search runs without a download.

Each picture is an illustration with photographic variety: twenty species with their field marks and silhouettes, in
varied pose, place, season and light. It knows nothing of files or packs. The species are data (`plumage.py`), posed
by `anatomy.py` in a garden of `scenery.py`; this module paints the bird.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from trainables.data.anatomy import Part, Pattern, Plumage, Shape, Skeleton, pose, silhouette
from trainables.data.brush import Canvas, Frame, curve, mix, parse, rgb, shade, smooth
from trainables.data.light import Light, choose_light, develop
from trainables.data.plumage import BIRDS
from trainables.data.scenery import SCENES

VERSION = 2
"""Raised when the drawing changes: part of a pack's fingerprint."""

SPECIES: tuple[str, ...] = tuple(BIRDS)
"""The twenty classes, named as in the data set of the original project."""

_GROUND = ("lawn", "snow")
_COARSE = 64
"""Side of the coarse pictures whose enlargement is soft: broad areas of colour, and roundness."""

# Broad areas, in hundredths of the frames of `anatomy.py`.
_BREAST = "150,70 80,40 35,-5 15,-50 45,-130 150,-120"
_UPPER = "150,150 130,75 75,42 20,22 -50,12 -130,-10 -160,120 -20,160"
_FACE = "120,90 120,-60 50,-98 -30,-95 -95,-60 -120,40 -60,130 40,140"
_WING = "-3,2 6,30 26,47 55,38 82,20 100,2 84,-12 62,-32 36,-50 12,-38"
_SHOULDER = "-4,2 6,31 26,50 44,46 49,20 47,-20 40,-52 12,-40"
_MANTLE = "-2,16 6,36 30,56 66,40 50,30 20,22"


def draw_bird(species: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """
    Draw one bird in its garden.

    Parameters
    ----------
    species
        One of `SPECIES`.
    size
        Side of the picture in pixels, at least 32. The same generator state gives the same bird at any size.
    rng
        Decides sex, pose, place, season and light; advanced by the same amount at any size.

    Returns
    -------
    uint8 [size, size, 3], RGB.

    Raises
    ------
    ValueError
        For an unknown species or a size below 32.
    """
    if species not in BIRDS:
        raise ValueError(
            f"species is {species!r}, but must be one of those drawn here: {', '.join(SPECIES)}."
        )
    if size < 32:
        raise ValueError(f"size is {size}, but a bird needs at least 32 pixels: take 32 or more.")
    bird = BIRDS[species]
    plumage = bird.plumages[int(rng.integers(len(bird.plumages)))]
    place = bird.scenes[int(rng.integers(len(bird.scenes)))]
    light = choose_light(rng)
    skeleton = pose(bird.shape, place in _GROUND, rng)

    pixels = size * max(2, -(-192 // size))
    canvas = Canvas(Image.new("RGB", (pixels, pixels)))
    scene = SCENES[place](canvas, rng, skeleton.stand)
    next(scene)
    _Painter(bird.shape, plumage, skeleton, rng).paint(canvas, light)
    next(scene, None)
    picture = canvas.image.resize((size, size), Image.Resampling.LANCZOS)
    return develop(np.asarray(picture), light, rng)


@dataclass(frozen=True)
class _Painter:
    """Paints one bird: legs on the scene, all else on one layer that is shaded and laid on through its mask."""

    shape: Shape
    plumage: Plumage
    skeleton: Skeleton
    rng: np.random.Generator

    def paint(self, canvas: Canvas, light: Light) -> None:
        side = (canvas.pixels, canvas.pixels)
        self._legs(canvas)
        torso = Canvas(Image.new("L", side))
        torso.polygon(silhouette(self.skeleton.body, self.skeleton.head), 255)
        mask = Canvas(torso.image.copy())
        layer = Canvas(Image.new("RGB", side, rgb(self.plumage.upper)))
        self._tail(layer, mask)
        self._bill(layer, mask)
        layer.image.paste(self._torso(canvas.pixels), mask=torso.image)
        self._wing(layer, mask)
        self._eye(layer)
        canvas.image.paste(_shaded(layer.image, torso.image, mask.image, light), mask=mask.image)

    def _legs(self, canvas: Canvas) -> None:
        stand, unit = self.skeleton.stand, self.skeleton.unit
        thick = unit * (0.052 + 0.03 * self.shape.size)
        for step, tone in ((0.17, 0.78), (-0.10, 1.0)):
            colour = shade(rgb(self.plumage.leg), tone)
            foot = np.array([stand.x + stand.facing * step * unit, stand.y])
            hip = foot + np.array([-stand.facing * 0.10, -self.shape.leg * 0.8 - 0.25]) * unit
            across = np.array([thick / 2, 0])
            canvas.polygon(np.array([hip - across, hip + across, foot + across, foot - across]), colour)
            toes = np.array([(0.20, 0.02), (0.15, 0.055), (-0.12, 0.03)]) * (unit * stand.facing, unit)
            heels = np.repeat((foot - (0, thick * 0.3))[None], len(toes), axis=0)
            canvas.strokes(heels, foot + toes, thick * 0.95, [colour] * len(toes))

    def _tail(self, layer: Canvas, mask: Canvas) -> None:
        end = self.shape.tail[2]
        corner, middle = (1.0, 1.0 + end) if end < 0 else (1.0 - end, 1.0)
        shoulder, between = corner + 0.2 * max(end, 0.05), (corner + middle) / 2 + 0.01
        half = ((0.0, 0.75), (0.5, 0.88), (corner - 0.04, 1.0), (shoulder, 0.78), (between, 0.52))
        outline = smooth(np.array([*half, (middle, 0.0), *((x, -y) for x, y in reversed(half))]), 4)
        tail, colour = self.skeleton.tail, rgb(self.plumage.tail)
        mask.polygon(tail.at(outline), 255)
        layer.polygon(tail.at(outline * (1.02, 1.3)), colour)
        side = ((0, -0.5), (corner, -0.62), (corner, -1.3), (0, -1.3))
        layer.polygon(tail.at(side), rgb(self.plumage.tail_side))
        ends = np.array([(corner, y) for y in (-0.6, -0.2, 0.2, 0.6)])
        gaps = [shade(colour, 0.68)] * len(ends)
        layer.strokes(tail.at(ends * (0.05, 0.8)), tail.at(ends), self.skeleton.unit * 0.02, gaps)
        self._marks(layer, "tail")
        self._patterns(layer, "tail")

    def _bill(self, layer: Canvas, mask: Canvas) -> None:
        length, depth, drop = self.shape.bill
        bend = -2 * drop / depth
        # Opening shears each half; the bill's y is in half depths, hence the factor.
        shear = 2 * self.skeleton.gape * length / depth
        upper = np.array(
            [*parse("-40,100 12,100 55,62"), (0.86, 0.2 + bend / 2), (1, bend), *parse("55,-12 -40,-20")]
        )
        lower = np.array([*parse("-40,-10 55,-5"), (0.9, bend * 0.9), *parse("55,-62 10,-95 -40,-100")])
        ridge = np.array([(0.0, 0.72), (0.8, 0.25 + bend * 0.4)])
        for half, opening in ((upper, shear), (lower, -shear), (ridge, shear)):
            half[:, 1] += half[:, 0] * opening
        mouth = np.array([(-0.2, 0.0), upper[5], lower[1]])
        bill, horn = self.skeleton.bill, rgb(self.plumage.bill)
        for part, colour in ((mouth, rgb("#c45c46")), (lower, shade(horn, 0.8)), (upper, horn)):
            mask.polygon(bill.at(part), 255)
            layer.polygon(bill.at(part), colour)
        shine = mix(horn, (255, 255, 255), 0.32)
        layer.strokes(bill.at(ridge[:1]), bill.at(ridge[1:]), self.skeleton.unit * 0.03, [shine])

    def _torso(self, pixels: int) -> Image.Image:
        """Body and head beyond their outline: broad areas in soft paint, crisp marks, feathers stroked over them."""
        body, head, plumage = self.skeleton.body, self.skeleton.head, self.plumage
        soft = Canvas(Image.new("RGB", (_COARSE, _COARSE), rgb(plumage.belly)))
        soft.polygon(body.at(curve(_BREAST)), rgb(plumage.breast))
        soft.polygon(body.at(curve(_UPPER)), rgb(plumage.upper))
        soft.polygon(head.at(curve(_FACE)), rgb(plumage.head))
        self._marks(soft, "body", soft=True)
        self._marks(soft, "head", soft=True)
        blurred = soft.image.filter(ImageFilter.BoxBlur(1))
        layer = Canvas(blurred.resize((pixels, pixels), Image.Resampling.BICUBIC))
        self._marks(layer, "body", soft=False)
        self._marks(layer, "head", soft=False)
        self._patterns(layer, "body")
        self._patterns(layer, "head")
        self._feathers(layer, body, (18, 14), 0.13)
        self._feathers(layer, head, (11, 11), 0.11)
        return layer.image

    def _feathers(self, layer: Canvas, frame: Frame, grid: tuple[int, int], length: float) -> None:
        """Short strokes over a part, each in the colour found at its root, somewhat lighter or darker."""
        rng = self.rng
        column, row = np.meshgrid(np.linspace(-1.1, 1.1, grid[0]), np.linspace(-1.05, 1.05, grid[1]))
        roots = np.stack([column, row], axis=-1).reshape(-1, 2)
        roots = roots + rng.uniform(-0.08, 0.08, roots.shape)
        count = len(roots)
        fall = np.stack([np.full(count, -length), rng.normal(-0.25, 0.12, count) * length], axis=1)
        fall *= rng.uniform(0.6, 1.25, (count, 1))
        starts, ends = frame.at(roots), frame.at(roots + fall)
        at = np.clip((starts * layer.pixels).astype(int), 0, layer.pixels - 1)
        found = np.asarray(layer.image)[at[:, 1], at[:, 0]].astype(np.float64)
        if self.plumage.gloss:
            colours = np.array([rgb(colour) for colour in self.plumage.gloss])
            sheen = colours[rng.integers(0, len(colours), count)]
            dark = np.clip(1 - found.mean(axis=1, keepdims=True) / 110, 0, 1)
            found += (sheen - found) * dark * rng.uniform(0.0, 0.6, (count, 1))
        tones = rng.normal(1.0, 0.1, (count, 1))
        fills = np.clip(found * tones, 0, 255).astype(int)
        layer.strokes(starts, ends, self.skeleton.unit * 0.05, [(*fill, 150) for fill in fills.tolist()])

    def _wing(self, layer: Canvas, mask: Canvas) -> None:
        wing, unit, plumage = self.skeleton.wing, self.skeleton.unit, self.plumage
        coverts, flight = rgb(plumage.coverts), rgb(plumage.flight)
        outline = wing.at(curve(_WING))
        mask.polygon(outline, 255)
        layer.polygon(outline + np.array([0, 0.07 * unit]), (20, 16, 24, 46))
        layer.polygon(outline, flight)
        lines = 7
        roots = np.stack([np.full(lines, 0.36), np.linspace(-0.42, 0.30, lines)], axis=1)
        tips = np.stack([np.linspace(0.68, 0.99, lines), np.linspace(-0.27, 0.02, lines)], axis=1)
        gaps = [shade(flight, 0.76)] * lines
        layer.strokes(wing.at(roots - (0, 0.03)), wing.at(tips - (0, 0.02)), unit * 0.05, gaps)
        layer.strokes(wing.at(roots), wing.at(tips), unit * 0.027, [(*rgb(plumage.edge), 190)] * lines)
        layer.polygon(wing.at(curve(_SHOULDER)), coverts)
        self._marks(layer, "wing", soft=True)
        column, row = np.meshgrid(np.linspace(0.10, 0.40, 4), np.linspace(-0.36, 0.34, 7))
        scales = np.stack([column, row], axis=-1).reshape(-1, 2)
        scales = scales + self.rng.uniform(-0.035, 0.035, scales.shape)
        fills = [(*shade(coverts, tone), 150) for tone in self.rng.uniform(0.82, 1.16, len(scales)).tolist()]
        layer.strokes(
            wing.at(scales - (0.08, 0)), wing.at(scales + np.array([0.03, -0.02])), unit * 0.07, fills
        )
        layer.polygon(wing.at(curve(_MANTLE)), rgb(plumage.upper))
        self._marks(layer, "wing", soft=False)
        self._patterns(layer, "wing")

    def _eye(self, layer: Canvas) -> None:
        x, y = self.skeleton.head.at([(0.40, 0.15)])[0].tolist()
        radius = self.shape.eye * self.shape.head * self.skeleton.unit
        face = rgb(self.plumage.head)
        if self.plumage.eye_ring:
            ring = rgb(self.plumage.eye_ring)
        else:  # a ring darker than the face, on a dark face lighter: the eye must show
            ring = shade(face, 0.62) if sum(face) > 240 else mix(face, (150, 140, 130), 0.22)
        layer.disc(x, y, radius * 1.28, ring)
        layer.disc(x, y, radius, rgb(self.plumage.iris))
        layer.disc(x + 0.05 * radius, y, radius * 0.66, (16, 12, 12))
        layer.disc(x - 0.28 * radius, y - 0.34 * radius, radius * 0.32, (255, 255, 255))

    def _marks(self, layer: Canvas, part: Part, soft: bool | None = None) -> None:
        frame = self.skeleton.frame(part)
        for mark in self.plumage.marks:
            if mark.part == part and soft in (None, mark.soft):
                layer.polygon(frame.at(curve(mark.outline)), rgb(mark.colour))

    def _patterns(self, layer: Canvas, part: Part) -> None:
        for pattern in self.plumage.patterns:
            if pattern.part == part:
                self._spots(layer, pattern)

    def _spots(self, layer: Canvas, pattern: Pattern) -> None:
        left, right, low, high = pattern.box
        counts = (pattern.columns, pattern.rows)
        column, row = np.meshgrid(np.arange(pattern.columns), np.arange(pattern.rows))
        grid = np.stack([column + 0.5 * (row % 2), row], axis=-1).reshape(-1, 2).astype(np.float64)
        grid += self.rng.uniform(-0.28, 0.28, grid.shape)
        spots = (grid + 0.4) / counts * (right - left, high - low) + (left, low)
        drop = parse("100,0 10,80 -80,75 -100,0 -80,-75 10,-80") * (pattern.length / 2, pattern.width / 2)
        frame, colour = self.skeleton.frame(pattern.part), rgb(pattern.colour)
        for spot, gain in zip(spots, self.rng.uniform(0.75, 1.2, len(spots)).tolist(), strict=True):
            layer.polygon(frame.at(drop * gain + spot), shade(colour, gain))


def _shaded(layer: Image.Image, torso: Image.Image, mask: Image.Image, light: Light) -> Image.Image:
    """Round the bird: lit and shaded by the slope of its blurred outline, with a fine dark rim."""
    coarse = torso.resize((_COARSE, _COARSE), Image.Resampling.BOX).filter(ImageFilter.BoxBlur(5))
    height = np.asarray(coarse.filter(ImageFilter.BoxBlur(4)), dtype=np.float32) / 255
    down, right = np.gradient(height)
    slope = -(right * light.towards[0] + down * light.towards[1])
    lit = np.clip(slope * (3.2 + 2.2 * light.sun), -0.42, 0.30) + 1.0
    gain = np.asarray(Image.fromarray(lit.astype(np.float32)).resize(layer.size, Image.Resampling.BICUBIC))
    rim_width = max(1, layer.width // 110)
    inside = np.asarray(mask.filter(ImageFilter.BoxBlur(rim_width)), dtype=np.float32) / 255
    rim = np.clip(inside * 1.1 - 0.1, 0.42, 1.0)
    # Dark feathers hardly answer to a gain, so light from above also adds a cool sheen.
    sheen = (np.clip(gain - 1.02, 0, None) * 70)[..., None] * np.array([0.85, 0.95, 1.1], dtype=np.float32)
    painted = (np.asarray(layer, dtype=np.float32) + sheen) * (gain * rim)[..., None]
    return Image.fromarray(np.clip(painted, 0, 255).astype(np.uint8))
