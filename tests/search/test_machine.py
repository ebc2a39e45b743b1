"""What there is to run on: the Ray of this machine or another, and the machines that it has or may get."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from search.config import ConfigError
from search.machine import Machine, Room, connect

SCRIPT = """
from search.machine import connect

connect(None)
import ray

print(ray.get_runtime_context().gcs_address)
"""


def run_script(script, *arguments, env=None):
    """Run it in a process of its own, for Ray stays in one that used it."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env=env,
        timeout=120,
    )


def silent_address():
    """An address of this machine where nothing answers."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


def test_a_ray_that_is_gone_but_still_noted_on_the_machine_is_not_waited_for():
    noted = silent_address()
    # Not below pytest's folders: Ray's sockets lie here, and their paths must be short.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        note = Path(folder) / "ray" / "ray_current_cluster"
        note.parent.mkdir()
        note.write_text(noted)
        run = run_script(SCRIPT, env=os.environ | {"RAY_TMPDIR": folder})
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() not in ("", noted)


def test_a_ray_that_does_not_come_up_in_time_is_one_line(monkeypatch):
    def init(**_):
        # Word for word, and as bare, as ray._private.node raises it on a machine that is too busy.
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    with pytest.raises(
        ConfigError, match=r"\(The current node timed out .*\): try again when the machine is less"
    ):
        connect("local")


LISTENING = """
import ipaddress
import psutil
from search.machine import connect

connect("local")
import ray

ray.get(ray.remote(lambda: None).remote())
processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
sockets = [one for process in processes for one in process.net_connections("inet") if one.status == "LISTEN"]
addresses = [ipaddress.ip_address(one.laddr.ip) for one in sockets]
outside = [one for one in addresses if not (getattr(one, "ipv4_mapped", None) or one).is_loopback]
print(len(addresses) > 5, outside)
"""


def test_a_ray_of_its_own_listens_on_loopback_alone():
    run = run_script(LISTENING)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "True []"


JOINS = """
import sys
from search.machine import connect

connect(sys.argv[1])
"""
OTHER = "do not have the same token"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_a_ray_that_asks_for_another_token_or_none_is_told_as_such(mode):
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        homes = {name: Path(folder) / name for name in ("its own", "another", "none")}
        for home in homes.values():
            home.mkdir()
        plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        for name in ("its own", "another"):
            subprocess.run(
                ["ray", "get-auth-token", "--generate"],
                check=True,
                capture_output=True,
                env=plain | {"HOME": str(homes[name])},
            )
        there = homes["its own" if mode == "token" else "none"]
        _, _, port = silent_address().partition(":")
        command = [
            "ray",
            "start",
            "--head",
            "--port",
            port,
            "--num-cpus",
            "1",
            "--include-dashboard=false",
            "--block",
        ]
        ray = subprocess.Popen(
            [*command, "--temp-dir", folder],
            env=plain | {"HOME": str(there), "RAY_AUTH_MODE": mode},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

        def join(name, **more):
            run = run_script(JOINS, f"127.0.0.1:{port}", env=plain | {"HOME": str(homes[name])} | more)
            return run.stderr.splitlines()[-1] if run.returncode else "joined"

        try:
            deadline = time.monotonic() + 60
            while "no cluster answers" in (said := join("none")):
                assert time.monotonic() < deadline, said
            assert OTHER in said
            if mode == "token":
                assert join("its own") == "joined"
                assert OTHER in join("another")
            else:
                assert "was started with RAY_AUTH_MODE=disabled, but here it is token" in join("another")
                assert join("none", RAY_AUTH_MODE="disabled") == "joined"
        finally:
            os.killpg(ray.pid, signal.SIGKILL)
            ray.wait()


GROWS = """
import os, sys
import ray
from search.machine import cluster

ray.init("local", num_cpus=3, include_dashboard=False, logging_level="ERROR")
for home in sys.argv[1:]:
    os.environ["HOME"] = home
    print(cluster())
"""
FILE = """
max_workers: 3
available_node_types:
  head: {max_workers: 0, resources: {CPU: 0}}
  gpu: {max_workers: 8, resources: {CPU: 4, GPU: 1}}
  cpu: {max_workers: 2, resources: {CPU: 64}}
"""


def test_an_address_where_nothing_answers_is_said_at_once(tmp_path):
    address = silent_address()
    command = [sys.executable, "-m", "search.run", "cnn", "--trials", "4", "--address", address]
    run = subprocess.run(
        [*command, "--storage", str(tmp_path / "studies")], check=False, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert f"error: --address (or RAY_ADDRESS) is {address}, where no cluster answers" in run.stderr
    assert run.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_machines_that_the_autoscaler_may_add_count_as_there(tmp_path):
    found = {
        FILE: "12 processors and 3 GPUs on 3 machines",
        FILE.replace("max_workers: 3", "max_workers: 9"): "96 processors and 8 GPUs on 9 machines",
        "available_node_types: [a list]": "3 processors, no GPU",
    }
    homes = [tmp_path / str(number) for number in range(len(found))]
    for home, file in zip(homes, found, strict=True):
        home.mkdir()
        (home / "ray_bootstrap_config.yaml").write_text(file)
    run = run_script(GROWS, *homes)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == list(found.values())


KINDS = """
import ray
from search.machine import accelerators, cluster

resources = {"accelerator_type:L4": 1.0}
ray.init("local", num_cpus=3, num_gpus=2, resources=resources, include_dashboard=False, logging_level="ERROR")
print(accelerators(), cluster(), cluster("L4"), cluster("T4"), sep="; ")
"""


def test_gpus_of_another_kind_than_is_wanted_do_not_count():
    run = run_script(KINDS)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == (
        "['L4']; 3 processors and 2 GPUs; 3 processors and 2 GPUs; 3 processors, no GPU"
    )


def test_the_room_for_trials_follows_the_cluster_but_is_not_asked_for_all_the_time():
    machines = [Machine(cpus=1, gpus=0), Machine(cpus=3, gpus=0)]
    now = [0.0]
    room = Room(lambda machine: machine.cpus, lambda: machines.pop(0), clock=lambda: now[0])
    assert (room(), room()) == (1, 1)
    now[0] = 5.0
    assert room() == 3
