"""A cluster of own machines as a user has it: brought up by one command, closed to strangers, and hard to kill.

The tests share one cluster, and what one of them breaks stays so for those after it.
"""

import signal
import socket
import urllib.error
import urllib.request

import pytest

from results.store import StudyFolder, read_epochs
from tests.cluster.hosts import wait_until

pytestmark = pytest.mark.cluster

SMALL = (
    "--image-size 32 --precision float32 --encoder-weights none --set width=16 --set depth=2"
    " --scheduler none --cpus-per-trial 2"
)
"""Settings of a study with one trial at a time on each machine."""

LONG = 16
"""Epochs of a trial that can be disturbed while it runs; one takes a fraction of a second."""


@pytest.fixture
def submit(cluster):
    """Start `python -m search.run ARGUMENTS` as a job, by the command that the cluster's file names."""

    def submit(name, arguments):
        search = f"python -m search.run {arguments} --storage /mnt/studies"
        return cluster.start("exec", cluster.file, f"ray job submit --submission-id {name} -- {search}")

    return submit


@pytest.fixture
def study(cluster, submit):
    """Begin a study of the autoencoder, and cut the launcher off when each machine has trained an epoch of it."""

    def begin(name, *, trials, epochs):
        follower = submit(name, f"cnn --name {name} --trials {trials} --epochs {epochs} {SMALL}")
        folder = StudyFolder(cluster.studies / name)
        everywhere = {host.name for host in cluster.workers}

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


def machines_of(folder):
    return {row["node"] for row in read_epochs(folder).to_pylist()}


def test_ray_up_brings_all_machines_in(cluster):
    everyone = sorted(host.name for host in cluster.hosts)
    wait_until(lambda: cluster.nodes() == everyone, "all machines in the cluster")


def test_a_study_outlives_the_connection_that_began_it(cluster, study, ended, accounted_for, tmp_path):
    folder = study("lid", trials=4, epochs=2)
    ended(folder)
    rows = accounted_for(folder.path, 4, 2)
    assert {row["state"] for row in rows.values()} == {"COMPLETE"}
    assert machines_of(folder) == {host.name for host in cluster.workers}

    cluster.ray("rsync-down", cluster.file, f"/mnt/studies/{folder.path.name}/", f"{tmp_path / 'lid'}/")
    assert accounted_for(tmp_path / "lid", 4, 2) == rows


def test_without_the_token_a_peer_is_refused(cluster):
    ask = f"ray status --address {cluster.head.address}:6379"
    peer = cluster.workers[0]
    assert cluster.ssh(peer, ask).returncode == 0
    for without in ("RAY_AUTH_MODE=disabled", f"RAY_AUTH_TOKEN={'0' * 64}"):
        refused = cluster.ssh(peer, f"{without} {ask}")
        assert refused.returncode != 0
        assert "token" in refused.stderr
        assert "CPU" not in refused.stdout


def test_the_dashboard_answers_through_ssh_alone_and_asks_for_the_token(cluster):
    knock = f"exec 3<>/dev/tcp/{cluster.head.address}/8265"
    assert cluster.ssh(cluster.workers[0], knock).returncode != 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((cluster.head.address, 8265), timeout=10)

    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    tunnel = cluster.start("dashboard", cluster.file, "--port", port)
    try:
        wait_until(lambda: answer(port) is not None, "the tunnel")
        assert answer(port) == 401
        assert answer(port, (cluster.home / ".ray/auth_token").read_text()) == 200
    finally:
        cluster.cut_off()
        tunnel.wait()


def answer(port, token=None):
    """The status with which the dashboard tells the cluster's jobs; None where nobody answers."""
    request = urllib.request.Request(f"http://localhost:{port}/api/jobs/")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, ConnectionError):
        return None


def test_storage_that_the_machines_do_not_share_is_refused_before_anything_is_written(cluster):
    search = "python -m search.run cnn --storage /tmp/studies --trials 4"
    refused = cluster.ssh(cluster.head, f"cd colorization-search && {search}")
    assert refused.returncode == 2
    assert "machine-1 and machine-2 do not see what this machine writes to /tmp" in refused.stderr
    assert not [path for path in (cluster.head.root / "tmp").iterdir() if path.name[:1] == "s"]


def test_a_killed_trial_fails_alone(cluster, study, ended, accounted_for):
    folder = study("trial", trials=2, epochs=LONG)
    cluster.workers[0].kill("^ray::Trial")
    ended(folder)
    failed, other = sorted(accounted_for(folder.path, 2, LONG).values(), key=lambda row: row["epochs"])
    assert (failed["state"], failed["node"]) == ("FAIL", cluster.workers[0].name)
    assert "process died" in failed["reason"]
    assert (other["state"], other["node"]) == ("COMPLETE", cluster.workers[1].name)


def test_a_study_whose_process_was_killed_is_resumed(cluster, study, submit, ended, accounted_for):
    folder = study("driver", trials=2, epochs=LONG)
    cluster.head.kill("^python -m search.run")
    before = read_epochs(folder).to_pylist()
    assert len(before) < 2 * LONG
    resumed = submit("driver-again", "--resume driver")
    ended(folder)
    assert resumed.wait() == 0
    rows = accounted_for(folder.path, 2, LONG)
    assert {row["state"] for row in rows.values()} == {"COMPLETE"}
    after = read_epochs(folder).to_pylist()
    assert all(row in after for row in before)


def test_a_trial_goes_on_elsewhere_when_the_ray_of_its_machine_is_killed(
    cluster, study, ended, accounted_for
):
    folder = study("raylet", trials=2, epochs=LONG)
    cluster.workers[0].kill("raylet/raylet ")
    ended(folder)
    went_on(cluster, accounted_for(folder.path, 2, LONG), folder)


def test_a_machine_whose_ray_was_killed_comes_back_by_itself(cluster):
    everyone = sorted(host.name for host in cluster.hosts)
    lost = cluster.workers[0]
    wait_until(lambda: any("raylet/raylet " in one for one in lost.processes().values()), "its Ray's start")
    wait_until(lambda: cluster.nodes() == everyone, "its return")


def test_a_trial_goes_on_elsewhere_when_its_machine_loses_power(cluster, study, ended, accounted_for):
    folder = study("power", trials=2, epochs=LONG)
    cluster.workers[0].cut_power()
    ended(folder)
    went_on(cluster, accounted_for(folder.path, 2, LONG), folder)


def went_on(cluster, rows, folder):
    """See that the trial of the first worker lost nothing, and ended on the second."""
    assert {row["state"] for row in rows.values()} == {"COMPLETE"}
    assert {row["node"] for row in rows.values()} == {cluster.workers[1].name}
    assert machines_of(folder) == {host.name for host in cluster.workers}


def test_ray_down_leaves_no_ray_running(cluster):
    cluster.ray("down", "-y", cluster.file)
    wait_until(lambda: not cluster.head.processes(), "the end of Ray on the head", 10)
    worker = cluster.workers[1]

    def ended():
        # Ray's agents try to report to the head for a minute more.
        return all("Agent" in command for command in worker.processes().values())

    wait_until(ended, f"the end of Ray on {worker.name}", 60)
