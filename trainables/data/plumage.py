"""Twenty garden birds of the United Kingdom as data: shape, plumage and field marks of each.

Only numbers live here, `birds.py` draws them. Lengths are in units of half the body's length (bill and eye: of the
head's radius), angles in degrees. Marks are smooth closed outlines in the frame of a part of the bird:

- body: x from the rump (-1) to the breast (1), y from the belly (-1) to the back (1)
- head: x towards the bill, y towards the crown, radius 1; the eye is at (0.4, 0.15)
- wing: x from the shoulder (0) to the tip (1), y across, from the lower edge (-0.5) to the upper (0.5)
- tail: x from the base (0) to the tip (1), y across (-1 to 1)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Outline: TypeAlias = tuple[tuple[float, float], ...]
Part: TypeAlias = Literal["body", "head", "wing", "tail"]


@dataclass(frozen=True)
class Mark:
    """A coloured patch; a soft one fades into its surroundings, a crisp one has a feathered edge."""

    part: Part
    colour: str
    outline: Outline
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


PERCHES = ("branch", "hedge", "fence", "feeder", "blossom", "lawn", "snow", "pot")
GROUND = ("lawn", "lawn", "fence", "branch", "hedge", "snow", "blossom")
LARGE = ("lawn", "lawn", "fence", "wall", "branch", "snow")

CAP: Outline = ((0.80, 0.62), (0.45, 0.50), (-0.20, 0.42), (-0.85, 0.30), (-1.15, 0.60), (-0.6, 1.25), (0.3, 1.25))
HOOD: Outline = ((1.3, 0.9), (1.3, -0.8), (0.5, -1.15), (-0.4, -1.0), (-1.2, -0.5), (-1.5, 0.6), (-0.6, 1.5), (0.5, 1.5))
CHEEK: Outline = ((0.52, -0.10), (0.15, 0.00), (-0.35, -0.02), (-0.70, -0.22), (-0.55, -0.62), (-0.05, -0.78), (0.38, -0.58))
BIB: Outline = ((1.2, -0.05), (0.80, -0.22), (0.55, -0.50), (0.35, -0.95), (0.7, -1.5), (1.3, -1.2))
EYE_LINE: Outline = ((1.05, 0.18), (0.4, 0.24), (-0.3, 0.22), (-1.15, 0.25), (-1.15, 0.02), (-0.3, 0.06), (0.4, 0.06), (1.05, 0.06))
BROW: Outline = ((0.95, 0.34), (0.5, 0.46), (0.0, 0.46), (-0.65, 0.34), (-0.7, 0.26), (0.0, 0.33), (0.5, 0.33), (0.95, 0.26))
LORES: Outline = ((1.1, 0.22), (0.75, 0.22), (0.45, 0.2), (0.45, 0.08), (0.8, 0.0), (1.1, 0.0))
WING_BAR: Outline = ((0.33, 0.40), (0.40, 0.36), (0.46, 0.0), (0.44, -0.36), (0.37, -0.40), (0.40, 0.0))
UPPER_BAR: Outline = ((0.18, 0.36), (0.24, 0.34), (0.29, 0.0), (0.24, -0.36), (0.16, -0.34), (0.21, 0.0))
FLIGHT_PANEL: Outline = ((0.50, -0.12), (0.9, 0.02), (0.95, -0.05), (0.75, -0.26), (0.52, -0.38))


def _feral(head: str, body: str, wing: str, bar: str) -> Plumage:
    return Plumage(
        upper=wing, breast=body, belly=body, head=head, coverts=wing, flight="#6c7078", edge="#878c95",
        tail="#5d626b", tail_side="#3b3e45", bill="#3b3a3d", leg="#b8443f", iris="#d8701f",
        gloss=("#3f7d63", "#74508a"),
        marks=(
            Mark("body", "#3d7a62", ((1.1, 1.4), (0.35, 1.0), (0.50, 0.45), (0.9, 0.25), (1.4, 0.6)), soft=True),
            Mark("body", "#77538c", ((1.4, 0.5), (0.62, 0.42), (0.55, 0.05), (0.8, -0.35), (1.4, -0.3)), soft=True),
            Mark("head", "#e9e6e2", ((1.12, 0.34), (0.86, 0.36), (0.84, 0.16), (1.1, 0.10))),
            Mark("wing", bar, ((0.38, 0.34), (0.44, 0.30), (0.50, -0.05), (0.46, -0.42), (0.39, -0.42), (0.43, -0.05))),
            Mark("wing", bar, ((0.62, 0.22), (0.68, 0.18), (0.70, -0.05), (0.63, -0.32), (0.56, -0.34), (0.63, -0.05))),
            Mark("tail", "#303238", ((0.82, 1.3), (1.1, 1.3), (1.1, -1.3), (0.82, -1.3))),
        ),
    )  # fmt: skip


def _chaffinch(crown: str, face: str, back: str, breast: str, belly: str) -> Plumage:
    return Plumage(
        upper=back, breast=breast, belly=belly, head=face, coverts="#3a3534", flight="#38322f", edge="#a3a06a",
        tail="#3b3738", tail_side="#f1efe8", bill="#7d8796", leg="#8b6b58",
        marks=(
            Mark("head", crown, ((0.72, 0.70), (0.40, 0.46), (-0.1, 0.36), (-0.5, 0.0), (-0.7, -0.5), (-1.4, -0.3), (-1.2, 0.8), (-0.3, 1.4), (0.5, 1.2))),
            Mark("body", "#71814f", ((-0.3, 0.9), (-0.5, 0.3), (-1.2, 0.1), (-1.3, 0.7)), soft=True),
            Mark("wing", "#f5f2ea", ((0.08, 0.36), (0.26, 0.36), (0.30, 0.0), (0.24, -0.30), (0.10, -0.2))),
            Mark("wing", "#f3efdd", ((0.38, 0.40), (0.47, 0.36), (0.51, 0.0), (0.49, -0.38), (0.42, -0.40), (0.44, 0.0))),
        ),
    )  # fmt: skip


BIRDS: Mapping[str, Species] = {
    "House_Sparrow": Species(
        Shape(0.70, 0.50, (0.76, 0.50), 30, (0.52, 0.46, 0.06), (0.95, 0.34, -0.1), 0.42, 0.84),
        (
            Plumage(  # male
                upper="#8a5a34", breast="#a9a39a", belly="#b9b2a8", head="#8b4a25", coverts="#8c4d27", flight="#4a3a2e",
                edge="#b98e60", tail="#594838", tail_side="#7d6750", bill="#2e2a29", leg="#a5745f",
                marks=(
                    Mark("head", "#d9d5cc", ((0.35, 0.02), (0.0, 0.0), (-0.55, -0.1), (-0.6, -0.7), (0.1, -1.0), (0.5, -0.6))),
                    Mark("head", "#7d7c7c", ((1.1, 0.50), (0.7, 0.44), (0.1, 0.50), (-0.5, 0.62), (-0.6, 1.2), (0.4, 1.4), (1.1, 1.0))),
                    Mark("head", "#171413", ((1.2, 0.2), (0.6, 0.16), (0.32, 0.02), (0.45, -0.4), (0.05, -1.0), (0.5, -1.6), (1.4, -1.2))),
                    Mark("body", "#1d1917", ((1.3, 0.5), (0.86, 0.35), (0.72, 0.05), (0.80, -0.3), (1.3, -0.3))),
                    Mark("wing", "#f2ede2", ((0.22, 0.34), (0.30, 0.32), (0.34, 0.0), (0.28, -0.36), (0.20, -0.34), (0.26, 0.0))),
                ),
                patterns=(Pattern("body", "#2d211a", (-0.75, 0.55, 0.50, 0.95), 7, 3, 0.26, 0.07),),
            ),
            Plumage(  # female
                upper="#9a7a55", breast="#bdad96", belly="#c6baa6", head="#98805f", coverts="#8d6c48", flight="#57473a",
                edge="#c3a378", tail="#65533f", tail_side="#8b7558", bill="#a98b62", leg="#a5745f",
                marks=(
                    Mark("head", "#d8c298", ((0.35, 0.44), (0.0, 0.48), (-0.8, 0.36), (-0.8, 0.18), (0.0, 0.24), (0.3, 0.22))),
                    Mark("head", "#6f5a41", ((0.3, 0.22), (-0.2, 0.2), (-0.9, 0.14), (-0.9, 0.0), (-0.2, 0.04), (0.3, 0.1))),
                    Mark("wing", "#e7dcc4", UPPER_BAR),
                ),
                patterns=(Pattern("body", "#3a2d22", (-0.75, 0.55, 0.50, 0.95), 7, 3, 0.26, 0.07),),
            ),
        ),
        ("hedge", "fence", "feeder", "lawn", "branch", "pot", "snow"),
    ),
    "Bluetit": Species(
        Shape(0.74, 0.54, (0.70, 0.48), 34, (0.34, 0.26, 0.04), (0.88, 0.26, -0.15), 0.40, 0.78),
        (
            Plumage(
                upper="#7f9a53", breast="#f0d13f", belly="#f2dc62", head="#f5f5f0", coverts="#3c7fc4", flight="#3a5f8f",
                edge="#86b0d8", tail="#3f76b4", tail_side="#5b93cc", bill="#2a2b30", leg="#5d6f86",
                marks=(
                    Mark("body", "#f6efb5", ((0.1, -0.7), (-0.5, -0.4), (-1.1, -0.3), (-0.9, -1.2), (-0.1, -1.3)), soft=True),
                    Mark("head", "#3a86d2", ((0.62, 0.78), (0.30, 0.50), (-0.30, 0.46), (-0.75, 0.58), (-0.70, 1.1), (0.0, 1.4), (0.5, 1.2))),
                    Mark("head", "#1d2c55", ((-0.70, 0.32), (-0.92, -0.55), (-0.55, -0.86), (0.35, -0.95), (0.3, -1.18), (-0.75, -1.15), (-1.5, -0.4), (-1.3, 0.5))),
                    Mark("head", "#1b2440", EYE_LINE),
                    Mark("head", "#1b2344", ((1.2, 0.0), (0.86, -0.18), (0.62, -0.42), (0.45, -1.0), (0.7, -1.3), (1.3, -0.9))),
                    Mark("wing", "#f4f6f4", WING_BAR),
                ),
            ),
        ),
        ("feeder", "feeder", "branch", "blossom", "blossom", "hedge", "snow", "pot"),
    ),
    "Starling": Species(
        Shape(0.62, 0.40, (0.86, 0.50), 30, (0.98, 0.34, 0.02), (0.66, 0.36, 0.0), 0.50, 0.90, wing=(1.70, 0.66)),
        (
            Plumage(  # breeding: glossy, few spots
                upper="#23282f", breast="#2a2740", belly="#25262c", head="#2c2438", coverts="#2b3538", flight="#332c2a",
                edge="#8d6c49", tail="#2e2926", tail_side="#4c3f34", bill="#e8c337", leg="#b0563e",
                gloss=("#2f7a5b", "#6a3f8e", "#2f5f8f"),
                marks=(Mark("body", "#28594c", ((0.6, 0.9), (0.3, 0.2), (-0.4, 0.1), (-0.9, 0.4), (-0.5, 1.2), (0.4, 1.3)), soft=True),),
                patterns=(
                    Pattern("body", "#d9c39a", (-0.75, 0.55, 0.30, 0.92), 9, 4, 0.07, 0.05),
                    Pattern("body", "#b9b3ae", (-0.6, 0.2, -0.85, -0.4), 6, 3, 0.06, 0.04),
                ),
            ),
            Plumage(  # winter: spangled with white
                upper="#2b2a2c", breast="#2b2a36", belly="#2b2a2e", head="#3a3338", coverts="#2f3233", flight="#3a302b",
                edge="#b58a5a", tail="#332c28", tail_side="#5d4a3a", bill="#4a4038", leg="#a0553f",
                gloss=("#2f6a55", "#5c4080"),
                patterns=(
                    Pattern("body", "#f1ead9", (-0.70, 1.0, -0.92, 0.25), 13, 8, 0.075, 0.055),
                    Pattern("body", "#d8b884", (-0.75, 0.6, 0.32, 0.94), 10, 4, 0.08, 0.06),
                    Pattern("head", "#e9dcc2", (-0.9, 0.9, -0.8, 0.85), 8, 7, 0.10, 0.08),
                ),
            ),
        ),
        ("lawn", "lawn", "fence", "wall", "feeder", "branch", "snow"),
    ),
    "Wood_Pigeon": Species(
        Shape(0.64, 0.31, (0.98, 0.72), 20, (0.72, 0.44, 0.14), (1.05, 0.42, 0.1), 0.34, 1.0, wing=(1.86, 0.74), eye=0.16),
        (
            Plumage(
                upper="#8d929a", breast="#c49a9a", belly="#cbbcbc", head="#8793a3", coverts="#9298a0", flight="#5c6069",
                edge="#8d929a", tail="#777d87", tail_side="#6c727c", bill="#dd8a3d", leg="#c8574f", iris="#f0e6a6",
                gloss=(),
                marks=(
                    Mark("body", "#b98f9a", ((1.5, 0.2), (0.75, 0.35), (0.5, -0.1), (0.35, -0.7), (0.8, -1.3), (1.5, -0.9)), soft=True),
                    Mark("body", "#7aa08f", ((0.98, 1.4), (0.78, 1.4), (0.74, 1.05), (1.0, 1.0)), soft=True),
                    Mark("body", "#f7f6f2", ((0.98, 1.02), (0.74, 1.08), (0.60, 0.84), (0.76, 0.68), (0.98, 0.78))),
                    Mark("head", "#eae6e0", ((1.10, 0.30), (0.88, 0.36), (0.84, 0.12), (1.08, 0.06))),
                    Mark("wing", "#f6f5f0", ((0.02, -0.12), (0.12, -0.36), (0.36, -0.50), (0.60, -0.42), (0.58, -0.33), (0.34, -0.38), (0.15, -0.24))),
                    Mark("tail", "#2c2e33", ((0.72, 1.4), (1.2, 1.4), (1.2, -1.4), (0.72, -1.4))),
                ),
            ),
        ),
        LARGE + ("feeder",),
    ),
    "Blackbird": Species(
        Shape(0.58, 0.40, (0.86, 0.50), 24, (0.74, 0.34, 0.05), (1.20, 0.36, 0.12), 0.52, 0.92, cock=8),
        (
            Plumage(  # male
                upper="#232226", breast="#201f23", belly="#242327", head="#1f1e22", coverts="#232227", flight="#2a282c",
                edge="#3d3a3f", tail="#222125", tail_side="#2c2a2f", bill="#f0a01f", leg="#4a3a32", eye_ring="#f2ae2c",
            ),
            Plumage(  # female
                upper="#5a4433", breast="#7e5f46", belly="#6b5443", head="#5f4936", coverts="#594333", flight="#4d3a2d",
                edge="#75593f", tail="#4b392c", tail_side="#5a4535", bill="#a9803f", leg="#5b4636", eye_ring="#a2834a",
                marks=(Mark("head", "#a38b72", ((1.1, -0.2), (0.6, -0.35), (0.25, -0.8), (0.5, -1.4), (1.2, -1.1)), soft=True),),
                patterns=(Pattern("body", "#47352a", (0.1, 0.95, -0.80, 0.1), 8, 6, 0.11, 0.06),),
            ),
        ),
        GROUND,
    ),
    "Robin": Species(
        Shape(0.76, 0.52, (0.70, 0.52), 36, (0.46, 0.20, 0.03), (0.84, 0.26, -0.05), 0.54, 0.80, cock=6, eye=0.20),
        (
            Plumage(
                upper="#85704c", breast="#e2682a", belly="#f0ebe0", head="#83704f", coverts="#7a6747", flight="#64543d",
                edge="#9a8660", tail="#6f5c42", tail_side="#83694a", bill="#33291f", leg="#7d5640",
                marks=(
                    Mark("body", "#8e9ba6", ((1.5, 0.9), (0.7, 0.95), (0.44, 0.62), (0.26, 0.22), (0.08, -0.30), (0.14, -0.62), (0.5, -0.9), (1.5, -0.9))),
                    Mark("head", "#8e9ba6", ((0.95, 0.62), (0.35, 0.56), (-0.06, 0.36), (-0.26, -0.1), (-0.45, -0.8), (0.0, -1.7), (0.6, -1.3))),
                    Mark("body", "#e2662a", ((1.5, 0.9), (0.95, 1.0), (0.62, 0.62), (0.40, 0.16), (0.26, -0.28), (0.34, -0.58), (0.62, -0.80), (1.5, -0.85))),
                    Mark("head", "#e4672a", ((1.3, 0.30), (0.80, 0.52), (0.34, 0.42), (0.10, 0.14), (-0.06, -0.3), (-0.25, -0.9), (0.1, -1.7), (1.2, -1.6))),
                ),
            ),
        ),
        ("pot", "branch", "hedge", "snow", "snow", "lawn", "fence", "blossom", "feeder"),
    ),
    "Goldfinch": Species(
        Shape(0.68, 0.49, (0.76, 0.50), 32, (0.58, 0.36, 0.02), (0.88, 0.28, -0.25), 0.38, 0.78),
        (
            Plumage(
                upper="#a9794b", breast="#c89e6d", belly="#f3ece0", head="#f4eee2", coverts="#1d1b1c", flight="#1c1a1b",
                edge="#2a2726", tail="#1d1b1c", tail_side="#f0ece4", bill="#e6cdb0", leg="#b9907c",
                marks=(
                    Mark("body", "#efe6d6", ((0.2, -0.2), (-0.6, -0.2), (-1.2, -0.2), (-0.9, -1.3), (0.3, -1.3)), soft=True),
                    Mark("head", "#191718", ((0.25, 1.4), (0.12, 0.60), (-0.28, 0.52), (-0.45, 0.1), (-0.52, -0.55), (-0.95, -0.75), (-1.12, 0.1), (-1.2, 0.9), (-0.4, 1.4))),
                    Mark("head", "#c9252b", ((1.3, 0.7), (0.66, 0.90), (0.16, 0.60), (0.14, 0.10), (0.34, -0.42), (0.78, -0.66), (1.3, -0.4))),
                    Mark("head", "#1c1718", LORES),
                    Mark("wing", "#f6c816", ((0.36, 0.20), (0.50, 0.22), (0.80, 0.04), (0.86, -0.04), (0.62, -0.34), (0.40, -0.42), (0.40, -0.1))),
                ),
                patterns=(Pattern("wing", "#f5f0e6", (0.90, 1.0, -0.06, 0.10), 2, 2, 0.05, 0.10),),
            ),
        ),
        ("feeder", "branch", "blossom", "hedge", "lawn", "fence"),
    ),
    "Great_Tit": Species(
        Shape(0.70, 0.50, (0.74, 0.50), 34, (0.42, 0.28, 0.02), (0.98, 0.28, -0.12), 0.42, 0.82),
        (
            Plumage(
                upper="#748a48", breast="#ecd03c", belly="#efd955", head="#15181f", coverts="#5f7f9c", flight="#45566b",
                edge="#8fa9c2", tail="#4f6d8c", tail_side="#e6ebee", bill="#20201f", leg="#5f6b7d", gloss=(),
                marks=(
                    Mark("body", "#13161b", ((1.5, 0.4), (0.98, 0.25), (0.72, -0.20), (0.45, -0.66), (0.0, -0.86), (-0.3, -0.88), (0.0, -1.3), (1.0, -1.2), (1.5, -0.6))),
                    Mark("head", "#11141a", BIB),
                    Mark("head", "#f6f6f1", ((0.50, -0.08), (0.12, 0.0), (-0.40, -0.02), (-0.78, -0.24), (-0.60, -0.66), (-0.05, -0.82), (0.36, -0.60))),
                                        Mark("wing", "#f2f4f2", WING_BAR),
                ),
            ),
        ),
        ("feeder", "feeder", "branch", "blossom", "hedge", "snow", "pot"),
    ),
    "Magpie": Species(
        Shape(0.60, 0.40, (0.86, 0.50), 20, (0.72, 0.42, 0.10), (2.05, 0.46, 0.34), 0.58, 1.0, cock=6, wing=(1.72, 0.74)),
        (
            Plumage(
                upper="#15161b", breast="#16161b", belly="#f5f5f2", head="#131419", coverts="#16181f", flight="#1f4f7c",
                edge="#3f8fb5", tail="#17443f", tail_side="#1f6a58", bill="#17171a", leg="#1c1b1d",
                gloss=("#24506e", "#2d3f6e"),
                marks=(
                    Mark("body", "#fafaf7", ((0.50, -0.2), (0.42, -0.62), (0.55, -1.3), (-0.55, -1.3), (-0.85, -0.7), (-0.5, -0.1))),
                    Mark("body", "#141519", ((-0.62, 0.2), (-0.72, -0.4), (-0.66, -1.2), (-1.4, -1.0), (-1.4, 0.4))),
                    Mark("wing", "#fbfbf8", ((0.02, 0.20), (0.20, 0.44), (0.42, 0.42), (0.46, 0.26), (0.26, 0.10), (0.08, 0.04))),
                    Mark("tail", "#5c3a74", ((0.72, 1.3), (0.86, 1.3), (0.86, -1.3), (0.72, -1.3)), soft=True),
                ),
            ),
        ),
        LARGE,
    ),
    "Long_Tailed_Tit": Species(
        Shape(0.84, 0.58, (0.60, 0.48), 34, (0.20, 0.24, 0.08), (2.1, 0.24, 0.2), 0.34, 0.9, wing=(1.48, 0.62), eye=0.17),
        (
            Plumage(
                upper="#2a2526", breast="#f4efec", belly="#efdcd8", head="#f6f3ef", coverts="#2b2728", flight="#3a3434",
                edge="#e8e2dc", tail="#1d1b1d", tail_side="#f2efeb", bill="#1e1b1b", leg="#4b3b38", eye_ring="#d98a78",
                marks=(
                    Mark("body", "#d9a3a3", ((-0.3, 0.0), (-0.2, -0.8), (-0.5, -1.3), (-1.3, -0.8), (-1.2, 0.1)), soft=True),
                    Mark("body", "#cf8f93", ((0.55, 0.62), (0.1, 0.30), (-0.5, 0.25), (-1.1, 0.15), (-1.0, 0.75), (-0.2, 0.72))),
                    Mark("head", "#1f1b1d", ((0.62, 0.58), (0.25, 0.42), (-0.3, 0.30), (-0.9, 0.0), (-1.5, -0.4), (-1.6, 0.5), (-0.8, 0.72), (-0.1, 0.74), (0.4, 0.76))),
                ),
            ),
        ),
        ("branch", "hedge", "blossom", "feeder", "snow", "branch"),
    ),
    "Chaffinch": Species(
        Shape(0.66, 0.48, (0.78, 0.50), 30, (0.52, 0.40, 0.04), (1.05, 0.30, -0.2), 0.42, 0.84),
        (
            _chaffinch("#7189a6", "#c4765a", "#8f5a3f", "#cf8468", "#dfb6a2"),
            _chaffinch("#8c8062", "#a3947a", "#857451", "#b9ab93", "#cfc5b3"),
        ),
        ("lawn", "lawn", "branch", "hedge", "feeder", "blossom", "fence", "snow"),
    ),
    "Dunnock": Species(
        Shape(0.66, 0.46, (0.78, 0.46), 20, (0.46, 0.22, 0.02), (0.95, 0.28, -0.1), 0.42, 0.80, cock=6),
        (
            Plumage(
                upper="#8a5d39", breast="#88909b", belly="#b0aca6", head="#858e9a", coverts="#7f5636", flight="#5b4330",
                edge="#a87b52", tail="#624c39", tail_side="#745a43", bill="#2d2726", leg="#b0735a", iris="#6b3520",
                marks=(
                    Mark("head", "#86694c", ((0.75, 0.70), (0.4, 0.55), (-0.3, 0.50), (-1.1, 0.25), (-1.3, 0.9), (0.0, 1.4), (0.6, 1.2)), soft=True),
                    Mark("head", "#80644a", ((0.35, 0.02), (0.0, 0.10), (-0.5, 0.10), (-0.7, -0.2), (-0.2, -0.42), (0.25, -0.28)), soft=True),
                ),
                patterns=(
                    Pattern("body", "#33241a", (-0.8, 0.6, 0.42, 0.95), 8, 4, 0.24, 0.075),
                    Pattern("body", "#6f5138", (-0.75, 0.1, -0.55, -0.1), 6, 3, 0.24, 0.06),
                    Pattern("wing", "#33251b", (0.08, 0.40, -0.36, 0.3), 4, 4, 0.13, 0.06),
                ),
            ),
        ),
        ("lawn", "lawn", "hedge", "branch", "fence", "pot", "snow"),
    ),
    "Jackdaw": Species(
        Shape(0.58, 0.43, (0.86, 0.54), 24, (0.62, 0.42, 0.10), (1.02, 0.38, 0.1), 0.50, 0.95, wing=(1.82, 0.70), eye=0.17),
        (
            Plumage(
                upper="#2a2b31", breast="#3a3a40", belly="#393a40", head="#3a3a40", coverts="#292b33", flight="#24262d",
                edge="#3d424f", tail="#232429", tail_side="#2d2e35", bill="#1b1b1e", leg="#202023", iris="#dfe6ea",
                gloss=("#33405f", "#44415e"),
                marks=(
                    Mark("head", "#8b8e96", ((0.05, 0.55), (-0.2, -0.1), (-0.35, -0.8), (-0.9, -1.3), (-1.5, -0.4), (-1.2, 0.7), (-0.5, 1.0)), soft=True),
                    Mark("head", "#17181c", ((1.3, 0.5), (1.0, -0.4), (0.62, -0.30), (0.26, 0.0), (0.0, 0.45), (-0.45, 0.7), (-0.3, 1.4), (0.7, 1.3))),
                ),
            ),
        ),
        LARGE + ("feeder",),
    ),
    "Feral_Pigeon": Species(
        Shape(0.64, 0.32, (0.94, 0.72), 22, (0.66, 0.34, 0.10), (0.90, 0.42, 0.1), 0.36, 0.96, wing=(1.86, 0.72), eye=0.19),
        (
            _feral("#56606d", "#7d8692", "#a9b0b8", "#26272c"),
            _feral("#4a525e", "#5f6670", "#7b828b", "#25262a"),
            _feral("#8d5f4a", "#a98674", "#c1aca0", "#7f4c38"),
        ),
        ("lawn", "lawn", "fence", "wall", "pot", "feeder"),
    ),
    "Collared_Dove": Species(
        Shape(0.60, 0.31, (0.94, 0.70), 22, (0.60, 0.28, 0.08), (1.25, 0.36, 0.1), 0.32, 0.92, wing=(1.84, 0.66), eye=0.19),
        (
            Plumage(
                upper="#b9a68f", breast="#d6bdb3", belly="#d9cfc4", head="#d0beb3", coverts="#b8a791", flight="#6f675f",
                edge="#8d8377", tail="#a3937f", tail_side="#ece7df", bill="#3c3a3a", leg="#a8504c", iris="#7d1f1a",
                marks=(
                    Mark("body", "#f0ece6", ((0.98, 1.06), (0.66, 1.08), (0.46, 0.86), (0.50, 0.74), (0.72, 0.92), (0.98, 0.90))),
                    Mark("body", "#1d1b1b", ((0.94, 1.00), (0.68, 1.04), (0.50, 0.84), (0.54, 0.78), (0.72, 0.93), (0.94, 0.92))),
                    Mark("wing", "#bcc1c6", ((0.06, -0.20), (0.2, -0.40), (0.46, -0.44), (0.50, -0.26), (0.2, -0.16)), soft=True),
                ),
            ),
        ),
        ("fence", "branch", "lawn", "wall", "feeder", "blossom"),
    ),
    "Carrion_Crow": Species(
        Shape(0.58, 0.40, (0.90, 0.50), 20, (0.92, 0.52, 0.16), (1.15, 0.42, 0.2), 0.58, 1.0, wing=(1.92, 0.72), eye=0.14),
        (
            Plumage(
                upper="#191a1f", breast="#17181c", belly="#18191d", head="#16171b", coverts="#1b1d24", flight="#1d1f26",
                edge="#363b49", tail="#17181d", tail_side="#20222a", bill="#121215", leg="#151518",
                gloss=("#2b3450", "#352f4c"),
            ),
        ),
        LARGE,
    ),
    "Coal_Tit": Species(
        Shape(0.74, 0.56, (0.68, 0.46), 32, (0.36, 0.22, 0.02), (0.72, 0.24, -0.15), 0.38, 0.74),
        (
            Plumage(
                upper="#7d8288", breast="#e3d8c2", belly="#d9bf98", head="#14151a", coverts="#6f767e", flight="#565b61",
                edge="#8a9096", tail="#5e646b", tail_side="#757b82", bill="#1a1a1b", leg="#5d6673",
                marks=(
                    Mark("head", "#f7f6f1", ((-0.62, 0.62), (-0.60, 0.10), (-0.85, -0.5), (-1.3, -0.4), (-1.2, 0.6))),
                    Mark("head", "#12131a", ((1.3, -0.05), (0.7, -0.15), (0.4, -0.6), (0.0, -1.2), (0.5, -1.7), (1.4, -1.2))),
                    Mark("head", "#f7f6f2", ((0.56, -0.06), (0.12, 0.02), (-0.36, 0.0), (-0.62, -0.26), (-0.62, -0.80), (-0.2, -1.0), (0.26, -0.72))),
                    Mark("wing", "#f3f2ee", WING_BAR),
                    Mark("wing", "#f3f2ee", UPPER_BAR),
                ),
            ),
        ),
        ("feeder", "branch", "hedge", "blossom", "snow", "pot"),
    ),
    "Greenfinch": Species(
        Shape(0.72, 0.50, (0.76, 0.50), 30, (0.56, 0.52, 0.04), (0.84, 0.30, -0.25), 0.40, 0.86),
        (
            Plumage(
                upper="#7c8a45", breast="#a9b444", belly="#c6c45c", head="#8d9a4c", coverts="#7e8a5c", flight="#5b5d57",
                edge="#9aa08a", tail="#4c4a45", tail_side="#e5cc2f", bill="#e3c4b2", leg="#c08f7d",
                marks=(
                    Mark("head", "#5f6a3e", ((0.95, 0.30), (0.5, 0.28), (0.3, 0.08), (0.7, -0.02), (1.0, 0.06)), soft=True),
                    Mark("head", "#9a9d7e", ((0.1, 0.0), (-0.4, 0.0), (-0.7, -0.4), (-0.2, -0.6), (0.2, -0.4)), soft=True),
                    Mark("wing", "#f0d31f", ((0.52, -0.26), (0.72, -0.14), (0.98, 0.02), (0.94, -0.10), (0.74, -0.34), (0.54, -0.44))),
                    Mark("tail", "#e8cf2c", ((0.1, -1.2), (0.1, -0.45), (0.62, -0.5), (0.62, -1.3))),
                ),
            ),
        ),
        ("feeder", "hedge", "branch", "blossom", "fence", "lawn"),
    ),
    "Wren": Species(
        Shape(0.86, 0.52, (0.66, 0.46), 22, (0.60, 0.18, 0.10), (0.82, 0.26, 0.15), 0.40, 0.74, cock=78, wing=(1.28, 0.70)),
        (
            Plumage(
                upper="#8e5c34", breast="#c6a27a", belly="#ae8156", head="#86572f", coverts="#84522d", flight="#7c5130",
                edge="#a9784a", tail="#84542f", tail_side="#94633b", bill="#4a382b", leg="#a67658",
                marks=(
                    Mark("head", "#c9ad85", ((1.1, -0.1), (0.4, -0.08), (-0.1, -0.4), (0.0, -1.2), (0.6, -1.5), (1.2, -1.0)), soft=True),
                    Mark("head", "#ecd9b4", BROW),
                    Mark("head", "#5d3b22", ((1.0, 0.20), (0.4, 0.20), (-0.7, 0.18), (-0.7, 0.06), (0.4, 0.04), (1.0, 0.10))),
                ),
                patterns=(
                    Pattern("body", "#6a4222", (-0.85, 0.45, 0.20, 0.92), 10, 4, 0.03, 0.17),
                    Pattern("body", "#80562f", (-0.85, -0.05, -0.85, -0.25), 8, 4, 0.03, 0.17),
                    Pattern("wing", "#54331c", (0.25, 0.92, -0.32, 0.24), 9, 4, 0.028, 0.13),
                    Pattern("tail", "#4a2c18", (0.2, 0.95, -0.7, 0.7), 6, 3, 0.05, 0.5),
                ),
            ),
        ),
        ("pot", "hedge", "hedge", "branch", "fence", "snow", "blossom"),
    ),
    "Song_Thrush": Species(
        Shape(0.62, 0.42, (0.84, 0.52), 30, (0.62, 0.30, 0.05), (0.98, 0.32, 0.0), 0.54, 0.90, eye=0.20),
        (
            Plumage(
                upper="#8f7350", breast="#f0dfb8", belly="#f6f1e4", head="#8e7454", coverts="#8a6e4b", flight="#75603f",
                edge="#a78d62", tail="#7c6446", tail_side="#8d7350", bill="#5c4a38", leg="#d3a58d",
                marks=(
                    Mark("head", "#efe3c6", ((1.2, -0.05), (0.7, -0.18), (0.15, -0.4), (-0.1, -0.9), (0.2, -1.6), (1.2, -1.3))),
                    Mark("head", "#c8b48e", ((0.35, 0.0), (-0.1, 0.02), (-0.6, -0.2), (-0.4, -0.6), (0.15, -0.5)), soft=True),
                    Mark("head", "#5a4430", ((0.9, -0.16), (0.35, -0.42), (0.0, -0.8), (-0.1, -0.95), (0.05, -0.95), (0.42, -0.52), (0.9, -0.24))),
                    Mark("wing", "#d9b679", ((0.30, 0.38), (0.33, 0.36), (0.38, 0.0), (0.34, -0.38), (0.31, -0.38), (0.35, 0.0))),
                ),
                patterns=(
                    Pattern("body", "#3c2c1f", (-0.55, 1.1, -0.92, 0.12), 12, 7, 0.10, 0.085),
                    Pattern("head", "#4a3626", (-0.1, 0.7, -1.25, -0.55), 4, 4, 0.16, 0.13),
                ),
            ),
        ),
        ("lawn", "lawn", "branch", "hedge", "blossom", "fence", "snow"),
    ),
}  # fmt: skip
