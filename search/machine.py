"""What there is to run on: this machine, or all machines of a Ray cluster."""

import logging
import os
import socket
import subprocess
from dataclasses import dataclass
from shutil import which

from search.config import ConfigError

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
"""For Ray: no output of its own, relative paths as typed, no telemetry, no tables beside ours, Ctrl-C left to us."""

_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
"""Tune hands these to trials by way of Ray's logs (ray.tune.execution.class_cache), and no trial needs them."""


@dataclass(frozen=True)
class Machine:
    """Processors and GPUs that a study may use, on one machine or over a cluster."""

    cpus: int
    gpus: int

    def __str__(self) -> str:
        """As said to a person."""
        gpus = f" and {self.gpus} GPU{'s' * (self.gpus != 1)}" if self.gpus else ", no GPU"
        return f"{self.cpus} processor{'s' * (self.cpus != 1)}{gpus}"


def this_machine() -> Machine:
    """Count the processors that this process may use, and the GPUs that NVIDIA's driver lists."""
    return Machine(
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        gpus=_nvidia_gpus(),
    )


def cluster() -> Machine:
    """Count what the Ray cluster that this process is connected to has, or may grow to where it starts at zero."""
    import ray
    from ray._private.state import state

    now = ray.cluster_resources()
    # Only here does Ray tell what its autoscaler may add.
    later = state.get_max_resources_from_cluster_config() or {}

    def count(resource: str) -> int:
        return int(max(now.get(resource, 0), later.get(resource, 0)))

    return Machine(cpus=count("CPU"), gpus=count("GPU"))


def connect(address: str | None) -> str | None:
    """Join the Ray cluster at `address` or on this machine, or start one; give its dashboard's address."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in _SECRETS:
        os.environ.pop(name, None)
    import ray

    if address is None and _is_left_behind():
        address = "local"
    try:
        context = ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"the cluster at {address}" if address else "the Ray of this machine"
        raise ConfigError(
            f"{where} cannot be joined or started ({error}): start a cluster with `ray start --head` and the same"
            " versions of Ray and Python, name another --address, or leave it out to run on this machine alone."
        ) from None
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    return f"http://{context.dashboard_url}" if context.dashboard_url else None


def _is_left_behind() -> bool:
    """Whether the Ray whose address is noted on this machine is gone: after a crash Ray would wait for it."""
    from ray._private.services import find_bootstrap_address

    noted = None if os.environ.get("RAY_ADDRESS") else find_bootstrap_address(None)
    if not noted:
        return False
    host, _, port = noted.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return True
    return False


def _nvidia_gpus() -> int:
    program = which("nvidia-smi")
    if program is None:
        return 0
    listing = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
