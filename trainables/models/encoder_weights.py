"""Where the MobileNetV2 encoder's weights come from, and whether they fit. Not the encoder (`mobilenet_unet`).

`python -m trainables.models.encoder_weights SPEC` prints the path that SPEC (imagenet, none or a file) stands
for as one line, empty for none; or one line of error on stderr, with exit status 2. It is for processes that
must not load TensorFlow themselves, and keeps TensorFlow's own messages off stderr.
"""

import argparse
import os
import sys
import tempfile
import urllib.request
import warnings
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.hardware import silent_stderr

if TYPE_CHECKING:
    import keras

IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
)
"""What `keras.applications.MobileNetV2(weights="imagenet", include_top=False)` downloads, 9 MB."""
_TIMEOUT = 5.0  # seconds without an answer
_RULE = "the encoder needs the weights of MobileNetV2 (width 1.0, include_top=False)"
_REMEDY = "save them with model.save_weights('NAME.weights.h5'), or take imagenet or none"


class WeightsError(ValueError):
    """The encoder's weights cannot be had or do not fit."""


def resolve(spec: str) -> Path | None:
    """Find the file of weights that `spec` stands for, and load it into the encoder to be sure that it fits.

    "none" is None: random weights. "imagenet" is Keras' own file, fetched into Keras' cache unless it is there.
    All else is the path of a file, which is returned absolute.

    Raises `WeightsError` where there is no such file, it does not fit, or it cannot be fetched.
    """
    if spec == "none":
        return None
    if spec == "imagenet":
        return _imagenet()
    path = Path(spec).expanduser().absolute()
    _check_name(path)
    _check(path)
    return path


def load_into(full: "keras.Model", path: Path) -> None:
    """Load a `.weights.h5` (Keras 3) or `.h5` (older) file into a MobileNetV2 of width 1.0 without top.

    Raises `WeightsError` where the file is missing, no such file, of another network, or not finite; `full` is
    then left with a part of it.
    """
    _check_name(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each layer before it raises for all of them
            full.load_weights(path)
    except OSError as error:
        raise WeightsError(f"{path} is damaged or no HDF5 file, but {_RULE}: {_REMEDY}.") from error
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path} holds something else, but {_RULE}: {_REMEDY}.") from error
    if not all(np.isfinite(array).all() for array in full.get_weights()):
        raise WeightsError(f"{path} holds NaN or infinity, but {_RULE}, all finite: {_REMEDY}.")


def _check_name(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"{path} is not a file, but {_RULE}: {_REMEDY}.")
    if path.suffix != ".h5":
        raise WeightsError(f"{path} does not end in .h5, but {_RULE} in such a file: {_REMEDY}.")


def _check(path: Path) -> None:
    # TensorFlow takes seconds to import; what needs no loading is answered at once.
    from trainables.models.mobilenet_unet import build_encoder

    build_encoder(32, weights=path, seed=0)


def _imagenet() -> Path:
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    path = home / "models" / IMAGENET_URL.rpartition("/")[2]
    if path.is_file():
        try:
            _check(path)
        except WeightsError as error:
            raise WeightsError(
                f"{path}, which imagenet stands for, is damaged: delete it, and it is downloaded again."
            ) from error
        return path
    try:
        with urllib.request.urlopen(IMAGENET_URL, timeout=_TIMEOUT) as response:
            content = response.read()
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise WeightsError(
            f"imagenet cannot be downloaded from {IMAGENET_URL} ({reason}): "
            "check the network, give the path of a file with the weights, or take none."
        ) from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Other processes look for `path`: it must appear there whole and checked, or not at all.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
            fresh = Path(folder) / path.name
            fresh.write_bytes(content)
            try:
                _check(fresh)
            except WeightsError as error:
                raise WeightsError(
                    f"imagenet was downloaded from {IMAGENET_URL}, but what came is no file of these weights "
                    f"({len(content)} bytes): try again, give the path of a file with the weights, or take none."
                ) from error
            fresh.replace(path)
    except OSError as error:
        raise WeightsError(
            f"imagenet cannot be written to {path.parent} ({error.strerror}): "
            "set KERAS_HOME to a folder that can be written to, or give the path of a file with the weights."
        ) from error
    return path


def main() -> int:
    """Run the command of the module's docstring on `sys.argv`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m trainables.models.encoder_weights",
        description="Find, fetch if need be, and check the weights of the MobileNetV2 encoder.",
    )
    parser.add_argument(
        "spec", metavar="SPEC", help="imagenet, none, or the path of a .weights.h5 or .h5 file"
    )
    spec = parser.parse_args().spec
    try:
        with silent_stderr():
            path = resolve(spec)
    except WeightsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{path or ''}\n")
    return 0


if __name__ == "__main__":
    # Run as a script, this file is a second module with a WeightsError of its own; the first one is raised.
    from trainables.models import encoder_weights  # noqa: PLW0406

    sys.exit(encoder_weights.main())
