"""The machine from which a cluster of test hosts is commanded, with `ray` and the file for own machines."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from results.store import StudyFolder, read_epochs
from tests.cluster.hosts import Host, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
RAY = Path(sys.prefix, "bin/ray")
LONG = 40
"""Epochs of a trial that can be disturbed while it runs; one takes a fraction of a second."""
GPUS = 2
"""That each worker says it has; there are none."""
_NODES = """
import json, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

ray.init(logging_level="ERROR", log_to_driver=False)
alive = {node["NodeManagerHostname"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
answer = ray.remote(num_cpus=0)(lambda: True)
answers = {answer.options(scheduling_strategy=On(node, soft=False)).remote(): name for name, node in alive.items()}
for one in ray.wait(list(answers), num_returns=len(answers), timeout=10)[0]:
    try:
        ray.get(one)
    except ray.exceptions.RayError:
        continue
    answers.pop(one)
print(json.dumps({name: node for name, node in alive.items() if name not in answers.values()}))
"""


@dataclass(frozen=True)
class Cluster:
    """Its hosts, head first, and a launcher with its home in `folder`, beside the hosts' disks."""

    hosts: list[Host]
    folder: Path

    @property
    def head(self) -> Host:
        return self.hosts[0]

    @property
    def workers(self) -> list[Host]:
        return self.hosts[1:]

    @property
    def studies(self) -> Path:
        """What all hosts see as /mnt/studies."""
        return self.folder / "studies"

    @property
    def home(self) -> Path:
        return self.folder / "launcher"

    @property
    def file(self) -> Path:
        return self.home / "on-prem.yaml"

    def prepare(self) -> None:
        """Lay out what the top of the file asks for, the key apart, and the file with what must differ here."""
        config: dict[str, Any] = yaml.safe_load((CHECKOUT / "cluster/on-prem.yaml").read_text())
        config["provider"] |= {
            "head_ip": self.head.address,
            "worker_ips": [host.address for host in self.workers],
        }
        config["auth"] = {"ssh_user": "root", "ssh_private_key": str(self.folder / "key")}
        # There is no network to install from; the hosts see this environment, but run the code that was synced.
        install = [
            f"ln -sfn {shlex.quote(sys.prefix)} colorization-search/.venv",
            "echo 'export PYTHONPATH=$HOME/colorization-search' >> ~/.profile",
        ]
        config |= {"head_setup_commands": install, "worker_setup_commands": install}
        config["worker_start_ray_commands"] = [
            command.replace("ray start", f"ray start --num-gpus={GPUS}")
            for command in config["worker_start_ray_commands"]
        ]
        self.home.mkdir()
        self.file.write_text(yaml.safe_dump(config))
        self.ray("get-auth-token", "--generate")

    @property
    def output(self) -> Path:
        """What all commands of the launcher printed."""
        return self.home / "output.log"

    def start(self, *command: object) -> subprocess.Popen[bytes]:
        """Start `ray COMMAND` on the launcher, in the folder that the file lies in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        # Not into a pipe, which Ray's ssh holds open some seconds longer than the command runs.
        with self.output.open("a") as output:
            return subprocess.Popen(
                [RAY, *map(str, command)],
                cwd=CHECKOUT / "cluster",
                env=kept
                | {
                    "HOME": str(self.home),
                    "NO_COLOR": "1",
                    "PATH": f"{RAY.parent}:{os.environ['PATH']}",
                    "RAY_USAGE_STATS_ENABLED": "0",
                    "TMPDIR": str(self.home),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def ray(self, *command: object) -> None:
        """Run `ray COMMAND` on the launcher to its end, which must be a good one."""
        assert self.start(*command).wait(timeout=180) == 0, self.output.read_text()[-4000:]

    def cut_off(self) -> None:
        """Kill all that the launcher runs, its connections too, as when its lid is closed."""
        mark = f"HOME={self.home}\0".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)

    def ssh(self, host: Host, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a login shell on a host."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", *options)
        return subprocess.run(
            [
                "ssh",
                *(part for option in options for part in ("-o", option)),
                *("-i", str(self.folder / "key"), f"root@{host.address}"),
                f"bash --login -c {shlex.quote(command)}",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def nodes(self) -> list[str]:
        """The names of the hosts whose Ray answers; the head's believes longer than that that one is alive."""
        return sorted(self.node_ids())

    def wait_for_all(self) -> None:
        """Wait until the Ray of every host answers."""
        everyone = sorted(host.name for host in self.hosts)
        wait_until(lambda: self.nodes() == everyone, "all machines in the cluster")

    def node_ids(self) -> dict[str, str]:
        """Ray's names for the hosts whose Ray answers, by the hosts' own."""
        told = self.ssh(self.head, f"python -c {shlex.quote(_NODES)}")
        # Ray may have something to say beside it.
        found = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
        return dict(found[0]) if found else {}

    def failed(self, job: str) -> bool:
        """Whether a job ended with another status than 0."""
        told = self.ssh(self.head, f"ray job status {job}")
        return f"Job '{job}' failed" in told.stdout + told.stderr

    def give_notice(self, host: Host, seconds: int) -> None:
        """Tell Ray that a host will be gone in so many seconds, as a cloud tells of a spot machine."""
        told = self.ssh(
            self.head,
            f"ray drain-node --address {self.head.address}:6379 --node-id {self.node_ids()[host.name]}"
            " --reason DRAIN_NODE_REASON_PREEMPTION --reason-message spot"
            f" --deadline-remaining-seconds {seconds}",
        )
        assert told.returncode == 0, told.stderr

    @contextmanager
    def full_storage(self) -> Iterator[None]:
        """Within this context there is no room in the studies' folder."""
        ballast = self.studies / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**20))
        try:
            yield
        finally:
            ballast.unlink()


def machines_of(folder: StudyFolder) -> set[str]:
    """The hosts that trained the epochs of a study."""
    return {row["node"] for row in read_epochs(folder).to_pylist()}


def epochs_so_far(folder: StudyFolder) -> list[dict[str, Any]]:
    """The epochs of a study of two long trials that has not ended."""
    rows: list[dict[str, Any]] = read_epochs(folder).to_pylist()
    assert len(rows) < 2 * LONG
    return rows
