"""A cluster of own machines as a user has it: brought up by one command, and closed to strangers."""

import socket
import urllib.error
import urllib.request

import pytest

from tests.cluster.hosts import wait_until
from tests.cluster.launcher import GPUS, machines_of

pytestmark = pytest.mark.cluster


def test_ray_up_brings_all_machines_in(cluster):
    cluster.wait_for_all()


def test_a_study_outlives_the_connection_that_began_it(cluster, study, ended, accounted_for, tmp_path):
    folder = study("lid", trials=4, epochs=2)
    ended(folder)
    rows = accounted_for(folder.path, 4, 2)
    assert {row["state"] for row in rows.values()} == {"COMPLETE"}
    assert machines_of(folder) == {host.name for host in cluster.workers}

    cluster.ray("rsync-down", cluster.file, f"/mnt/studies/{folder.path.name}/", f"{tmp_path / 'lid'}/")
    assert accounted_for(tmp_path / "lid", 4, 2) == rows


def test_trials_on_machines_of_two_gpus_run_at_once_and_each_sees_one(cluster):
    run = "python -m tests.cluster.visible_gpus /mnt/studies/visible"
    done = cluster.ssh(cluster.head, f"cd colorization-search && {run}")
    assert done.returncode == 0, done.stderr
    seen = {note.read_text() for note in (cluster.studies / "visible" / "notes").iterdir()}
    assert seen == {f"{host.name} {gpu}" for host in cluster.workers for gpu in range(GPUS)}


def test_without_the_token_a_peer_is_refused(cluster):
    cluster.wait_for_all()
    ask = f"ray status --address {cluster.head.address}:6379"
    peer = cluster.workers[0]
    assert cluster.ssh(peer, ask).returncode == 0
    for without in ("RAY_AUTH_MODE=disabled", f"RAY_AUTH_TOKEN={'0' * 64}"):
        refused = cluster.ssh(peer, f"{without} {ask}")
        assert refused.returncode != 0
        assert "token" in refused.stderr
        assert "CPU" not in refused.stdout


OLDER_RAY = "import sys, ray; ray.__version__ = '2.0.0'; from search.run import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("python", "address", "message"),
    [
        ("-m search.run", "--address 198.51.100.99:6379", "198.51.100.99:6379, where no cluster answers"),
        (f'-c "{OLDER_RAY}"', "", "Version mismatch: The cluster was started with: Ray:"),
    ],
    ids=["unreachable head", "another version of Ray"],
)
def test_a_cluster_that_cannot_be_joined_is_one_message(cluster, python, address, message):
    search = f"python {python} cnn --trials 4 --storage /mnt/studies/none {address}"
    refused = cluster.ssh(cluster.head, f"cd colorization-search && {search}")
    assert refused.returncode == 2
    assert message in " ".join(refused.stderr.split())
    assert refused.stderr.count("error: ") == 1
    assert refused.stderr.startswith("error: ")
    assert not (cluster.studies / "none").exists()


def test_the_dashboard_answers_through_ssh_alone_and_asks_for_the_token(cluster):
    knock = f"exec 3<>/dev/tcp/{cluster.head.address}/8265"
    assert cluster.ssh(cluster.workers[0], knock).returncode != 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((cluster.head.address, 8265), timeout=10)

    port = free_port()
    tunnel = cluster.start("dashboard", cluster.file, "--port", port)
    try:
        wait_until(lambda: answer(port) is not None, "the tunnel")
        assert answer(port) == 401
        assert answer(port, token=(cluster.home / ".ray/auth_token").read_text()) == 200
    finally:
        cluster.cut_off()
        tunnel.wait()


def test_a_studys_own_dashboard_is_watched_through_ssh_as_well(cluster):
    port = free_port()
    serve = f"python -m search.dashboard /mnt/studies/lid --port {port}"
    tunnel = cluster.start("exec", cluster.file, "--port-forward", port, serve)
    try:
        wait_until(lambda: answer(port, "/api/studies") == 200, "the tunnel")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((cluster.head.address, port), timeout=10)
    finally:
        cluster.cut_off()
        tunnel.wait()


def free_port():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def answer(port, path="/api/jobs/", token=None):
    """The status of an answer, by default that of Ray's dashboard to who asks for jobs; None where nobody answers."""
    request = urllib.request.Request(f"http://localhost:{port}{path}")
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
