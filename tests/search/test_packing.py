"""How many trials share a GPU: what follows from measurements, and the way to them on made-up GPUs."""

import json
import os
import subprocess
import sys

import pytest

from search.config import StudyConfig
from search.machine import Machine
from search.packing import Packing, best_count, most_that_fit
from search.plan import make_plan
from trainables.cuda import Gpu
from trainables.data.pack import build_pack
from trainables.hardware import gpu_memory_cap

L4, T4 = Gpu("NVIDIA L4", 23_034, (8, 9)), Gpu("Tesla T4", 15_360, (7, 5))


@pytest.mark.parametrize(
    ("peak_mb", "beside_mb", "gpus", "others", "expected"),
    [
        (2_000, 512, [L4], 16, 7),
        (2_000, 1_900, [L4], 16, 5),
        (2_000, 512, [L4, T4], 16, 5),  # a trial may get either
        (2_000, 512, [L4, L4], 3, 3),  # for more there are no processors
        (12_000, 512, [L4], 16, 1),
        (30_000, 512, [L4], 16, 1),
        (2_000, 512, [L4], 0, 1),
    ],
)
def test_as_many_fit_as_have_room_on_the_smallest_gpu_and_processors(
    peak_mb, beside_mb, gpus, others, expected
):
    assert most_that_fit(peak_mb, beside_mb, gpus, others) == expected


@pytest.mark.parametrize("peak_mb", [300, 1_000, 3_333, 7_000])
@pytest.mark.parametrize("beside_mb", [400, 1_900])
@pytest.mark.parametrize("gpu", [L4, T4], ids=str)
def test_what_fits_has_room_within_its_cap(peak_mb, beside_mb, gpu):
    count = most_that_fit(peak_mb, beside_mb, [gpu], 100)
    share = Packing(count, peak_mb, [], None).share
    cap = gpu_memory_cap(share, gpu.memory_mb, beside_mb)
    assert cap is None or cap >= 1.19 * peak_mb


@pytest.mark.parametrize("count", range(1, 50))
def test_so_many_shares_as_ray_counts_them_fit_on_a_gpu_and_so_many_trials_run(count):
    share = Packing(count, 100, [], None).share
    assert count * round(share * 10_000) <= 10_000
    config = StudyConfig(model="cnn", name="x", trials=100, gpus_per_trial=share)
    assert make_plan(config, Machine(cpus=200, gpus=2), ("unet",)).concurrency == 2 * count


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([], 1),
        ([100], 1),
        ([100, 104], 1),
        ([100, 170, 200], 3),
        ([100, 170, 175], 2),
        ([100, 90], 1),
        ([100, 170, 172, 300], 2),
    ],
)
def test_another_trial_shares_the_gpu_as_long_as_all_together_gain(rates, expected):
    assert best_count(rates) == expected


def test_what_was_decided_is_said_in_one_line():
    assert Packing(2, 2_000, [100, 170, 171], None).note == (
        "2 trials on each GPU: together 170 images/s, against 100 of one alone"
    )
    assert "two would give 101 images/s together" in Packing(1, 2_000, [100, 101], None).note
    assert Packing(1, 9_000, [], None).note.startswith("1 trial on each GPU: no room")
    assert Packing(1, None, [], "no driver").note == (
        "1 trial on each GPU; more could not be measured (no driver)"
    )


def test_until_it_is_measured_a_trial_is_planned_a_whole_gpu_and_without_any_gpu_none():
    config = StudyConfig(model="cnn", name="x", gpus_per_trial="auto", trials=100)
    plan = make_plan(config, Machine(cpus=32, gpus=4), ("unet",))
    assert (plan.gpus_per_trial, plan.concurrency, plan.config.gpus_per_trial) == (1, 4, "auto")
    plan = make_plan(config, Machine(cpus=2, gpus=0), ("unet",))
    assert (plan.gpus_per_trial, plan.config.gpus_per_trial) == (0, 0)


SCRIPT = """
import json, sys
from pathlib import Path
import ray
from search.config import StudyConfig
from search.machine import cluster
from search.packing import measure_packing
from search.plan import make_plan
from search.precision import Precision
from trainables.cuda import Gpu
from trainables.data.nearby import SharedFile, digest

ray.init(num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)
config = StudyConfig(model="cnn", name="x", gpus_per_trial="auto", settings=("width=16",), image_size=32)
plan = make_plan(config, cluster(), ("unet",))
pack = SharedFile(sys.argv[1], digest(Path(sys.argv[1])), "")
gpus = [Gpu(*one) for one in json.loads(sys.argv[2])]
packing = measure_packing(plan, gpus, pack, None, None, Precision("float32", {}))
print(json.dumps([packing.share, packing.note]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gpus", "trouble"),
    [
        ([], "no driver tells a GPU's memory"),
        ([("Tesla T4", 15_360, (7, 5))], "ValueError: "),  # TensorFlow does not see it
    ],
)
def test_on_made_up_gpus_a_trial_gets_a_whole_one_and_the_note_says_why(tmp_path, few_birds, gpus, trouble):
    pack = build_pack(str(few_birds), 32, seed=0, cache=tmp_path / "packs").path
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(pack), json.dumps(gpus)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"RAY_ADDRESS": "local"},
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    share, note = json.loads(run.stdout.splitlines()[-1])
    assert share == 1
    assert note.startswith(f"1 trial on each GPU; more could not be measured ({trouble}")
    assert "\n" not in note
