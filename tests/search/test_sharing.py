"""Storage that all machines of a cluster must see; that one is refused is tested on hosts, in tests/cluster."""

import subprocess
import sys

SCRIPT = """
import sys, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from search.sharing import check_shared

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
start = time.perf_counter()
check_shared(Path(sys.argv[1]))
print(time.perf_counter() - start)
cluster.add_node(num_cpus=1)
check_shared(Path(sys.argv[1]))
"""


def test_storage_that_all_machines_see_is_accepted_with_nothing_left_and_one_machine_is_not_asked(tmp_path):
    storage = tmp_path / "results/studies"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(storage)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 0.5
    assert list(tmp_path.iterdir()) == []
