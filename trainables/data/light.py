"""The light of the hour: how it models the bird, and what it does to the finished picture."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

# Gains of red, green and blue, contrast, how hard the sun models.
_HOURS = (
    ((0.97, 0.99, 1.01), 0.92, 0.45),  # overcast
    ((1.04, 1.02, 0.97), 1.06, 1.0),  # sunny
    ((1.10, 1.00, 0.84), 1.05, 1.1),  # golden
    ((0.92, 0.98, 1.09), 0.96, 0.6),  # cool
    ((1.02, 1.01, 0.98), 1.0, 0.8),  # bright
)


@dataclass(frozen=True)
class Light:
    """Gains of red, green and blue, contrast, how hard the sun models, and where it stands (picture's x, y)."""

    gains: tuple[float, float, float]
    contrast: float
    sun: float
    towards: tuple[float, float]


def choose_light(rng: np.random.Generator) -> Light:
    """One of five hours, with an exposure of its own."""
    gains, contrast, sun = _HOURS[int(rng.integers(len(_HOURS)))]
    exposure = rng.uniform(0.86, 1.06)
    red, green, blue = (gain * exposure * rng.uniform(0.98, 1.02) for gain in gains)
    side = float(rng.uniform(-0.8, 0.8))
    return Light((red, green, blue), contrast * rng.uniform(0.94, 1.06), sun, (side, -1.0))


def develop(picture: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """The uint8 picture [n, n, 3] in the hour's colour and contrast, with a little grain, the same at any size."""
    size = len(picture)
    grain = Image.fromarray(rng.normal(0, 2.6, (96, 96)).astype(np.float32))
    grown = np.asarray(grain.resize((size, size), Image.Resampling.BILINEAR))
    toned = (picture.astype(np.float32) - 118) * np.float32(light.contrast) + 118
    exposed = toned * np.array(light.gains, dtype=np.float32) + grown[..., None]
    developed: np.ndarray = np.clip(np.rint(exposed), 0, 255).astype(np.uint8)
    return developed
