"""What the recorder makes of results and errors, told as Tune tells them."""

import itertools
import signal
from types import SimpleNamespace

import pytest
from ray import cloudpickle
from ray.exceptions import ActorDiedError, RayActorError, RayTaskError
from ray.tune.experiment import Trial
from rich.console import Console

from results.store import StudyError, StudyWriter
from search.budget import Budget
from search.failures import Failures
from search.live import Lines
from search.progress import Progress
from search.record import Brake, Recorder
from trainables.trainable import WornOutError


@pytest.fixture
def live(tmp_path):
    """Let a process of a trial report these epochs and end with an error, or be killed; the judgement of that."""
    failures, lives = Failures(), itertools.count()
    progress = Progress(trials=1, epochs=9, slots=1, objectives=("val_swd",))
    recorder = Recorder(
        StudyWriter(tmp_path / "study"),
        objectives=("val_swd",),
        epochs=9,
        seed=0,
        gpus=0.0,
        history={},
        display=Lines(Console(), progress),
        budget=Budget(seconds=None, gpu_seconds=None, gpus=0.0, rows=[]),
        failures=failures,
    )

    def live(*epochs, error=None, number=0):
        name = f"life{next(lives)}"
        file = tmp_path / f"{name}.pkl"
        file.write_bytes(cloudpickle.dumps(error or RayActorError()))
        trial = SimpleNamespace(
            trial_id=name,
            config={"number": number, "point": {"key": "a", "params": {"dropout": 0.1}}},
            status=Trial.RUNNING,
            pickled_error_file=str(file),
        )
        recorder.on_trial_start(0, [], trial)
        for epoch in epochs:
            result = {"epoch": epoch, "epoch_seconds": 1.0, "images_per_second": 9.0, "val_swd": 1.0 / epoch}
            recorder.on_trial_result(0, [], trial, result)
        recorder.on_trial_error(0, [], trial)
        return failures.judge(trial)

    return live


def test_a_trial_that_dies_in_the_same_epoch_in_three_processes_is_set_aside(live):
    assert live(1, 2).goes_on
    assert live(2).goes_on
    assert not live(1, 2).goes_on


def test_a_new_epoch_between_two_deaths_lets_a_trial_go_on(live):
    assert live(1, 2).goes_on
    assert live(2).goes_on
    assert live(2, 3).goes_on
    assert live(3).goes_on
    assert not live(3).goes_on


def test_a_process_that_takes_no_further_trial_costs_the_trial_nothing(live):
    for _ in range(4):
        worn_out = live(error=RayTaskError("reset", "the traceback", WornOutError()))
        assert worn_out.goes_on
        assert "another is started" in worn_out.reason
    assert live().goes_on


def unbuilt(reason):
    """What Ray makes of an error in the set-up of a trial's process."""
    traceback = f"\x1b[36mray::Trial.__init__()\x1b[39m (pid=1)\n  File x\n\x1b[31m{reason}\x1b[0m\n"
    return ActorDiedError(RayTaskError("__init__", traceback, ValueError()))


def test_an_error_in_the_set_up_is_told_by_its_own_line_and_ends_a_study_whose_first_trials_it_meets(live):
    missing = "ModuleNotFoundError: No module named 'kitten'"
    assert live(error=unbuilt(missing)).reason == missing
    assert not live(error=unbuilt("ValueError: width is 16.0"), number=1).goes_on
    live(error=unbuilt(missing), number=2)
    with pytest.raises(StudyError, match=r"first 3 trials failed alike .* No module named 'kitten'"):
        live(error=unbuilt(missing), number=3)


def test_once_a_trial_has_reported_others_may_fail_alike(live):
    live(1, number=9)
    for number in range(4):
        assert not live(error=unbuilt("ValueError: width is 16.0"), number=number).goes_on


def test_a_first_signal_ends_the_run_after_the_running_epochs_and_a_second_at_once():
    brake = Brake(Budget(seconds=None, gpu_seconds=None, gpus=0.0, rows=[]))
    before = signal.getsignal(signal.SIGTERM)
    heard = []
    with brake.on_interrupt(lambda: heard.append("stopping")):
        assert not brake.stop_all()
        signal.raise_signal(signal.SIGTERM)
        assert (heard, brake.stop_all(), brake.ending.status) == (["stopping"], True, 143)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_tune_takes_for_itself_when_it_starts_is_taken_back():
    brake = Brake(Budget(seconds=None, gpu_seconds=None, gpus=0.0, rows=[]))
    before = signal.getsignal(signal.SIGUSR1)
    with brake.on_interrupt(lambda: None):
        signal.signal(signal.SIGUSR1, lambda number, frame: None)
        brake.stop_all()
        signal.raise_signal(signal.SIGUSR1)
        assert brake.ending.status == 128 + signal.SIGUSR1
    assert signal.getsignal(signal.SIGUSR1) == before
