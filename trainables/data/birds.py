"""The embedded data set: UK garden birds drawn in code, so that a search runs without a download.

Each picture is an illustration with photographic variety: twenty species with their field marks and silhouettes, in
varied pose, place, season and light. It knows nothing of files or packs. The species are data (`plumage.py`), the
garden is `scenery.py`; this module poses and paints the bird.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from trainables.data.brush import Canvas, Colour, Frame, curve, mix, rgb, shade, smooth
from trainables.data.plumage import BIRDS, Mark, Pattern, Plumage, Shape
from trainables.data.scenery import SCENES, Light, Stand, choose_light

VERSION = 1
"""Raised when the drawing changes: part of a pack's fingerprint."""

SPECIES: tuple[str, ...] = tuple(BIRDS)

GROUND_SCENES = ("lawn", "snow")
VOLUME = 64
"""Side of the coarse map from which the body's roundness is shaded."""

# Corners of the silhouette, from the forehead over the back to the throat, in the frames of head and body.
_HEAD_ABOVE = ((0.95, 0.24), (0.74, 0.68), (0.18, 0.99), (-0.48, 0.86), (-0.94, 0.34))
_BODY = (
    (0.46, 0.90), (-0.02, 0.93), (-0.52, 0.74), (-0.92, 0.40), (-1.14, 0.12), (-0.98, -0.26),
    (-0.55, -0.74), (-0.02, -1.00), (0.48, -0.94), (0.84, -0.58), (0.98, -0.12),
)  # fmt: skip
_HEAD_BELOW = ((0.66, -0.62), (0.90, -0.24))
_WING = (
    (-0.03, 0.02), (0.06, 0.30), (0.26, 0.47), (0.55, 0.38), (0.82, 0.20), (1.00, 0.02),
    (0.84, -0.12), (0.62, -0.32), (0.36, -0.50), (0.12, -0.38),
)  # fmt: skip


@dataclass(frozen=True)
class _Skeleton:
    """Where the parts of one bird are, in the picture's coordinates."""

    unit: float
    body: Frame
    head: Frame
    wing: Frame
    tail: Frame
    bill: Frame
    gape: float
    """How far each half of the bill is turned open, as a slope."""
    stand: Stand


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
        raise ValueError(f"species is {species!r}, but must be one of those drawn here: {', '.join(SPECIES)}.")
    if size < 32:
        raise ValueError(f"size is {size}, but a bird needs at least 32 pixels: take 32 or more.")
    bird = BIRDS[species]
    plumage = bird.plumages[int(rng.integers(len(bird.plumages)))]
    place = bird.scenes[int(rng.integers(len(bird.scenes)))]
    light = choose_light(rng)
    skeleton = _pose(bird.shape, place in GROUND_SCENES, rng)

    pixels = size * max(2, -(-192 // size))
    canvas = Canvas(Image.new("RGB", (pixels, pixels)))
    scene = SCENES[place](canvas, rng, skeleton.stand)
    next(scene)
    _paint_bird(canvas, bird.shape, plumage, skeleton, light, rng)
    next(scene, None)
    picture = canvas.image.resize((size, size), Image.Resampling.LANCZOS)
    return _develop(np.asarray(picture), light, rng)


def _pose(shape: Shape, ground: bool, rng: np.random.Generator) -> _Skeleton:
    facing = 1 if rng.uniform() < 0.5 else -1
    pecks = ground and bool(rng.uniform() < 0.3)
    sings = not pecks and bool(rng.uniform() < 0.16)
    stretch, swing, look, cock, turn = rng.uniform(-1, 1, 5).tolist()
    tilt = (-13 + 6 * swing) if pecks else shape.tilt * (0.6 if ground else 1.0) + 9 * swing
    look = (-46 + 10 * look) if pecks else 14 * look + (20 if sings else 2)
    neck = np.array((shape.neck[0] + 0.16, -0.04) if pecks else shape.neck) + (0.02 * stretch, 0.05 * stretch)
    cock = shape.cock + 8 * cock
    foreshortening = 1 - 0.13 * (turn + 1)

    def direction(degrees: float) -> tuple[np.ndarray, np.ndarray]:
        angle = np.deg2rad(degrees)
        ahead = np.array([facing * np.cos(angle), -np.sin(angle)])
        return ahead, np.array([-facing * np.sin(angle), -np.cos(angle)])

    ahead, up = direction(tilt)
    gaze, crown = direction(look)
    back, above = direction(tilt + 180 - cock)
    body = Frame(np.zeros(2), ahead, up * shape.depth)
    # The neck gives way as the body rises, so that chin and breast stay one line.
    forth, aloft = direction(tilt * 0.68)
    head = Frame(forth * neck[0] + aloft * neck[1], gaze * shape.head * foreshortening, crown * shape.head)
    wing_length, wing_width = shape.wing
    wing = Frame(body.at([(0.60, 0.14)])[0], -ahead * wing_length - up * 0.02, up * wing_width)
    tail_length, tail_width, _ = shape.tail
    tail = Frame(body.at([(-0.92, 0.14)])[0], back * (tail_length + 0.15), -above * tail_width / 2)
    bill_length, bill_depth, _ = shape.bill
    bill = Frame(
        head.at([(0.84, -0.02)])[0],
        gaze * shape.head * (bill_length + 0.12) * foreshortening,
        crown * shape.head * bill_depth / 2,
    )

    outline = _silhouette(body, head)
    feet = np.array([facing * 0.06 + 0.02 * swing, outline[:, 1].max() + shape.leg * 0.62])
    reach = np.vstack([outline, tail.at([(0.8, 0.0)]), bill.at([(1.0, 0.0)]), feet[None]])
    low, high = reach.min(axis=0), reach.max(axis=0)
    unit = float(0.97 * shape.size * rng.uniform(0.84, 1.0) / (high - low).max())
    centre = np.array([0.5, 0.49]) + rng.uniform(-0.05, 0.05, 2) - unit * (low + high) / 2

    def place(frame: Frame) -> Frame:
        return Frame(frame.origin * unit + centre, *(frame.axes * unit))

    x, y = (feet * unit + centre).tolist()
    stand = Stand(x, y, unit, facing)
    return _Skeleton(unit, place(body), place(head), place(wing), place(tail), place(bill), 0.34 if sings else 0.0, stand)


def _silhouette(body: Frame, head: Frame) -> np.ndarray:
    outline = smooth(np.vstack([head.at(_HEAD_ABOVE), body.at(_BODY), head.at(_HEAD_BELOW)]), 7)
    for _ in range(2):
        outline = (np.roll(outline, 2, 0) + outline + np.roll(outline, -2, 0)) / 3
    return outline


def _paint_bird(
    canvas: Canvas, shape: Shape, plumage: Plumage, skeleton: _Skeleton, light: Light, rng: np.random.Generator
) -> None:
    """Paint the bird over the scene: legs, then one layer of feathers that is shaded and laid on through its mask."""
    pixels = canvas.pixels
    outline = _silhouette(skeleton.body, skeleton.head)
    wing = skeleton.wing.at(curve(_WING))
    _legs(canvas, shape, plumage, skeleton)

    torso = Canvas(Image.new("L", (pixels, pixels)))
    torso.polygon(outline, 255)
    layer = Canvas(Image.new("RGB", (pixels, pixels), rgb(plumage.upper)))
    mask = Canvas(torso.image.copy())
    mask.polygon(wing, 255)
    _tail(layer, mask, shape, plumage, skeleton)
    _bill(layer, mask, shape, plumage, skeleton)
    layer.image.paste(_feathers(pixels, plumage, skeleton, rng).image, mask=torso.image)
    _wing(layer, plumage, skeleton, wing, rng)
    _eye(layer, shape, plumage, skeleton)
    canvas.image.paste(_shaded(layer.image, torso.image, mask.image, light), mask=mask.image)


def _legs(canvas: Canvas, shape: Shape, plumage: Plumage, skeleton: _Skeleton) -> None:
    stand, unit = skeleton.stand, skeleton.unit
    thick = unit * (0.052 + 0.03 * shape.size)
    for step, tone in ((0.17, 0.78), (-0.10, 1.0)):
        colour = shade(rgb(plumage.leg), tone)
        foot = np.array([stand.x + stand.facing * step * unit, stand.y])
        hip = foot + np.array([-stand.facing * 0.10, -shape.leg * 0.8 - 0.25]) * unit
        across = np.array([thick / 2, 0])
        canvas.polygon(np.array([hip - across, hip + across, foot + across, foot - across]), colour)
        toes = np.array([(0.20, 0.02), (0.15, 0.055), (-0.12, 0.03)]) * (unit * stand.facing, unit)
        canvas.strokes(np.repeat((foot - (0, thick * 0.3))[None], 3, axis=0), foot + toes, thick * 0.95, [colour] * 3)


def _tail(layer: Canvas, mask: Canvas, shape: Shape, plumage: Plumage, skeleton: _Skeleton) -> None:
    end = shape.tail[2]
    corner, middle = (1.0, 1.0 + end) if end < 0 else (1.0 - end, 1.0)
    half = ((0.0, 0.75), (0.5, 0.88), (corner - 0.04, 1.0), (corner + 0.2 * max(end, 0.05), 0.78), ((corner + middle) / 2 + 0.01, 0.42))
    outline = np.array([*half, (middle, 0.0), *((x, -y) for x, y in reversed(half))])
    outline = smooth(outline, 4)
    tail = skeleton.tail
    mask.polygon(tail.at(outline), 255)
    layer.polygon(tail.at(outline * (1.02, 1.3)), rgb(plumage.tail))
    layer.polygon(tail.at([(0, -0.5), (corner, -0.62), (corner, -1.3), (0, -1.3)]), rgb(plumage.tail_side))
    ends = np.array([(corner, y) for y in (-0.6, -0.2, 0.2, 0.6)])
    layer.strokes(
        tail.at(ends * (0.05, 0.8)), tail.at(ends), skeleton.unit * 0.02, [shade(rgb(plumage.tail), 0.68)] * 4
    )
    _marks(layer, plumage, skeleton, "tail")


def _bill(layer: Canvas, mask: Canvas, shape: Shape, plumage: Plumage, skeleton: _Skeleton) -> None:
    length, depth, drop = shape.bill
    bend = -2 * drop / depth
    # A slope in the bill's frame, whose y is in half depths.
    gape = np.array([[1.0, 2 * skeleton.gape * length / depth], [0.0, 1.0]])
    upper = np.array([(-0.4, 1.0), (0.12, 1.0), (0.55, 0.62), (0.86, 0.2 + bend * 0.5), (1.0, bend), (0.55, -0.12), (-0.4, -0.2)]) @ gape
    lower = np.array([(-0.4, -0.1), (0.55, -0.05), (0.90, bend * 0.9), (0.55, -0.62), (0.1, -0.95), (-0.4, -1.0)])
    lower = lower @ np.linalg.inv(gape)
    mouth = np.array([(-0.2, 0.0), upper[5], lower[1]])
    for part, colour in ((mouth, (196, 92, 70)), (lower, shade(rgb(plumage.bill), 0.8)), (upper, rgb(plumage.bill))):
        mask.polygon(skeleton.bill.at(part), 255)
        layer.polygon(skeleton.bill.at(part), colour)
    ridge = np.array([(0.0, 0.72), (0.8, 0.25 + bend * 0.4)]) @ gape
    shine = mix(rgb(plumage.bill), (255, 255, 255), 0.32)
    layer.strokes(skeleton.bill.at(ridge[:1]), skeleton.bill.at(ridge[1:]), skeleton.unit * 0.03, [shine])


def _frame(skeleton: _Skeleton, part: str) -> Frame:
    return {"body": skeleton.body, "head": skeleton.head, "wing": skeleton.wing, "tail": skeleton.tail}[part]


def _marks(layer: Canvas, plumage: Plumage, skeleton: _Skeleton, *parts: str, soft: bool | None = None) -> None:
    for mark in plumage.marks:
        if mark.part in parts and soft in (None, mark.soft):
            layer.polygon(_frame(skeleton, mark.part).at(curve(mark.outline)), rgb(mark.colour))


def _patterns(layer: Canvas, plumage: Plumage, skeleton: _Skeleton, rng: np.random.Generator, *parts: str) -> None:
    for pattern in plumage.patterns:
        if pattern.part not in parts:
            continue
        left, right, low, high = pattern.box
        column, row = np.meshgrid(np.arange(pattern.columns), np.arange(pattern.rows))
        grid = np.stack([column + 0.5 * (row % 2), row], axis=-1).reshape(-1, 2).astype(np.float64)
        grid += rng.uniform(-0.28, 0.28, grid.shape)
        spots = np.array([left, low]) + (grid + 0.4) / (pattern.columns, pattern.rows) * (right - left, high - low)
        half = np.array([pattern.length, pattern.width]) / 2
        drop = np.array([(1.0, 0.0), (0.1, 0.8), (-0.8, 0.75), (-1.0, 0.0), (-0.8, -0.75), (0.1, -0.8)]) * half
        frame = _frame(skeleton, pattern.part)
        ease = rng.uniform(0.75, 1.2, len(spots))
        colour = rgb(pattern.colour)
        for spot, gain in zip(spots, ease.tolist(), strict=True):
            layer.polygon(frame.at(drop * gain + spot), shade(colour, gain))


def _feathers(pixels: int, plumage: Plumage, skeleton: _Skeleton, rng: np.random.Generator) -> Canvas:
    """Body and head without the silhouette: broad areas in soft paint, crisp marks, feathers stroked over them."""
    body, head = skeleton.body, skeleton.head
    soft = Canvas(Image.new("RGB", (VOLUME, VOLUME), rgb(plumage.belly)))
    breast = ((1.5, 0.7), (0.8, 0.4), (0.35, -0.05), (0.15, -0.5), (0.45, -1.3), (1.5, -1.2))
    upper = ((1.5, 1.5), (1.3, 0.75), (0.75, 0.42), (0.2, 0.22), (-0.5, 0.12), (-1.3, -0.10), (-1.6, 1.2), (-0.2, 1.6))
    face = ((1.2, 0.9), (1.2, -0.6), (0.5, -0.98), (-0.3, -0.95), (-0.95, -0.6), (-1.2, 0.4), (-0.6, 1.3), (0.4, 1.4))
    soft.polygon(body.at(curve(breast)), rgb(plumage.breast))
    soft.polygon(body.at(curve(upper)), rgb(plumage.upper))
    soft.polygon(head.at(curve(face)), rgb(plumage.head))
    _marks(soft, plumage, skeleton, "body", "head", soft=True)
    blurred = soft.image.filter(ImageFilter.BoxBlur(1))
    layer = Canvas(blurred.resize((pixels, pixels), Image.Resampling.BICUBIC))
    _marks(layer, plumage, skeleton, "body", "head", soft=False)
    _patterns(layer, plumage, skeleton, rng, "body", "head")
    for frame, columns, rows, length in ((body, 18, 14, 0.13), (head, 11, 11, 0.11)):
        _stroke(layer, frame, columns, rows, length, plumage, skeleton, rng)
    return layer


def _stroke(
    layer: Canvas, frame: Frame, columns: int, rows: int, length: float, plumage: Plumage, skeleton: _Skeleton,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Short feathers over a part, each in the colour found at its root, somewhat lighter or darker."""
    column, row = np.meshgrid(np.linspace(-1.1, 1.1, columns), np.linspace(-1.05, 1.05, rows))
    roots = np.stack([column, row], axis=-1).reshape(-1, 2)
    roots = roots + rng.uniform(-0.08, 0.08, roots.shape)
    count = len(roots)
    fall = np.stack([np.full(count, -length), rng.normal(-0.25, 0.12, count) * length], axis=1)
    fall *= rng.uniform(0.6, 1.25, (count, 1))
    starts, ends = frame.at(roots), frame.at(roots + fall)
    at = np.clip((starts * layer.pixels).astype(int), 0, layer.pixels - 1)
    found = np.asarray(layer.image)[at[:, 1], at[:, 0]].astype(np.float64)
    if plumage.gloss:
        sheen = np.array([rgb(colour) for colour in plumage.gloss])[rng.integers(0, len(plumage.gloss), count)]
        dark = np.clip(1 - found.mean(axis=1, keepdims=True) / 110, 0, 1)
        found += (sheen - found) * dark * rng.uniform(0.0, 0.6, (count, 1))
    tones = rng.normal(1.0, 0.09, (count, 1)) + rng.choice([-0.04, 0.04], (count, 1))
    fills = np.clip(found * tones + rng.normal(0, 2, (count, 1)), 0, 255).astype(int)
    layer.strokes(starts, ends, skeleton.unit * 0.05, [(*fill, 150) for fill in fills.tolist()])


def _wing(layer: Canvas, plumage: Plumage, skeleton: _Skeleton, outline: np.ndarray, rng: np.random.Generator) -> None:
    wing, unit = skeleton.wing, skeleton.unit
    coverts, flight, edge = rgb(plumage.coverts), rgb(plumage.flight), rgb(plumage.edge)
    layer.polygon(outline + (0, 0.07 * unit), (20, 16, 24, 46))
    layer.polygon(outline, flight)
    lines = 7
    roots = np.stack([np.full(lines, 0.36), np.linspace(-0.42, 0.30, lines)], axis=1)
    tips = np.stack([np.linspace(0.68, 0.99, lines), np.linspace(-0.27, 0.02, lines)], axis=1)
    layer.strokes(wing.at(roots + (0, -0.03)), wing.at(tips + (0, -0.02)), unit * 0.05, [shade(flight, 0.76)] * lines)
    layer.strokes(wing.at(roots), wing.at(tips), unit * 0.027, [(*edge, 190)] * lines)
    shoulder = ((-0.04, 0.02), (0.06, 0.31), (0.26, 0.50), (0.44, 0.46), (0.49, 0.2), (0.47, -0.2), (0.40, -0.52), (0.12, -0.40))
    layer.polygon(wing.at(curve(shoulder)), coverts)
    _marks(layer, plumage, skeleton, "wing", soft=True)
    rows = np.array([(x, y) for x in (0.10, 0.20, 0.30, 0.40) for y in (-0.36, -0.24, -0.12, 0.0, 0.12, 0.24, 0.34)])
    rows = rows + rng.uniform(-0.035, 0.035, rows.shape)
    tones = rng.uniform(0.82, 1.16, len(rows))
    layer.strokes(
        wing.at(rows - (0.08, 0)), wing.at(rows + (0.03, -0.02)), unit * 0.07,
        [(*shade(coverts, float(tone)), 150) for tone in tones],
    )  # fmt: skip
    mantle = ((-0.02, 0.16), (0.06, 0.36), (0.30, 0.56), (0.66, 0.40), (0.50, 0.30), (0.2, 0.22))
    layer.polygon(wing.at(curve(mantle)), rgb(plumage.upper))
    _marks(layer, plumage, skeleton, "wing", soft=False)
    _patterns(layer, plumage, skeleton, rng, "wing", "tail")


def _eye(layer: Canvas, shape: Shape, plumage: Plumage, skeleton: _Skeleton) -> None:
    x, y = skeleton.head.at([(0.40, 0.15)])[0].tolist()
    radius = shape.eye * shape.head * skeleton.unit
    face = rgb(plumage.head)
    ring = shade(face, 0.62) if sum(face) > 240 else mix(face, (150, 140, 130), 0.42)
    if plumage.eye_ring:
        ring = rgb(plumage.eye_ring)
    layer.disc(x, y, radius * 1.28, ring)
    layer.disc(x, y, radius, rgb(plumage.iris))
    layer.disc(x + 0.05 * radius, y, radius * 0.66, (16, 12, 12))
    layer.disc(x - 0.28 * radius, y - 0.34 * radius, radius * 0.32, (255, 255, 255))


def _shaded(layer: Image.Image, torso: Image.Image, mask: Image.Image, light: Light) -> Image.Image:
    """Round the bird: lit and shaded by the slope of its blurred silhouette, with a fine dark rim."""
    coarse = torso.resize((VOLUME, VOLUME), Image.Resampling.BOX).filter(ImageFilter.BoxBlur(5))
    height = np.asarray(coarse.filter(ImageFilter.BoxBlur(4)), dtype=np.float32) / 255
    down, right = np.gradient(height)
    slope = -(right * light.towards[0] + down * light.towards[1])
    lit = np.clip(slope * (3.2 + 2.2 * light.sun), -0.42, 0.30) + 1.0
    gain = Image.fromarray(lit.astype(np.float32)).resize(layer.size, Image.Resampling.BICUBIC)
    inside = np.asarray(mask.filter(ImageFilter.BoxBlur(max(1, layer.width // 110))), dtype=np.float32) / 255
    rim = np.clip(inside * 1.1 - 0.1, 0.42, 1.0)
    painted = np.asarray(layer, dtype=np.float32) * (np.asarray(gain) * rim)[..., None]
    return Image.fromarray(np.clip(painted, 0, 255).astype(np.uint8))


def _develop(picture: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """The hour's colour and contrast, and a little grain that is the same at any size."""
    size = len(picture)
    grain = rng.normal(0, 2.6, (96, 96)).astype(np.float32)
    grown = np.asarray(Image.fromarray(grain).resize((size, size), Image.Resampling.BILINEAR))
    toned = (picture.astype(np.float32) - 118) * light.contrast + 118
    exposed = toned * np.array(light.gains, dtype=np.float32) + grown[..., None]
    developed: np.ndarray = np.clip(np.rint(exposed), 0, 255).astype(np.uint8)
    return developed
