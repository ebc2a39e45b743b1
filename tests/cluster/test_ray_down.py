"""The end of a cluster of own machines, and what comes after it."""

import pytest

from tests.cluster.hosts import wait_until
from tests.cluster.launcher import LONG, epochs_so_far

pytestmark = pytest.mark.cluster


def test_ray_down_leaves_no_ray_running(cluster):
    cluster.ray("down", "-y", cluster.file)
    wait_until(lambda: not cluster.head.processes(), "the end of Ray on the head", 10)
    worker = cluster.workers[1]

    def ended():
        # Ray's agents try to report to the head for a minute more.
        return all("Agent" in command for command in worker.processes().values())

    wait_until(ended, f"the end of Ray on {worker.name}", 60)


def test_when_the_head_loses_power_the_cluster_is_brought_up_again_and_the_study_resumed(
    cluster, study, submit, complete
):
    cluster.ray("up", "-y", cluster.file)
    folder = study("head", trials=2, epochs=LONG)
    cluster.head.cut_power()
    before = epochs_so_far(folder)
    cluster.head.boot()
    cluster.ray("up", "-y", cluster.file)
    resumed = submit("head-again", "--resume head")
    complete(folder, before=before)
    assert resumed.wait() == 0
    cluster.wait_for_all()
