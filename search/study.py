"""A study from its settings to its last file: data, weights, Tune, and what is left to do at the end.

A new study and one that is resumed take the same way: what to run is read from the journal and the tables, which
for a new study are empty.
"""

import logging
import os
import platform
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from results.gallery import write_gallery
from results.store import StudyFolder, StudyWriter, read_config, read_epochs, read_trials
from search.admission import study_folder
from search.config import ConfigError, StudyConfig
from search.live import Display, Lines, Screen
from search.machine import cluster
from search.plan import ETA, Plan, make_plan
from search.precision import Precision, PrecisionCheck
from search.pretrained import Pretrained, PretrainedCheck
from search.progress import Progress
from trainables.data.pack import PackReport, build_pack

if TYPE_CHECKING:
    import optuna

    from trainables.trainable import TrialConfig

Baselines = dict[str, dict[str, float]]

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
"""For Ray: no output of its own, relative paths as typed, no telemetry, no tables beside ours, Ctrl-C left to us."""
_VERSIONS = ("ray", "optuna", "tensorflow", "keras", "numpy", "pyarrow")


_TUNE_FOLDER = ".tune"
"""Tune's own state, which a study does not need once it has ended: the journal and the tables are its record."""


@dataclass(frozen=True)
class Outcome:
    """How a run of a study ended; `interrupted` where trials are left to run."""

    folder: StudyFolder
    plan: Plan
    baselines: Baselines
    interrupted: bool
    seconds: float


def run(
    config: StudyConfig,
    console: Console,
    *,
    announce: Callable[[Plan, PackReport, Pretrained, Precision], None],
) -> Outcome:
    """Run what of the study is not done yet.

    `announce` is called once all is checked and the study is about to begin. Nothing is written to the study's
    folder before that.

    Raises
    ------
    ConfigError, DataError
        The settings, the data or the weights cannot be used.
    StudyError
        The study's folder can no longer be written; what was recorded before is intact.
    """
    check = PretrainedCheck(config)
    try:
        with console.status("Starting Ray"):
            dashboard = _connect(config.address)
        # With every encoder: which there are is not known yet, and does not matter to size and precision.
        provisional = make_plan(config, cluster(), ("unet", "mobilenetv2"))
        precision_check = PrecisionCheck(provisional, _recorded_precision(study_folder(config)))
        with console.status("Preparing the data"):
            cache = config.storage / ".packs"
            report = build_pack(config.data, provisional.image_size, seed=config.seed, cache=cache)
        with console.status("Checking the pretrained weights"):
            pretrained = check.finish()
        with console.status("Measuring the precisions"):
            precision = precision_check.finish()
    finally:
        check.cancel()
    if config.objective == "val_kid" and pretrained.encoder.path is None:
        raise ConfigError(
            "--objective is val_kid, but that needs the features of a trained MobileNetV2: name its weights with"
            " --encoder-weights PATH, or take val_swd."
        )
    plan = make_plan(config, cluster(), pretrained.encoder.encoders)
    _check_same(study_folder(plan.config), report, pretrained)
    announce(plan, report, pretrained, precision)
    return _run(plan, report, pretrained, precision, console, dashboard)


def _run(
    plan: Plan,
    report: PackReport,
    pretrained: Pretrained,
    precision: Precision,
    console: Console,
    dashboard: str | None,
) -> Outcome:
    from ray import tune

    from search.record import Brake, Recorder
    from search.scheduler import Rungs, SuccessiveHalving
    from search.searcher import OptunaSearcher, enqueue_references, make_sampler, open_journal
    from trainables.trainable import Trial

    folder = study_folder(plan.config)
    writer = StudyWriter(folder.path)
    record = _record(plan, report, pretrained, precision, dashboard)
    writer.write_config(record)
    study = open_journal(folder.journal, str(plan.config.name), plan.config.objective)
    study.sampler = make_sampler(plan.config.searcher, plan.config.seed)
    enqueue_references(study, plan.references)

    objective = plan.config.objective
    history = _history(folder)
    progress = Progress(trials=plan.trials, epochs=plan.epochs, slots=plan.concurrency)
    unfinished = _take_up(study, writer, progress, history, objective)
    title = f"{plan.config.name}: {plan.model} on {report.source}"
    display: Display = (
        Screen(console, title, objective, progress)
        if console.is_terminal
        else Lines(console, objective, progress)
    )
    searcher = OptunaSearcher(
        study,
        plan.space,
        objective=objective,
        epochs=plan.epochs,
        trials=plan.trials,
        unfinished=unfinished,
        configure=lambda number, params: asdict(
            _trial(plan, report, pretrained, precision, folder, number, params)
        ),
    )
    recorded = [(number, row["epoch"], row[objective]) for number, rows in history.items() for row in rows]
    brake = Brake()
    baselines = (
        None if record["baselines"] else _Baselines(report.path, plan.config.seed, pretrained.encoder.path)
    )
    recorder = Recorder(
        writer,
        objective=objective,
        epochs=plan.epochs,
        history={trial.number: history[trial.number] for trial in unfinished},
        display=display,
        brake=brake,
    )
    with brake.on_interrupt(display.stopping), display:
        # Not `Tuner`, which pickles searcher and callbacks to restore them: our record is the journal.
        tune.run(
            Trial,
            search_alg=searcher,
            scheduler=SuccessiveHalving(Rungs(plan.rungs, ETA), objective, recorded),
            num_samples=-1,
            max_concurrent_trials=plan.concurrency,
            reuse_actors=True,
            resources_per_trial={"cpu": plan.config.cpus_per_trial, "gpu": plan.gpus_per_trial},
            name=_TUNE_FOLDER,
            storage_path=str(folder.path),
            callbacks=[recorder],
            stop=brake,
            verbose=0,
            raise_on_failed_trial=False,
        )
    shutil.rmtree(folder.path / _TUNE_FOLDER, ignore_errors=True)
    if brake.error is not None:
        raise brake.error
    interrupted = not searcher.is_done
    found = baselines.get(wait=not interrupted) if baselines else record["baselines"]
    writer.write_config({**record, "baselines": found})
    writer.compact()
    write_gallery(folder)
    return Outcome(
        folder=folder,
        plan=plan,
        baselines=found,
        interrupted=interrupted,
        seconds=progress.seconds,
    )


def _connect(address: str | None) -> str | None:
    """Join the Ray cluster at `address` or on this machine, or start one; give its dashboard's address."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

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


def _check_same(folder: StudyFolder, report: PackReport, pretrained: Pretrained) -> None:
    """Refuse to go on with a study on other data, or with other pretrained networks, than it began with."""
    if not folder.config.exists():
        return
    earlier = read_config(folder)
    if earlier["data"]["fingerprint"] != report.fingerprint:
        raise ConfigError(
            f"the data in {report.source} has changed since the study {earlier['name']} began: bring back the files"
            " as they were, or start a study of another name."
        )
    encoder, perceptual = pretrained.encoder, pretrained.perceptual
    if earlier["encoder"]["available"] != encoder.available:
        raise ConfigError(
            f"the study {earlier['name']} began with this: {earlier['encoder']['note']}. Now it is: {encoder.note}."
            " Bring back the weights, or start a study of another name."
        )
    if perceptual.sha256 != earlier.get("perceptual", {}).get("sha256"):
        raise ConfigError(
            f"the weights in {perceptual.path} have changed since the study {earlier['name']} began, and with them"
            " the perceptual loss: bring back the file as it was, or start a study of another name."
        )


def _recorded_precision(folder: StudyFolder) -> dict[str, Any] | None:
    return read_config(folder)["precision"] if folder.config.exists() else None


def _record(
    plan: Plan, report: PackReport, pretrained: Pretrained, precision: Precision, dashboard: str | None
) -> dict[str, Any]:
    """What study.json holds; a study that goes on keeps when it was created and its baselines."""
    folder = study_folder(plan.config)
    earlier = read_config(folder) if folder.config.exists() else {}
    return {
        "name": plan.config.name,
        "created": earlier.get("created", datetime.now(UTC).isoformat(timespec="seconds")),
        "model": plan.model,
        "objective": plan.config.objective,
        "config": plan.config.to_record(),
        "fitted": earlier.get("fitted", list(plan.scaled)),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _VERSIONS},
        "git_commit": _git_commit(),
        "data": {
            "source": report.source,
            "fingerprint": report.fingerprint,
            "pack": str(report.path),
            "classes": report.classes,
            "counts": report.counts,
            "skipped": [list(item) for item in report.skipped],
        },
        "encoder": {"spec": plan.config.encoder_weights, **asdict(pretrained.encoder)},
        "perceptual": {"spec": plan.config.perceptual_weights, **asdict(pretrained.perceptual)},
        "precision": asdict(precision),
        "ray_dashboard": dashboard,
        "baselines": earlier.get("baselines", {}),
    }


def _git_commit() -> str | None:
    here = Path(__file__).parent
    git = shutil.which("git")
    if git is None:
        return None
    answer = subprocess.run(
        [git, "rev-parse", "--verify", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def _history(folder: StudyFolder) -> dict[int, list[dict[str, Any]]]:
    """Rows of the epochs recorded so far, by trial."""
    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in read_epochs(folder).to_pylist():
        rows[row["trial"]].append(row)
    return rows


def _take_up(
    study: "optuna.Study",
    writer: StudyWriter,
    progress: Progress,
    history: Mapping[int, list[dict[str, Any]]],
    objective: str,
) -> "list[optuna.trial.FrozenTrial]":
    """Bring table and display to what the journal knows, and give the trials that are to go on."""
    from optuna.trial import TrialState

    table = {row["trial"]: row for row in read_trials(writer.folder).to_pylist()}
    unfinished = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.WAITING:
            continue
        for row in history.get(trial.number, ()):
            progress.consider(trial.number, trial.user_attrs.get("reference"), row[objective], row["epoch"])
        if trial.state == TrialState.RUNNING:
            unfinished.append(trial)
            continue
        progress.end(trial.number, trial.state.name)
        entered = table.get(trial.number)
        if entered is not None and entered["state"] == "RUNNING":
            writer.record_trial({**entered, "state": trial.state.name})
    return unfinished


def _trial(
    plan: Plan,
    report: PackReport,
    pretrained: Pretrained,
    precision: Precision,
    folder: StudyFolder,
    number: int,
    params: dict[str, Any],
) -> "TrialConfig":
    from trainables.trainable import TrialConfig

    return TrialConfig(
        number=number,
        model=plan.model,
        params=params,
        pack=str(report.path),
        epochs=plan.epochs,
        batch_size=plan.config.batch_size,
        seed=plan.config.seed,
        objective=plan.config.objective,
        encoder_weights=pretrained.encoder.path,
        perceptual_weights=pretrained.perceptual.path,
        precision=precision.name,
        threads=plan.config.cpus_per_trial,
        gpu_share=plan.gpus_per_trial,
        last=str(folder.last_state(number)),
        previous=str(folder.previous_state(number)),
        best=str(folder.best_weights(number)),
        samples=str(folder.samples(number)),
        # The first epoch as well: a trial may not live to see a rung.
        strip_epochs=(1, *plan.rungs),
    )


class _Baselines:
    """The scores of two models that nobody trains, taken beside the first trials in a process of its own."""

    def __init__(self, pack: Path, seed: int, weights: str | None) -> None:
        import ray

        self._task = ray.remote(num_cpus=0, max_calls=1)(_score_baselines).remote(str(pack), seed, weights)

    def get(self, *, wait: bool) -> Baselines:
        """Give them; none where they could not be taken or, without `wait`, are not there yet."""
        import ray

        try:
            found: Baselines = ray.get(self._task, timeout=None if wait else 0)
        except ray.exceptions.RayError:
            return {}
        return found


def _score_baselines(pack: str, seed: int, weights: str | None) -> Baselines:
    from trainables import hardware

    hardware.configure(1, None)
    from trainables.data.pack import open_pack
    from trainables.features import feature_extractor
    from trainables.metrics import baselines

    opened = open_pack(Path(pack))
    features = None if weights is None else feature_extractor(Path(weights))
    return baselines(opened.images[opened.indices("validation")], seed=seed, features=features)
