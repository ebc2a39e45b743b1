"""What a drawn bird is made of, and how it holds itself.

Lengths are in units of half the body's length (those of bill and eye: of the head's radius), angles in degrees.
Outlines are smooth closed curves through points in the frame of a part, written in hundredths of its unit, `x,y x,y`:

- body: x from the rump (-100) to the breast (100), y from the belly (-100) to the back (100)
- head: x towards the bill, y towards the crown, radius 100; the eye is at 40,15
- wing: x from the shoulder (0) to the tip (100), y across, from the lower edge (-50) to the upper (50)
- tail: x from the base (0) to the tip (100), y across (-100 to 100)
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from trainables.data.brush import Frame, parse, smooth
from trainables.data.scenery import Stand

Part: TypeAlias = Literal["body", "head", "wing", "tail"]


@dataclass(frozen=True)
class Mark:
    """A coloured patch; a soft one fades into its surroundings, a crisp one has a feathered edge."""

    part: Part
    colour: str
    outline: str
    soft: bool = False


@dataclass(frozen=True)
class Pattern:
    """Repeated small marks on a jittered grid over the box (x from, x to, y from, y to) of a part."""

    part: Part
    colour: str
    box: tuple[float, float, float, float]
    columns: int
    rows: int
    length: float
    """Along the feathers; shorter than `width` makes bars, about as long makes spots, longer makes streaks."""
    width: float


@dataclass(frozen=True)
class Shape:
    """What the silhouette is made of."""

    depth: float
    """Height of the body over its length: plumpness."""
    head: float
    """Radius of the head."""
    neck: tuple[float, float]
    """Centre of the head in the body's directions."""
    tilt: float
    """How upright the bird perches, degrees."""
    bill: tuple[float, float, float]
    """Length, depth at the base, and how far the tip bends down."""
    tail: tuple[float, float, float]
    """Length, width at the end, and the shape of the end: below 0 notched, above 0 graduated."""
    leg: float
    size: float
    """How much of the picture the bird fills, against the largest."""
    cock: float = 0.0
    """Angle of the tail above the line of the body, degrees."""
    wing: tuple[float, float] = (1.62, 0.74)
    eye: float = 0.17


@dataclass(frozen=True)
class Plumage:
    """Colours of one sex or form: the broad areas, the bare parts, then the marks in painting order."""

    upper: str
    breast: str
    belly: str
    head: str
    coverts: str
    flight: str
    edge: str
    """Edges of the wing's long feathers."""
    tail: str
    tail_side: str
    bill: str
    leg: str
    iris: str = "#1b1411"
    eye_ring: str | None = None
    gloss: tuple[str, ...] = ()
    """Iridescent colours that shimmer over dark feathers."""
    marks: tuple[Mark, ...] = ()
    patterns: tuple[Pattern, ...] = ()


@dataclass(frozen=True)
class Species:
    """A shape and one or more plumages, and where the bird likes to be."""

    shape: Shape
    plumages: tuple[Plumage, ...]
    scenes: tuple[str, ...]


# The silhouette runs from the forehead over the back to the throat.
_HEAD_ABOVE = parse("95,24 74,68 18,99 -48,86 -94,34")
_TORSO = parse("46,90 -2,93 -52,74 -92,40 -114,12 -98,-26 -55,-74 -2,-100 48,-94 84,-58 98,-12")
_HEAD_BELOW = parse("66,-62 90,-24")


@dataclass(frozen=True)
class Skeleton:
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

    def frame(self, part: Part) -> Frame:
        """The frame that a part's marks are drawn in."""
        return {"body": self.body, "head": self.head, "wing": self.wing, "tail": self.tail}[part]


def pose(shape: Shape, ground: bool, rng: np.random.Generator) -> Skeleton:
    """Stand a bird in the picture: facing left or right, upright, singing, or (on the `ground` only) pecking."""
    facing = 1 if rng.uniform() < 0.5 else -1
    pecks = ground and bool(rng.uniform() < 0.3)
    # Pigeons and doves, known by their small heads, coo with the bill shut.
    sings = bool(rng.uniform() < 0.16) and not pecks and shape.head > 0.35
    stretch, swing, look, cock, turn, fluff = rng.uniform(-1, 1, 6).tolist()
    tilt = (-13 + 6 * swing) if pecks else shape.tilt * (0.6 if ground else 1.0) + 9 * swing
    look = (-46 + 10 * look) if pecks else 14 * look + (20 if sings else 2)
    reach = (shape.neck[0] + 0.16, -0.04) if pecks else shape.neck
    neck = np.array(reach) + np.array([0.02, 0.05]) * stretch
    cock = shape.cock + 8 * cock
    foreshortening = 1 - 0.13 * (turn + 1)

    def direction(degrees: float) -> tuple[np.ndarray, np.ndarray]:
        angle = np.deg2rad(degrees)
        ahead = np.array([facing * np.cos(angle), -np.sin(angle)])
        return ahead, np.array([-facing * np.sin(angle), -np.cos(angle)])

    ahead, up = direction(tilt)
    gaze, crown = direction(look)
    back, above = direction(tilt + 180 - cock)
    body = Frame(np.zeros(2), ahead, up * shape.depth * (1.02 + 0.07 * fluff))
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

    outline = silhouette(body, head)
    feet = np.array([facing * 0.06 + 0.02 * swing, outline[:, 1].max() + shape.leg * 0.62])
    extent = np.vstack([outline, tail.at([(0.88, 0.0)]), bill.at([(1.0, 0.0)]), feet[None]])
    low, high = extent.min(axis=0), extent.max(axis=0)
    unit = float(0.97 * shape.size * rng.uniform(0.84, 1.0) / (high - low).max())
    centre = np.array([0.5, 0.49]) + rng.uniform(-0.05, 0.05, 2) - unit * (low + high) / 2

    def place(frame: Frame) -> Frame:
        return Frame(frame.origin * unit + centre, *(frame.axes * unit))

    x, y = (feet * unit + centre).tolist()
    stand = Stand(x, y, unit, facing, large=shape.size > 0.9)
    gape = 0.34 if sings else 0.0
    return Skeleton(unit, place(body), place(head), place(wing), place(tail), place(bill), gape, stand)


def silhouette(body: Frame, head: Frame) -> np.ndarray:
    """The outline of body and head without tail, wing and bill, as points [n, 2] of the frames' picture."""
    outline = smooth(np.vstack([head.at(_HEAD_ABOVE), body.at(_TORSO), head.at(_HEAD_BELOW)]), 7)
    for _ in range(3):
        outline = (np.roll(outline, 2, 0) + outline + np.roll(outline, -2, 0)) / 3
    return outline
