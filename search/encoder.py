"""The MobileNetV2 encoder's weights, fetched and checked once before any trial, in a process with TensorFlow.

What is checked, and how, is `trainables.models.encoder_weights`.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from search.config import ConfigError


@dataclass(frozen=True)
class Encoder:
    """What became of `--encoder-weights`.

    `path` is the file of weights, None for random ones. Where not `available`, the MobileNetV2 encoder is left out
    of the study, and `note` says why.
    """

    path: str | None
    available: bool
    note: str

    @property
    def encoders(self) -> tuple[str, ...]:
        """What Pix2Pix may choose from."""
        return ("unet", "mobilenetv2") if self.available else ("unet",)


class EncoderCheck:
    """The check in progress; it takes the seconds that TensorFlow needs to load."""

    def __init__(self, spec: str) -> None:
        self._spec = spec
        known = "imagenet" if spec == "auto" else spec
        self._process = (
            None
            if spec == "none"
            else subprocess.Popen(
                [sys.executable, "-m", "trainables.models.encoder_weights", known],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    def finish(self) -> Encoder:
        """Wait for the outcome.

        Raises
        ------
        ConfigError
            The weights that were asked for cannot be had, or do not fit the encoder.
        """
        if self._process is None:
            return Encoder(None, True, "MobileNetV2 encoder with random weights, as asked for")
        out, err = self._process.communicate()
        if self._process.returncode == 0:
            path = out.strip()
            return Encoder(path, True, f"MobileNetV2 encoder with the weights of {Path(path).name}")
        message = err.strip() or f"the check of {self._spec} ended with status {self._process.returncode}"
        if self._spec == "auto" and self._process.returncode == 2:
            return Encoder(
                None,
                False,
                "the MobileNetV2 encoder is left out: ImageNet's weights cannot be had here"
                " (--encoder-weights PATH takes them from a file)",
            )
        raise ConfigError(f"--encoder-weights {self._spec}: {message}")

    def cancel(self) -> None:
        """End the check; nobody waits for it any more."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
