"""What a process holds that trains one model after another."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, os, sys
import numpy as np, psutil
from pathlib import Path
from trainables import hardware
hardware.configure(1, 0)
from trainables.data.pack import Pack
from trainables.loop import Training, forget_loops, make_loop
from trainables.params import params_of

size, count = 64, 96
rng = np.random.default_rng(0)
pack = Pack(
    path=Path("noise"), fingerprint="noise", source="noise", seed=0,
    images=rng.integers(0, 256, (count, size, size, 3), np.uint8), labels=np.zeros(count, np.int64),
    classes=("noise",), names=("noise",) * count, split=(np.arange(count) >= 64).astype(np.int8),
)
loop, used = None, []
for model, params in json.loads(sys.argv[1]):
    training = Training(params_of(model, params), batch_size=16, seed=0, epochs=1)
    if loop is not None and loop.fits(training, pack):
        loop.restart(training)
    else:
        loop = None
        forget_loops()
        loop = make_loop(training, pack)
    loop.train_epoch()
    loop.evaluate()
    used.append(psutil.Process().memory_info().rss)
print(json.dumps(used))
"""

UNET = ("pix2pix", {"width": 32, "depth": 6, "ema_decay": 0.99})
ARCHITECTURES = (
    UNET,
    ("pix2pix", {"width": 32, "encoder": "mobilenetv2", "unfrozen_layers": 20}),
    ("pix2pix", {"width": 32, "depth": 4, "head": "chroma"}),
    (
        "pix2pix",
        {"width": 32, "depth": 4, "head": "chroma", "lambda": 20.0},
    ),  # the networks of the one before
    ("cnn", {"width": 32, "depth": 4, "batch_norm": True}),
)


@pytest.mark.parametrize(
    "rounds", [pytest.param(2, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.night)]
)
def test_trials_of_mixed_architectures_end_within_half_more_than_the_first_alone(rounds):
    command = [sys.executable, "-c", SCRIPT, json.dumps(ARCHITECTURES * rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, done.stderr
    alone, *_, last = json.loads(done.stdout)
    assert last < 1.5 * alone, done.stdout
