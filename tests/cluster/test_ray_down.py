"""The end of a cluster of own machines."""

import pytest

from tests.cluster.hosts import wait_until

pytestmark = pytest.mark.cluster


def test_ray_down_leaves_no_ray_running(cluster):
    cluster.ray("down", "-y", cluster.file)
    wait_until(lambda: not cluster.head.processes(), "the end of Ray on the head", 10)
    worker = cluster.workers[1]

    def ended():
        # Ray's agents try to report to the head for a minute more.
        return all("Agent" in command for command in worker.processes().values())

    wait_until(ended, f"the end of Ray on {worker.name}", 60)
