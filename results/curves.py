"""Learning curves, pictures and numbers as they stand in the gallery's page."""

from __future__ import annotations

import base64
import io
import math
from html import escape
from typing import TYPE_CHECKING

from results.ranking import LABELS

if TYPE_CHECKING:
    from PIL import Image

Curves = dict[int, list[tuple[int, float]]]
"""Epochs and values by trial."""


class Scale:
    """Draws learning curves on one scale, so that they can be compared by eye."""

    width, height, margin = 260, 52, 4

    def __init__(self, curves: Curves, gray: float | None) -> None:
        self.curves = curves
        self.gray = gray if finite(gray) else None
        values = sorted(value for curve in curves.values() for _, value in curve)
        self.epochs = max((epoch for curve in curves.values() for epoch, _ in curve), default=1)
        # A diverging trial must not flatten the others: the scale ends at the 97th percentile or at gray.
        top = values[int(0.97 * (len(values) - 1))] if values else 1.0
        self.low, self.high = (values[0], max(top, self.gray or top)) if values else (0.0, 1.0)

    def legend(self, objective: str) -> str:
        """One sentence for the reader of the curves, where there are any."""
        if not self.curves:
            return ""
        dashed = "; dashed: gray copied" if self.gray is not None else ""
        return (
            f"Curves: {escape(LABELS[objective])} by epoch, all on one scale "
            f"({number(self.low)} to {number(self.high)}); dot: best epoch{dashed}."
        )

    def draw(self, trial: int, best_epoch: int | None) -> str:
        """The trial's curve as SVG, or nothing without a value."""
        curve = self.curves.get(trial, [])
        if not curve:
            return ""
        points = [self._at(epoch, value) for epoch, value in curve]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
            for (epoch, _), (x, y) in zip(curve, points, strict=True)
            if epoch == best_epoch
        )
        gray = ""
        if self.gray is not None:
            y = self._at(1, self.gray)[1]
            gray = f'<line class="gray" x1="0" x2="{self.width}" y1="{y:.1f}" y2="{y:.1f}"/>'
        (first, start), (last, end) = curve[0], curve[-1]
        said = f"learning curve, {number(start)} in epoch {first} to {number(end)} in epoch {last}"
        return (
            f'<svg class="curve" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{said}">'
            f'{gray}<polyline class="line" points="{line}"/>{dots}</svg>'
        )

    def _at(self, epoch: int, value: float) -> tuple[float, float]:
        inner_width, inner_height = self.width - 2 * self.margin, self.height - 2 * self.margin
        across = (epoch - 1) / max(1, self.epochs - 1)
        up = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return self.margin + across * inner_width, self.margin + (1 - up) * inner_height


def number(value: float | None) -> str:
    """A measured value with three significant digits, so that columns can be compared: 37.0, 1.55, 0.0962."""
    return f"{value:#.3g}".rstrip(".") if value is not None and finite(value) else "–"


def data_uri(picture: Image.Image) -> str:
    """A picture as text that stands in a page."""
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=90, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode()


def finite(value: float | None) -> bool:
    """Whether there is a value, and one that can be drawn."""
    return value is not None and math.isfinite(value)
