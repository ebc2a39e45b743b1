"""Time and GPU-hours: when another trial pays no more, and when all is used up."""

from datetime import UTC, datetime, timedelta

import pytest
from optuna.trial import TrialState, create_trial

from search.budget import Budget, busy_seconds, is_stalled

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def epoch(at=0.0, seconds=10.0, gpus=1.0):
    return {
        "timestamp": NOON + timedelta(seconds=at),
        "epoch_seconds": seconds,
        "gpu_seconds": seconds * gpus,
    }


def budget(clock, rows=(), **limits):
    limits = {"seconds": None, "gpu_seconds": None, "gpus": 1.0, **limits}
    return Budget(rows=rows, clock=clock, **limits)


def test_without_limits_nothing_is_ever_used_up(clock):
    open_end = budget(clock)
    open_end.enter(epoch())
    clock.now += 1e9
    assert open_end.used_up is None
    assert open_end.shortage(2, 100) is None


def test_time_ends_a_study_and_before_that_new_trials(clock):
    hour = budget(clock, seconds=100.0)
    assert hour.shortage(2, 0) is None
    hour.enter(epoch(seconds=10.0))
    clock.now += 79
    assert hour.shortage(2, 0) is None  # two epochs of 10 s come to the first rung just in time
    clock.now += 2
    assert hour.shortage(2, 0) == "the time budget"
    assert hour.shortage(1, 0) is None
    assert hour.used_up is None
    clock.now += 19
    assert hour.used_up == "the time budget"


def test_gpu_hours_are_counted_with_what_the_running_trials_will_use_meanwhile(clock):
    limited = budget(clock, gpu_seconds=100.0)
    for _ in range(4):
        limited.enter(epoch())
    assert limited.shortage(2, running=2) is None  # 40 spent, three trials for 20 s
    assert limited.shortage(2, running=3) == "the budget of GPU-hours"
    for _ in range(6):
        limited.enter(epoch())
    assert limited.used_up == "the budget of GPU-hours"


def test_what_is_kept_of_a_time_budget_is_spread_over_the_slots(clock):
    limited = budget(clock, seconds=100.0)
    limited.enter(epoch(seconds=10.0))
    # Two epochs to the first rung and, two at a time, three of six that are kept: 50 s.
    clock.now += 50
    assert limited.shortage(2, 0, kept=6, slots=2) is None
    clock.now += 1
    assert limited.shortage(2, 0, kept=6, slots=2) == "the time budget"
    assert limited.shortage(2, 0, kept=6, slots=3) is None
    assert limited.shortage(2, 0) is None


def test_what_is_kept_of_gpu_hours_is_kept_whatever_the_slots(clock):
    limited = budget(clock, gpu_seconds=100.0, gpus=0.5)
    for _ in range(4):
        limited.enter(epoch(gpus=0.5))
    # 20 spent; two trials for two epochs take 20, and ten epochs that are kept 50.
    assert limited.shortage(2, running=1, kept=10, slots=9) is None
    assert limited.shortage(2, running=1, kept=13, slots=9) == "the budget of GPU-hours"
    assert limited.shortage(2, running=1) is None


def test_earlier_runs_count_but_not_the_time_between(clock):
    rows = [epoch(at=10), epoch(at=15), epoch(at=5000), epoch(at=5010)]
    assert busy_seconds(rows) == pytest.approx(15 + 20)
    resumed = budget(clock, rows, seconds=60.0)
    clock.now += 20
    assert resumed.used_up is None
    clock.now += 6
    assert resumed.used_up == "the time budget"


def trial(begun, ended=None, *values):
    """A trial of the search, by the minutes in which it was begun and came to its end."""
    state = TrialState.RUNNING if ended is None else TrialState.COMPLETE if values else TrialState.PRUNED
    made = create_trial(state=state, values=values or None)
    made.datetime_start = NOON + timedelta(minutes=begun)
    made.datetime_complete = None if ended is None else NOON + timedelta(minutes=ended)
    return made


@pytest.mark.parametrize(
    ("trials", "stalled"),
    [
        ([], False),
        ([trial(at) for at in range(5)], False),  # none has come to its end yet
        ([trial(0, 1, 3.0), trial(2), trial(3)], True),
        ([trial(0, 1, 3.0), trial(2), trial(0.5)], False),  # one was begun before
        ([trial(0, 1, 3.0), trial(2, 3), trial(3, 4)], True),  # that they were stopped early makes no odds
        ([trial(0, 1, 3.0), trial(2, 5, 2.0), trial(3), trial(6)], False),
        ([trial(0, 1, 3.0), trial(2, 5, 4.0), trial(3), trial(6)], True),
        ([trial(0, 1, 3.0, 1.0), trial(2, 5, 4.0, 0.5), trial(3), trial(6)], False),  # another trade-off
        ([trial(2, 5, 4.0), trial(0, 9, 3.0), trial(6), trial(7)], False),  # in the order in which they ended
    ],
)
def test_a_search_stalls_when_so_many_trials_were_begun_since_one_was_among_the_best(trials, stalled):
    assert is_stalled(trials, 2) == stalled
