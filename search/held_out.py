"""The test split, read once a study has ended: by finalists, references and confirmations, on all slots there are.

What is measured is `trainables.held_out`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from results.ranking import finalists, rank
from results.store import StudyFolder, StudyWriter, read_resamples, read_trials
from search.journal import Journal
from search.machine import accelerator_resource, cluster
from search.plan import Plan
from trainables.data.nearby import SharedFile, nearby

Baselines = dict[str, dict[str, float]]
Score = tuple[dict[str, float], dict[str, list[float]]]
"""A model's metrics on the test split, and the objectives on each resample of its photos."""


def read_test_split(
    plan: Plan,
    pack: SharedFile,
    encoder: SharedFile | None,
    journal: Journal,
    writer: StudyWriter,
    baselines: Baselines,
    say: Callable[[str], None],
) -> Baselines:
    """Measure on the test split what is compared in the end, and enter it in journal and tables.

    That are the complete trials of the front, the finalists, the references and all confirmations, as far as it was
    not done in an earlier run of the study. Needs Ray to be there, and free.

    Returns
    -------
    dict
        The `baselines`, with their metrics on the test split.
    """
    folder, objectives = writer.folder, plan.config.objective
    rows = {row["trial"]: row for row in read_trials(folder).to_pylist()}
    done = journal.measured().keys() & set(read_resamples(folder)["trial"].to_pylist())
    missing = [number for number in _compared(plan, folder) if number not in done]
    if not missing:
        return baselines
    examiners = Examiners(plan, pack, encoder, len(missing))
    on_test = examiners.baselines()
    for number, score in examiners.score(folder, missing, objectives):
        if isinstance(score, str):
            say(f"Trial {number} could not be measured on the test split: {score}")
            continue
        metrics, resampled = score
        writer.record_resamples(number, resampled)
        journal.measure(number, metrics)
        writer.record_trial(rows[number] | metrics)
    writer.flush()
    return {name: scores | on_test.get(name, {}) for name, scores in baselines.items()}


def _compared(plan: Plan, folder: StudyFolder) -> list[int]:
    trials, config = read_trials(folder), plan.config
    ranking = rank(trials, config.objective)
    wanted = {entry.trial for entry in ranking if entry.level == 0 or entry.reference is not None}
    wanted |= {entry.trial for entry in finalists(trials, config.objective, config.finalists)}
    wanted |= {
        row["trial"]
        for row in trials.to_pylist()
        if row["role"] == "confirmation" and row["state"] == "COMPLETE"
    }
    return sorted(wanted)


class Examiners:
    """Processes that measure models on the test split, one for each slot; needs Ray to be there, and free.

    Parameters
    ----------
    plan
        Says what a slot is.
    pack, encoder
        What the study's trials read.
    most
        Processes that are of use.
    """

    def __init__(self, plan: Plan, pack: SharedFile, encoder: SharedFile | None, most: int) -> None:
        import ray

        accelerator = plan.config.accelerator
        slots = cluster(accelerator).slots(plan.config.cpus_per_trial, plan.gpus_per_trial)
        kind = ray.remote(
            num_cpus=plan.config.cpus_per_trial,
            num_gpus=plan.gpus_per_trial,
            resources=accelerator_resource(accelerator),
        )(_Examiner)
        self._examiners = [
            kind.remote(pack, encoder, plan.config.cpus_per_trial, plan.gpus_per_trial)
            for _ in range(max(1, min(slots, most)))
        ]

    def baselines(self) -> Baselines:
        """The baselines' scores; none where they could not be taken."""
        import ray

        try:
            found: Baselines = ray.get(self._examiners[0].baselines.remote())
        except ray.exceptions.RayError:
            return {}
        return found

    def score(
        self, folder: StudyFolder, numbers: Sequence[int], objectives: Sequence[str]
    ) -> Iterator[tuple[int, Score | str]]:
        """Each trial's score, or why there is none, as they come."""
        import ray

        waiting, idle = list(numbers), list(self._examiners)
        running: dict[Any, tuple[int, Any]] = {}
        while waiting or running:
            while waiting and idle:
                number, examiner = waiting.pop(0), idle.pop()
                files = (folder.best_weights(number), objectives, folder.test_strip(number))
                running[examiner.score.remote(*files)] = number, examiner
            (done,), _ = ray.wait(list(running))
            number, examiner = running.pop(done)
            idle.append(examiner)
            try:
                yield number, ray.get(done)
            except ray.exceptions.RayError as error:
                yield number, str(getattr(error, "cause", None) or error).splitlines()[0]


class _Examiner:
    def __init__(self, pack: SharedFile, encoder: SharedFile | None, threads: int, gpu_share: float) -> None:
        from trainables import hardware

        hardware.configure(threads, gpu_share)
        from trainables.data.pack import open_pack
        from trainables.held_out import HeldOut

        self._held_out = HeldOut(open_pack(nearby(pack)), None if encoder is None else nearby(encoder))

    def baselines(self) -> Baselines:
        return self._held_out.baselines()

    def score(self, weights: Path, objectives: Sequence[str], sheet: Path) -> Score:
        return self._held_out.score(weights, objectives, sheet)
