"""GPUs that are there and that TensorFlow cannot use: a study stops before it begins, or does without them."""

import os

import pytest

from tests.fake_cuda import install_fake_cuda

pytestmark = pytest.mark.slow

SIZE = ("--trials", "1", "--epochs", "1", "--encoder-weights", "none", "--set", "depth=2")


@pytest.fixture
def useless_gpu(tmp_path, monkeypatch):
    """A card that the driver lists and Ray counts, on a machine without CUDA's libraries."""
    install_fake_cuda(tmp_path, monkeypatch, [("NVIDIA L4", "GPU-l", 23_034, 8, 9)])
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA L4 (UUID: GPU-l)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 1}')


def test_a_study_stops_before_anything_is_written_and_says_what_to_do(useless_gpu, run_search, storage):
    run = run_search("cnn", "--name", "useless", *SIZE)
    assert run.returncode == 2, run.stdout + run.stderr
    said = " ".join(run.stderr.split())
    assert f"on {os.uname().nodename}, NVIDIA L4 cannot be used, for TensorFlow" in said
    assert "--gpus-per-trial 0" in said
    assert not (storage / "useless").exists()


def test_without_gpus_it_goes_on(useless_gpu, run_search):
    run = run_search("cnn", "--name", "without", *SIZE, "--gpus-per-trial", "0")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "NVIDIA" not in run.stdout + run.stderr


def test_a_kind_of_gpu_that_is_not_there_is_refused_with_those_that_are(useless_gpu, monkeypatch, run_search):
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 1, "accelerator_type:L4": 1}')
    run = run_search("cnn", "--name", "kind", *SIZE, "--accelerator", "H100")
    assert run.returncode == 2, run.stdout + run.stderr
    assert "--accelerator is H100, but no trial would have such a GPU (the kinds here are L4)" in run.stderr
