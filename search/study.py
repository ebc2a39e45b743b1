"""A study from its settings to its last file: data, weights, Tune, and what is left to do at the end.

A new study and one that is resumed take the same way: what to run is read from the journal and the tables, which
for a new study are empty.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from results.gallery import write_gallery
from results.store import StudyError, StudyFolder, StudyWriter, read_config, write_file
from search.admission import study_folder
from search.baselines import Baselines, BaselineTask
from search.config import ConfigError, StudyConfig
from search.gpus import GpuSurvey
from search.held_out import read_test_split
from search.identity import check_same_files, check_same_space, record_of
from search.live import say
from search.lock import StudyLock
from search.machine import accelerators, cluster, connect, joins_cluster
from search.packing import Packing, measure_packing
from search.plan import Plan, check_fits, make_plan
from search.points import Point
from search.precision import Precision, PrecisionCheck
from search.pretrained import Pretrained, PretrainedCheck
from search.sharing import check_shared
from trainables.data.nearby import SharedFile, copied, digest
from trainables.data.pack import PackReport, build_pack
from trainables.hardware import BESIDE_MB

if TYPE_CHECKING:
    from search.conduct import End
    from trainables.trainable import TrialConfig


JOIN_SECONDS = 60.0
"""What `ray up` needs at most from its end to the first worker."""


@dataclass(frozen=True)
class Outcome:
    """What a run of a study came to; its test split has so many `photos`."""

    folder: StudyFolder
    plan: Plan
    photos: int
    baselines: Baselines
    end: "End"


@dataclass(frozen=True)
class _Files:
    """What trials read, where all machines see it."""

    pack: SharedFile
    encoder: SharedFile | None
    perceptual: SharedFile | None


@dataclass(frozen=True)
class _Ground:
    """What a study's trials stand on."""

    report: PackReport
    pretrained: Pretrained
    files: _Files
    precision: Precision
    packing: Packing | None
    dashboard: str | None


def run(
    config: StudyConfig,
    console: Console,
    *,
    announce: Callable[[Plan, PackReport, Pretrained, Precision, Packing | None], None],
) -> Outcome:
    """Run what of the study is not done yet.

    `announce` is called once all is checked and the study is about to begin. Nothing is written to the study's
    folder before that.

    Raises
    ------
    ConfigError, DataError
        The settings, the data or the weights cannot be used, or another process runs this study.
    StudyError
        The study's folder can no longer be written; what was recorded before is intact.
    """
    folder = study_folder(config)
    lock = StudyLock(folder.lock, str(config.name)) if folder.config.exists() else None
    try:
        ground = _prepare(config, console)
        if ground.packing is not None:
            config = replace(config, gpus_per_trial=ground.packing.share)
        plan = make_plan(config, cluster(config.accelerator), ground.pretrained.encoder.encoders)
        announce(plan, ground.report, ground.pretrained, ground.precision, ground.packing)
        writer = StudyWriter(folder.path)
        lock = lock or StudyLock(folder.lock, str(config.name))
        return _run(plan, ground, writer, console)
    finally:
        if lock is not None:
            lock.release()


def _prepare(config: StudyConfig, console: Console) -> _Ground:
    """Start Ray and see to data, weights, precision and packing, at the same time as far as that goes."""
    folder = study_folder(config)
    recorded = read_config(folder) if folder.config.exists() else {}
    check = PretrainedCheck(config)
    try:
        joins = joins_cluster(config.address)
        with console.status("Starting Ray"):
            dashboard = connect(config.address)
            check_shared(config.storage)
        with console.status("Waiting for machines"):
            provisional = _provisional(config, patience=JOIN_SECONDS if joins else 0.0)
        check_fits(provisional, accelerators())
        survey = GpuSurvey(provisional)
        precision_check = PrecisionCheck(provisional, recorded.get("precision"))
        with console.status("Preparing the data"):
            cache = config.storage / ".packs"
            report = build_pack(config.data, provisional.image_size, seed=config.seed, cache=cache)
        with console.status("Checking the pretrained weights"):
            pretrained = check.finish()
        with console.status("Seeing to GPUs and precision"):
            gpus = survey.finish()
            precision = precision_check.finish(gpus)
    finally:
        check.cancel()
    if "val_kid" in config.objective and pretrained.encoder.path is None:
        raise ConfigError(
            f"--objective is {' '.join(config.objective)}, but val_kid needs the features of a trained MobileNetV2:"
            " name its weights with --encoder-weights PATH, or leave it out."
        )
    files = _Files(
        _on_storage(report.path, config.storage, joins=joins),
        *(
            None if weights.path is None else _on_storage(Path(weights.path), config.storage, joins=joins)
            for weights in (pretrained.encoder, pretrained.perceptual)
        ),
    )
    if recorded:
        check_same_files(recorded, report, pretrained)
    plan = make_plan(config, cluster(config.accelerator), pretrained.encoder.encoders)
    if recorded:
        check_same_space(recorded, plan)
    if plan.config.gpus_per_trial == "auto":
        with console.status("Measuring how many trials pay on one GPU"):
            packing: Packing | None = measure_packing(
                plan, gpus, files.pack, files.encoder, files.perceptual, precision
            )
    else:
        known = recorded.get("packing")
        packing = None if known is None else Packing(**known)
    return _Ground(report, pretrained, files, precision, packing, dashboard)


def _provisional(config: StudyConfig, patience: float) -> Plan:
    """Plan with every encoder: which there are is not known yet, and does not matter to size and precision.

    A cluster that has just been brought up gets its machines one after the other; wait for the first that fits.
    """
    until = time.monotonic() + patience
    while True:
        plan = make_plan(config, cluster(config.accelerator), ("unet", "mobilenetv2"))
        if plan.concurrency or time.monotonic() >= until:
            return plan
        time.sleep(1.0)


def _on_storage(file: Path, storage: Path, *, joins: bool) -> SharedFile:
    """Bring a file to where all machines of a cluster see it, also those that are yet to come, if one is joined."""
    sha256 = digest(file)
    if joins and not file.is_relative_to(storage):
        try:
            file = copied(file, sha256, storage / ".weights")
        except OSError as error:
            raise StudyError(
                f"{file} cannot be copied to {storage} for the cluster's machines ({error}): make room there."
            ) from None
    return SharedFile(str(file), sha256, os.uname().nodename)


def _run(plan: Plan, ground: _Ground, writer: StudyWriter, console: Console) -> Outcome:
    from search.conduct import conduct
    from trainables.trainable import Trial

    config, folder = plan.config, writer.folder
    record = record_of(
        plan, ground.report, ground.pretrained, ground.precision, ground.packing, ground.dashboard
    )
    if config.enqueue is not None and not folder.enqueued.exists():
        write_file(folder, folder.enqueued, config.enqueue.read_bytes())
    writer.write_config(record)
    baselines = (
        None if record["baselines"] else BaselineTask(ground.files.pack, config.seed, ground.files.encoder)
    )
    end = conduct(
        plan,
        writer,
        console,
        title=f"{config.name}: {plan.model} on {ground.report.source}",
        trainable=Trial,
        configure=lambda number, point: asdict(_trial(plan, ground, folder, number, point)),
    )
    found = baselines.get(wait=not end.status) if baselines else record["baselines"]
    if not end.status:
        with console.status("Measuring the best on the test split, which nothing has looked at"):
            found = read_test_split(
                plan,
                ground.files.pack,
                ground.files.encoder,
                end.journal,
                writer,
                found,
                partial(say, console, style="yellow"),
            )
    writer.write_config({**record, "baselines": found})
    write_gallery(folder)
    return Outcome(folder, plan, ground.report.counts["test"], found, end)


def _trial(
    plan: Plan,
    ground: _Ground,
    folder: StudyFolder,
    number: int,
    point: Point,
) -> "TrialConfig":
    from trainables.trainable import TrialConfig

    return TrialConfig(
        number=number,
        model=plan.model,
        params=dict(point.params),
        pack=ground.files.pack,
        epochs=plan.epochs,
        batch_size=plan.config.batch_size,
        seed=plan.config.seed if point.seed is None else point.seed,
        objectives=plan.config.objective,
        encoder_weights=ground.files.encoder,
        perceptual_weights=ground.files.perceptual,
        precision=ground.precision.name,
        xla=ground.precision.uses_xla(point.params),
        threads=plan.config.cpus_per_trial,
        gpu_share=plan.gpus_per_trial,
        gpu_beside_mb=BESIDE_MB if ground.packing is None else ground.packing.beside_mb,
        deterministic=plan.config.deterministic,
        last=str(folder.last_state(number)),
        previous=str(folder.previous_state(number)),
        best=str(folder.best_weights(number)),
        samples=str(folder.samples(number)),
        rungs=plan.rungs,
        owner=str(folder.owner(number)),
    )
