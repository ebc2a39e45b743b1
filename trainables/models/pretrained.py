"""Where pretrained networks' weights come from, and whether they fit. Not what the networks are used for.

`python -m trainables.models.pretrained NETWORK SPEC`, with NETWORK mobilenetv2 or vgg, prints the path that SPEC
(imagenet, none or a file) stands for as one line, empty for none; or one line of error on stderr, with exit status
2. It is for processes that must not load TensorFlow themselves, and keeps TensorFlow's own messages off stderr.
"""

import argparse
import os
import sys
import tempfile
import urllib.request
import warnings
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.backend import import_backend, silent_stderr

if TYPE_CHECKING:
    import keras

_KERAS_FILES = "https://storage.googleapis.com/tensorflow/keras-applications"
_TIMEOUT = 5.0  # seconds without an answer
_SMALL = 32  # pixels a side, the fewest that every network takes, where only the weights matter
_REMEDY = "save them with model.save_weights('NAME.weights.h5'), or take imagenet or none"


@dataclass(frozen=True)
class Network:
    """What a file of weights may belong to.

    `architectures` are names in `keras.applications`, each tried with `include_top=False` and width 1.0; `url` is
    what Keras downloads for the first of them with `weights="imagenet"`. `rule` says who needs what.
    """

    architectures: tuple[str, ...]
    url: str
    rule: str


MOBILENETV2 = Network(
    ("MobileNetV2",),
    f"{_KERAS_FILES}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    "the encoder needs the weights of MobileNetV2 (width 1.0, include_top=False)",
)
"""The generator's encoder, and what the kernel inception distance sees; a file of 9 MB."""
VGG = Network(
    ("VGG16", "VGG19"),
    f"{_KERAS_FILES}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "the perceptual loss needs the weights of VGG16 or VGG19 (include_top=False)",
)
"""What the perceptual loss sees; a file of 59 MB for VGG16, of 80 MB for VGG19."""
NETWORKS = {"mobilenetv2": MOBILENETV2, "vgg": VGG}


class WeightsError(ValueError):
    """A network's weights cannot be had or do not fit."""


def resolve(network: Network, spec: str) -> Path | None:
    """Find the file of weights that `spec` stands for, and load it into the network to be sure that it fits.

    "none" is None. "imagenet" is Keras' own file, fetched into Keras' cache unless it is there. All else is the path
    of a file, which is returned absolute.

    Raises `WeightsError` where there is no such file, it does not fit, or it cannot be fetched.
    """
    if spec == "none":
        return None
    if spec == "imagenet":
        return _imagenet(network)
    path = Path(spec).expanduser().absolute()
    load(network, path, side=_SMALL)
    return path


def load(network: Network, path: Path, *, side: int) -> "keras.Model":
    """Build the network that the weights in `path` belong to, for pictures of `side` pixels, with these weights.

    The file is a `.weights.h5` (Keras 3) or `.h5` (older).

    Raises `WeightsError` where it is missing, no such file, of another network, or not finite.
    """
    rule = network.rule
    if not path.is_file():
        raise WeightsError(f"{path} is not a file, but {rule}: {_REMEDY}.")
    if path.suffix != ".h5":
        raise WeightsError(f"{path} does not end in .h5, but {rule} in such a file: {_REMEDY}.")
    # That takes seconds; what needs no loading is answered at once.
    import_backend()
    import keras

    for architecture in network.architectures:
        build = getattr(keras.applications, architecture)
        model = build(input_shape=(side, side, 3), include_top=False, weights=None)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras warns of each layer before it raises for all of them
                model.load_weights(path)
        except OSError as error:
            raise WeightsError(f"{path} is damaged or no HDF5 file, but {rule}: {_REMEDY}.") from error
        except (KeyError, ValueError):
            continue
        if not all(np.isfinite(array).all() for array in model.get_weights()):
            raise WeightsError(f"{path} holds NaN or infinity, but {rule}, all finite: {_REMEDY}.")
        return model
    raise WeightsError(f"{path} holds something else, but {rule}: {_REMEDY}.")


def _imagenet(network: Network) -> Path:
    url = network.url
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    path = home / "models" / url.rpartition("/")[2]
    if path.is_file():
        try:
            load(network, path, side=_SMALL)
        except WeightsError as error:
            raise WeightsError(
                f"{path}, which imagenet stands for, is damaged: delete it, and it is downloaded again."
            ) from error
        return path
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:  # noqa: S310 - an address of this module
            content = response.read()
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise WeightsError(
            f"imagenet cannot be downloaded from {url} ({reason}): "
            "check the network, give the path of a file with the weights, or take none."
        ) from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Other processes look for `path`: it must appear there whole and checked, or not at all.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
            fresh = Path(folder) / path.name
            fresh.write_bytes(content)
            try:
                load(network, fresh, side=_SMALL)
            except WeightsError as error:
                raise WeightsError(
                    f"imagenet was downloaded from {url}, but what came is no file of these weights "
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
        prog="python -m trainables.models.pretrained",
        description="Find, fetch if need be, and check the weights of a pretrained network.",
    )
    parser.add_argument("network", choices=NETWORKS, help="what the weights are for")
    parser.add_argument(
        "spec", metavar="SPEC", help="imagenet, none, or the path of a .weights.h5 or .h5 file"
    )
    arguments = parser.parse_args()
    try:
        with silent_stderr():
            path = resolve(NETWORKS[arguments.network], arguments.spec)
    except WeightsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{path or ''}\n")
    return 0


if __name__ == "__main__":
    # Run as a script, this file is a second module with a WeightsError of its own; the first one is raised.
    from trainables.models import pretrained  # noqa: PLW0406

    sys.exit(pretrained.main())
