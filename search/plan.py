"""What a study will do on the machine at hand: settings left open are filled in, and what was scaled down is said.

A pure function of the settings and the machine, so that `--dry-run` shows what a run would do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from search.config import BLANK, ConfigError, StudyConfig
from search.machine import Machine
from search.points import Point, read_points
from search.stopping import Stopper, default_grace, make_stopper
from spaces import (
    REFERENCES,
    Parameter,
    ReferencePoint,
    SpaceError,
    check_reachable,
    largest_points,
    narrow,
    reference_points,
    space_of,
)
from spaces.grid import grid
from trainables.footprint import KEPT, state_bytes

MOST_GRID_POINTS = 10_000
"""Of a grid search: beyond that nobody waits for its end."""

_PORTFOLIO = 8


@dataclass(frozen=True)
class Size:
    """How large a study a kind of machine runs by default."""

    trials: int
    epochs: int
    image_size: int
    settings: tuple[str, ...]


GPU_SIZE = Size(trials=64, epochs=60, image_size=128, settings=())
CPU_SIZE = Size(trials=8, epochs=6, image_size=64, settings=("width=32",))
"""Ends in a few minutes on two processors."""
CPU_SECONDS = 360.0
"""Of the trainings of a study of `CPU_SIZE`: what would take longer is not confirmed unless it is asked for."""
SLOTS_PER_REFERENCE = 2
"""Trials at once for each reference point that a study of `CPU_SIZE` trains."""


@dataclass(frozen=True)
class Plan:
    """A study with nothing left open.

    `config` has every optional setting filled in, but for two: `concurrency` stays open, since machines come and go,
    and `gpus_per_trial` is auto as long as it is to be measured: until then a trial is given a whole GPU. `scaled`
    lists what was made smaller than full size, each with the flag that asks for more.
    """

    config: StudyConfig
    machine: Machine
    model: str
    trials: int
    epochs: int
    image_size: int
    gpus_per_trial: float
    grace: int
    confirm: int
    confirm_within: float
    space: dict[str, Parameter]
    points: tuple[Point, ...]
    scaled: tuple[str, ...]

    @property
    def concurrency(self) -> int:
        """Trials at once on the machine; 0 where none fits."""
        return self.concurrency_on(self.machine)

    def concurrency_on(self, machine: Machine) -> int:
        """Trials at once on another machine, such as what the cluster has become meanwhile."""
        slots = machine.slots(self.config.cpus_per_trial, self.gpus_per_trial)
        return min(self.config.concurrency or slots, slots, self.trials + self.beside)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which weak trials are stopped."""
        return self.stopper().rungs

    @property
    def references(self) -> tuple[Point, ...]:
        """The reference points that are trained."""
        return tuple(point for point in self.points if point.role == "reference")

    @property
    def recorded(self) -> int:
        """Configurations of recorded trainings that the search begins with, at most."""
        config = self.config
        return portfolio_size(self.trials) if config.prior and config.searcher not in BLANK else 0

    @property
    def confirmations(self) -> int:
        """Trainings of references and finalists on fresh seeds, about."""
        complete = math.ceil(self.trials / self.config.eta ** len(self.rungs))
        return self.confirm * (len(self.references) + min(self.config.finalists, complete))

    @property
    def beside(self) -> int:
        """Trials to the last epoch beside the search's, about: references and confirmations."""
        return len(self.references) + self.confirmations

    @property
    def expected_epochs(self) -> float:
        """Epochs of all trials together, if one in `eta` goes on at each rung."""
        stretches = pairwise((0, *self.rungs, self.epochs))
        searched = sum((end - start) / self.config.eta**rung for rung, (start, end) in enumerate(stretches))
        return self.trials * searched + self.beside * self.epochs

    @property
    def bytes_kept(self) -> float:
        """What a trial of the largest networks keeps on the storage while it runs or waits."""
        return KEPT * max(state_bytes(self.model, point) for point in largest_points(self.space))

    @property
    def most_kept(self) -> float:
        """What all trials would keep together, were they all of the largest networks; mostly about half of that."""
        return (self.trials + self.beside) * self.bytes_kept

    def stopper(self) -> Stopper:
        """What decides which trials go on, before it has seen any."""
        config = self.config
        return make_stopper(
            config.scheduler,
            epochs=self.epochs,
            eta=config.eta,
            grace=self.grace,
        )


def portfolio_size(trials: int) -> int:
    """Recorded configurations to begin a search of so many trials with: never more than a quarter."""
    return min(_PORTFOLIO, trials // 4)


def make_plan(config: StudyConfig, machine: Machine, encoders: Sequence[str]) -> Plan:
    """Fill in what `config` leaves open for `machine`; Pix2Pix may take any of `encoders`.

    Raises
    ------
    ConfigError
        A held parameter that the space does not have or allow, or points or a grid that do not fit it.
    """
    if config.model is None:
        raise ConfigError("no model is named: take pix2pix or cnn.")
    asked, any_gpu = config.gpus_per_trial, float(min(machine.gpus, 1))
    share = any_gpu if asked is None or asked == "auto" else asked
    is_open = asked == "auto" and machine.gpus > 0
    slots = machine.slots(config.cpus_per_trial, share)
    full, size = GPU_SIZE, GPU_SIZE if share else CPU_SIZE
    settings = (*_missing(size.settings, config.settings), *config.settings)
    image_size = config.image_size or size.image_size
    epochs = config.epochs or size.epochs
    grace = _grace(config, epochs)
    trials = config.trials or (size.trials if share else size.trials * max(1, slots // 2))

    perceptual = config.perceptual_weights != "none"
    space = _narrowed(space_of(config.model, image_size, encoders, perceptual=perceptual), config, settings)
    # Of a study that fits itself to a small machine all is kept short.
    brief = not share and config.trials is None and config.epochs is None
    possible = reference_points(config.model, space)
    references = _references(config, possible, max(1, slots // SLOTS_PER_REFERENCE) if brief else None)
    enqueued = [] if config.enqueue is None else read_points(config.enqueue, space)
    if config.searcher == "grid":
        trials = _grid_trials(config, space, len(enqueued))
    scaled = [
        f"{what} {ours} instead of {theirs} ({flag} {theirs})"
        for what, given, ours, theirs, flag in (
            ("trials", config.trials, trials, full.trials, "--trials"),
            ("epochs", config.epochs, epochs, full.epochs, "--epochs"),
            ("image size", config.image_size, image_size, full.image_size, "--image-size"),
        )
        if given is None and ours < theirs
    ]
    scaled += [
        f"{setting.replace('=', ' ')} instead of any (--set {setting.partition('=')[0]}=64)"
        for setting in _missing(size.settings, config.settings)
    ]
    left_out = [point.name for point in possible if point not in references and config.references is None]
    if left_out:
        scaled.append(f"without the reference points {', '.join(left_out)} (--references all)")
    filled = replace(
        config,
        trials=trials,
        epochs=epochs,
        image_size=image_size,
        gpus_per_trial="auto" if is_open else share,
        settings=settings,
        references=tuple(point.key for point in references) or ("none",),
        confirm=config.confirm or (1 if brief else None),
    )
    return Plan(
        config=filled,
        machine=machine,
        model=config.model,
        trials=trials,
        epochs=epochs,
        image_size=image_size,
        gpus_per_trial=share,
        grace=grace,
        confirm=config.confirm or int(brief),
        confirm_within=math.inf if config.confirm else CPU_SECONDS,
        space=space,
        points=(*(Point(one.name, one.params, one.name) for one in references), *enqueued[:trials]),
        scaled=tuple(scaled),
    )


def _narrowed(
    space: dict[str, Parameter], config: StudyConfig, settings: Sequence[str]
) -> dict[str, Parameter]:
    """The space within what was set."""
    given: set[str] = set()
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set is {setting!r}, but must be NAME=VALUE, such as --set dropout=0.3.")
        if name in given:
            raise ConfigError(f"--set {setting}: {name} is set more than once: leave all but one out.")
        if name == "perceptual_weight" and config.model == "pix2pix" and name not in space:
            raise ConfigError(
                f"--set {setting}: a perceptual loss needs the weights of VGG16 or VGG19: name them with"
                " --perceptual-weights (imagenet or a path), or leave the setting out."
            )
        try:
            space = narrow(space, name, value)
        except SpaceError as error:
            raise ConfigError(f"--set {setting}: {error}") from None
        given.add(name)
    try:
        check_reachable(space, given)
    except SpaceError as error:
        raise ConfigError(f"--set: {error}") from None
    return space


def _references(
    config: StudyConfig, possible: Sequence[ReferencePoint], most: int | None
) -> list[ReferencePoint]:
    """Those of the possible reference points that were asked for, or the first `most` where that was left open."""
    asked = config.references
    if asked is None:
        return list(possible[:most])
    words = [word for word in ("all", "none") if word in asked]
    if words and len(asked) > 1:
        raise ConfigError(
            f"--references is {' '.join(asked)}, but {words[0]} stands alone: leave the others out."
        )
    if words:
        return list(possible) if words == ["all"] else []
    known = [reference.key for reference in REFERENCES[str(config.model)]]
    keys = [point.key for point in possible]
    for key in asked:
        if key not in known:
            raise ConfigError(f"--references is {key}, but must be all, none, or some of {', '.join(known)}.")
        if key not in keys:
            raise ConfigError(
                f"--references is {key}, but this study's settings or weights do not allow for it: leave it out, or"
                " change what --set and --encoder-weights say."
            )
    return [point for point in possible if point.key in asked]


def _grace(config: StudyConfig, epochs: int) -> int:
    """Epochs before a trial can be stopped."""
    if config.grace is None:
        return default_grace(epochs)
    if config.grace >= epochs and config.scheduler != "none":
        raise ConfigError(
            f"--grace is {config.grace} with {epochs} epochs, but must be below that, or no trial would ever be"
            " stopped: take a lower one, more --epochs, or --scheduler none."
        )
    return config.grace


def _grid_trials(config: StudyConfig, space: dict[str, Parameter], enqueued: int) -> int:
    """Trials that it takes to see the whole grid, or as many as were asked for."""
    levels = {name: len(values) for name, values in grid(space).items()}
    count = math.prod(levels.values())
    if count > MOST_GRID_POINTS:
        widest = ", ".join(
            sorted((name for name in levels if levels[name] > 1), key=lambda name: -levels[name])
        )
        raise ConfigError(
            f"--searcher is grid, but this space has a grid of {count:,} points, but must have {MOST_GRID_POINTS:,}"
            f" or fewer: hold some of {widest} with --set, or take tpe or random."
        )
    if config.trials is not None and config.trials > count + enqueued:
        raise ConfigError(
            f"--trials is {config.trials}, but the grid has {count} points beside {enqueued} that come first: take"
            f" {count + enqueued} or fewer, or leave it out."
        )
    return config.trials or count + enqueued


def check_fits(plan: Plan, accelerators: Sequence[str] = ()) -> None:
    """See that at least one trial can run on the plan's machine; `accelerators` are the kinds of GPU that are known.

    Raises
    ------
    ConfigError
        There is no GPU, or no machine with so many processors.
    """
    config, machine, share = plan.config, plan.machine, plan.gpus_per_trial
    if config.accelerator is not None and not share:
        known = f" (the kinds here are {', '.join(accelerators)})" if accelerators else ""
        raise ConfigError(
            f"--accelerator is {config.accelerator}, but no trial would have such a GPU{known}: name another kind, or"
            " leave it out."
        )
    if share and not machine.gpus:
        raise ConfigError(
            f"--gpus-per-trial is {share:g}, but there is {machine}: take 0 to train on processors, or add machines"
            " with GPUs."
        )
    if config.gpu_hours is not None and not share:
        raise ConfigError(
            f"--gpu-hours is {config.gpu_hours:g}, but the trials use no GPU, there is {machine}: take --time-budget."
        )
    if not plan.concurrency:
        most = max(one.cpus for one in machine.members or (machine,) if one.gpus or not share)
        raise ConfigError(
            f"--cpus-per-trial is {config.cpus_per_trial}, but no machine{' with a GPU' if share else ''} has more"
            f" than {most}: take {most} or fewer."
        )


def _missing(defaults: Sequence[str], settings: Sequence[str]) -> list[str]:
    """The defaults whose name no setting gives."""
    given = {setting.partition("=")[0] for setting in settings}
    return [default for default in defaults if default.partition("=")[0] not in given]
