"""A cluster on test hosts, brought up by `ray up` with the file for own machines, and studies on it.

The tests share one cluster, and what one of them breaks stays so for those after it.
"""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from results.store import StudyFolder, read_epochs
from tests.cluster.hosts import missing, running_hosts, wait_until
from tests.cluster.launcher import LONG, Cluster, machines_of

NETWORK = "198.51.100"  # kept free for examples, RFC 5737; the one in the file may be this machine's
SMALL = (
    "--data /mnt/studies/birds --image-size 32 --precision float32 --encoder-weights none --set width=16"
    " --set depth=3 --set encoder=unet --references none --scheduler none --cpus-per-trial 2"
)
"""Settings of a study with one trial at a time on each machine."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, few_birds: Path) -> Iterator[Cluster]:
    """Three machines with Ray on them, a head and two workers; gone at the end, however that comes."""
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cluster")
    with running_hosts([f"{NETWORK}.{last}" for last in (10, 11, 12)], folder) as hosts:
        cluster = Cluster(hosts, folder)
        cluster.prepare()
        shutil.copytree(few_birds, cluster.studies / "birds")
        cluster.ray("up", "-y", cluster.file)
        yield cluster


@pytest.fixture
def submit(cluster):
    """Start `python -m search.run ARGUMENTS` as a job, by the command that the cluster's file names."""

    def submit(name, arguments):
        search = f"python -m search.run {arguments} --storage /mnt/studies"
        return cluster.start("exec", cluster.file, f"ray job submit --submission-id {name} -- {search}")

    return submit


@pytest.fixture
def study(cluster, submit):
    """Begin a Pix2Pix study, and cut the launcher off when each machine has trained an epoch of it."""

    def begin(name, *, trials, epochs, machines=None):
        if machines is None:
            cluster.wait_for_all()
        follower = submit(name, f"pix2pix --name {name} --trials {trials} --epochs {epochs} {SMALL}")
        folder = StudyFolder(cluster.studies / name)
        everywhere = {host.name for host in machines or cluster.workers}

        def runs():
            assert follower.poll() is None, cluster.output.read_text()[-4000:]
            return folder.config.exists() and machines_of(folder) == everywhere

        wait_until(runs, f"an epoch on each machine of {name}")
        cluster.cut_off()
        assert follower.wait() == -signal.SIGKILL
        return folder

    return begin


@pytest.fixture
def ended():
    """Wait for the last file that a study writes."""

    def wait(folder):
        wait_until((folder.path / "gallery.html").exists, f"the end of {folder.path.name}")

    return wait


@pytest.fixture
def complete(cluster, ended, accounted_for):
    """See that a study ended with every trial complete, its epochs of before as they were; give the trials' rows."""

    def check(folder, trials=2, epochs=LONG, before=()):
        ended(folder)
        rows = accounted_for(folder.path, trials, epochs)
        assert {row["reason"] or row["state"] for row in rows.values()} == {"COMPLETE"}
        after = read_epochs(folder).to_pylist()
        assert all(row in after for row in before)
        return rows

    return check
