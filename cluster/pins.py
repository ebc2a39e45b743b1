"""The versions that constraints.txt pins, and whether an image or an installation has them."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cluster.finding import Finding

_CONSTRAINTS = Path(__file__).with_name("constraints.txt")
_PYTHON = "py311"
"""Of constraints.txt, as Ray's images name it."""
_PIN = re.compile(r"(?<![\w.-])([A-Za-z][\w.-]*)(?:\[[\w,-]+\])?==([\w.+!]+)")


@cache
def pins() -> dict[str, str]:
    """Version of each package, by its name in lower case with dashes."""
    lines = _CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return {_plain(name): version for name, version in (line.split("==") for line in lines if "==" in line)}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def image_findings(place: str, image: object) -> Iterator[Finding]:
    """Refuse an image whose tag names another Ray or Python: nodes of different versions form no cluster."""
    ours = f"{pins()['ray']}-{_PYTHON}"
    if not re.search(rf":{re.escape(ours)}(?:-[\w.-]+)?$", str(image)):
        yield Finding(
            place,
            f"is {image}, but head and workers must have the Ray and Python of constraints.txt:"
            f" take an image tagged {ours}-..., or renew constraints.txt for all.",
        )


def install_findings(place: str, text: str) -> Iterator[Finding]:
    """Refuse a pin that differs from ours, and an installation without ours."""
    for name, version in _PIN.findall(text):
        ours = pins().get(_plain(name), version)
        if version != ours:
            yield Finding(place, f"installs {name}=={version}, but constraints.txt pins {ours}: take that.")
    if "pip install" in text and "constraints.txt" not in text:
        yield Finding(
            place,
            f"is {text!r}, but what nodes install must be pinned: add `-c cluster/constraints.txt`, or write"
            " `setup_commands: []` where this is Ray's default.",
        )
