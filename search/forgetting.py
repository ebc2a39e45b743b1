"""What of a study's trials Tune keeps in memory: of those that ended nothing, for a study has its own record."""

from typing import Any

from ray.tune.experiment import Trial

from search.scheduler import StudyScheduler


class ForgetfulScheduler(StudyScheduler):
    """A study's scheduler, which has Tune's own controller forget the trials that ended.

    Tune keeps them to its end, some 60 KiB of each. There is no public way to it.
    """

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take up a trial, without running averages of every number in its results, which nobody asks for."""
        trial.run_metadata._n_steps = ()
        super().on_trial_add(tune_controller, trial)

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
