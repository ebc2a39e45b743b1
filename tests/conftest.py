"""Real data that a clone may lack: tests that need it skip with the reason."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(relative: str) -> Path:
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs {relative}, which lies beside the developers' checkout and is not part of it")
    return path


@pytest.fixture(scope="session")
def uk_garden_birds() -> Path:
    """Folder of real photos, `withBackground/<Class>/(n).jpg`, 256 x 256 pixels."""
    return _shared("data/uk-garden-birds")


@pytest.fixture(scope="session")
def mobilenet_weights() -> Path:
    """Real MobileNetV2 weights without top, in Keras 3's format."""
    return _shared("weights/mobilenet_v2_no_top.weights.h5")
