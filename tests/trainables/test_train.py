import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def run(module: str, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HOME": str(home), "COLUMNS": "200"},
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "photos" / ("red" if i % 2 else "blue") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("module", "flag"), [("trainables.cnn", "--learning-rate"), ("trainables.pix2pix", "--lambda")]
)
def test_help_shows_every_parameter_and_starts_no_tensorflow(tmp_path: Path, module: str, flag: str) -> None:
    blocked = tmp_path / "blocked" / "tensorflow"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise SystemExit('TensorFlow was started')")
    shown = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(blocked.parent)},
    )
    assert f"usage: python -m {module}" in shown.stdout
    assert flag in shown.stdout


def test_a_model_is_trained_and_kept_with_a_strip(photos: Path, tmp_path: Path) -> None:
    arguments = ("--image-size", "32", "--width", "8", "--depth", "2", "--epochs", "2", "--batch-size", "8")
    done = run("trainables.cnn", tmp_path, "--data", str(photos), *arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    epochs = [line for line in done.stdout.splitlines() if line.startswith("epoch ")]
    assert [line.split()[:3] for line in epochs] == [["epoch", "1", "delta_e"], ["epoch", "2", "delta_e"]]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.safetensors", "strip.png"]


@pytest.mark.slow
def test_a_perceptual_loss_is_trained_on_with_weights_from_a_file(
    photos: Path, tmp_path: Path, vgg16_weights: Path
) -> None:
    arguments = ("--image-size", "32", "--width", "8", "--epochs", "1", "--perceptual-weight", "5")
    done = run(
        "trainables.pix2pix",
        tmp_path,
        *("--data", str(photos), *arguments, "--perceptual-weights", str(vgg16_weights)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.search(r"generator_loss (\S+)  adversarial_loss (\S+)  l1_loss (\S+)", done.stdout)
    assert shown
    total, adversarial, l1 = map(float, shown.groups())
    assert total > 1.01 * (adversarial + 100 * l1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--lambda", "-5"), "lambda is -5.0, but must be a finite number of 0 or more"),
        (
            ("--perceptual-weight", "3"),
            "--perceptual-weight is 3.0, but .* name them with --perceptual-weights",
        ),
        (("--epochs", "0"), "--epochs is 0, but must be 1 or more"),
        (("--image-size", "48"), "image_size is 48, but must be a power of two"),
        (("--data", "nowhere"), "data is 'nowhere'"),
        (("--out", __file__), "which is a file, but must be a folder"),
    ],
)
def test_bad_input_is_answered_with_one_message_and_status_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    refused = run("trainables.pix2pix", tmp_path, *arguments)
    assert refused.returncode == 2
    assert re.search(message, refused.stderr)
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_a_network_that_cannot_be_built_is_refused_without_a_traceback(photos: Path, tmp_path: Path) -> None:
    refused = run("trainables.pix2pix", tmp_path, "--data", str(photos), "--image-size", "32", "--depth", "9")
    assert refused.returncode == 2
    assert refused.stderr.startswith("depth is 9, but must be from 3 to 5")
    assert refused.stderr.count("\n") == 1
