"""Storage that all machines of a cluster must see; that one is refused is tested on hosts, in tests/cluster."""

import subprocess
import sys

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


def test_storage_that_all_machines_see_is_accepted_and_nothing_is_left_on_it(tmp_path):
    storage = tmp_path / "results/studies"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(storage)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert list(tmp_path.iterdir()) == []
