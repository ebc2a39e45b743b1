"""Pretrained networks' weights, fetched and checked once before any trial, in processes with TensorFlow.

What is checked, and how, is `trainables.models.pretrained`.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from search.config import ConfigError, StudyConfig
from trainables.data.nearby import digest


@dataclass(frozen=True)
class Encoder:
    """What became of `--encoder-weights`.

    `path` is the file of weights and `sha256` a digest of its content, None for random ones. Where not `available`,
    the MobileNetV2 encoder is left out of the study, and `note` says why.
    """

    path: str | None
    available: bool
    note: str
    sha256: str | None = None

    @property
    def encoders(self) -> tuple[str, ...]:
        """What Pix2Pix may choose from."""
        return ("unet", "mobilenetv2") if self.available else ("unet",)


@dataclass(frozen=True)
class Perceptual:
    """What became of `--perceptual-weights`: the file and a digest of its content, None without such weights."""

    path: str | None
    sha256: str | None
    note: str


@dataclass(frozen=True)
class Pretrained:
    """The pretrained networks of a study."""

    encoder: Encoder
    perceptual: Perceptual


class PretrainedCheck:
    """The checks in progress, side by side; they take the seconds that TensorFlow needs to load."""

    def __init__(self, config: StudyConfig) -> None:
        self._encoder = _Check("mobilenetv2", "--encoder-weights", config.encoder_weights)
        self._perceptual = _Check("vgg", "--perceptual-weights", config.perceptual_weights)

    def finish(self) -> Pretrained:
        """Wait for the outcome.

        Raises
        ------
        ConfigError
            Weights that were asked for cannot be had, or do not fit their network.
        """
        return Pretrained(self._finish_encoder(), self._finish_perceptual())

    def cancel(self) -> None:
        """End the checks; nobody waits for them any more."""
        self._encoder.cancel()
        self._perceptual.cancel()

    def _finish_encoder(self) -> Encoder:
        try:
            path = self._encoder.finish()
        except _UnusableError:
            if self._encoder.spec != "auto":
                raise
            return Encoder(
                None,
                False,
                "the MobileNetV2 encoder is left out: ImageNet's weights cannot be had here"
                " (--encoder-weights PATH takes them from a file)",
            )
        if path is None:
            return Encoder(None, True, "MobileNetV2 encoder with random weights, as asked for")
        note = f"MobileNetV2 encoder with the weights of {path.name}"
        return Encoder(str(path), True, note, digest(path))

    def _finish_perceptual(self) -> Perceptual:
        path = self._perceptual.finish()
        if path is None:
            return Perceptual(None, None, "no perceptual loss")
        return Perceptual(str(path), digest(path), f"perceptual loss on the features of {path.name}")


class _UnusableError(ConfigError):
    """Weights that cannot be had or do not fit."""


class _Check:
    """`trainables.models.pretrained` at work on what a flag says; "auto" is imagenet, and "none" needs no work."""

    def __init__(self, network: str, flag: str, spec: str) -> None:
        self.spec = spec
        self._flag = flag
        known = "imagenet" if spec == "auto" else spec
        self._process = (
            None
            if spec == "none"
            else subprocess.Popen(
                [sys.executable, "-m", "trainables.models.pretrained", network, known],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # A GPU's memory is the trials': TensorFlow would take all that it sees.
                env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            )
        )

    def finish(self) -> Path | None:
        """Wait for the path of the file; None for "none"."""
        if self._process is None:
            return None
        out, err = self._process.communicate()
        if self._process.returncode == 0:
            return Path(out.strip())
        message = err.strip() or f"the check of {self.spec} ended with status {self._process.returncode}"
        error = _UnusableError if self._process.returncode == 2 else ConfigError
        raise error(f"{self._flag} {self.spec}: {message}")

    def cancel(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
