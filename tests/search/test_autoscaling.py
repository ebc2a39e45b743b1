"""A cluster that starts without GPU machines: Ray's own autoscaler brings up what a study asks for."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from results.store import StudyFolder, read_trials

MACHINES, GPUS = 3, 2
TRIALS = 60
"""As many as one machine does not get done, a moment each, before the autoscaler has looked again."""
STUDY = f"""
import sys
from pathlib import Path
import ray
from search.machine import cluster, connect
from scale import study

connect(sys.argv[1])
print(cluster())
study(Path(sys.argv[2]), {TRIALS}, 1)
"""


@pytest.fixture
def autoscaled(ray_folder):
    """The address of a head without processors, and the environment of who uses it.

    The machines that may be added are made up by Ray's `fake_multinode` provider: real nodes on this machine.
    """
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    address = f"{socket.gethostbyname(socket.gethostname())}:{port}"
    environment = os.environ | {
        "HOME": str(ray_folder),
        "PYTHONPATH": str(Path(__file__).parents[1] / "benchmarks"),
        "RAY_AUTH_MODE": "disabled",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    # Where `ray up` would put it; the speed is that of the cluster's files.
    config = ray_folder / "ray_bootstrap_config.yaml"
    config.write_text(json.dumps(autoscaling(address)))
    start = ["ray", "start", "--head", "--num-cpus=0", "--include-dashboard=false", f"--port={port}"]
    subprocess.run(
        [*start, f"--autoscaling-config={config}"], check=True, capture_output=True, env=environment
    )
    return address, environment


def autoscaling(address):
    resources = {"CPU": GPUS, "GPU": GPUS, "object_store_memory": 80 * 2**20}
    commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    return {
        **{f"{name}_commands": [] for name in commands},
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        "cluster_name": "fake",
        "max_workers": MACHINES,
        "upscaling_speed": 100,
        "idle_timeout_minutes": 5,
        "provider": {"type": "fake_multinode", "gcs_address": address, "launch_multiple": True},
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "gpu": {"resources": resources, "node_config": {}, "min_workers": 0, "max_workers": MACHINES},
        },
        "head_node_type": "ray.head.default",
    }


@pytest.mark.slow
def test_a_study_asks_for_all_its_machines_before_it_has_the_first(autoscaled, ray_folder, tmp_path):
    address, environment = autoscaled
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", STUDY, address, str(tmp_path / "grown")],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{MACHINES * GPUS} processors and {MACHINES * GPUS} GPUs on {MACHINES} machines" in run.stdout
    assert len(read_trials(StudyFolder(tmp_path / "grown"))) == TRIALS
    (log,) = ray_folder.glob("ray/session_2*/logs/monitor.log")
    steps = [int(count) for count in re.findall(r"Adding (\d+) node\(s\) of type gpu", log.read_text())]
    # One step, or two where the autoscaler, which looks every five seconds, does so while the study is asking.
    assert sum(steps) == MACHINES
    assert len(steps) <= 2
