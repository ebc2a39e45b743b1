"""Programs of XLA that a later process finds again, on the processor in a GPU's place."""

import json
import os
import subprocess
import sys

import pytest

from trainables.xla import keep_programs

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from trainables import hardware, xla
xla.keep_programs("a kind of card")
hardware.configure(1, 0, deterministic=sys.argv[2] == "deterministic")
hardware.uses_gpu = lambda: True
from trainables.data.pack import Pack
from trainables.loop import Training, forget_loops, make_loop
from trainables.params import params_of

rng = np.random.default_rng(0)
pack = Pack(
    path=Path("noise"), fingerprint="noise", source="noise", seed=0,
    images=rng.integers(0, 256, (24, 32, 32, 3), np.uint8), labels=np.zeros(24, np.int64),
    classes=("noise",), names=("noise",) * 24, split=(np.arange(24) >= 16).astype(np.int8),
)
for model, params, seed in json.loads(sys.argv[1]):
    loop = make_loop(Training(params_of(model, params), batch_size=8, seed=seed, epochs=2), pack)
    told = [loop.train_epoch(), loop.train_epoch()]
    print(json.dumps(told))
    del loop
    forget_loops()
"""
GAN = ("pix2pix", {"width": 8, "depth": 3, "warm_up_epochs": 1}, 0)
OTHER = ("cnn", {"width": 8, "depth": 2}, 0)


@pytest.fixture
def train(tmp_path):
    """Train in a process of its own; gives what each model's epochs told, and the programs that are kept then."""

    def run(*models, kernels="fastest"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps(models), kernels],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()], set(tmp_path.rglob("*.pb"))

    return run


@pytest.mark.slow
def test_a_process_that_trained_another_model_first_finds_what_one_before_it_compiled(train):
    (alone,), programs = train(GAN)
    assert len(programs) == 2, "of the warm-up and of the step"
    (_, after), more = train(OTHER, GAN)
    assert len(more - programs) == 1
    assert after == alone
    # In one process after its like, of which nothing differs but what a program takes as a variable.
    faster = ("pix2pix", {**GAN[1], "generator_learning_rate": 1e-3}, 1)
    (first, _, third), same = train(GAN, faster, GAN)
    assert same == more
    assert first == third == alone


@pytest.mark.slow
def test_xla_takes_the_flag_for_deterministic_kernels(train):
    assert train(OTHER, kernels="deterministic")[0] == train(OTHER, kernels="deterministic")[0]


def test_the_oldest_programs_go_when_there_is_no_room_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("trainables.xla.MOST_BYTES", 250)
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=0")
    keep_programs("a kind of card")
    one, other = os.environ["TF_XLA_FLAGS"].split()
    assert one == "--tf_xla_auto_jit=0"
    (folder,) = (tmp_path / f"colorization-search-{os.getuid()}" / "programs").iterdir()
    assert other == f"--tf_xla_persistent_cache_directory={folder}"
    for age in range(4):
        (folder / f"{age}.pb").write_bytes(b"x" * 100)
        os.utime(folder / f"{age}.pb", (1e9 - age, 1e9 - age))
    keep_programs("another kind of card")
    assert sorted(file.name for file in folder.iterdir()) == ["0.pb", "1.pb"]
    assert os.environ["TF_XLA_FLAGS"].count("persistent") == 1, "what is set stays"
