"""Test hosts: machines inside this one, on which a cluster is brought up and broken as on real ones.

Each has an address on a bridge, an sshd, a process table, a host name, and a home, `/tmp` and `/dev/shm` of its own.
Of this machine they see the file system, and `/mnt/studies` is one folder for all of them, as NFS would be. They end
with the process that started them, however it ends.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "colorization0"
STORAGE_MB = 2048
"""Size of the folder that all hosts share."""
PROGRAMS = {
    "ip": "iproute2",
    "mount": "mount",
    "rsync": "rsync",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "unshare": "util-linux",
}
"""What the hosts and their launcher need, and the Debian package that it is in."""

# The host's own folders cover this machine's, and with them what the host needs of them: that is kept below /mnt.
_BOOT = """
set -eu
hostname "$NAME"
until ip link set eth0 up 2>&-; do sleep 0.02; done
ip link set lo up
ip addr add "$ADDRESS/24" dev eth0
ip route add default via "$GATEWAY"  # Ray finds its own address by it

mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/host /mnt/studies /mnt/python
mount --bind "$ROOT" /mnt/host
mount --bind "$STUDIES" /mnt/studies
for folder in $PYTHON; do
  mkdir -p "/mnt/python$folder"
  mount --bind "$folder" "/mnt/python$folder"
done
mount --bind /mnt/host/tmp /tmp
mount --bind /mnt/host/home /root
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir /run/sshd
mount --bind /mnt/host/hosts /etc/hosts
mount --bind /dev/null /etc/resolv.conf  # names are refused at once, where asking for them would take seconds
for folder in $PYTHON; do
  mkdir -p "$folder"
  mount --bind "/mnt/python$folder" "$folder"
done
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/sbin/sshd -D -e -f /mnt/host/sshd_config
"""

_SSHD = """
ListenAddress {address}
HostKey /mnt/host/host_key
AuthorizedKeysFile /root/.ssh/authorized_keys
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
"""


def missing() -> str | None:
    """Say what keeps this machine from having test hosts; None if nothing does."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "test hosts need root on Linux, for they are made of namespaces"
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    lacking = sorted({package for name, package in PROGRAMS.items() if not shutil.which(name, path=path)})
    if lacking:
        return f"test hosts need {', '.join(lacking)}: apt-get install {' '.join(lacking)}"
    tried = subprocess.run(
        [
            "unshare",
            "--net",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--fork",
            "mount",
            "-t",
            "tmpfs",
            "x",
            "/mnt",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return (
        f"test hosts need namespaces, and those are refused: {tried.stderr.strip()}"
        if tried.returncode
        else None
    )


@dataclass
class Host:
    """One test host; its `root` on this machine holds its home, its `/tmp` and the log of its sshd."""

    name: str
    address: str
    root: Path
    studies: Path
    _init: int | None = None
    """Its first process, by this machine's number; with it all others end."""
    _unshare: subprocess.Popen[bytes] | None = None

    def install(self, key: str, names: str) -> None:
        """Put the key of those who may enter, and the hosts' names, on its disk."""
        for folder in ("tmp", "home/.ssh"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "tmp").chmod(0o1777)
        for folder in ("home", "home/.ssh"):
            (self.root / folder).chmod(0o700)
        (self.root / "home/.ssh/authorized_keys").write_text(key)
        # Ray makes trials yield to all else, here to what other hosts and this machine do.
        (self.root / "home/.profile").write_text(
            "export RAY_USAGE_STATS_ENABLED=0 RAY_worker_niceness=0 AUTOSCALER_HEARTBEAT_TIMEOUT_S=10\n"
        )
        (self.root / "home/.bashrc").touch()
        (self.root / "hosts").write_text(names)
        (self.root / "sshd_config").write_text(_SSHD.format(address=self.address))
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.root / "host_key")

    def boot(self) -> None:
        """Start it, and wait until its sshd answers."""
        with (self.root / "console.log").open("a") as log:
            process = subprocess.Popen(
                [
                    *(
                        "setpriv",
                        "--pdeathsig",
                        "KILL",
                    ),  # it ends with this process, and all of the host with it
                    *(
                        "unshare",
                        "--kill-child",
                        "--fork",
                        "--pid",
                        "--mount-proc",
                        "--net",
                        "--uts",
                        "--ipc",
                    ),
                    *("--mount", "--propagation", "private", "sh", "-c", _BOOT),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "NAME": self.name,
                    "ADDRESS": self.address,
                    "GATEWAY": _gateway(self.address),
                    "ROOT": str(self.root),
                    "STUDIES": str(self.studies),
                    "PYTHON": " ".join(_covered_python()),
                },
            )
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(
            lambda: process.poll() is not None or children.read_text().split(), f"{self.name}'s start", 10
        )
        self._unshare, self._init = process, int(children.read_text().split()[0])
        _run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self._init)
        _run("ip", "link", "set", self.link, "master", BRIDGE, "up")
        wait_until(self._answers, f"an answer of {self.name}'s sshd", 60)

    def cut_power(self) -> None:
        """End all of its processes at once."""
        if self._unshare is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)
            self._unshare.wait()
            self._unshare = None
            # Its end of the cable takes a moment to go, and with it this one.
            wait_until(lambda: not Path("/sys/class/net", self.link).exists(), "the end of its cable", 10)

    def processes(self) -> dict[int, str]:
        """The command lines of its processes beside sshd's, by the numbers that this machine gives them."""
        own = Path(f"/proc/{self._init}/ns/pid").readlink()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if (folder / "ns/pid").readlink() == own and command and "sshd" not in command:
                    found[int(folder.name)] = command.strip()
        return found

    def find(self, pattern: str) -> list[int]:
        """Numbers of the processes whose command lines have the pattern."""
        return [number for number, command in self.processes().items() if re.search(pattern, command)]

    def kill(self, pattern: str) -> None:
        """SIGKILL the first process whose command line has the pattern."""
        os.kill(self.find(pattern)[0], signal.SIGKILL)

    def cut_network(self, seconds: float) -> None:
        """Unplug its cable for so long; the shared folder stays."""
        _run("ip", "link", "set", self.link, "down")
        time.sleep(seconds)
        _run("ip", "link", "set", self.link, "up")

    @property
    def link(self) -> str:
        """This machine's end of its cable."""
        return f"col{self.address.rpartition('.')[2]}"

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.address, 22), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def running_hosts(addresses: Sequence[str], folder: Path) -> Iterator[list[Host]]:
    """Hosts of these addresses, with their disks, their shared folder and the key `key` in a folder."""
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    (folder / "studies").mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={STORAGE_MB}m", "tmpfs", folder / "studies")
    hosts = [
        Host(f"machine-{number}", address, folder / f"machine-{number}", folder / "studies")
        for number, address in enumerate(addresses)
    ]
    names = "".join(f"{host.address} {host.name}\n" for host in hosts)
    # Those of a test run that was killed may be left.
    for link in (BRIDGE, *(host.link for host in hosts)):
        subprocess.run(["ip", "link", "del", link], check=False, capture_output=True)
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    try:
        _run("ip", "addr", "add", f"{_gateway(addresses[0])}/24", "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        for host in hosts:
            host.install((folder / "key.pub").read_text(), f"127.0.0.1 localhost\n{names}")
            host.boot()
        yield hosts
    finally:
        for host in hosts:
            host.cut_power()
        _run("ip", "link", "del", BRIDGE)
        _run("umount", "--lazy", folder / "studies")


@contextmanager
def limit_memory(process: int, megabytes: int) -> Iterator[Callable[[], bool]]:
    """Let a process take no more than so much memory beyond what it has; gives whether the system killed it."""
    root = Path("/sys/fs/cgroup/memory")
    if not root.is_dir():  # version 2, which has one tree for everything
        root = Path("/sys/fs/cgroup")
    group = root / f"colorization-{process}"
    group.mkdir()
    limit = next(file for file in (group / "memory.limit_in_bytes", group / "memory.max") if file.exists())
    limit.write_text(str(megabytes * 2**20))
    (group / "cgroup.procs").write_text(str(process))
    try:
        yield lambda: not (group / "cgroup.procs").read_text()
    finally:
        group.rmdir()


def _covered_python() -> list[str]:
    """Python's folders where the host's own ones would hide them."""
    folders = {str(Path(prefix).resolve()) for prefix in (sys.prefix, sys.base_prefix)}
    return sorted(folder for folder in folders if folder.startswith(("/tmp/", "/root/", "/mnt/")))


def _gateway(address: str) -> str:
    return f"{address.rpartition('.')[0]}.1"


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 300) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.05)
