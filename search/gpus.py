"""The GPUs that a study's trials may get, as TensorFlow sees them: asked on each machine before the first trial."""

from typing import Any

from search.config import ConfigError
from search.machine import accelerator_resource, alive_nodes, on_node
from search.plan import Plan
from trainables import cuda, hardware
from trainables.cuda import Gpu


class GpuSurvey:
    """The question in progress, on all machines side by side; needs Ray to be there.

    Where no machine with a GPU is up yet, one is brought up by asking for it.
    """

    def __init__(self, plan: Plan) -> None:
        self._accelerator = accelerator = plan.config.accelerator
        self._answers: list[tuple[str, Any]] = []
        self._first: Any = None
        """Done once a machine is up."""
        if not plan.gpus_per_trial:
            return
        self._ask()
        if not self._answers:
            import ray

            first = ray.remote(
                num_cpus=plan.config.cpus_per_trial,
                num_gpus=plan.gpus_per_trial,
                resources=accelerator_resource(accelerator),
                max_calls=1,
            )
            self._first = first(int).remote()

    def finish(self) -> tuple[Gpu, ...]:
        """Wait for the GPUs of all machines; none for a study without, or on made-up ones.

        Raises
        ------
        ConfigError
            A machine has a GPU that cannot be used; the message names both, and the remedy.
        """
        import ray

        if self._first is not None:
            ray.get(self._first)
            self._ask()
        found: list[Gpu] = []
        for machine, answer in self._answers:
            gpus = ray.get(answer)
            if isinstance(gpus, str):
                raise ConfigError(f"on {machine}, {gpus}")
            found += gpus
        return tuple(found)

    def _ask(self) -> None:
        nodes = gpu_nodes(self._accelerator)
        self._answers = [(node["NodeManagerHostname"], on_node(node["NodeID"], _look)) for node in nodes]


def gpu_nodes(accelerator: str | None) -> list[dict[str, Any]]:
    """The machines of the cluster with GPUs, or with GPUs of one kind, as Ray describes them."""
    wanted = {"GPU": 1.0, **accelerator_resource(accelerator)}
    return [
        node
        for node in alive_nodes()
        if all(node["Resources"].get(name, 0) >= amount for name, amount in wanted.items())
    ]


def _look() -> tuple[Gpu, ...] | str:
    """The GPUs of this machine, or why they cannot be used."""
    try:
        return cuda.ask().gpus if hardware.configure(1, 1) else ()
    except hardware.GpuError as error:
        return str(error)
