"""How many trials share a GPU under `--gpus-per-trial auto`: measured before the first trial, or as recorded.

What one process measures is `trainables.packing`; here are the processes, and what follows from what they tell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from search.gpus import gpu_nodes
from search.machine import accelerator_resource
from search.plan import Plan
from search.precision import Precision
from spaces import Value, largest_points
from trainables.cuda import Gpu
from trainables.data.nearby import SharedFile, nearby
from trainables.hardware import BESIDE_MB, configure

if TYPE_CHECKING:
    from trainables.loop import Loop, Training
    from trainables.packing import Taken

MARGIN = 1.2
"""Times the measured peak that a trial must be able to allocate: memory fragments, and a configuration between those
that were measured may take somewhat more."""
WORTH = 1.07
"""What one trial more on a GPU must gain in images a second of all together: each comes to its rungs later, and
early stopping knows less when the next is proposed."""
_SECONDS = 5.0
"""For which trials that share a GPU are measured; long beside the moments by which they begin and end apart."""
_PATIENCE = 120.0
"""Seconds until a GPU that was free before must be again."""


@dataclass(frozen=True)
class Packing:
    """How many trials share each GPU, and what that was decided by.

    Attributes
    ----------
    trials_per_gpu
        1 or more.
    peak_mb
        MiB that TensorFlow allocates at most for a trial of the largest configuration; None if not measured.
    images_per_second
        Of 1, 2, ... trials on one GPU, all together; empty if not measured.
    trouble
        Why no more was measured, if something was in the way.
    beside_mb
        MiB of a GPU that a trial's process takes beside that.
    """

    trials_per_gpu: int
    peak_mb: float | None
    images_per_second: Sequence[float]
    trouble: str | None
    beside_mb: float = BESIDE_MB

    @property
    def share(self) -> float:
        """Of a GPU for each trial. Ray counts in ten-thousandths and rounds, so this is rounded down."""
        return math.floor(10_000 / self.trials_per_gpu) / 10_000

    @property
    def note(self) -> str:
        """As said to a person."""
        count, rates = self.trials_per_gpu, self.images_per_second
        said = f"{count} trial{'s' * (count > 1)} on each GPU"
        if count > 1:
            said += f": together {rates[count - 1]:.0f} images/s, against {rates[0]:.0f} of one alone"
        elif len(rates) > 1:
            said += f": two would give {rates[1]:.0f} images/s together, against {rates[0]:.0f} of one alone"
        elif self.trouble is None:
            said += ": no room, no processors or no trials for another one"
        return said if self.trouble is None else f"{said}; more could not be measured ({self.trouble})"


def most_that_fit(peak_mb: float, beside_mb: float, gpus: Sequence[Gpu], others: int) -> int:
    """Trials that fit on the smallest of these GPUs, 1 or more.

    Parameters
    ----------
    peak_mb
        MiB that TensorFlow allocates at most for one of them.
    beside_mb
        MiB that its process takes beside that.
    gpus
        All that a trial may get.
    others
        Trials for each GPU that there are, and that there are processors and memory of the machine for.
    """
    memory = min(gpu.memory_mb for gpu in gpus)
    return max(1, min(others, int(memory / (MARGIN * peak_mb + beside_mb))))


def best_count(rates: Sequence[float]) -> int:
    """Trials that a GPU takes: the last that gains over one fewer, from images a second of 1, 2, ... together."""
    return next((n for n in range(1, len(rates)) if rates[n] < WORTH * rates[n - 1]), max(1, len(rates)))


def measure_packing(
    plan: Plan,
    gpus: Sequence[Gpu],
    pack: SharedFile,
    encoder: SharedFile | None,
    perceptual: SharedFile | None,
    precision: Precision,
) -> Packing:
    """Measure it on a GPU of the Ray cluster that this process is connected to, while that does nothing else.

    With trials of the largest configuration of the space, on the study's data and in its precision; `gpus` are all
    that a trial may get.
    """
    import ray

    measuring = _Measuring(
        model=plan.model,
        pack=pack,
        batch_size=plan.config.batch_size,
        encoder_weights=encoder,
        perceptual_weights=perceptual,
        precision=precision,
        threads=plan.config.cpus_per_trial,
        resources=accelerator_resource(plan.config.accelerator),
    )
    peak: float | None = None
    beside: float = BESIDE_MB
    rates: list[float] = []
    trouble = None
    if not gpus:
        return Packing(1, None, [], "no driver tells a GPU's memory")
    try:
        largest, taken = _largest(measuring, largest_points(plan.space))
        beside = taken.beside_mb
        if math.isfinite(taken.peak_mb):
            peak = taken.peak_mb
            most = most_that_fit(peak, beside, gpus, _others(plan, taken.host_mb))
            while most > 1 and len(rates) < most and best_count(rates) >= len(rates):
                rates.append(_together(measuring, largest, len(rates) + 1, beside))
    except ray.exceptions.RayError as error:
        trouble = _reason(error)
    return Packing(best_count(rates), peak, rates, trouble, beside)


@dataclass(frozen=True)
class _Measuring:
    """What the measured trials have in common."""

    model: str
    pack: SharedFile
    batch_size: int
    encoder_weights: SharedFile | None
    perceptual_weights: SharedFile | None
    precision: Precision
    threads: int
    resources: dict[str, float]

    def training(self, point: dict[str, Value]) -> "Training":
        from trainables.loop import Training
        from trainables.params import params_of

        return Training(
            params_of(self.model, point),
            batch_size=self.batch_size,
            seed=0,
            epochs=1,
            encoder_weights=None if self.encoder_weights is None else nearby(self.encoder_weights),
            perceptual_weights=None if self.perceptual_weights is None else nearby(self.perceptual_weights),
            precision=self.precision.name,
            xla=self.precision.uses_xla(point),
        )


class _Trial:
    """A trial that is only measured, in a process of its own with its share of a GPU."""

    _loop: "Loop"

    def __init__(self, measuring: _Measuring, share: float, beside_mb: float) -> None:
        configure(measuring.threads, share, beside_mb=beside_mb)
        from trainables.data.pack import open_pack

        self._measuring = measuring
        self._pack = open_pack(nearby(measuring.pack))

    def taken(self, point: dict[str, Value]) -> "Taken":
        from trainables.packing import taken

        return taken(self._measuring.training(point), self._pack)

    def warm_up(self, point: dict[str, Value]) -> None:
        from trainables.packing import warm_loop

        self._loop = warm_loop(self._measuring.training(point), self._pack)

    def rate(self) -> float:
        """Images a second."""
        from trainables.precision import images_per_second

        return images_per_second({"": self._loop}, _SECONDS)[""]


def _largest(measuring: _Measuring, points: Sequence[dict[str, Value]]) -> tuple[dict[str, Value], "Taken"]:
    """The point that takes the most of a GPU's memory, and how much; what takes more than half has no company."""
    import ray

    trial = ray.remote(num_cpus=measuring.threads, num_gpus=1, resources=measuring.resources)(_Trial).remote(
        measuring, 0.5, BESIDE_MB
    )
    try:
        taken = [ray.get(trial.taken.remote(point)) for point in points]
    finally:
        ray.kill(trial)
    peaks = [one.peak_mb for one in taken]
    peak = max(peaks)
    # What else a process takes only grows.
    return points[peaks.index(peak)], replace(taken[-1], peak_mb=peak)


def _together(measuring: _Measuring, point: dict[str, Value], count: int, beside_mb: float) -> float:
    """Images a second of so many trials on one GPU, added up."""
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    # A whole GPU set aside for them all: Ray would otherwise be free to spread them over several.
    group = placement_group([{"GPU": 1, "CPU": count * measuring.threads, **measuring.resources}])
    share = Packing(count, None, [], None).share
    trial = ray.remote(
        num_cpus=measuring.threads,
        num_gpus=share,
        scheduling_strategy=PlacementGroupSchedulingStrategy(group),
    )(_Trial)
    trials: list[Any] = []
    try:
        ray.get(group.ready(), timeout=_PATIENCE)
        trials += [trial.remote(measuring, share, beside_mb) for _ in range(count)]
        ray.get([one.warm_up.remote(point) for one in trials])
        return sum(ray.get([one.rate.remote() for one in trials]))
    finally:
        for one in trials:
            ray.kill(one)
        remove_placement_group(group)


def _others(plan: Plan, host_mb: float) -> int:
    """Trials for each GPU that the study has, and that every machine has processors and memory for."""
    asked = min(plan.config.concurrency or plan.trials, plan.trials)
    room = []
    for resources in (node["Resources"] for node in gpu_nodes(plan.config.accelerator)):
        processors = resources.get("CPU", 0) / plan.config.cpus_per_trial
        memory = resources.get("memory", math.inf) / (MARGIN * host_mb * 2**20)
        room.append(min(processors, memory) / resources["GPU"])
    return int(min(math.ceil(asked / plan.machine.gpus), *room))


def _reason(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {(str(cause).strip() or '?').splitlines()[0]}"
