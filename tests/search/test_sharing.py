"""Storage that all machines of a cluster must see; that one is refused is tested on hosts, in tests/cluster."""

import os
import subprocess
import sys

import pytest

STUDY = """
import sys
import ray
from ray.cluster_utils import Cluster
from search.run import main

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
status = main([*sys.argv[1:], "--address", cluster.address])
ray.shutdown()
cluster.shutdown()
sys.exit(status)
"""
SCRIPT = """
import sys
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from search.sharing import check_shared

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
check_shared(Path(sys.argv[1]))
cluster.add_node(num_cpus=1)
check_shared(Path(sys.argv[1]))
ray.shutdown()
cluster.shutdown()
"""


def test_storage_that_all_machines_see_is_accepted_and_nothing_is_left_on_it(tmp_path, ray_folder):
    storage = tmp_path / "results/studies"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(storage)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.night
def test_weights_lie_on_the_storage_also_while_one_machine_is_the_whole_cluster(
    few_birds, vgg16_weights, tmp_path, ray_folder
):
    storage = tmp_path / "studies"
    study = ["pix2pix", "--storage", storage, "--data", few_birds, "--image-size", "32", "--trials", "1"]
    model = [
        "--epochs",
        "1",
        "--set",
        "width=16",
        "--set",
        "perceptual_weight=100",
        "--encoder-weights",
        "none",
    ]
    run = subprocess.run(
        [sys.executable, "-c", STUDY, *map(str, study), *model, "--perceptual-weights", str(vgg16_weights)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"RAY_AUTH_MODE": "disabled"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert [copy.read_bytes() for copy in (storage / ".weights").glob("*.h5")] == [vgg16_weights.read_bytes()]
