"""What there is to run on: this machine, or all machines of a Ray cluster."""

import logging
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from search.config import ConfigError
from trainables import cuda
from trainables.processors import processors

LOOK_SECONDS = 2.0
AUTOSCALING_CONFIG = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` puts the cluster's file on its head."""

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
}
"""For Ray: no output of its own, relative paths as typed, no telemetry, no tables beside ours, Ctrl-C left to us,
no state of all trials written every few seconds, for ours is in the journal, and no second start of a trial whose
machine was reclaimed, for the study starts it again (`search.failures`)."""

_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0, a Ray that starts is for this machine alone: all its ports listen on loopback, as they do on macOS."""

_ACCELERATOR = "accelerator_type:"
"""Prefix of the resource by which Ray knows a machine's kind of GPU."""

_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
"""Tune hands these to trials by way of Ray's logs (ray.tune.execution.class_cache), and no trial needs them."""


@dataclass(frozen=True)
class Machine:
    """Processors and GPUs that a study may use, on one machine or over a cluster."""

    cpus: int
    gpus: int
    members: tuple["Machine", ...] = ()
    """The machines of a cluster, also those that its autoscaler may add; none for a single machine."""

    def slots(self, cpus: int, share: float) -> int:
        """How many trials with so many processors and such a share of a GPU, 0 to 1, run at once."""
        if self.members:
            return sum(member.slots(cpus, share) for member in self.members)
        return min(self.cpus // cpus, self.gpus * int(1 / share)) if share else self.cpus // cpus

    def __str__(self) -> str:
        """As said to a person."""
        gpus = f" and {self.gpus} GPU{'s' * (self.gpus != 1)}" if self.gpus else ", no GPU"
        where = f" on {len(self.members)} machines" if len(self.members) > 1 else ""
        return f"{self.cpus} processor{'s' * (self.cpus != 1)}{gpus}{where}"


def this_machine() -> Machine:
    """Count the processors that this process may use, and the GPUs that CUDA offers it."""
    return Machine(
        cpus=processors(),
        gpus=len(cuda.ask().gpus),
    )


def cluster(accelerator: str | None = None) -> Machine:
    """Count what the Ray cluster that this process is connected to has, or may grow to where it starts at zero.

    With an `accelerator` only GPUs of this kind.
    """
    now = [_machine(node["Resources"], accelerator) for node in alive_nodes()]
    later = _may_become(accelerator)
    return max(_together(now), _together(later), key=lambda machine: (machine.gpus, machine.cpus))


def accelerator_resource(accelerator: str | None) -> dict[str, float]:
    """What a process asks Ray for beside processors and GPUs, to come to a machine with this kind of GPU."""
    return {} if accelerator is None else {f"{_ACCELERATOR}{accelerator}": 0.001}


def accelerators() -> list[str]:
    """The kinds of GPU that the cluster's machines have now, as Ray names them."""
    resources = {resource for node in alive_nodes() for resource in node["Resources"]}
    return sorted(name.removeprefix(_ACCELERATOR) for name in resources if name.startswith(_ACCELERATOR))


def alive_nodes() -> list[dict[str, Any]]:
    """The cluster's machines, as Ray describes them."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def joins_cluster(address: str | None) -> bool:
    """Whether a study would run on a Ray that is there already, whose machines are known once it is joined."""
    given = _given(address)
    if given:
        return given != "local"
    noted = _noted()
    return noted is not None and _answers(noted)


def _may_become(accelerator: str | None) -> list[Machine]:
    """The machines that Ray's autoscaler may bring up, by its own configuration, which Ray does not tell."""
    try:
        config = yaml.safe_load(AUTOSCALING_CONFIG.expanduser().read_text(encoding="utf-8"))
        types = config["available_node_types"].values()
        found = [
            _machine(kind.get("resources", {}), accelerator, known=False)
            for kind in types
            for _ in range(kind.get("max_workers", 0))
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return []
    # Where all types together have more than the cluster may, the ones with most are what trials ask for.
    found.sort(key=lambda machine: (machine.gpus, machine.cpus), reverse=True)
    return found[: config.get("max_workers", len(found))]


def _machine(resources: Mapping[str, float], accelerator: str | None, *, known: bool = True) -> Machine:
    """A machine with such resources; where its kind of GPU is not `known` yet, it may be the one that is wanted."""
    kinds = [name for name in resources if name.startswith(_ACCELERATOR)]
    fits = accelerator is None or f"{_ACCELERATOR}{accelerator}" in kinds or not (known or kinds)
    return Machine(cpus=int(resources.get("CPU", 0)), gpus=int(resources.get("GPU", 0)) if fits else 0)


def _together(machines: Sequence[Machine]) -> Machine:
    return Machine(
        cpus=sum(machine.cpus for machine in machines),
        gpus=sum(machine.gpus for machine in machines),
        members=tuple(machine for machine in machines if machine.cpus),
    )


def on_node(node: str, function: Callable[..., object], *arguments: object) -> Any:
    """Call a function on one node of the cluster, by Ray's name for it; the answer is to be had by `ray.get`.

    In a process of its own, which ends with it.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, max_calls=1, scheduling_strategy=there)(function).remote(*arguments)


class Room:
    """How many trials may run at once, looked up anew every few seconds: machines join and leave.

    Parameters
    ----------
    concurrency
        How many do on a machine.
    look
        Counts what there is.
    clock
        Seconds.
    """

    def __init__(
        self,
        concurrency: Callable[[Machine], int],
        look: Callable[[], Machine],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._concurrency = concurrency
        self._look = look
        self._clock = clock
        self._at = -math.inf
        self._room = 0

    def __call__(self) -> int:
        """Give the number as of the last few seconds."""
        if self._clock() - self._at >= LOOK_SECONDS:
            self._room, self._at = self._concurrency(self._look()), self._clock()
        return self._room


def connect(address: str | None) -> str | None:
    """Join the Ray cluster at `address` or on this machine, or start one; give its dashboard's address."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in _SECRETS:
        os.environ.pop(name, None)
    if address is None and _is_left_behind():
        address = "local"
    given = _given(address)
    joins = joins_cluster(address)
    if not joins:
        # Ray looks at it once, as it is imported.
        os.environ[_LOOPBACK] = "0"
    import ray

    # Ray would ask for 20 seconds, with a line of its log for each.
    if ":" in given and "://" not in given and not _answers(given):
        raise ConfigError(
            f"--address (or RAY_ADDRESS) is {given}, where no cluster answers: see that its head is up and that this"
            " machine reaches it, name another, or leave it out to run on this machine alone."
        )
    try:
        context = ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # noqa: BLE001 -- a bare one where a process of Ray's own does not come up in time
        where = f"the cluster at {address}" if address else "the Ray of this machine"
        if _is_about_tokens(error):
            raise ConfigError(
                f"{where} cannot be joined, for it and this process do not have the same token: bring its"
                " ~/.ray/auth_token here, or, where it was started without one and all who reach it are trusted, set"
                " RAY_AUTH_MODE=disabled here."
            ) from None
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"{where} cannot be joined or started ({reason}): try again when the machine is less busy, start a"
            " cluster with `ray start --head` and the same versions of Ray and Python, name another --address, or"
            " leave it out to run on this machine alone."
        ) from None
    finally:
        # Not for a Ray that this process, or one that it starts, may join or start later.
        os.environ.pop(_LOOPBACK, None)
    if joins:
        _check_token(given)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    return f"http://{context.dashboard_url}" if context.dashboard_url else None


def _is_about_tokens(error: BaseException | None) -> bool:
    """Whether a token was missing or wrong: Ray says so of what led to the error."""
    while error is not None:
        if "authentication token" in str(error).lower():
            return True
        error = error.__cause__ or error.__context__
    return False


def _check_token(address: str) -> None:
    """Refuse a cluster that asks for no token while this process does: its workers would be turned away, and die."""
    import ray

    there = ray.get(on_node(ray.get_runtime_context().get_node_id(), _auth_mode))
    if there != _auth_mode():
        ray.shutdown()
        raise ConfigError(
            f"the cluster{f' at {address}' if address else ''} was started with RAY_AUTH_MODE={there}, but here it is"
            f" {_auth_mode()}: start it with RAY_AUTH_MODE=token (`ray get-auth-token --generate` makes one), or,"
            f" where all who reach it are trusted, set RAY_AUTH_MODE={there} here."
        )


def _auth_mode() -> str:
    return os.environ.get("RAY_AUTH_MODE", "disabled")


def _given(address: str | None) -> str:
    """The address that was asked for, as Ray takes it; empty where none was."""
    return address or os.environ.get("RAY_ADDRESS", "")


def _is_left_behind() -> bool:
    """Whether the Ray whose address is noted on this machine is gone: after a crash Ray would wait for it."""
    noted = None if _given(None) else _noted()
    return noted is not None and not _answers(noted)


def _noted() -> str | None:
    """Where the last `ray start` on this machine put its Ray, read as Ray does (ray._common.utils), without it."""
    folder = os.environ.get("RAY_TMPDIR") or (sys.platform == "linux" and os.environ.get("TMPDIR")) or "/tmp"  # noqa: S108
    try:
        return Path(folder, "ray", "ray_current_cluster").read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError):
        return False
    return True
