"""What there is to run on: this machine, or all machines of a Ray cluster."""

import os
import subprocess
from dataclasses import dataclass
from shutil import which


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


def _nvidia_gpus() -> int:
    program = which("nvidia-smi")
    if program is None:
        return 0
    listing = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
