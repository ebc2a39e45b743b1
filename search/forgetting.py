"""What of a study's trials Tune keeps in memory: of those that ended nothing, for a study has its own record."""

from typing import Any

from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial

from search.scheduler import StudyScheduler


class ForgetfulScheduler(StudyScheduler):
    """A study's scheduler, which has Tune's own controller forget the trials that ended, and much of all others.

    Tune keeps them to its end, some 60 KiB of each. There is no public way to it.
    """

    _resources: PlacementGroupFactory | None = None

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take up a trial, without what each has for itself and nobody asks for.

        These are statistics of every number in its results, its parameters once more, and the same resources as all.
        """
        trial.run_metadata.update_metric = _ignore
        trial.evaluated_params = {}
        self._resources = self._resources or trial.placement_group_factory
        trial.placement_group_factory = trial._default_placement_group_factory = self._resources
        super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Forget what Tune shows before a trial's first result, which Ray would keep, and decide."""
        trial._default_result_or_future = None
        return super().on_trial_result(tune_controller, trial, result)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Forget, and choose."""
        controller = tune_controller._tune_controller
        for ended in (controller._stopped_trials, controller._failed_trials):
            for trial in list(ended):
                # One that still has its process is on its way out.
                if trial not in controller._trial_to_actor:
                    ended.discard(trial)
                    controller._trials.remove(trial)
                    controller._trials_to_cache.discard(trial)
        return super().choose_trial_to_run(tune_controller)


def _ignore(*_: object, **__: object) -> None:
    """Keep no statistics."""
